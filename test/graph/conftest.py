"""Real processes over real DDS, watched by a node of the test: everything bounded by deadlines, nothing sleeps."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import MessageTypes, rosbags_types
from depth_perception.recordings.writer import RecordingWriter

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ros_domains import own_domain

REPOSITORY = Path(__file__).resolve().parents[2]
PATIENCE = 30.0  # seconds that a noisy machine may take for anything at all
START = 1_700_000_000_000_000_000
CAMERA_FRAME, LIDAR_FRAME = "camera_optical_frame", "lidar"


def pytest_collection_modifyitems(items):
    for item in items:
        if "test/graph" in str(item.path).replace(os.sep, "/"):
            item.add_marker(pytest.mark.graph)


@pytest.fixture(scope="session", autouse=True)
def built_workspace():
    """The nodes need DepthInfo; its absence is a failure with a remedy, not a skip."""
    try:
        import rclpy  # noqa: F401

        import depth_perception.msg
    except ImportError as error:
        pytest.fail(f"the workspace is not built or not sourced ({error}); type: make build, then: . scripts/env.sh")
    assert Path(depth_perception.__file__).resolve().is_relative_to(REPOSITORY), (
        "an installed copy shadows the checkout"
    )
    os.environ["OMP_NUM_THREADS"] = "1"


# -- a scene: a wall seen by a camera and a LiDAR that looks along x ---------------------------------


@dataclass
class Scene:
    """A slanted wall, 2 m away on the left and 3 m on the right of the picture."""

    width: int = 64
    height: int = 48
    points: int = 400
    camera: CameraModel = field(init=False)

    def __post_init__(self):
        self.camera = CameraModel.pinhole(
            50.0, 50.0, (self.width - 1) / 2, (self.height - 1) / 2, self.width, self.height
        )
        random = np.random.default_rng(7)
        self.picture = random.integers(0, 255, (self.height, self.width, 3), dtype=np.uint8)
        self.pixels = random.uniform((0, 0), (self.width - 1, self.height - 1), (self.points, 2))

    # the wall is a plane, so inverse depth is linear in the pixel
    def depth_at(self, columns):
        return 1.0 / (0.5 + (1 / 3 - 0.5) * np.asarray(columns) / (self.width - 1))

    @property
    def cloud(self) -> np.ndarray:
        """Points in the LiDAR's frame: x forward, y left, z up."""
        K, z = self.camera.K, self.depth_at(self.pixels[:, 0])
        x, y = (self.pixels[:, 0] - K[0, 2]) / K[0, 0] * z, (self.pixels[:, 1] - K[1, 2]) / K[1, 1] * z
        return np.stack([z, -x, -y], axis=1).astype(np.float32)

    @property
    def T_lidar_camera(self) -> np.ndarray:
        T = np.eye(4)
        T[:3, :3] = [[0, 0, 1], [-1, 0, 0], [0, -1, 0]]
        return T

    def image(self, types: MessageTypes, stamp: int, encoding: str = "rgb8") -> Any:
        message = encode_image(types, self.picture, "rgb8", stamp, CAMERA_FRAME)
        message.encoding = encoding
        return message

    def camera_info(self, types: MessageTypes, stamp: int) -> Any:
        return info_from_camera(types, self.camera, stamp, CAMERA_FRAME)

    def points_message(self, types: MessageTypes, stamp: int) -> Any:
        return encode_cloud(types, self.cloud, stamp, LIDAR_FRAME)

    def static_tf(self, types: MessageTypes, stamp: int) -> Any:
        return tf_message(types, [transform_message(types, LIDAR_FRAME, CAMERA_FRAME, stamp, self.T_lidar_camera)])

    def record(
        self, path: Path, frames: int, rate: float, cameras: tuple[str, ...] = ("/camera",), unplugged: range = range(0)
    ) -> Path:
        """Write a recording; each camera has its own topics and stamps, 20 ms apart; scans come 5 ms after images.

        ``unplugged``: the frames at which there are no scans.
        """
        types = rosbags_types()
        with RecordingWriter(path, typestore=types.typestore) as writer:
            writer.write("/tf_static", self.static_tf(types, START), START)
            for index in range(frames):
                for place, camera in enumerate(cameras):
                    stamp = START + round(index * 1e9 / rate) + place * 20_000_000
                    writer.write(f"{camera}/camera_info", self.camera_info(types, stamp), stamp + 1_000_000)
                    writer.write(f"{camera}/image", self.image(types, stamp), stamp + 1_000_000)
                    if index not in unplugged:
                        scan = self.points_message(types, stamp + 5_000_000)
                        writer.write(f"{camera}/points", scan, stamp + 6_000_000)
        return path


@pytest.fixture(scope="session")
def scene() -> Scene:
    return Scene()


