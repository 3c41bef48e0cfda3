"""Score completion on a recording, with the very objects the live node runs and without a clock.

The recording is read in order of log time and fed to ``messages.front.CompletionFront``, whose sets go
through ``pipelines.completion.CompletionPipeline``. Transforms are loaded beforehand, so nothing
depends on how fast this machine is.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from depth_perception.evaluation.boundaries import DENSE, SCAN_LINES, BoundarySums, boundary_sums
from depth_perception.evaluation.examples import Extremes
from depth_perception.evaluation.holdout import Holdout, rings_from_elevation, split
from depth_perception.evaluation.metrics import DepthSums, depth_sums
from depth_perception.evaluation.model_choice import load_model
from depth_perception.evaluation.recording_topics import IMAGE, TopicChoice, choose_topics
from depth_perception.evaluation.results import HELD_OUT, TRUTH, EvaluationResult, Example, FrameScore, Total
from depth_perception.evaluation.truth import FolderTruth, TopicTruth
from depth_perception.frames import DepthEstimate, FloatImage, SparseDepth
from depth_perception.geometry.camera import unproject
from depth_perception.geometry.transform_tree import TransformError, TransformTree
from depth_perception.geometry.transforms import apply
from depth_perception.messages.front import CompletionFront, FrontError, FrontSettings
from depth_perception.messages.image import encode_depth
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import MessageTypes, rosbags_types, stamp_of
from depth_perception.pipelines.completion import CompletionInput, CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
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
    values of COMPLETION_PARAMETERS that differ from the defaults; ``models`` empty: the parameter
    ``model``; ``frames`` 0: all; every ``every``-th synchronised set is evaluated.
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


def evaluate(
    settings: EvaluationSettings,
    progress: Callable[[int, int], None] | None = None,
    should_stop: Callable[[], bool] | None = None,
) -> EvaluationResult:
    """Run the whole evaluation and return what it found.

    ``progress(done, expected)`` is called after each frame; when ``should_stop()`` turns true, or on
    Ctrl-C, the result holds what was computed until then and says so in ``partial``.
    Raises EvaluationError, TopicError, TruthError, ParameterError, ValueError (unknown model) and
    what ``Recording`` raises.
    """
    with Recording(settings.recording) as recording, Recording(settings.recording) as ahead:
        run = _Run(settings, recording, ahead)
        try:
            run.play(progress, should_stop)
        except KeyboardInterrupt:
            run.result.partial = "interrupted"
        return run.finish()


class _Run:
    """State of one evaluation."""

    def __init__(self, settings: EvaluationSettings, recording: Recording, ahead: Recording):
        self.settings = settings
        self.recording = recording
        values = COMPLETION_PARAMETERS.resolve(settings.parameters)
        front_settings = FrontSettings.from_parameters(values)
        types = {name: info.type for name, info in recording.topics().items()}
        self.topics = choose_topics(types, self._encoding_of, settings.topics, front_settings.source)
        if settings.truth_folder is not None:
            self.topics = replace(self.topics, truth=None)
        self.transforms = self._load_transforms(types)
        self.pipelines = {}
        for name in settings.models or (str(values["model"]),):
            given = CompletionSettings.from_parameters({**values, "model": name})
            self.pipelines[name] = CompletionPipeline(given, load_model(name))
        self.valid_range = (float(values["depth.min"]), float(values["depth.max"]))
        self.pending: list[SyncedSet] = []
        self.front = CompletionFront(front_settings, self.transforms, self.pending.append, self._refused)
        # truth goes through a second front, so that it is rectified exactly as the image is
        self.truth_front = CompletionFront(replace(front_settings, source="depth"), self.transforms, lambda _: None)
        self.truth_topic: TopicTruth | None = None
        self.truth_folder: FolderTruth | None = None
        if settings.truth_folder is not None:
            stamps = [stamp_of(item.message.header) for item in ahead.messages([self.topics.image])]
            self.truth_folder = FolderTruth(settings.truth_folder, stamps, settings.truth_scale)
        elif self.topics.truth is not None:
            self.truth_topic = TopicTruth(item.message for item in ahead.messages([self.topics.truth]))
        has_truth = self.truth_topic is not None or self.truth_folder is not None
        self.holdout = settings.holdout or (Holdout("none") if has_truth else Holdout())
        if self.holdout.kind == "none" and not has_truth:
            raise EvaluationError("hold-out none leaves nothing to score; give --truth, or --holdout points:0.2")
        self.types: MessageTypes | None = rosbags_types() if self.truth_folder is not None else None
        self.cloud_frame = ""
        self.sets = 0
        self.extremes = Extremes(settings.examples)
        seconds = (recording.end - recording.start) * 1e-9
        self.result = EvaluationResult(
            recording={
                "name": Path(settings.recording).name,
                "seconds": round(seconds, 6),
                "topics": {n: {"type": i.type, "count": i.count} for n, i in sorted(recording.topics().items())},
            },
            topics=self.topics,
            protocol={
                "holdout": str(self.holdout),
                "seed": self.holdout.seed,
                "truth": self.topics.truth or ("folder" if self.truth_folder else None),
                "every": settings.every,
                "scored_range_m": list(self.valid_range),
            },
            parameters=values,
            models={name: str(pipeline.completer.version) for name, pipeline in self.pipelines.items()},
            primary=TRUTH if has_truth else HELD_OUT,
        )

    def _encoding_of(self, topic: str) -> str:
        for item in self.recording.messages([topic]):
            return str(item.message.encoding if item.type == IMAGE else item.message.format)
        return ""

    def _load_transforms(self, types: dict[str, str]) -> TransformTree:
        tree = TransformTree(cache_time_s=None)
        topics = [name for name, kind in types.items() if kind == "tf2_msgs/msg/TFMessage"]
        for item in self.recording.messages(topics) if topics else ():
            for transform in item.message.transforms:
                parent, child, stamp, T = transform_from_message(transform)
                tree.insert(parent, child, stamp, T, static=item.topic.endswith("tf_static"))
        return tree

    def _refused(self, problem: FrontError) -> None:
        self.result.messages.setdefault(problem.cause, f"{self._real_name(problem.topic)}: {problem}")

    def _real_name(self, role: str) -> str:
        return getattr(self.topics, "depth" if role == "sparse_depth" else role, None) or role

    def play(self, progress: Callable[[int, int], None] | None, should_stop: Callable[[], bool] | None) -> None:
        """Feed the recording; returns at its end, at the frame limit, or when told to stop."""
        settings, front, topics = self.settings, self.front, self.topics
        images = self.recording.topics()[topics.image].count if topics.image else 0
        expected = -(-images // settings.every)
        expected = min(expected, settings.frames) if settings.frames else expected

        def spent() -> bool:
            for synced in self._take():
                if settings.frames and self.result.frames >= settings.frames:
                    return True
                if should_stop is not None and should_stop():
                    self.result.partial = "stopped"
                    return True
                self._process(synced)
                if progress is not None:
                    progress(self.result.frames, max(expected, self.result.frames))
            return False

        wanted = [n for n in (topics.camera_info, topics.image, topics.points, topics.depth) if n]
        for item in self._infos_first(wanted):
            now, message = item.log_time, item.message
            if item.topic == topics.camera_info:
                front.on_camera_info(message, now)
                self.truth_front.on_camera_info(message, now)
            elif item.topic == topics.image:
                front.on_image(message, now)
            elif item.topic == topics.points:
                self.cloud_frame = message.header.frame_id.lstrip("/")
                front.on_points(message, now)
            else:
                front.on_depth(message, now)
            front.poll(now)
            if spent():
                return
        front.flush()
        spent()

    def _infos_first(self, topics: list[str]) -> Iterator[Any]:
        """Yield the messages in order, preceded by the first camera_info, which drivers latch or send late."""
        for item in self.recording.messages([self.topics.camera_info]):
            yield item
            break
        yield from self.recording.messages(topics)

    def _take(self) -> Iterator[SyncedSet]:
        while self.pending:
            synced = self.pending.pop(0)
            self.sets += 1
            if (self.sets - 1) % self.settings.every == 0:
                yield synced

    def _process(self, synced: SyncedSet) -> None:
        """Complete and score one set with every model; a set that cannot be used is counted."""
        result = self.result
        try:
            given = self.front.assemble(synced)
        except FrontError as error:
            result.skip(error.cause, f"{self._real_name(error.topic)}: {error}")
            return
        try:
            kept, held = self._split(given)
        except TransformError as error:
            result.skip("no_transform", str(error))
            return
        truth = self._truth(synced)
        targets = self._targets(given.sparse, held, truth)
        if not targets:
            result.skip("nothing_to_score", "no held-out point or true depth inside the published range")
            return
        given = replace(given, sparse=kept)
        estimates: dict[str, DepthEstimate] = {}
        for name, pipeline in self.pipelines.items():
            started = time.perf_counter()
            estimates[name] = pipeline.run(given)
            spent = time.perf_counter() - started + sum(given.latency.values())
            self._note_latency(name, {**estimates[name].latency, "total": spent})
        rows = []
        for name, estimate in estimates.items():
            for target, (reference, scored, settings) in targets.items():
                where = np.nonzero(scored)
                depth = depth_sums(estimate.depth[where], reference[where], estimate.standard_deviation[where])
                boundary = boundary_sums(estimate.depth, reference, scored, settings)
                rows.append((name, target, depth, boundary, estimate.coverage))
        self._commit(synced, given, rows)
        first = next(row for row in rows if row[1] == next(iter(targets)))
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
        self.extremes.add(first[2].compute()["rmse"], example)

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

    def _split(self, given: CompletionInput) -> tuple[SparseDepth, SparseDepth]:
        sparse = given.sparse
        rings = None
        if self.holdout.kind == "rings" and sparse.ring is None:
            rings = self._rings(given)
        return split(sparse, self.holdout, given.frame.stamp, rings)

    def _rings(self, given: CompletionInput) -> np.ndarray:
        """Estimate the rings of measured pixels from their elevation as the LiDAR sees them."""
        sparse, frame = given.sparse, given.frame
        if not self.cloud_frame:
            raise EvaluationError("hold-out rings needs a point cloud; with depth images use points:0.2")
        pixels = np.stack([sparse.columns, sparse.rows], axis=1).astype(np.float64)
        points = unproject(frame.camera, pixels, sparse.depth)
        T = self.transforms.lookup(self.cloud_frame, frame.frame_id, frame.stamp)
        return rings_from_elevation(apply(T, points))

    def _truth(self, synced: SyncedSet) -> FloatImage | None:
        """Return the true depth of this frame's image, NaN unknown; None where there is none."""
        message = None
        if self.truth_topic is not None:
            message = self.truth_topic.message(synced.image_stamp)
        elif self.truth_folder is not None and self.types is not None:
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

    def _note_latency(self, model: str, stages: dict[str, float]) -> None:
        table = self.result.latency.setdefault(model, {})
        for stage, seconds in stages.items():
            table.setdefault(stage, []).append(seconds)

    def finish(self) -> EvaluationResult:
        """Collect counters and pictures; raises EvaluationError if nothing was scored and nothing interrupted."""
        result = self.result
        statistics = self.front.statistics()
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

    def _explain(self) -> str:
        result = self.result
        received = ", ".join(f"{self._real_name(name)} {count}" for name, count in result.received.items()) or "none"
        lines = [f"nothing could be scored; messages read: {received}; pairs: {result.sync['pairs']}"]
        drops = {**result.sync["drops"], **result.skipped}
        lines += [f"{n} x {cause}: {result.messages.get(cause, 'dropped')}" for cause, n in drops.items()]
        return "; ".join(lines)
