"""The decomposition node: posed depth and labels in, surfaces of single objects out, over the live ROS graph.

Three threads: callbacks pair messages and hand the newest set over; the worker takes frames and fits the scene in
slices between them; the publisher encodes what the worker left, so that a long slice does not delay it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.timer import Timer

from depth_perception.frames import PosedDepth
from depth_perception.messages.decomposition_front import (
    DecompositionFront,
    DecompositionFrontSettings,
    FrontError,
    pose_of_odometry,
)
from depth_perception.messages.transform import transform_message
from depth_perception.messages.types import rclpy_types
from depth_perception.nodes.completion_inputs import CompletionInputs
from depth_perception.nodes.decomposition_diagnostics import NANOSECONDS, DecompositionDiagnostics
from depth_perception.nodes.decomposition_outputs import VIEW, DecompositionOutputs
from depth_perception.nodes.decomposition_services import DecompositionServices
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.ros.tf import TransformListener
from depth_perception.ros.worker import Worker

POLL = 0.05  # seconds of a steady clock between two looks at what waits for a partner
REST = 3.0  # times as long as taking the surfaces took, the scene is only fitted
SENSIBLE_AGE = 100.0  # seconds


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ValueError if the parameters make no sense together."""
    DecompositionFrontSettings.from_parameters(values, wants_labels=False)
    DecompositionSettings.from_parameters(values)


def input_topics(values: Mapping[str, Value]) -> list[tuple[str, str, str, str]]:
    """Return (role, base name, suffix, type) of the inputs that the parameters select."""
    image_type, compressed_type = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
    packed = values["image.transport"] == "compressed"
    deep = values["depth.transport"] == "compressedDepth"
    topics = [
        ("image", "image", "/compressed" if packed else "", compressed_type if packed else image_type),
        ("camera_info", "camera_info", "", "sensor_msgs/msg/CameraInfo"),
        ("depth", "depth", "/compressedDepth" if deep else "", compressed_type if deep else image_type),
    ]
    if values["labels.source"] != "builtin":
        topics.append(("labels", "labels", "", image_type))
    if values["pose.source"] == "odometry":
        topics.append(("odometry", "odometry", "", "nav_msgs/msg/Odometry"))
    return topics


