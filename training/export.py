"""Turn a checkpoint into a weight file that ships: ``python -m training.export CHECKPOINT NAME --frames FOLDER``.

Takes the averaged weights, calibrates their deviations on the folder's held-out frames and further worlds, and writes
``depth_perception/weights/NAME.safetensors`` with its configuration, calibration and what made it in its header, and
its card docs/models/NAME.md.
"""

from __future__ import annotations

import argparse
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path

import lightning
import numpy as np
import torch

from depth_perception.models import backends, families, onnx_graphs
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.weights import FOLDER, Weights, read, write
from training import card
from training.calibrate import collect, coverage, fit
from training.datasets.rendered import frame_files
from training.synthetic.frames import FRAMES_PER_WORLD, frame_path, write_frames

_PREFIX = "averaged.module."
FIRST_WORLD = 8_000_000  # numbers from here on are frames that nothing is trained on or benchmarked with


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.export", description=__doc__)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("name", help="name of the weights, such as completion-small")
    parser.add_argument(
        "--frames", type=Path, required=True, help="folder of rendered frames; its held-out ones are used"
    )
    parser.add_argument("--count", type=int, default=300, help="held-out frames to calibrate on (default %(default)s)")
    parser.add_argument(
        "--scans", type=int, default=4, help="random sensors that see each of these frames (default %(default)s)"
    )
    parser.add_argument(
        "--worlds",
        type=int,
        default=0,
        help="so many worlds that no training sees are rendered beside FOLDER, one frame each, and calibrated on, too "
        "(default %(default)s)",
    )
    parser.add_argument(
        "--table", action="store_true", help="calibrate by density and size of the deviation, not by one factor"
    )
    parser.add_argument("--version", default="1")
    parser.add_argument("--out", type=Path, help="file to write (default: depth_perception/weights/NAME.safetensors)")
    options = parser.parse_args(arguments)
    weights = as_stored(read_checkpoint(options.checkpoint, options.name, options.version))
    files = frame_files(options.frames, held_out=True)
    count = len(list(options.frames.glob("*.npz")))
    chosen = [files[round(i)] for i in np.linspace(0, len(files) - 1, min(options.count, len(files)))]
    chosen += further_worlds(options.frames.with_name("calibration"), options.worlds)
    completer = in_torch(weights)
    calibration = fit(collect(completer, chosen[::2] * options.scans), options.table)
    check = coverage(calibration, collect(completer, chosen[1::2] * options.scans, seed=1))
    weights.training["frames"] = count
    weights.training["calibration"] = {"frames": len(chosen), "within_68": check[0], "within_95": check[1]}
    out = options.out or FOLDER / f"{options.name}.safetensors"
    write(dataclasses.replace(weights, calibration=calibration), out)
    if not options.out:
        print(card.write(options.name))
    graph = onnx_graphs.export(read(out), out.parent)
    print(f"{out}: {out.stat().st_size / 1e6:.1f} MB, and {graph.name} for ONNX Runtime")
    print(
        f"of other held-out worlds' pixels {check[0]:.1%} lie in the 68 % interval and {check[1]:.1%} in the 95 % one"
    )
    return 0


def further_worlds(folder: Path, count: int, size: tuple[int, int] = (240, 320)) -> list[Path]:
    """Return frames of ``count`` different worlds set aside for this, rendering those that are not in ``folder``."""
    numbers = [FIRST_WORLD + FRAMES_PER_WORLD * index for index in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    for done, _ in enumerate(write_frames(folder, numbers, size), 1):
        if done % 20 == 0:
            print(f"{done} worlds rendered to calibrate on", flush=True)
    return [frame_path(folder, number) for number in numbers]


def read_checkpoint(file: Path, name: str, version: str) -> Weights:
    """Return the averaged weights of a checkpoint of ``training.train``, uncalibrated.

    Checkpoints are pickles: open only your own. Raises KeyError if it is none of a completion task.
    """
    checkpoint = torch.load(file, map_location="cpu", weights_only=False)
    network = checkpoint["network"]
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in network["config"].items()}
    state = {k.removeprefix(_PREFIX): v for k, v in checkpoint["state_dict"].items() if k.startswith(_PREFIX)}
    tensors = {k: v.float().numpy() for k, v in state.items() if v.is_floating_point()}  # without counters of batches
    training = dict(checkpoint.get("made", {})) | {"torch": torch.__version__, "lightning": lightning.__version__}
    return Weights(
        network["family"], name, version, families.configuration(network["family"], values), tensors, None, training
    )


def as_stored(weights: Weights) -> Weights:
    """Return the weights as they come out of a file, rounded to its precision: what ships is what is calibrated."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "weights.safetensors"
        write(weights, file)
        return read(file)


def in_torch(weights: Weights) -> LearnedCompleter:
    """Return a completer that runs ``weights`` in torch, on a GPU where there is one, without calibration."""
    run = backends.make_runner(weights, "torch")
    return LearnedCompleter(weights.name, weights.version, families.method(weights.family, weights.config), run)


if __name__ == "__main__":
    raise SystemExit(main())
