"""Turn an estimator's checkpoint into a weight file: ``python -m training.export_estimation CHECKPOINT NAME``.

Takes the averaged weights of encoder and depth decoder alone, calibrates their deviations on the folder's held-out
rendered video (``--videos``), and writes ``depth_perception/weights/NAME.safetensors``, its ONNX graph and its card
docs/models/NAME.md. Without rendered video, ``--uncalibrated`` writes the deviations as they were learned.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path

from depth_perception.models import backends, families, onnx_graphs
from depth_perception.models.estimator import LearnedEstimator
from depth_perception.models.weights import FOLDER, Weights, read, write
from training import card
from training.calibrate_estimation import calibrate, collect, held
from training.datasets.video import rendered_videos, spread
from training.export import as_stored, read_checkpoint


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.export_estimation", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name", help="name of the weights, such as estimation-small")
    how = parser.add_mutually_exclusive_group(required=True)
    how.add_argument("--videos", type=Path, help="folder of rendered sequences; its held-out ones are used")
    how.add_argument("--uncalibrated", action="store_true", help="leave deviations as they were learned")
    parser.add_argument("--count", type=int, default=300, help="frames to calibrate on (default %(default)s)")
    parser.add_argument("--metric", action="store_true", help="depth is in metres: it was trained with known poses, "
                        "and runs on the camera it was trained with")  # fmt: skip
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, help="file to write (default: depth_perception/weights/NAME.safetensors)")
    options = parser.parse_args(arguments)
    weights = as_stored(read_checkpoint(options.checkpoint, options.name, options.version))
    if options.metric and not weights.training.get("known_poses"):
        parser.error("--metric: that network was not trained with known poses, so its depth has no unit")
    weights.training["scale"] = "metric" if options.metric else "up_to_scale"
    out = options.out or FOLDER / f"{options.name}.safetensors"
    if options.videos is not None:
        weights = calibrated(weights, options.videos, options.count)
    write(weights, out)
    if not options.out:
        print(card.write(options.name))
    graph = onnx_graphs.export(read(out), out.parent)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, and {graph.name} for ONNX Runtime")
    if weights.calibration is not None:
        check = weights.training["calibration"]
        print(
            f"of other held-out videos' pixels {check['within_68']:.1%} lie in the 68 % interval and "
            f"{check['within_95']:.1%} in the 95 % one"
        )
    return 0


def calibrated(weights: Weights, folder: Path, count: int) -> Weights:
    """Return ``weights`` calibrated on every second held-out video of ``folder`` and checked on the others.

    With one held-out video, its first half serves the one and its second half the other. Raises FileNotFoundError
    without held-out videos.
    """
    videos = rendered_videos(folder, True)
    if len(videos) > 1:
        first, second = spread(videos[::2], count // 2), spread(videos[1::2], count // 2)
    else:
        frames = spread(videos, count)
        first, second = frames[: len(frames) // 2], frames[len(frames) // 2 :]
    estimator = in_torch(weights)
    calibration = calibrate(collect(estimator, first))
    check = held(calibration, collect(estimator, second, seed=1))
    about = {"frames": len(first) + len(second), "within_68": check[0], "within_95": check[1]}
    training = weights.training | {"videos": len(list(folder.glob("*.npz"))), "calibration": about}
    return dataclasses.replace(weights, calibration=calibration, training=training)


def in_torch(weights: Weights) -> LearnedEstimator:
    """Return an estimator that runs ``weights`` in torch, on a GPU where there is one, without calibration."""
    run = backends.make_runner(weights, "torch")
    return LearnedEstimator(weights.name, weights.version, families.method(weights.family, weights.config), run)


if __name__ == "__main__":
    raise SystemExit(main())
