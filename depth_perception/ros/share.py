"""Find the files that are installed beside the code: config/ and launch/."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

PACKAGE = "depth_perception"


def share_folders(environment: Mapping[str, str] = os.environ) -> list[Path]:
    """Return where shared files may be: the checkout, ament prefixes, the Python prefix, in this order."""
    checkout = Path(__file__).resolve().parents[2]
    folders = [checkout] if (checkout / "package.xml").is_file() else []
    prefixes = [Path(prefix) for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    return folders + [prefix / "share" / PACKAGE for prefix in [*prefixes, Path(sys.prefix)]]


def share_file(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Return the path of a shared file, ``config/completion.yaml`` for one; raises FileNotFoundError."""
    folders = share_folders(environment)
    for folder in folders:
        if (folder / name).is_file():
            return folder / name
    looked = ", ".join(dict.fromkeys(str(folder) for folder in folders if folder.is_dir())) or "no folder at all"
    raise FileNotFoundError(f"{name} is not installed with {PACKAGE}; looked in {looked}")
