"""What the command that learns from recordings is told. Nothing heavy is imported here."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from depth_perception.cli_options import add_topics
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.recording_topics import TopicChoice

DEFAULTS = {"estimation": "estimation-small", "completion": "completion-small"}
MINUTES = 7.0
HELD_OUT = 0.2  # share of a recording's frames that score


@dataclass(frozen=True)
class LearnOptions:
    """What the command line says. ``steps`` 0: as many as fit into ``minutes``; ``device`` auto, cpu or cuda."""

    kind: str
    bags: tuple[Path, ...]
    out: Path
    also: tuple[Path, ...] = ()
    topics: TopicChoice = field(default_factory=TopicChoice)
    start_from: str = ""
    device: str = "auto"
    steps: int = 0
    minutes: float = MINUTES
    settings: tuple[str, ...] = ()
    held_out: float = HELD_OUT
    holdout: Holdout | None = None
    video_only: bool = False
    rate: float = 10.0
    frames: int = 3000
    command: str = ""


def bag_name(bag: Path) -> str:
    """Return the name of a recording: of its folder or, without the suffix, of its file."""
    bag = bag.resolve()
    return bag.name if bag.is_dir() else bag.stem


def read_options(arguments: Sequence[str]) -> LearnOptions:
    """Return what a command line says; ends the process with a message where it says something impossible."""
    parser = _parser()
    found = parser.parse_args(arguments)
    holdout = None
    try:
        if found.holdout:
            holdout = Holdout.parse(found.holdout)
            if holdout.kind == "none":
                raise ValueError("hold-out none leaves nothing to score")
        if not 0.02 <= found.held_out <= 0.8:
            raise ValueError(f"--held-out {found.held_out:g}: give a share from 0.02 to 0.8")
        for text in found.set:
            if "=" not in text:
                raise ValueError(f"--set {text}: expected OPTION=VALUE")
        for name in ("steps", "minutes", "rate", "frames"):
            value = getattr(found, name)
            if value is not None and not value > 0:
                raise ValueError(f"--{name} {value:g}: must be positive")
    except ValueError as error:
        parser.error(str(error))
    bags = tuple(found.bag)
    names = "-".join(bag_name(bag) for bag in bags)
    return LearnOptions(
        kind=found.kind,
        bags=bags,
        out=found.out or Path("out") / "learned" / f"{found.kind}-{names}",
        also=tuple(found.also),
        topics=TopicChoice(found.image, found.camera_info, found.points, found.depth),
        start_from=found.start_from or "",
        device=found.device,
        steps=found.steps or 0,
        minutes=found.minutes,
        settings=tuple(found.set),
        held_out=found.held_out,
        holdout=holdout,
        video_only=found.video_only,
        rate=found.rate,
        frames=found.frames,
        command="depth_perception train " + shlex.join(arguments),
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="depth_perception train",
        description="Take weights further on your own recordings and show what that was worth.",
    )
    parser.add_argument("kind", choices=tuple(DEFAULTS), help="depth from the image alone, or from image and points")
    parser.add_argument(
        "--bag", type=Path, action="append", required=True, metavar="BAG", help="ROS 1 or ROS 2 recording; repeatable"
    )
    parser.add_argument(
        "--also", type=Path, action="append", default=[], metavar="BAG", help="score this one, too; repeatable"
    )
    parser.add_argument("--out", type=Path, metavar="DIR", help="work folder; default: out/learned/KIND-BAG")
    budget = parser.add_mutually_exclusive_group()
    budget.add_argument("--minutes", type=float, default=MINUTES, help="of training; default %(default)g")
    budget.add_argument("--steps", type=int, help="of training, instead of minutes")
    parser.add_argument(
        "--start-from", metavar="MODEL|FILE", help="weights to go on from; default: completion-small, estimation-small"
    )
    parser.add_argument("--device", default="auto", metavar="NAME", help="auto, cpu or cuda; auto takes a GPU")
    parser.add_argument(
        "--held-out", type=float, default=HELD_OUT, metavar="SHARE", help="the recording's end; default %(default)g"
    )
    parser.add_argument(
        "--holdout", metavar="HOW", help="completion: points:SHARE or rings:N to score at; default rings:4 if known"
    )
    parser.add_argument("--video-only", action="store_true", help="estimation: measured points score and do not teach")
    parser.add_argument("--rate", type=float, default=10.0, help="images a second that are looked at; default 10")
    parser.add_argument("--frames", type=int, default=3000, help="most frames kept of a recording; default 3000")
    parser.add_argument(
        "--set", action="append", default=[], metavar="OPTION=VALUE", help="setting of the training; repeatable"
    )
    add_topics(parser)
    return parser
