"""Make shipped weights from nothing: ``python -m training.make_weights [NAME ...]`` (``make weights``).

For each name: render the frames that are missing, train as training/configs/NAME.yaml says, calibrate and export. Every
step goes on where it was interrupted. With ``--frames`` and ``--steps`` less is made, for a trial.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path

import yaml

from training import export, train
from training.synthetic import frames

CONFIGS = Path(__file__).with_name("configs")
WORK = Path(".training")
SHIPPED = ("completion-small", "jarrn", "clude")
FRAMES = 12_000


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    folder = WORK / "frames"
    status = render(folder, options.frames, options.processes)
    for name in options.names or SHIPPED:
        if status:
            return status
        status = make(name, folder, options.set, options.version, options.out)
    return status


def render(folder: Path, count: int, processes: int) -> int:
    """Render the frames of ``folder`` that are missing of the first ``count``."""
    command = [str(folder), "--count", str(count), "--first-seed", "0", "--size", "240x320"]
    return frames.main([*command, "--processes", str(processes)])


def make(name: str, folder: Path, settings: Sequence[str], version: str, out: Path | None) -> int:
    """Train one network, or go on with it, and export it."""
    config = CONFIGS / f"{name}.yaml"
    checkpoint = WORK / name / "last.ckpt"
    command = ["fit", "--config", str(config), "--data.folder", str(folder), *settings]
    if checkpoint.exists():
        command += ["--ckpt_path", str(checkpoint)]
    print(f"{name}: {'going on from ' + str(checkpoint) if checkpoint.exists() else 'training'}", flush=True)
    train.main(command)
    place = ["--out", str(out / f"{name}.safetensors")] if out else []
    return export.main([str(checkpoint), name, "--frames", str(folder), "--version", version, *place])


def available() -> tuple[str, ...]:
    """Return the names that have a configuration."""
    return tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml") if "model" in yaml.safe_load(path.read_text())))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.make_weights", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", choices=[*available(), []], help=", ".join(available()))
    parser.add_argument("--frames", type=int, default=FRAMES, help="rendered frames (default %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="rendering (default %(default)s)")
    parser.add_argument("--version", default="1", help="written into the weights (default %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the weights (default: the package's own)")
    parser.add_argument("--set", action="append", default=[], metavar="OPTION=VALUE", help="passed on to training.train")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
