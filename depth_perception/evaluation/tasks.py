"""What an evaluation runs: completion, or estimation from images alone. Each with its own front, pipeline, parameters.

Both are the very objects of the live node. In estimation, measured points tell the scale as they do on the robot, and
those that are held out do not.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from depth_perception.evaluation.model_choice import load_estimator, load_model
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.replay import Replay
from depth_perception.frames import DepthEstimate
from depth_perception.messages.estimation_front import EstimationFront, FloorFrame
from depth_perception.messages.front import CompletionFront, FrontError, FrontSettings
from depth_perception.models.learned import LearnedCompleter
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.estimation import EstimationInput, EstimationPipeline, EstimationSettings
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.model_selection import warm_up_estimator
from depth_perception.pipelines.parameters import ParameterTable, Value
from depth_perception.recordings.reader import Recording


@dataclass(frozen=True)
class CompletionTask:
    """Dense depth from an image and sparse points.

    ``stage``: the name of the model's own time. ``points``: what measured points are to it. ``needs_target``: an
    evaluation without anything to score is refused. ``hint``: what the world frame of a recording would be good for.
    ``oldest`` [s]: points farther from the image in time score nothing, unless their motion is undone.
    """

    name: ClassVar[str] = "completion"
    title: ClassVar[str] = "Depth completion"
    stage: ClassVar[str] = "complete"
    points: ClassVar[str] = "Input"
    needs_target: ClassVar[bool] = True
    oldest: ClassVar[float] = float("inf")  # the parameter sync.max_interval is enough
    hint: ClassVar[str] = "would undo the motion between scan and image"
    parameters: ClassVar[ParameterTable] = COMPLETION_PARAMETERS

    def replay(
        self,
        recording: Recording,
        choice: TopicChoice,
        values: Mapping[str, Value],
        on_problem: Callable[[FrontError], None] | None = None,
    ) -> Replay:
        """Return the recording as the node would get it; raises what ``Replay`` raises."""
        return Replay(recording, choice, values, on_problem)

    def pipeline(self, name: str, values: Mapping[str, Value]) -> Any:
        """Return the pipeline of a model by name; raises ValueError telling why it cannot be had."""
        return CompletionPipeline(CompletionSettings.from_parameters(values), load_model(name, values))

    def version(self, pipeline: Any) -> str:
        """Return the version of the pipeline's model."""
        return str(pipeline.completer.version)

    def warm_up(self, pipeline: Any, given: CompletionInput) -> None:
        """Let a learned model see an image size, so that what it loads and compiles then is no latency of a frame."""
        if isinstance(pipeline.completer, LearnedCompleter):
            pipeline.run(given)
            getattr(pipeline.completer.run, "wait", lambda: None)()  # for what is compiled in the background

    def run(self, pipeline: Any, given: CompletionInput) -> DepthEstimate:
        """Return the depth of one frame."""
        estimate: DepthEstimate = pipeline.run(given)
        return estimate


class EstimationTask(CompletionTask):
    """Dense depth from an image alone; see ``CompletionTask``. Without anything to score it still tells its scale."""

    name = "estimation"
    title = "Depth from the camera alone"
    stage = "estimate"
    points = "Input for the scale"
    needs_target = False
    oldest = float(COMPLETION_PARAMETERS["sync.max_interval"].default)
    hint = "would let motion tell the scale"
    parameters = ESTIMATION_PARAMETERS

    def replay(
        self,
        recording: Recording,
        choice: TopicChoice,
        values: Mapping[str, Value],
        on_problem: Callable[[FrontError], None] | None = None,
    ) -> Replay:
        """See ``CompletionTask``: range data is taken where there is any, unless ``input.source`` is none."""
        wants_pose = bool(values["scale.use_odometry"] or values["streaming.enabled"])

        def front(settings: FrontSettings, transforms: Any, on_set: Any, problem: Any) -> CompletionFront:
            floor = FloorFrame.from_parameters(values)
            return EstimationFront(replace(settings, wants_pose=wants_pose), floor, transforms, on_set, problem)

        always: dict[str, Value] = {"sync.policy": "nearest", "sync.publish_partial": True}
        read = {**COMPLETION_PARAMETERS.defaults(), **values, **always}
        return Replay(recording, choice, read, on_problem, values["input.source"] != "none", front)

    def pipeline(self, name: str, values: Mapping[str, Value]) -> EstimationPipeline:
        """See ``CompletionTask``."""
        return EstimationPipeline(EstimationSettings.from_parameters(values), load_estimator(name, values))

    def version(self, pipeline: Any) -> str:
        """See ``CompletionTask``."""
        return str(pipeline.estimator.version)

    def warm_up(self, pipeline: Any, given: CompletionInput) -> None:
        """See ``CompletionTask``; the scale learns nothing from it."""
        warm_up_estimator(pipeline.estimator, given.frame.camera.shape)
        getattr(getattr(pipeline.estimator, "run", None), "wait", lambda: None)()

    def run(self, pipeline: Any, given: CompletionInput) -> DepthEstimate:
        """See ``CompletionTask``."""
        assert isinstance(given, EstimationInput)
        estimate: DepthEstimate = pipeline.run(given)
        return estimate


COMPLETION, ESTIMATION = CompletionTask(), EstimationTask()
TASKS = {task.name: task for task in (COMPLETION, ESTIMATION)}