@pytest.fixture(scope="session")
def estimator_file(tmp_path_factory) -> Path:
    """Weights of a small, untrained GAM-Depth."""
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    from depth_perception.models import families, networks, weights

    values = {"widths": [4] * 5, "blocks": [1] * 4, "decoder": [4] * 5, "height": 64, "width": 96}
    config = families.configuration("monocular", values)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        state = networks.build("monocular", config).state_dict()
    tensors = {name: value.numpy() for name, value in state.items() if value.is_floating_point()}
    path = tmp_path_factory.mktemp("weights") / "tiny.safetensors"
    weights.write(weights.Weights("monocular", "estimation-small", "0.0-test", config, tensors), path)
    return path


@pytest.fixture(scope="session")
def recording(tmp_path_factory, scene) -> SimpleNamespace:
    """Two seconds of one camera, 20 images at 10 Hz."""
    path = scene.record(tmp_path_factory.mktemp("recordings") / "wall", frames=20, rate=10.0)
    return SimpleNamespace(path=path, stamps=[START + index * 100_000_000 for index in range(20)])


# -- processes ---------------------------------------------------------------------------------------


class NodeProcess:
    """One node as a process; its output is kept in a file."""

    def __init__(self, name: str, command: list[str], environment: dict[str, str], folder: Path):
        self.name = name
        self.may_fail = False
        self._log = tempfile.NamedTemporaryFile(dir=folder, prefix=name, suffix=".log", delete=False)  # noqa: SIM115
        self._process = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=self._log, stderr=subprocess.STDOUT, cwd=folder
        )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def output(self) -> str:
        return Path(self._log.name).read_text(errors="replace")

    @property
    def returncode(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float = PATIENCE) -> int:
        try:
            return self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.name} still runs after {timeout} s; it wrote:\n{self.output}") from None

    def interrupt(self, timeout: float = PATIENCE) -> int:
        """Send SIGINT and wait for the end."""
        if self.returncode is None:
            self._process.send_signal(signal.SIGINT)
        return self.wait(timeout)

    def has_loaded(self, library: str) -> bool:
        """True once the process has mapped a shared library of this name, so Python is past its own start."""
        try:
            return library in Path(f"/proc/{self.pid}/maps").read_text()
        except OSError:
            return False

    def close(self) -> None:
        try:
            if self.returncode is None:
                self.interrupt(10.0)
        except AssertionError:
            self._process.kill()
            self._process.wait()
            raise
        finally:
            self._log.close()


class Graph:
    """A private ROS domain with processes and an observing node."""

    def __init__(self, domain: int, folder: Path):
        self.domain = domain
        self.folder = folder
        self._processes: list[NodeProcess] = []
        self._observer: Observer | None = None

    def start(
        self,
        executable: str,
        *ros_arguments: str,
        environment: dict[str, str] | None = None,
        may_fail: bool = False,
    ) -> NodeProcess:
        """Start a script of the package, or one given by its path, with arguments after --ros-args."""
        variables = {**os.environ, "ROS_DOMAIN_ID": str(self.domain), "PYTHONUNBUFFERED": "1", **(environment or {})}
        variables["PYTHONPATH"] = os.pathsep.join([str(REPOSITORY), variables.get("PYTHONPATH", "")])
        command = [sys.executable, str(REPOSITORY / "scripts" / executable)]
        command += ["--ros-args", *ros_arguments] if ros_arguments else []
        process = NodeProcess(Path(executable).stem, command, variables, self.folder)
        process.may_fail = may_fail
        self._processes.append(process)
        return process

    def completion(
        self, *ros_arguments: str, model: str = "fast", period: float = 0.2, executable: str = "completion_node"
    ) -> NodeProcess:
        """Start a completion node with quick diagnostics."""
        own = ("-p", f"model:={model}", "-p", f"diagnostics.period:={period}", "-p", "transform.timeout:=0.5")
        # what stands by for missing range data has tests of its own, and would answer in those of completion
        return self.start(executable, *own, "-p", "fallback.model:=none", *ros_arguments)

    def estimation(self, *ros_arguments: str, period: float = 0.2) -> NodeProcess:
        """Start an estimation node with quick diagnostics."""
        own = ("-p", f"diagnostics.period:={period}", "-p", "transform.timeout:=0.5")
        return self.start("estimation_node", *own, *ros_arguments)

    def decomposition(self, *ros_arguments: str, period: float = 0.2) -> NodeProcess:
        """Start a decomposition node with the tiny model and quick diagnostics."""
        own = ("-p", "profile:=tiny", "-p", f"diagnostics.period:={period}", "-p", "transform.timeout:=0.5")
        return self.start("decomposition_node", *own, "-p", "output.period:=0.2", *ros_arguments)

    def play(self, bag: Path, *ros_arguments: str) -> NodeProcess:
        """Start a bag player."""
        return self.start("bag_player_node", "-p", f"bag:={bag}", *ros_arguments)

    @property
    def observer(self) -> Observer:
        if self._observer is None:
            self._observer = Observer(self)
        return self._observer

    def close(self) -> None:
        if self._observer is not None:
            self._observer.close()
        for process in self._processes:
            process.close()

    def check(self) -> None:
        """Fail with its output if a process ended by itself with an error."""
        for process in self._processes:
            fine = process.may_fail or process.returncode in (None, 0)
            assert fine, f"{process.name} ended with {process.returncode}:\n{process.output}"

    def outputs(self) -> str:
        return "\n".join(f"--- {process.name}\n{process.output}" for process in self._processes)


