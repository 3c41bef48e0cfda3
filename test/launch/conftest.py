"""Runs the real launch files with the real launch, as ``ros2 launch`` does."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ros_domains import own_domain

RUN = """
import sys
from launch import LaunchService
from launch.actions import IncludeLaunchDescription
from launch.launch_description_sources import PythonLaunchDescriptionSource

arguments = [tuple(word.split(":=", 1)) for word in sys.argv[2:]]
service = LaunchService()
service.include_launch_description(
    IncludeLaunchDescription(PythonLaunchDescriptionSource(sys.argv[1]), launch_arguments=arguments)
)
sys.exit(service.run())
"""


class RunningLaunch:
    """One launch in a process of its own; everything it prints is in ``output`` once it has ended."""

    def __init__(self, file: Path, arguments: list[str], environment: dict[str, str], log: Path):
        self._log = log
        with log.open("w") as stream:
            self._process = subprocess.Popen(
                [sys.executable, "-c", RUN, str(file), *arguments],
                stdout=stream,
                stderr=subprocess.STDOUT,
                env=environment,
                start_new_session=True,
            )

    @property
    def output(self) -> str:
        return self._log.read_text()

    def wait(self, timeout: float = 90.0) -> int:
        return self._process.wait(timeout)

    def wait_until(self, condition: Callable[[], object], what: str, timeout: float = 60.0) -> None:
        deadline = time.monotonic() + timeout
        while not condition():
            assert self._process.poll() is None, f"the launch ended before: {what}\n{self.output}"
            assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}\n{self.output}"
            time.sleep(0.1)

    def interrupt(self) -> int:
        """Send SIGINT to launch and nodes, as a terminal does; return the exit status."""
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGINT)
        return self.wait(30.0)

    def kill(self) -> None:
        if self._process.poll() is None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait(10.0)


@pytest.fixture
def domain() -> Iterator[int]:
    with own_domain() as number:
        yield number


@pytest.fixture
def run_launch(repository, domain, tmp_path) -> Iterator[Callable[..., RunningLaunch]]:
    """Return a function that starts launch/NAME.launch.py with ``argument:=value`` words."""
    from depth_perception.available import optional

    if optional("launch_ros") is None:
        pytest.skip("launch and launch_ros are not installed")
    started: list[RunningLaunch] = []

    def run(name: str, *arguments: str) -> RunningLaunch:
        environment = {**os.environ, "ROS_DOMAIN_ID": str(domain), "ROS_LOG_DIR": str(tmp_path / "ros_log")}
        log = tmp_path / f"launch{len(started)}.log"
        started.append(RunningLaunch(repository / "launch" / f"{name}.launch.py", list(arguments), environment, log))
        return started[-1]

    yield run
    for launch in started:
        launch.kill()
