"""A round about separate things as a ROS 2 recording: ``python -m training.synthetic.object_recording OUT``.

Topics: /tf (odom -> camera_optical_frame, at each image), /camera/camera_info, /camera/image (rgb8),
/camera/depth/image (16UC1, millimetres, as a depth camera measures), /camera/labels (mono8 as a segmenter gives them:
other numbers in every image) and /camera/labels/ground_truth (mono8, true ids). The camera circles ``laps`` times, so
that every thing is met again.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from depth_perception.evaluation.decomposition.label_corruption import CORRUPTIONS, corrupt_labels
from depth_perception.frames import PosedDepth
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rosbags_types
from depth_perception.recordings.reader import RecordingError
from depth_perception.recordings.writer import RecordingWriter
from training.synthetic.depth_camera import DepthCamera
from training.synthetic.objects import PERIOD, SUPPORTS, build_objects, camera_of, render_objects
from training.synthetic.recording import CAMERA_FRAME, EPOCH, NANOSECONDS, ODOM_FRAME

_LATE = 12_000_000  # nanoseconds from exposure to the log


@dataclass(frozen=True)
class Settings:
    """What to record; ``corruption`` is a name of CORRUPTIONS."""

    count: int = 8
    support: str = "table"
    seed: int = 8
    views: int = 60
    laps: float = 1.5
    width: int = 320
    height: int = 240
    corruption: str = "light"

    def __post_init__(self):
        """Raise ValueError naming what is out of range."""
        if self.corruption not in CORRUPTIONS:
            raise ValueError(f"corruption: {self.corruption!r} is not one of {', '.join(CORRUPTIONS)}")
        for name, low in (("views", 1), ("width", 16), ("height", 16)):
            if getattr(self, name) < low:
                raise ValueError(f"{name}: {getattr(self, name)} is below {low}")
        if not 1 <= self.count <= 254:
            raise ValueError(f"count: {self.count} is not from 1 to 254, the numbers of mono8")


def record_objects(
    path: str | Path, settings: Settings, progress: Callable[[int, int], None] | None = None
) -> None:  # fmt: skip
    """Write the recording to the new folder ``path``; the same settings always give the same bytes.

    ``progress`` is told how many views of how many are done. Raises RecordingError if the folder exists.
    """
    world = build_objects(settings.count, settings.support, settings.seed)
    camera = camera_of(settings.width, settings.height)
    poses = world.poses(settings.views, settings.laps)
    rng = np.random.default_rng((settings.seed, 11))
    with RecordingWriter(path, rosbags_types().typestore) as writer:
        for k in range(settings.views):
            frame = render_objects(replace(world, seed=settings.seed * 1000 + k), camera, poses[k : k + 1], SENSOR)[0]
            _write(writer, replace(frame, stamp=EPOCH * NANOSECONDS + k * PERIOD), settings, rng)
            if progress is not None:
                progress(k + 1, settings.views)


SENSOR = DepthCamera()


def _write(writer: RecordingWriter, frame: PosedDepth, settings: Settings, rng: np.random.Generator) -> None:
    types, stamp, log = rosbags_types(), frame.stamp, frame.stamp + _LATE
    assert frame.labels is not None
    moved = transform_message(types, ODOM_FRAME, CAMERA_FRAME, stamp, frame.T_world_camera)
    writer.write("/tf", tf_message(types, [moved]), stamp + 1_000_000)
    writer.write("/camera/camera_info", info_from_camera(types, frame.camera, stamp, CAMERA_FRAME), log)
    writer.write("/camera/image", encode_image(types, frame.image, "rgb8", stamp, CAMERA_FRAME), log)
    depth, _ = encode_depth(types, frame.depth, "16UC1", stamp, CAMERA_FRAME)
    writer.write("/camera/depth/image", depth, log)
    given = corrupt_labels(frame.labels, rng, CORRUPTIONS[settings.corruption])
    for topic, labels in (("/camera/labels", given), ("/camera/labels/ground_truth", frame.labels)):
        small = np.ascontiguousarray(labels.astype(np.uint8))
        writer.write(topic, encode_image(types, small, "mono8", stamp, CAMERA_FRAME), log)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    defaults = Settings()
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.object_recording", description=__doc__)
    parser.add_argument("out", type=Path, help="folder of the recording; must not exist")
    parser.add_argument("--count", type=int, default=defaults.count, help="things (default %(default)s)")
    parser.add_argument("--support", choices=SUPPORTS, default=defaults.support)
    parser.add_argument("--seed", type=int, default=defaults.seed, help="another seed sets another table")
    parser.add_argument("--views", type=int, default=defaults.views, help="images (default %(default)s)")
    parser.add_argument("--laps", type=float, default=defaults.laps, help="rounds of the camera (default %(default)s)")
    parser.add_argument("--width", type=int, default=defaults.width)
    parser.add_argument("--height", type=int, default=defaults.height)
    parser.add_argument("--corruption", choices=list(CORRUPTIONS), default=defaults.corruption)
    options = parser.parse_args(arguments)

    def progress(done: int, total: int) -> None:
        if done % 10 == 0 or done == total:
            print(f"{done} of {total} views", flush=True)

    try:
        settings = Settings(**{k: v for k, v in vars(options).items() if k != "out"})
        record_objects(options.out, settings, progress)
    except (RecordingError, ValueError, OSError) as error:
        print(f"object_recording: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
