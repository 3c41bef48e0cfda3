"""A recording completed frame by frame and logged to Rerun on the recording's own time line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.replay import Replay
from depth_perception.messages.front import FrontError
from depth_perception.pipelines.completion import CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameters import Value
from depth_perception.recordings.reader import Recording
from depth_perception.visualization.rerun_log import RerunLog


def view(
    path: str | Path,
    choice: TopicChoice,
    values: Mapping[str, Value],
    save: str | Path | None = None,
    frames: int = 0,
    every: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> int:
    """Show a recording in the Rerun viewer, or write it to the .rrd file ``save``; return the number of frames.

    Every input is shown with the completed depth and cloud of the model in ``values``; what cannot be
    completed is logged as text. Raises ViewerError without rerun-sdk, TopicError, RecordingError.
    """
    resolved = COMPLETION_PARAMETERS.resolve(values)
    with Recording(path) as recording, RerunLog(Path(path).resolve().name, save) as log:
        replay = Replay(recording, choice, resolved)
        pipeline = CompletionPipeline(CompletionSettings.from_parameters(resolved))
        expected = -(-replay.image_count // every)
        expected = min(expected, frames) if frames else expected
        done = 0
        for number, synced in enumerate(replay.sets()):
            if number % every:
                continue
            if frames and done >= frames:
                break
            try:
                given = replay.front.assemble(synced)
            except FrontError as error:
                log.problem(synced.image_stamp, replay.explain(error))
                continue
            log.input(given.frame, given.sparse)
            log.transforms(replay.transforms, given.frame.frame_id, given.frame.stamp)
            log.estimate(pipeline.run(given), given.frame)
            done += 1
            if progress is not None:
                progress(done, expected)
        return done