class DecompositionNode(DecompositionDiagnostics):
    """See the module; topics, services and parameters are listed in pipelines/topics.py and its parameter table."""

    def __init__(self, **options: Any):
        """Declare the parameters and offer the services; raises ParameterError if values cannot be used."""
        self._worker: Worker | None = None
        self._publisher: Worker | None = None
        self._steady_timers: list[Timer] = []
        super().__init__("decomposition_node", DECOMPOSITION_PARAMETERS, check_values, **options)
        self._commands = DecompositionServices(self, self.scene_now, self.run_on_worker)
        self._segment: Callable[..., NDArray[np.int32]] | None = None
        self._newest_stamp = 0
        self._next_refresh = self._rest_until = 0.0

    # -- transitions ----------------------------------------------------------------------------

    def set_up(self) -> None:
        """Begin an empty scene, create publishers and listen to transforms.

        Raises ModelError or SegmenterError if what the parameters ask for cannot be had, before any frame waits for it.
        """
        values = self.parameters.values
        if values["labels.source"] != "topic":
            self._segmenter()
        self._scene = Decomposition(DecompositionSettings.from_parameters(values))
        self._listener = TransformListener(self, self.problem, float(values["transform.timeout"]))
        settings = DecompositionFrontSettings.from_parameters(values, values["labels.source"] == "topic")
        self._front = DecompositionFront(settings, self._listener.transforms, self._on_set, self._on_refused)
        self._outputs = DecompositionOutputs(self, self.problem)
        self._worker = Worker(self._work, self._on_worker_error, "decomposition_fitting", self._idle)
        self._publisher = Worker(self._publish, self._on_worker_error, "decomposition_publishing")
        self.hardware = str(values["device"])

    def begin(self) -> None:
        """Start the threads, then subscribe."""
        assert self._worker is not None and self._publisher is not None  # noqa: PT018
        values = self.parameters.values
        self._apply(values)
        self._quiet_since = self.now()
        self._worker.start()
        self._worker.between(lambda: limit_threads(int(values["optimization.threads"])))
        self._publisher.start()
        front = self._front
        self._inputs = CompletionInputs(
            self,
            front,
            lambda: self.parameters.values,
            self.now,
            self._on_set,
            self.problem,
            self.on_time_jump,
            frozenset({"labels"}) if values["labels.source"] == "auto" else frozenset(),
            input_topics(values),
            {
                "image": front.on_image,
                "camera_info": front.on_camera_info,
                "depth": front.on_depth,
                "labels": front.on_labels,
                "odometry": self._on_odometry,
            },
        )
        self._steady_timers = [
            self.create_timer(POLL, self._poll, clock=self.steady_clock),
            self.create_timer(float(values["output.period"]), self._due, clock=self.steady_clock),
        ]

    def end(self) -> bool:
        """Unsubscribe and stop the threads; the scene stays."""
        for timer in self._steady_timers:
            self.destroy_timer(timer)
        self._steady_timers = []
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        self._front.reset("deactivated")
        stopped = [worker.stop() for worker in (self._worker, self._publisher) if worker is not None]
        self._commands.give_up("the node was deactivated before this was done")
        return all(stopped)

    def tear_down(self) -> None:
        """Destroy publishers and forget the scene."""
        self._worker = self._publisher = self._segment = None
        for name in ("_listener", "_outputs"):
            if hasattr(self, name):
                getattr(self, name).close()
                delattr(self, name)
        if hasattr(self, "_scene"):
            del self._scene
        self._figures = None

    # -- executor's thread ----------------------------------------------------------------------

    def on_parameters(self, values: Mapping[str, Value]) -> None:
        """Take a change between two frames."""
        if self._worker is not None and self._worker.is_running:
            self._worker.between(lambda: self._apply(values))

    def on_time_jump(self, reason: str) -> None:
        """Forget all that was buffered. The scene stays: it stands still, whatever the clock says."""
        self.problem("time_jump", "", f"{reason}; all buffers were cleared, the scene stays")
        self._front.reset("time_jump")
        self._listener.transforms.clear()
        if self._worker is not None and self._worker.clear():
            self._drops.add("time_jump")
        if self._inputs is not None:
            self._inputs.reset()
        self._taken.reset()
        self._quiet_since = self.now()

    def scene_now(self) -> Decomposition | None:
        """Return the scene, None if the node is not configured."""
        return getattr(self, "_scene", None)

    def run_on_worker(self, task: Callable[[], None]) -> bool:
        """Run ``task`` between two slices; False if the node is not active, and then nothing else uses the scene."""
        if self._worker is None or not self._worker.is_running:
            return False
        self._worker.between(task)
        return True

    def _on_set(self, synced: SyncedSet) -> None:
        assert self._worker is not None
        if self._worker.put((synced, time.perf_counter())):
            self._drops.add("superseded")

    def _on_odometry(self, message: Any, now: int) -> None:
        try:
            parent, child, stamp, T = pose_of_odometry(message)
        except ValueError as error:
            self._drops.add("bad_odometry")
            self.problem("bad_odometry", self._topic("odometry"), str(error))
            return
        self._listener.transforms.insert(transform_message(rclpy_types(), parent, child, stamp, T), False)

    def _poll(self) -> None:
        now = self.now()
        if now > 0:
            self._front.poll(now)
        if self._quiet_since <= 0:
            self._quiet_since = now
        self._listener.review()

    def _due(self) -> None:
        source = self.parameters.values["labels.source"]
        wants = source == "topic" or (source == "auto" and self.count_publishers(self._topic("labels")) > 0)
        if wants != self._front.settings.wants_labels:
            self._front.settings = replace(self._front.settings, wants_labels=wants)
        if self._publisher is not None:
            self._publisher.put(self._newest_stamp or self.now())

    # -- publisher's thread ---------------------------------------------------------------------

    def _publish(self, stamp: int) -> None:
        started = time.perf_counter()
        frame = self._front.settings.fixed_frame
        self._outputs.publish_objects(self._scene.snapshot, stamp, frame, self.parameters.values)
        self._latency.add({"publish": time.perf_counter() - started})

    # -- worker's thread ------------------------------------------------------------------------

    def _apply(self, values: Mapping[str, Value]) -> None:
        self._listener.transforms.timeout = float(values["transform.timeout"])
        wants = self._front.settings.wants_labels
        self._front.settings = DecompositionFrontSettings.from_parameters(values, wants)

    def _work(self, item: tuple[SyncedSet, float]) -> None:
        synced, handed_over = item
        values, clock = self.parameters.values, time.perf_counter
        started = clock()
        try:
            frame = self._front.assemble(synced)
            decoded = clock()
            frame, kept = self._add(frame)
        except FrontError as error:
            self._on_unusable(error)
            return
        added = clock()
        latency = {"wait": started - handed_over, "decode": decoded - started, "add": added - decoded}
        self._newest_stamp = max(self._newest_stamp, frame.stamp)
        self._taken.tick(self.now() or frame.stamp)
        self._figures = self._scene.status()
        wanted = self._outputs.wanted() & VIEW
        if wanted:
            self._outputs.publish_view(frame, self._view(frame, values), wanted, values)
            latency["view"] = clock() - added
        age = (self.now() - frame.stamp) / NANOSECONDS
        if 0 <= age < SENSIBLE_AGE:  # else the stamps are of another clock, as in a recording without /clock
            latency["age of image"] = age
        self._latency.add(latency)
        if kept:
            self._next_refresh = min(self._next_refresh, time.monotonic() + float(values["output.period"]))

    def _add(self, frame: PosedDepth) -> tuple[PosedDepth, bool]:
        """Return the frame with its labels, and whether it was kept; raises FrontError if it cannot be used."""
        try:
            if frame.labels is None:
                self._labels_from = f"segmenter {self.parameters.values['labels.segmenter']}"
                if not self._scene.would_keep(frame):
                    return frame, False
                frame = replace(frame, labels=self._segmenter()(frame.image, frame.depth, frame.camera))
            else:
                self._labels_from = self._topic("labels")
            return frame, self._scene.add(frame)
        except ValueError as error:
            raise FrontError("bad_frame", "image", str(error)) from error

    def _segmenter(self) -> Callable[..., NDArray[np.int32]]:
        if self._segment is None:
            from depth_perception.models.segmentation.choice import load_segmenter

            values = self.parameters.values
            self._segment = load_segmenter(str(values["labels.segmenter"]), str(values["device"]))
        return self._segment

    def _view(self, frame: PosedDepth, values: Mapping[str, Value]) -> NDArray[np.int32]:
        """Return the ids of the objects at the frame's pixels."""
        stride = int(values["output.view_stride"])
        if values["output.view"] == "model":
            small = self._scene.render_labels(frame.camera, frame.T_world_camera, stride)
        elif values["output.view"] == "both":
            small = self._scene.label_view(frame, stride)
        else:
            small = self._scene.label_frame(frame, stride)
        if stride == 1:
            return small
        height, width = frame.camera.shape
        return np.repeat(np.repeat(small, stride, axis=0), stride, axis=1)[:height, :width]

    def _idle(self) -> float | None:
        """Fit for a slice; return how long to sleep for the share that is allowed, None if there is nothing to do."""
        assert self._worker is not None
        values, worker = self.parameters.values, self._worker
        started = time.monotonic()
        if started < self._rest_until:  # called early, as a frame came meanwhile
            return self._rest_until - started
        steps = self._scene.work(float(values["optimization.slice"]), lambda: worker.is_called)
        spent = time.monotonic() - started
        if steps:
            self._latency.add({"step": spent / steps})
            self._losses = dict(getattr(self._scene.last_report, "losses", {}))
        if time.monotonic() >= self._next_refresh or not steps:
            before = time.monotonic()
            if self._scene.refresh():
                took = time.monotonic() - before
                self._latency.add({"surfaces": took})
                self._next_refresh = before + took + max(REST * took, float(values["output.period"]))
            elif not self._scene.pending:
                self._figures = self._scene.status()
                return None
        self._figures = self._scene.status()
        share = float(values["optimization.cpu_share"])
        now = time.monotonic()
        self._rest_until = now + (now - started) * (1.0 - share) / share
        return self._rest_until - now

    def _on_worker_error(self, error: Exception) -> None:
        if self.context.ok():
            self._drops.add("exception")
            self.problem("exception", "decomposition", f"{type(error).__name__}: {error}")


def limit_threads(count: int) -> None:
    """Let torch use ``count`` threads in this process; 0 leaves it as it is."""
    if count:
        import torch

        torch.set_num_threads(count)
