"""Score completion or estimation on a recording, with the very objects the live node runs and without a clock.

``evaluation.replay`` feeds the recording to the task's front; its sets, less what is held out, go through the task's
pipeline (see ``evaluation.tasks``), and the answer is scored.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from depth_perception.evaluation.boundaries import DENSE, SCAN_LINES, BoundarySums, boundary_sums
from depth_perception.evaluation.estimated_rings import with_estimated_rings
from depth_perception.evaluation.examples import Extremes
from depth_perception.evaluation.holdout import Holdout, split
from depth_perception.evaluation.metrics import DepthSums, depth_sums
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.results import HELD_OUT, TRUTH, EvaluationResult, Example, FrameScore, Total
from depth_perception.evaluation.scales import in_metres, sample
from depth_perception.evaluation.tasks import COMPLETION, CompletionTask
from depth_perception.evaluation.truth import FolderTruth, TopicTruth
from depth_perception.frames import DepthEstimate, FloatImage, ScaleKind, SparseDepth
from depth_perception.messages.front import CompletionFront, FrontError
from depth_perception.messages.image import encode_depth
from depth_perception.messages.types import rosbags_types, stamp_of
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.recordings.reader import Recording

DENSE_SHARE = 0.3  # a truth known at more pixels than this is searched for edges as an image


class EvaluationError(ValueError):
    """The evaluation cannot start, or nothing in the recording could be scored."""


@dataclass(frozen=True)
class EvaluationSettings:
    """What to evaluate and how.

    ``holdout`` None: a fifth of the points, or nothing when there is ground truth; ``parameters`` are
    values of the task's parameters that differ from the defaults; ``models`` empty: the parameter
    ``model``; ``frames`` 0: all; every ``every``-th synchronised set is evaluated; ``seed`` is that of the
    default hold-out.
    """

    recording: Path
    topics: TopicChoice = field(default_factory=TopicChoice)
    models: tuple[str, ...] = ()
    holdout: Holdout | None = None
    parameters: dict[str, Value] = field(default_factory=dict)
    truth_folder: Path | None = None
    truth_scale: float = 0.001
    frames: int = 0
    every: int = 1
    examples: int = 2
    seed: int = 0
    task: CompletionTask = COMPLETION


OnEstimate = Callable[[int, CompletionInput, str, DepthEstimate], None]


def evaluate(
    settings: EvaluationSettings,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
    on_estimate: OnEstimate | None = None,
) -> EvaluationResult:
    """Run the whole evaluation and return what it found.

    ``on_estimate(number, input, model, estimate)`` sees every answer.

    ``progress(done, expected)`` is called after each frame; when ``should_stop()`` turns true, or on
    Ctrl-C, the result holds what was computed until then and says so in ``partial``.
    Raises EvaluationError, TopicError, TruthError, ParameterError, ValueError (unknown model) and
    what ``Recording`` raises.
    """
    with Recording(settings.recording) as recording, Recording(settings.recording) as ahead:
        run = _Run(settings, recording, ahead, on_estimate)
        try:
            run.play(progress, should_stop)
        except KeyboardInterrupt:
            run.result.partial = "interrupted"
        return run.finish()


class _Run:
    """State of one evaluation."""

    def __init__(
        self, settings: EvaluationSettings, recording: Recording, ahead: Recording, on_estimate: OnEstimate | None
    ):
        self.settings, self.task, self.on_estimate = settings, settings.task, on_estimate
        values = self.task.parameters.resolve(settings.parameters)
        choice = settings.topics if settings.truth_folder is None else replace(settings.topics, truth=None)
        self.replay = self.task.replay(recording, choice, values, self._refused)
        if settings.truth_folder is not None:
            self.replay.topics = replace(self.replay.topics, truth=None)
        self.topics = topics = self.replay.topics
        names = settings.models or (str(values["model"]),)
        self.pipelines = {name: self.task.pipeline(name, values) for name in names}
        self.warm: set[tuple[int, int]] = set()  # image sizes that learned models have seen
        self.valid_range = (float(values["depth.min"]), float(values["depth.max"]))
        # truth goes through a front of its own, so that it is rectified exactly as the image is
        truth_settings = replace(self.replay.settings, source="depth")
        self.truth_front = CompletionFront(truth_settings, self.replay.transforms, lambda _: None)
        self.truth_topic: TopicTruth | None = None
        self.truth_folder: FolderTruth | None = None
        if settings.truth_folder is not None:
            stamps = [stamp_of(item.message.header) for item in ahead.messages([str(topics.image)])]
            self.truth_folder = FolderTruth(settings.truth_folder, stamps, settings.truth_scale)
        elif topics.truth is not None:
            self.truth_topic = TopicTruth(item.message for item in ahead.messages([topics.truth]))
        has_truth = self.truth_topic is not None or self.truth_folder is not None
        measures = topics.points is not None or topics.depth is not None
        self.holdout = settings.holdout or Holdout(
            "points" if measures and not has_truth else "none", seed=settings.seed
        )
        if self.holdout.kind == "none" and not has_truth and self.task.needs_target:
            raise EvaluationError("hold-out none leaves nothing to score; give --truth, or --holdout points:0.2")
        self.types = rosbags_types()
        self.extremes = Extremes(settings.examples)
        self.result = EvaluationResult(
            recording={
                "name": Path(settings.recording).resolve().name,
                "seconds": round((recording.end - recording.start) * 1e-9, 6),
                "topics": {n: {"type": i.type, "count": i.count} for n, i in sorted(recording.topics().items())},
            },
            topics=topics,
            protocol={
                "holdout": str(self.holdout),
                "seed": self.holdout.seed,
                "truth": topics.truth or ("folder" if self.truth_folder else None),
                "every": settings.every,
                "scored_range_m": list(self.valid_range),
            },
            parameters=values,
            models={name: self.task.version(pipeline) for name, pipeline in self.pipelines.items()},
            primary=TRUTH if has_truth else HELD_OUT,
            task=self.task.name,
        )

    def _refused(self, problem: FrontError) -> None:
        self.result.messages.setdefault(problem.cause, self.replay.explain(problem))

    def play(self, progress: Callable[[int, int], None] | None, should_stop: Callable[[], bool] | None) -> None:
        """Score the sets in order; returns at the end, at the frame limit, or when told to stop."""
        settings, result = self.settings, self.result
        expected = -(-self.replay.image_count // settings.every)
        expected = min(expected, settings.frames) if settings.frames else expected
        for number, synced in enumerate(self.replay.sets(self.truth_front.on_camera_info)):
            if settings.frames and result.frames >= settings.frames:
                return
            if should_stop is not None and should_stop():
                result.partial = "stopped"
                return
            if number % settings.every == 0:
                self._process(synced)
                if progress is not None:
                    progress(result.frames, max(expected, result.frames))

    def _process(self, synced: SyncedSet) -> None:
        """Complete and score one set with every model; a set that cannot be used is counted."""
        result = self.result
        try:
            given = self.replay.front.assemble(self._with_rings(synced))
        except FrontError as error:
            result.skip(error.cause, self.replay.explain(error))
            return
        kept, held = split(given.sparse, self.holdout, given.frame.stamp)
        truth = self._truth(synced)
        targets = self._targets(given.sparse, self._fresh(held, synced), truth)
        if not targets and self.task.needs_target:
            result.skip("nothing_to_score", "no held-out point or true depth inside the published range")
            return
        given = replace(given, sparse=kept)
        self._warm_up(given)
        estimates: dict[str, DepthEstimate] = {}
        for name, pipeline in self.pipelines.items():
            started = time.perf_counter()
            found = self.task.run(pipeline, given)
            spent = time.perf_counter() - started + sum(given.latency.values())
            self._note_latency(name, {**found.latency, "total": spent})
            self._note_scale(name, found, targets)
            if self.on_estimate is not None:
                self.on_estimate(result.frames, given, name, found)
            estimates[name] = in_metres(found)
        rows = []
        for name, estimate in estimates.items():
            for target, (reference, scored, settings) in targets.items():
                where = np.nonzero(scored)
                depth = depth_sums(
                    estimate.depth[where], reference[where], estimate.standard_deviation[where], estimate.wide
                )
                boundary = boundary_sums(estimate.depth, reference, scored, settings)
                rows.append((name, target, depth, boundary, estimate.coverage))
        self._commit(synced, given, rows)
        rmse = next((row[2].compute()["rmse"] for row in rows), float("nan"))
        example = Example(
            result.frames - 1,
            synced.image_stamp,
            given.frame.camera,
            given.frame.image,
            kept,
            held if len(held) else None,
            truth,
            {name: (estimate.depth, estimate.standard_deviation) for name, estimate in estimates.items()},
        )
        self.extremes.add(rmse, example)

    def _warm_up(self, given: CompletionInput) -> None:
        """Let learned models see each image size once: what they load and compile then is no latency of a frame."""
        if given.frame.camera.shape in self.warm:
            return
        self.warm.add(given.frame.camera.shape)
        for pipeline in self.pipelines.values():
            self.task.warm_up(pipeline, given)

    def _commit(
        self,
        synced: SyncedSet,
        given: CompletionInput,
        rows: list[tuple[str, str, DepthSums, BoundarySums, float]],
    ) -> None:
        """Add a frame that every model has finished."""
        result = self.result
        for name, target, depth, boundary, coverage in rows:
            result.totals.setdefault((name, target), Total()).add(depth, boundary, coverage)
            figures = {**depth.compute(), **boundary.compute()}
            result.rows.append(
                FrameScore(
                    result.frames,
                    synced.image_stamp,
                    name,
                    target,
                    depth.scored,
                    figures,
                    coverage,
                    len(given.sparse),
                    synced.interval,
                )
            )
        result.notes.update(given.notes)
        result.frames += 1

    def _with_rings(self, synced: SyncedSet) -> SyncedSet:
        """Return the set with estimated rings in its cloud if rings are to be held out and it tells none."""
        if self.holdout.kind != "rings" or synced.other is None:
            return synced
        if self.replay.settings.source != "points":
            raise EvaluationError("hold-out rings needs a point cloud; with depth images use points:0.2")
        return with_estimated_rings(synced, self.types)

    def _truth(self, synced: SyncedSet) -> FloatImage | None:
        """Return the true depth of this frame's image, NaN unknown; None where there is none."""
        message = None
        if self.truth_topic is not None:
            message = self.truth_topic.message(synced.image_stamp)
        elif self.truth_folder is not None:
            depth = self.truth_folder.depth(synced.image_stamp)
            if depth is not None:
                frame_id = synced.image.header.frame_id
                message, _ = encode_depth(self.types, depth, "32FC1", synced.image_stamp, frame_id)
        else:
            return None
        if message is None:
            self.result.skip("no_truth", "some images have no true depth with their stamp")
            return None
        try:
            truth = self.truth_front.assemble(replace(synced, other=message, other_stamp=synced.image_stamp))
        except FrontError as error:
            self.result.skip("bad_truth", f"{self.topics.truth or self.settings.truth_folder}: {error}")
            return None
        image = truth.sparse.image()
        image[image == 0] = np.nan
        return image

    def _fresh(self, held: SparseDepth, synced: SyncedSet) -> SparseDepth:
        """Return the held-out points, none if the camera may have moved since they were measured."""
        is_fresh = synced.interval is None or abs(synced.interval) <= self.task.oldest
        if is_fresh or self.replay.settings.fixed_frame or not len(held):
            return held
        text = (
            f"range data more than {self.task.oldest:g} s from its image scores nothing without transform.fixed_frame"
        )
        self.result.notes[text] += 1
        return held.select(np.zeros(len(held), bool))

    def _targets(self, measured: SparseDepth, held: SparseDepth, truth: FloatImage | None) -> dict[str, Any]:
        """Return target -> (reference depth, scored pixels, edge settings); truth first."""
        low, high = self.valid_range
        targets: dict[str, Any] = {}
        if truth is not None:
            with np.errstate(invalid="ignore"):
                scored = (truth >= low) & (truth <= high)
            if scored.any():
                dense = np.isfinite(truth).mean() > DENSE_SHARE
                targets[TRUTH] = (truth, scored, DENSE if dense else SCAN_LINES)
        if len(held):
            reference = measured.image()
            scored = np.zeros(reference.shape, bool)
            scored[held.rows, held.columns] = (held.depth >= low) & (held.depth <= high)
            if scored.any():
                targets[HELD_OUT] = (reference, scored, SCAN_LINES)
        return targets

    def _note_scale(self, model: str, estimate: DepthEstimate, targets: dict[str, Any]) -> None:
        """Keep what an estimator's depth was multiplied by, and how good it is apart from that."""
        if self.task.name != "estimation":
            return
        target = next(iter(targets.values()), None)
        self.result.scales.setdefault(model, []).append(sample(estimate, target))
        if estimate.scale is not ScaleKind.METRIC:
            self.result.notes[f"{model}: nothing had told the scale yet, so its depth counts as unanswered"] += 1

    def _note_latency(self, model: str, stages: dict[str, float]) -> None:
        table = self.result.latency.setdefault(model, {})
        for stage, seconds in stages.items():
            table.setdefault(stage, []).append(seconds)

    def finish(self) -> EvaluationResult:
        """Collect counters and pictures; raises EvaluationError if nothing was scored and nothing interrupted."""
        result = self.result
        world = self.replay.world_frame()
        if result.frames and world and not self.replay.settings.fixed_frame and self._wants_world():
            hint = f"the recording knows the frame {world}: transform.fixed_frame:={world} {self.task.hint}"
            result.notes[hint] = result.frames
        statistics = self.replay.front.statistics()
        result.received = dict(sorted(statistics.received.items()))
        result.sync = {
            "pairs": statistics.sync.pairs,
            "drops": dict(sorted(statistics.drops.items())),
            "interval_mean": statistics.sync.interval_mean,
            "interval_max": statistics.sync.interval_max,
        }
        result.best, result.worst = self.extremes.best(), self.extremes.worst()
        if result.frames == 0 and not result.partial:
            raise EvaluationError(self._explain())
        return result

    def _wants_world(self) -> bool:
        return self.topics.points is not None or self.replay.settings.wants_pose

    def _explain(self) -> str:
        result = self.result
        counts = [f"{self.replay.topic_of(name)} {count}" for name, count in result.received.items()]
        received = ", ".join(counts) or "none"
        lines = [f"nothing could be scored; messages read: {received}; pairs: {result.sync['pairs']}"]
        drops = {**result.sync["drops"], **result.skipped}
        lines += [f"{n} x {cause}: {result.reason(cause)}" for cause, n in drops.items()]
        return "; ".join(lines)
