"""The command ``depth_perception train``: training lives beside this package in a checkout, and is run from there."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import depth_perception

_PATIENCE = 10  # times Ctrl-C is left to what runs
_PACKAGES = ("torch", "lightning", "jsonargparse", "rosbags")


def add_train(commands: Any) -> None:
    """Add the command to the parser; its own options are told by training.learn."""
    # with a prefix that nobody types, nothing is an option here: --help and all others are those of training.learn
    parser = commands.add_parser(
        "train",
        add_help=False,
        prefix_chars="\0",
        help="take weights further on your own recordings: train estimation --bag BAG",
    )
    parser.add_argument("arguments", nargs="*")
    parser.set_defaults(run=lambda options: train(options.arguments))


def train(arguments: Sequence[str]) -> int:
    """Run training.learn in a process of its own; return its exit status.

    Raises FileNotFoundError without a checkout, ImportError naming the packages that are missing.
    """
    root = checkout()
    if root is None:
        raise FileNotFoundError(
            "training is part of the repository and was not found: clone it, and run this command in it or with it "
            "on PYTHONPATH"
        )
    missing = [name for name in _PACKAGES if importlib.util.find_spec(name) is None]
    if missing:
        raise ImportError(f"training needs {', '.join(missing)}: pip install -r {root}/requirements/learning.txt")
    path = os.pathsep.join([str(root), *filter(None, [os.environ.get("PYTHONPATH", "")])])
    command = [sys.executable, "-m", "training.learn", *arguments]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": path})
    # it gets Ctrl-C, too, and keeps what was learned before it ends; two of them end it at once
    for _ in range(_PATIENCE):
        with contextlib.suppress(KeyboardInterrupt):
            return process.wait()
    return process.wait()


def checkout(places: Sequence[str | Path] | None = None) -> Path | None:
    """Return the first of ``places`` that holds training: by default here, beside this package, and the import path."""
    if places is None:  # here comes first, as python -m looks here first
        places = [Path.cwd(), Path(depth_perception.__file__).resolve().parents[1], *filter(None, sys.path)]
    for place in map(Path, places):
        if (place / "training" / "learn.py").is_file():
            return place.resolve()
    return None
