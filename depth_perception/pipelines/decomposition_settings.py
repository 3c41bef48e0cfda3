"""What shapes a decomposition: how the scene is cut, how much is kept and worked, what counts as an object."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from depth_perception.pipelines.key_frames import KeyFrameSettings
from depth_perception.pipelines.object_tracks import TrackSettings
from depth_perception.pipelines.parameters import Value

PROFILES = ("live", "paper", "tiny")


@dataclass(frozen=True)
class DecompositionSettings:
    """The parameters of ``Decomposition``; each is described with the node's parameter of the same meaning.

    ``profile`` names a configuration of the model, ``cell`` 0 leaves the size of its cells to it;
    ``folder`` empty: a temporary one. ``categories`` maps label -> name where labels are the same in every image.
    Raises ValueError naming the field.
    """

    profile: str = "live"
    device: str = "cpu"
    seed: int = 0
    key_frames: KeyFrameSettings = field(default_factory=KeyFrameSettings)
    tracks: TrackSettings = field(default_factory=TrackSettings)
    max_width: int = 320
    max_depth: float = 6.0
    block_size: float = 3.0
    block_margin: float = 0.2
    frames_in_block: int = 40
    live_blocks: int = 3
    keep_fitters: bool = True
    folder: str = ""
    parked_megabytes: float = 64.0
    steps: int = 60
    cell: float = 0.0
    least_size: float = 0.03
    least_pixels: int = 40
    categories: Mapping[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check what cannot work."""
        if self.profile not in PROFILES:
            raise ValueError(f"profile {self.profile!r} is not one of {', '.join(PROFILES)}")
        if not 0 <= self.block_margin < self.block_size / 2:
            raise ValueError(
                f"blocks.margin {self.block_margin:g} must be less than half of blocks.size {self.block_size:g}"
            )

    @classmethod
    def from_parameters(cls, values: Mapping[str, Value]) -> DecompositionSettings:
        """Pick the settings out of the values of DECOMPOSITION_PARAMETERS; raises ValueError for a bad class file."""
        file = str(values["labels.class_file"])
        return cls(
            profile=str(values["profile"]),
            device=str(values["device"]),
            key_frames=KeyFrameSettings.from_parameters(values),
            tracks=TrackSettings(cell=float(values["objects.cell"]), match=float(values["objects.match"])),
            max_width=int(values["image.max_width"]),
            max_depth=float(values["depth.max"]),
            block_size=float(values["blocks.size"]),
            block_margin=float(values["blocks.margin"]),
            frames_in_block=int(values["blocks.key_frames"]),
            live_blocks=int(values["blocks.live"]),
            keep_fitters=bool(values["blocks.keep_fitters"]),
            folder=str(values["blocks.folder"]),
            parked_megabytes=float(values["blocks.parked_megabytes"]),
            steps=int(values["optimization.steps"]),
            cell=float(values["cell"]),
            least_size=float(values["objects.least_size"]),
            categories=read_categories(file) if file else {},
        )


def read_categories(file: str | Path) -> dict[int, str]:
    """Return label -> category from a YAML file with lines like ``48: stems``; raises ValueError naming the file."""
    try:
        found = yaml.safe_load(Path(file).read_text(encoding="utf-8")) or {}
    except (OSError, yaml.YAMLError) as error:
        raise ValueError(f"labels.class_file {file}: cannot be read: {error}") from error
    if not isinstance(found, Mapping) or not all(isinstance(key, int) for key in found):
        raise ValueError(f"labels.class_file {file}: expected lines of a label and its class, like 48: stems")
    return {int(label): str(name) for label, name in found.items()}
