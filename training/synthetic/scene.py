"""A world as tensors of primitives, and the builder that fills them.

World frame as REP 103: x forward, y left, z up, metres. A primitive is a unit shape in its own
frame, scaled by ``half`` along its axes, turned and moved: the box [-1, 1]^3, the unit sphere, the
cylinder x^2 + y^2 = 1 with |z| <= 1, and the cone that narrows from that circle at z = -1 to its
tip at z = 1. Planes are thin boxes.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, fields, replace

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from training.synthetic.texture_bank import TextureBank

BOX, ELLIPSOID, CYLINDER, CONE = range(4)
KINDS = (BOX, ELLIPSOID, CYLINDER, CONE)


@dataclass(frozen=True)
class Material:
    """How a surface looks and how it answers a laser.

    ``texture`` is an index into the bank, ``tint`` multiplies it (linear RGB), ``tile`` is metres per
    repetition (0: the texture is stretched once over the face). ``specular`` in [0, 1] and
    ``shininess`` shape the highlight, ``mirror`` in [0, 1] is the reflection of the surroundings seen
    head-on, ``emission`` adds light of the albedo's colour.
    """

    texture: int
    tint: tuple[float, float, float] = (1.0, 1.0, 1.0)
    tile: float = 1.0
    specular: float = 0.0
    shininess: float = 20.0
    mirror: float = 0.0
    emission: float = 0.0


@dataclass(frozen=True)
class Sun:
    """Parallel light. ``direction`` points to it; ``radius`` is its angular radius in radians."""

    direction: tuple[float, float, float]
    color: tuple[float, float, float]
    radius: float = 0.015
    shadows: bool = True


@dataclass(frozen=True)
class Lamp:
    """A glowing ball: ``color`` is irradiance at one metre, ``radius`` its size in metres.

    Without ``shadows`` it lights everything that faces it, which is cheaper and does for weak lamps.
    """

    position: tuple[float, float, float]
    color: tuple[float, float, float]
    radius: float = 0.1
    shadows: bool = True


@dataclass(frozen=True)
class Surroundings:
    """Light from everywhere, and what is seen where no surface is.

    ``zenith``, ``horizon`` and ``ground`` are linear RGB of the sky and of light from below, ``ambient``
    scales their light on surfaces; ``clouds`` in [0, 1] is their share; ``haze`` is the share of light lost
    per metre of air.
    """

    zenith: tuple[float, float, float] = (0.25, 0.45, 0.85)
    horizon: tuple[float, float, float] = (0.75, 0.82, 0.9)
    ground: tuple[float, float, float] = (0.3, 0.28, 0.25)
    ambient: float = 1.0
    clouds: float = 0.5
    haze: float = 0.0
    occlusion_range: float = 1.5  # metres; how far ambient occlusion looks
    cloud_texture: int | None = None  # of the bank; None: a clear sky, or indoors


@dataclass(frozen=True, eq=False)
class Scene:
    """N primitives, M materials. ``to(device)`` moves every tensor.

    ``kind`` (N,) int64; ``center`` (N, 3); ``rotation`` (N, 3, 3) takes local to world directions;
    ``half`` (N, 3) half sizes; ``material``, ``instance`` (N,) int64; ``shadow`` (N,) bool: casts shadows;
    ``offset`` (N, 2) shifts the texture in metres. ``specular``... (M,) hold the materials' numbers.
    """

    kind: Tensor
    center: Tensor
    rotation: Tensor
    half: Tensor
    material: Tensor
    instance: Tensor
    shadow: Tensor
    offset: Tensor
    texture: Tensor  # (M,) int64
    tint: Tensor  # (M, 3)
    tile: Tensor  # (M,)
    specular: Tensor  # (M,)
    shininess: Tensor  # (M,)
    mirror: Tensor  # (M,)
    emission: Tensor  # (M,)
    textures: TextureBank
    lights: tuple[Sun | Lamp, ...]
    surroundings: Surroundings
    instance_names: tuple[str, ...] = field(default=())

    def __len__(self) -> int:
        """Number of primitives."""
        return len(self.kind)

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.kind.device

    def to(self, device: str | torch.device) -> Scene:
        """Return the scene on ``device``."""
        moved = {
            f.name: getattr(self, f.name).to(device)
            for f in fields(self)
            if isinstance(getattr(self, f.name), (Tensor, TextureBank))
        }
        return replace(self, **moved)


class SceneBuilder:
    """Collects primitives on the CPU; ``at`` and ``thing`` nest frames and instance ids.

    Instance 0 is the background (ground, walls, sky); every ``thing`` gets the next number.
    """

    def __init__(self, seed: int, bank: TextureBank | None = None):
        """Draw from ``seed``. With ``bank`` materials name its textures, and none can be added."""
        self.rng = np.random.default_rng(seed)
        self._bank = bank
        self._rows: list[tuple] = []
        self._materials: list[Material] = []
        self._textures: list[Tensor] = []
        self._frames = [np.eye(4)]
        self._instance = 0
        self._names = ["background"]

    def texture(self, image: Tensor) -> int:
        """Add a (S, S, 3) linear RGB texture and return its index; raises ValueError with a bank given."""
        if self._bank is not None:
            raise ValueError("this builder draws from a finished bank of textures")
        self._textures.append(image)
        return len(self._textures) - 1

    def material(self, texture: int | Tensor, **numbers) -> int:
        """Add a material, from a texture or the index of one; return its index."""
        index = texture if isinstance(texture, int) else self.texture(texture)
        self._materials.append(Material(index, **numbers))
        return len(self._materials) - 1

    @contextlib.contextmanager
    def at(self, x: float = 0.0, y: float = 0.0, z: float = 0.0, yaw: float = 0.0) -> Iterator[None]:
        """Place what is added inside at (x, y, z), turned by ``yaw`` radians, in the frame outside."""
        move = np.eye(4)
        move[:3, :3] = turn(yaw)
        move[:3, 3] = x, y, z
        self._frames.append(self._frames[-1] @ move)
        try:
            yield
        finally:
            self._frames.pop()

    @contextlib.contextmanager
    def thing(self, name: str) -> Iterator[int]:
        """Give what is added inside one new instance id."""
        outer, self._instance = self._instance, len(self._names)
        self._names.append(name)
        try:
            yield self._instance
        finally:
            self._instance = outer

    def add(
        self,
        kind: int,
        center: ArrayLike,
        half: ArrayLike,
        material: int,
        rotation: np.ndarray | None = None,
        shadow: bool = True,
    ) -> int:
        """Add one primitive and return its index; ``rotation`` (3, 3) is local to the current frame."""
        frame = self._frames[-1]
        turned = frame[:3, :3] @ (np.eye(3) if rotation is None else rotation)
        place = frame[:3, :3] @ np.asarray(center, float) + frame[:3, 3]
        offset = self.rng.uniform(0.0, 10.0, 2)
        self._rows.append((kind, place, turned, np.maximum(half, 1e-4), material, self._instance, shadow, offset))
        return len(self._rows) - 1

    def mark(self) -> int:
        """Return where the next primitive goes, for ``move`` and ``undo``."""
        return len(self._rows)

    def move(self, mark: int, by: ArrayLike) -> None:
        """Move everything added since ``mark`` by (x, y, z) in the world."""
        self._rows[mark:] = [(row[0], row[1] + np.asarray(by, float), *row[2:]) for row in self._rows[mark:]]

    def undo(self, mark: int) -> None:
        """Drop everything added since ``mark``; instance ids stay used."""
        del self._rows[mark:]

    def box(self, center, size, material: int, yaw: float = 0.0, rotation=None, shadow: bool = True) -> int:
        """Add a box of full ``size`` (x, y, z)."""
        turned = turn(yaw) if rotation is None else rotation
        return self.add(BOX, center, np.asarray(size, float) / 2, material, turned, shadow)

    def ellipsoid(self, center, radii, material: int, rotation=None) -> int:
        """Add an ellipsoid; ``radii`` is one number or three."""
        return self.add(ELLIPSOID, center, np.broadcast_to(np.asarray(radii, float), 3), material, rotation)

    def cylinder(self, center, radius: float, height: float, material: int, rotation=None, shadow: bool = True) -> int:
        """Add a capped cylinder, along z unless turned."""
        return self.add(CYLINDER, center, (radius, radius, height / 2), material, rotation, shadow)

    def cone(self, center, radius: float, height: float, material: int, rotation=None) -> int:
        """Add a cone around ``center`` (half its height), tip up unless turned."""
        return self.add(CONE, center, (radius, radius, height / 2), material, rotation)

    def rod(self, start, end, radius: float, material: int) -> int:
        """Add a cylinder from ``start`` to ``end``."""
        start, end = np.asarray(start, float), np.asarray(end, float)
        length = float(np.linalg.norm(end - start))
        return self.cylinder((start + end) / 2, radius, length, material, frame_along((end - start) / length))

    def build(self, lights: Sequence[Sun | Lamp], surroundings: Surroundings) -> Scene:
        """Return the scene on the CPU; raises ValueError if nothing was added."""
        if not self._rows:
            raise ValueError("a scene needs at least one primitive")
        kind, center, rotation, half, material, instance, shadow, offset = zip(*self._rows)

        def floats(values) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.float32))

        def longs(values) -> Tensor:
            return torch.from_numpy(np.asarray(values, np.int64))

        table = self._materials
        return Scene(
            longs(kind),
            floats(center),
            floats(rotation),
            floats(half),
            longs(material),
            longs(instance),
            torch.from_numpy(np.asarray(shadow, bool)),
            floats(offset),
            longs([m.texture for m in table]),
            floats([m.tint for m in table]),
            floats([m.tile for m in table]),
            floats([m.specular for m in table]),
            floats([m.shininess for m in table]),
            floats([m.mirror for m in table]),
            floats([m.emission for m in table]),
            self._bank if self._bank is not None else TextureBank.bake(self._textures),
            tuple(lights),
            surroundings,
            tuple(self._names),
        )


def turn(yaw: float, pitch: float = 0.0, roll: float = 0.0) -> np.ndarray:
    """Return the (3, 3) rotation by roll about x, then pitch about y, then yaw about z (radians)."""
    cy, sy, cp, sp, cr, sr = (f(a) for a in (yaw, pitch, roll) for f in (math.cos, math.sin))
    about_z = np.array([[cy, -sy, 0], [sy, cy, 0], [0, 0, 1.0]])
    about_y = np.array([[cp, 0, sp], [0, 1.0, 0], [-sp, 0, cp]])
    about_x = np.array([[1.0, 0, 0], [0, cr, -sr], [0, sr, cr]])
    return about_z @ about_y @ about_x


def frame_along(axis: np.ndarray) -> np.ndarray:
    """Return a rotation whose third column is the unit vector ``axis``."""
    helper = np.array([1.0, 0, 0]) if abs(axis[0]) < 0.9 else np.array([0, 1.0, 0])
    first = np.cross(helper, axis)
    first /= np.linalg.norm(first)
    return np.stack([first, np.cross(axis, first), axis], axis=1)
