"""Make shipped weights from nothing: ``python -m training.make_weights [NAME ...]`` (``make weights``).

For each name: render the frames or, for depth from one camera, the video that is missing, train as
training/configs/NAME.yaml says, calibrate and export. What has a training/configs/start/NAME.yaml starts from what
that makes of single frames. Every step goes on where it was interrupted. A trial with less:
``--frames 1100 --set trainer.max_epochs=1 --out /tmp``.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from training import export, export_estimation
from training.synthetic import frames, sequences
from training.synthetic.worlds import KINDS

CONFIGS = Path(__file__).with_name("configs")
WORK = Path(".training")
# in the order in which they need each other
SHIPPED = ("completion-small", "jarrn", "clude", "estimation-small", "completion-large")
FRAMES = 4_000
# of other worlds, for what must learn how far to believe a network that learned from FRAMES
MORE_FRAMES = "more_frames"
MORE = 3_000
FIRST_MORE = 100_000  # number of the first
WORLDS = 120  # rendered besides, to calibrate on
VIDEOS = 700
# many worlds of every kind and few frames of each: what a network meets on a robot is another world
VIDEO_OPTIONS = ("--frames", "8", "--view", "45", "90", "--kinds", *KINDS)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    options = _parser().parse_args(arguments)
    names = options.names or SHIPPED
    status = 0
    folders = [frame_folder(name) for name in names if not from_video(name) or starts_from_frames(name)]
    if WORK / "frames" in folders:
        status = render(WORK / "frames", options.frames, options.processes)
    if not status and WORK / MORE_FRAMES in folders:
        count = min(MORE, options.frames)
        status = render(WORK / MORE_FRAMES, count, options.processes, FIRST_MORE)
    if not status and any(from_video(name) for name in names):
        status = render_videos(WORK / "videos", options.videos, options.processes)
    for name in names:
        if status:
            return status
        status = make(name, options.set, options.version, options.out)
    return status


def from_video(name: str) -> bool:
    """Say whether a configuration is of a network that learns from video: others name their family."""
    return "family" not in yaml.safe_load((CONFIGS / f"{name}.yaml").read_text())["model"]


def starts_from_frames(name: str) -> bool:
    """Say whether a network that learns from video learns from single frames before."""
    return (CONFIGS / "start" / f"{name}.yaml").is_file()


def frame_folder(name: str) -> Path:
    """Return where the single frames that a network learns from are rendered."""
    data = yaml.safe_load((CONFIGS / f"{name}.yaml").read_text()).get("data", {})
    return WORK / (MORE_FRAMES if Path(data.get("folder", "")).name == MORE_FRAMES else "frames")


def render(folder: Path, count: int, processes: int, first: int = 0) -> int:
    """Render the frames of ``folder`` that are missing of the ``count`` from number ``first`` on."""
    command = [str(folder), "--count", str(count), "--first-seed", str(first), "--size", "240x320"]
    return frames.main([*command, "--processes", str(processes)])


def render_videos(folder: Path, count: int, processes: int) -> int:
    """Render the sequences of ``folder`` that are missing of the first ``count``."""
    return sequences.main([str(folder), "--count", str(count), "--processes", str(processes), *VIDEO_OPTIONS])


def make(name: str, settings: Sequence[str], version: str, out: Path | None) -> int:
    """Train one network, or go on with it, and export it."""
    video = from_video(name)
    folder = WORK / "videos" if video else frame_folder(name)
    checkpoint = WORK / name / "last.ckpt"
    options = [option(text) for text in settings]
    if starts_from_frames(name):
        start = WORK / f"{name}-start" / "last.ckpt"
        shared = [text for text in options if text.startswith("--trainer.")]
        status = train("training.train_geometry", f"start/{name}.yaml", WORK / "frames", start, shared)
        if status:
            return status
        options = ["--model.start_from", str(start), *options]
    module = "training.train_estimation" if video else "training.train"
    status = train(module, f"{name}.yaml", folder, checkpoint, options)
    if status:
        return status
    place = ["--out", str(out / f"{name}.safetensors")] if out else []
    words = [str(checkpoint), name, "--videos" if video else "--frames", str(folder), "--version", version, *place]
    return export_estimation.main(words) if video else export.main([*words, "--worlds", str(WORLDS)])


def train(module: str, config: str, folder: Path, checkpoint: Path, options: Sequence[str]) -> int:
    """Train by one configuration, from its checkpoint where there is one; return the exit status."""
    path = os.path.relpath(CONFIGS / config)  # the command is kept in the weights' header
    command = ["fit", "--config", path, "--data.folder", str(folder), *options]
    if checkpoint.exists():
        command += ["--ckpt_path", str(checkpoint)]
    print(f"{path}: {'going on from ' + str(checkpoint) if checkpoint.exists() else 'training'}", flush=True)
    return run(command, module)


def run(command: Sequence[str], module: str = "training.train") -> int:
    """Train in a process of its own: for several GPUs Lightning starts that command again, once for each."""
    return subprocess.run([sys.executable, "-m", module, *command], check=False).returncode


def option(text: str) -> str:
    """Return ``trainer.max_epochs=1`` as the command line wants it: ``--trainer.max_epochs=1``."""
    return f"--{text.removeprefix('--')}"


def available() -> tuple[str, ...]:
    """Return the names that have a configuration."""
    return tuple(sorted(path.stem for path in CONFIGS.glob("*.yaml") if "model" in yaml.safe_load(path.read_text())))


def _name(text: str) -> str:
    if text not in available():
        raise argparse.ArgumentTypeError(
            f"no configuration of that name: {text!r} (there are {', '.join(available())})"
        )
    return text


def _setting(text: str) -> str:
    if "=" not in text:
        raise argparse.ArgumentTypeError(f"expected OPTION=VALUE, got {text!r}")
    return text


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m training.make_weights", description=__doc__)
    parser.add_argument(
        "names", nargs="*", type=_name, metavar="NAME", help=f"of {', '.join(available())} (default: those that ship)"
    )
    parser.add_argument("--frames", type=int, default=FRAMES, help="rendered frames (default %(default)s)")
    parser.add_argument("--videos", type=int, default=VIDEOS, help="rendered sequences (default %(default)s)")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="rendering (default %(default)s)")
    parser.add_argument("--version", default="1", help="written into the weights (default %(default)s)")
    parser.add_argument("--out", type=Path, help="folder for the weights (default: the package's own)")
    parser.add_argument(
        "--set",
        action="append",
        default=[],
        type=_setting,
        metavar="OPTION=VALUE",
        help="setting of training.train, such as trainer.max_epochs=1; may be repeated",
    )
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
