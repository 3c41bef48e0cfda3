"""The evaluation node: watches the live graph while a recording plays, then scores the recording and reports both.

Scores come from the recording itself, never from what happened to arrive, so they can be repeated.
The scoring waits until playing has ended: it would steal time from the nodes that are being timed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rclpy.clock import Clock, ClockType
from rclpy.node import Node

from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.report import write_report
from depth_perception.evaluation.summary import summary_table
from depth_perception.nodes.completion_inputs import input_topics
from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS
from depth_perception.nodes.live_watch import LiveWatch
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameters import ParameterError, Value, read_parameter_file
from depth_perception.ros.parameters import NodeParameters

POLL = 0.1  # seconds between two looks at whether playing has ended
PATIENCE = 10.0  # seconds to wait for a frame in progress when the node is stopped


def evaluation_settings(values: Mapping[str, Value]) -> EvaluationSettings:
    """Translate the node's parameters; raises ValueError, or OSError for a parameter file that cannot be read."""

    def topic(name: str) -> str | None:
        return str(values[f"topics.{name}"]) or None

    parameters: dict[str, Value] = {}
    if values["params_file"]:
        parameters = read_parameter_file(str(values["params_file"]), COMPLETION_PARAMETERS, "completion_node")
    models = tuple(part.strip() for part in str(values["models"]).split(",") if part.strip())
    return EvaluationSettings(
        recording=Path(str(values["bag"])),
        topics=TopicChoice(topic("image"), topic("camera_info"), topic("points"), topic("depth"), topic("truth")),
        models=models,
        holdout=Holdout.parse(str(values["holdout"]), int(values["seed"])) if values["holdout"] else None,
        parameters=parameters,
        truth_folder=Path(str(values["truth_folder"])) if values["truth_folder"] else None,
        truth_scale=float(values["truth_scale"]),
        frames=int(values["frames"]),
        every=int(values["every"]),
        seed=int(values["seed"]),
    )


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ParameterError for what cannot be evaluated."""
    if not values["bag"]:
        raise ParameterError("bag: give the recording to score, for instance -p bag:=/data/drive.mcap")
    if not Path(str(values["bag"])).exists():
        raise ParameterError(f"bag: {values['bag']} does not exist")
    try:
        evaluation_settings(values)
    except OSError as error:
        raise ParameterError(f"params_file: {error}") from error


class EvaluationNode(Node):
    """``exit_status`` becomes 0 when the report is written, 1 if that failed."""

    def __init__(self, **options: Any):
        """Declare parameters and begin to watch; raises ParameterError."""
        super().__init__("evaluation_node", **options)
        self.exit_status: int | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self.parameters = NodeParameters(self, EVALUATION_PARAMETERS, check_values)
        values = self.parameters.values
        self._watch: LiveWatch | None = None
        if values["live"]:
            completion = COMPLETION_PARAMETERS.resolve(evaluation_settings(values).parameters)
            self._watch = LiveWatch(self, str(values["completion_node"]), input_topics(completion))
        self._began = time.monotonic()
        self._timer = self.create_timer(POLL, self._look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def close(self) -> bool:
        """Stop; what has been scored until now is still written."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(PATIENCE)
            return not self._thread.is_alive()
        return True

    def _look(self) -> None:
        """Start scoring once nothing is playing any more."""
        values, watch = self.parameters.values, self._watch
        if watch is not None:
            if not watch.has_started:
                if time.monotonic() - self._began < float(values["start_timeout"]):
                    return
                self.get_logger().warning(
                    f"neither /clock nor outputs of {values['completion_node']} were seen in "
                    f"{values['start_timeout']:g} s; the report will have no live part"
                )
            elif watch.quiet_for() < float(values["silence"]) and not watch.has_looped:
                return
        self._timer.cancel()
        self._thread = threading.Thread(target=self._main, name="evaluation", daemon=True)
        self._thread.start()

    def _main(self) -> None:
        values, status = self.parameters.values, 0
        live = self._watch.statistics.as_dict() if self._watch is not None and self._watch.has_started else None
        try:
            self.get_logger().info(f"scoring {values['bag']}")
            result = evaluate(evaluation_settings(values), should_stop=self._stop.is_set)
            if result.frames:
                written = write_report(result, str(values["out"]), live)
                self.get_logger().info("scores:\n" + summary_table(result))
                self.get_logger().info(f"report: {written['report'][0].resolve()}")
            elif not self._stop.is_set():
                status = 1
        except Exception as error:  # errors of the recording name file and reason; none may end in silence
            self.get_logger().error(f"evaluation failed: {error}")
            status = 1
        if self.parameters.values["exit_when_done"]:
            self.exit_status = status