class Observer:
    """A node in the test's own process and context; it spins only while the test waits."""

    def __init__(self, graph: Graph):
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self.graph = graph
        self.context = Context()
        rclpy.init(context=self.context, domain_id=graph.domain)
        self.node = rclpy.create_node("observer", context=self.context)
        self._executor = SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self.diagnostics: dict[str, Any] = {}
        from diagnostic_msgs.msg import DiagnosticArray

        self.node.create_subscription(DiagnosticArray, "/diagnostics", self._take_diagnostics, 10)

    def close(self) -> None:
        self._executor.shutdown()
        self.node.destroy_node()
        self.context.try_shutdown()

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = PATIENCE) -> Any:
        """Spin until ``condition`` returns something true, and return it."""
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            self.graph.check()
            if time.monotonic() > deadline:
                statuses = "\n".join(f"{s.name}: {s.message}" for s in self.diagnostics.values())
                raise AssertionError(f"not within {timeout} s: {what}\n{statuses}\n{self.graph.outputs()}")
            self._executor.spin_once(timeout_sec=0.05)
        return result

    def spin_for(self, seconds: float) -> None:
        """Listen for a while, where a test shows that something does not happen."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self._executor.spin_once(timeout_sec=0.05)

    def collect(self, kind: type, topic: str, qos: Any = 10) -> list:
        """Subscribe and return the list that messages are appended to."""
        messages: list = []
        subscription = self.node.create_subscription(kind, topic, messages.append, qos)
        messages_by_subscription = getattr(self, "_collected", [])
        messages_by_subscription.append((messages, subscription))
        self._collected = messages_by_subscription
        return messages

    def stop_collecting(self) -> None:
        """Unsubscribe from everything that ``collect`` subscribed to."""
        for _, subscription in getattr(self, "_collected", []):
            self.node.destroy_subscription(subscription)
        self._collected = []

    def call(self, kind: type, service: str, request: Any) -> Any:
        """Call a service and return its response."""
        client = self.node.create_client(kind, service)
        try:
            self.wait(client.service_is_ready, f"service {service}")
            future = client.call_async(request)
            self.wait(future.done, f"answer of {service}")
            return future.result()
        finally:
            self.node.destroy_client(client)

    def set_parameters(self, node: str, **values: Any) -> list:
        """Set parameters of a node (dots written as two underscores); returns the results."""
        from rcl_interfaces.srv import SetParameters
        from rclpy.parameter import Parameter

        request = SetParameters.Request()
        for name, value in values.items():
            request.parameters.append(Parameter(name.replace("__", "."), value=value).to_parameter_msg())
        return self.call(SetParameters, f"{node}/set_parameters", request).results

    def status(self, task: str, node: str = "completion_node") -> Any:
        """Return the newest status ``<node>: <task>`` with its values as a dictionary, or None."""
        found = self.diagnostics.get(f"{node}: {task}")
        if found is None:
            return None
        return SimpleNamespace(
            level=found.level[0], message=found.message, values={item.key: item.value for item in found.values}
        )

    def wait_for_outputs(self, *topics: str, node: str = "completion_node") -> None:
        """Wait until the completion node knows that somebody subscribes to these outputs."""

        def known() -> bool:
            status = self.status("completion", node)
            return status is not None and set(topics) <= set(status.values.get("subscribed outputs", "").split(", "))

        self.wait(known, f"{node} sees subscribers of {', '.join(topics)}")

    def _take_diagnostics(self, message: Any) -> None:
        for status in message.status:
            self.diagnostics[status.name] = status


@pytest.fixture
def graph(tmp_path) -> Iterator[Graph]:
    """A graph for one test."""
    with own_domain() as domain:
        made = Graph(domain, tmp_path)
        try:
            yield made
        finally:
            made.close()


@pytest.fixture(scope="module")
def shared_graph(tmp_path_factory) -> Iterator[Graph]:
    """A graph for all tests of a module."""
    with own_domain() as domain:
        made = Graph(domain, tmp_path_factory.mktemp("graph"))
        try:
            yield made
        finally:
            made.close()
