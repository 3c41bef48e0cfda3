"""What decomposing a recording came to, as the command tells it and the page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass
class DecomposeResult:
    """What came of it."""

    frames: int = 0
    key_frames: int = 0
    resumed_at: int = 0
    seconds: float = 0.0
    objects: int = 0
    skipped: str = ""
    depth_from: str = ""
    labels_from: str = ""
    report: Path = Path()
