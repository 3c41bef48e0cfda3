"""Weight files: tensors and everything needed to use them, in one safetensors file. NumPy only, no pickle.

The header of ``NAME.safetensors`` says what the tensors are for: family of networks, name and version of the model,
configuration, calibration of the deviation, and what made it. Convolutions may be stored in float16.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from depth_perception import available
from depth_perception.models import families
from depth_perception.models.calibration import Calibration

FOLDER = Path(__file__).resolve().parents[1] / "weights"
_FIELDS = ("family", "name", "version", "config", "calibration", "training")
# what a network counts while it trains, and nothing that it computes with
_COUNTERS = "num_batches_tracked"
_STATISTICS = ("running_mean", "running_var")
_LARGEST_HALF = float(np.finfo(np.float16).max)


class WeightError(ValueError):
    """A weight file that cannot be used; the text names the file and what is wrong with it."""


@dataclass(frozen=True)
class WeightInfo:
    """What the header of a weight file says; ``parameters`` are counted without statistics of normalisation layers."""

    file: Path
    family: str
    name: str
    version: str
    config: Any
    calibration: Calibration | None
    training: dict[str, Any]
    shapes: dict[str, tuple[int, ...]]
    size: int

    @property
    def parameters(self) -> int:
        """Number of trained values."""
        return sum(int(np.prod(s)) for n, s in self.shapes.items() if not n.endswith(_STATISTICS))


@dataclass(frozen=True, eq=False)
class Weights:
    """``tensors``: float32 by the names of the torch module's state; ``config``: the family's own dataclass."""

    family: str
    name: str
    version: str
    config: Any
    tensors: dict[str, NDArray[np.float32]]
    calibration: Calibration | None = None
    training: dict[str, Any] = field(default_factory=dict)
    file: Path | None = None

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Shape of each tensor."""
        return {name: tensor.shape for name, tensor in self.tensors.items()}

    def check(self, expected: Mapping[str, tuple[int, ...]]) -> None:
        """Raise WeightError unless these are the tensors of a network whose state has these names and shapes."""
        wanted = {name: tuple(shape) for name, shape in expected.items() if not name.endswith(_COUNTERS)}
        for name, shape in wanted.items():
            if name not in self.tensors:
                raise WeightError(f"{self.source}: tensor {name!r} of {shape} is missing")
            if self.tensors[name].shape != shape:
                raise WeightError(f"{self.source}: tensor {name!r} is {self.tensors[name].shape}, expected {shape}")
        surplus = sorted(set(self.tensors) - set(wanted))
        if surplus:
            raise WeightError(f"{self.source}: tensor {surplus[0]!r} belongs to no layer of this {self.family}")

    def header(self) -> dict[str, str]:
        """Return everything but the tensors as text."""
        return {
            "family": self.family,
            "name": self.name,
            "version": self.version,
            "config": json.dumps(dataclasses.asdict(self.config)),
            "calibration": json.dumps(self.calibration.to_dict() if self.calibration else None),
            "training": json.dumps(self.training),
        }

    @property
    def source(self) -> str:
        """The file, or the name of weights that came from none."""
        return str(self.file) if self.file is not None else f"weights {self.name!r}"


def write(weights: Weights, file: Path, half: bool = True) -> None:
    """Write a weight file, whole or not at all; ``half`` stores what has two or more dimensions in float16.

    Biases and the statistics of normalisation layers stay float32: they are few, and may leave float16's range. Raises
    ImportError without safetensors, OSError.
    """
    _safetensors(file)
    stored = {}
    for name, tensor in weights.tensors.items():
        if name.endswith(_COUNTERS):
            continue
        fits = tensor.ndim > 1 and np.abs(tensor).max(initial=0) < _LARGEST_HALF
        stored[name] = np.asarray(tensor, np.float16 if half and fits else np.float32, order="C")
    from safetensors.numpy import save

    replace(Path(file), _in_order(save(stored, metadata=weights.header())))


def _in_order(content: bytes) -> bytes:
    """Return a safetensors file with its header sorted: the package's own order changes from run to run.

    Format: eight bytes of length, little-endian, that many bytes of JSON padded with spaces, then the tensors.
    """
    length = int.from_bytes(content[:8], "little")
    header = json.dumps(json.loads(content[8 : 8 + length]), sort_keys=True, separators=(",", ":")).encode()
    header += b" " * (-len(header) % 8)
    return len(header).to_bytes(8, "little") + header + content[8 + length :]


def replace(file: Path, content: bytes) -> None:
    """Write ``content`` to ``file`` so that nobody ever reads a part of it."""
    file.parent.mkdir(parents=True, exist_ok=True)
    partial = file.with_name(f".{file.name}.{os.getpid()}.{id(content):x}")
    try:
        partial.write_bytes(content)
        partial.replace(file)
    finally:
        partial.unlink(missing_ok=True)


def read(file: Path, family: str | None = None) -> Weights:
    """Read a weight file; ``family``: refuse any other.

    Raises WeightError naming file and field, FileNotFoundError, ImportError without safetensors.
    """
    info = inspect(file, family)
    tensors = {}
    with _open(info.file) as content:
        for name in info.shapes:
            values = content.get_tensor(name)
            if not np.isfinite(values).all():
                raise WeightError(f"{file}: tensor {name!r} is not finite")
            tensors[name] = np.asarray(values, np.float32)
    return Weights(
        info.family, info.name, info.version, info.config, tensors, info.calibration, info.training, info.file
    )


def inspect(file: Path, family: str | None = None) -> WeightInfo:
    """Read the header of a weight file alone; raises as ``read`` does."""
    file = Path(file).expanduser()
    with _open(file) as content:
        header = content.metadata() or {}
        shapes = {}
        for name in sorted(content.keys()):  # a safetensors handle is no mapping
            part = content.get_slice(name)
            if part.get_dtype() not in ("F16", "F32"):
                raise WeightError(f"{file}: tensor {name!r} is {part.get_dtype()}, expected F16 or F32")
            shapes[name] = tuple(part.get_shape())
    for name in _FIELDS:
        if name not in header:
            raise WeightError(f"{file}: the header has no field {name!r}; no weight file of depth_perception")
    if family is not None and header["family"] != family:
        raise WeightError(f"{file}: field 'family' is {header['family']!r}, expected {family!r}")
    try:
        config = families.configuration(header["family"], _json(file, header, "config"))
    except ValueError as error:
        raise WeightError(f"{file}: field 'config': {error}") from error
    calibration = _calibration(file, header)
    training = _json(file, header, "training")
    size = file.stat().st_size
    return WeightInfo(
        file, header["family"], header["name"], header["version"], config, calibration, training, shapes, size
    )


def _json(file: Path, header: Mapping[str, str], name: str) -> dict[str, Any]:
    try:
        values = json.loads(header[name])
    except ValueError as error:
        raise WeightError(f"{file}: field {name!r} is not JSON: {error}") from error
    if not isinstance(values, dict):
        raise WeightError(f"{file}: field {name!r} is not a JSON object")
    return values


def _calibration(file: Path, header: Mapping[str, str]) -> Calibration | None:
    if header["calibration"] == "null":
        return None
    try:
        return Calibration.from_dict(_json(file, header, "calibration"))
    except (KeyError, TypeError) as error:
        raise WeightError(f"{file}: field 'calibration' has no usable {error}") from error


def _open(file: Path) -> Any:
    package = _safetensors(file)
    if not file.is_file():
        raise FileNotFoundError(f"{file}: no such weight file")
    try:
        return package.safe_open(str(file), framework="numpy")
    except package.SafetensorError as error:
        raise WeightError(f"{file}: not a whole safetensors file: {error}") from error


def _safetensors(file: Path) -> ModuleType:
    package = available.optional("safetensors")
    if package is None:
        raise ImportError(f"{file}: weight files need the package safetensors; type: pip install safetensors")
    return package
