"""Materials by role, in random colours, from one bank of textures that every world of a process shares."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from training.synthetic import textures as tx
from training.synthetic.scene import SceneBuilder
from training.synthetic.texture_bank import TextureBank
from training.synthetic.worlds import patterns

SIZE = 128
_COPIES = 12  # of every kind of texture
_SEED = 90210

ROLES: dict[str, tuple[str, ...]] = {
    "wall": ("plain",) * 4 + ("uniform",) * 4 + ("plaster",) * 3 + ("brick", "stripes", "tiles", "cloudy", "gradient"),
    "floor": ("planks",) * 3
    + ("tiles",) * 2
    + ("carpet", "plain", "weave", "grain", "paving", "asphalt", "checks", "specks", "specks", "cloudy", "uniform"),
    "ceiling": ("plain", "plain", "uniform", "uniform", "plaster", "tiles"),
    "wood": ("grain",) * 4 + ("planks", "plain", "uniform", "uniform"),
    "cloth": ("weave",) * 3 + ("stripes", "checks", "carpet", "plain", "uniform", "cloudy", "blotches", "shapes"),
    "paint": ("uniform", "uniform", "plain", "gradient"),
    "metal": ("metal", "metal", "plain", "uniform"),
    "ground": ("asphalt", "asphalt", "asphalt", "paving", "foliage", "pebbles", "plaster", "cloudy"),
    "road": ("asphalt",) * 6 + ("cloudy", "plaster", "plain", "paving"),
    "facade": ("brick", "brick", "plaster", "plaster", "plain", "paving", "uniform", "tiles", "cloudy", "stripes"),
    "roof": ("shingles", "shingles", "metal", "plain"),
    "leaf": ("foliage", "foliage", "cloudy", "specks"),
    "bark": ("grain", "plaster", "asphalt", "cloudy"),
    "soil": ("asphalt", "foliage", "foliage", "pebbles", "plaster", "cloudy", "specks"),
    "meadow": ("foliage", "foliage", "foliage", "cloudy", "specks"),
    "rock": ("plaster", "asphalt", "pebbles", "plain", "cloudy", "specks"),
    "print": ("text", "painting", "painting", "shapes", "scribble", "label", "label", "view", "cloudy", "gradient"),
    "view": ("view",),
    "box": (
        "plain",
        "uniform",
        "uniform",
        "text",
        "stripes",
        "plaster",
        "label",
        "label",
        "label",
        "grain",
        "gradient",
    ),
}
# Roles whose textures are nearly grey before they are tinted.
MUTED = (
    "wall",
    "ceiling",
    "floor",
    "wood",
    "ground",
    "road",
    "facade",
    "roof",
    "bark",
    "soil",
    "rock",
    "metal",
    "leaf",
)


@cache
def bank() -> tuple[TextureBank, dict[str, tuple[int, ...]]]:
    """Return the bank and the indices of each kind of texture; grey ones first, which tints colour."""
    g = torch.Generator().manual_seed(_SEED)
    images: list[torch.Tensor] = []
    index: dict[str, tuple[int, ...]] = {}
    for kind, draw in {**tx.KINDS, **patterns.KINDS}.items():
        index[kind] = tuple(range(len(images), len(images) + _COPIES))
        for copy in range(_COPIES):
            colors = torch.rand((2, 3), generator=g)
            colors = colors.mean(1, keepdim=True) + (colors - colors.mean(1, keepdim=True)) * torch.rand(1, generator=g)
            if copy < _COPIES // 2:  # nearly grey: one is light, the other anything
                colors = colors[:, :1] * torch.tensor([[0.25], [0.7]]) + torch.tensor([[0.65], [0.08]])
                colors = colors.expand(2, 3) * (0.94 + 0.12 * torch.rand((2, 3), generator=g))
            colors = colors.clamp(0.02, 0.97)
            images.append(draw(g, *colors.tolist(), size=SIZE).clamp(0.0, 1.0))
    index["uniform"] = (len(images),)
    images.append(torch.full((SIZE, SIZE, 3), 0.9))
    index["clouds"] = tuple(range(len(images), len(images) + 4))
    for _ in range(4):
        noise = tx.fractal_noise(g, SIZE, 3, 6, 0.6)
        images.append(noise[..., None].expand(SIZE, SIZE, 3).contiguous())
    return TextureBank.bake(images), index


@cache
def bank_on(device: torch.device) -> TextureBank:
    """Return the bank on ``device``, where it stays: worlds come and go."""
    return bank()[0].to(device)


def shared_builder(seed: int) -> SceneBuilder:
    """Return a builder whose textures are the bank's."""
    return SceneBuilder(seed, bank()[0])


class Palette:
    """Draws materials into a builder. ``wild`` is the chance that a role is ignored and any texture taken."""

    def __init__(self, b: SceneBuilder, wild: float = 0.08):
        self.b, self.rng, self.wild = b, b.rng, wild
        self.index = bank()[1]
        self._kinds = [k for k in self.index if k != "clouds"]
        self._drawn: dict[str, list[int]] = {}

    def color(self, low: float = 0.04, high: float = 0.9, saturation: float = 0.8) -> tuple[float, float, float]:
        """Draw a linear RGB colour of random brightness and at most that saturation."""
        grey = np.exp(self.rng.uniform(np.log(low), np.log(high)))
        hue = self.rng.uniform(0.0, 1.0, 3)
        if self.rng.random() < 0.7:  # green between red and blue: no purple and no poison green
            low_hue, middle, high_hue = np.sort(hue)
            hue = np.array([high_hue, middle, low_hue] if self.rng.random() < 0.65 else [low_hue, middle, high_hue])
        share = saturation * self.rng.uniform() ** 2.5  # most things are nearly grey
        r, g, b = np.clip(grey * (1 - share + 2 * share * hue), 0.01, 1.2)
        return float(r), float(g), float(b)

    def new(self, role: str, **numbers) -> int:
        """Add a material for ``role`` with its own texture, colour, scale and gloss; ``numbers`` override."""
        rng = self.rng
        kinds = self._kinds if rng.random() < self.wild else ROLES.get(role, tuple(self._kinds))
        choices = self.index[kinds[int(rng.integers(len(kinds)))]]
        if role in MUTED and rng.random() < 0.9:
            choices = choices[: (len(choices) + 1) // 2]
        texture = choices[int(rng.integers(len(choices)))]
        values: dict = {"tint": self._tint(role), "tile": float(np.exp(rng.uniform(np.log(0.4), np.log(3.0))))}
        if role in ("print", "view", "box") and (role != "box" or rng.random() < 0.6):
            values["tile"] = 0.0
        if role in ("cloth", "leaf", "box"):
            values["tile"] *= 0.4
        glossy = 0.07 if role in ("wall", "ceiling", "ground", "soil", "meadow", "facade") else 0.35
        if rng.random() < glossy or role in ("metal", "paint"):
            values["specular"] = float(rng.uniform(0.05, 0.8))
            values["shininess"] = float(np.exp(rng.uniform(np.log(8), np.log(200))))
        if rng.random() < (0.3 if role == "metal" else 0.04):
            values["mirror"] = float(rng.uniform(0.03, 0.35))
        values.update(numbers)
        return self.b.material(texture, **values)

    def __call__(self, role: str, fresh: float = 0.25, **numbers) -> int:
        """Return a material for ``role``: one drawn before for this world, or, with chance ``fresh``, a new one."""
        if numbers:
            return self.new(role, **numbers)
        drawn = self._drawn.setdefault(role, [])
        if not drawn or self.rng.random() < fresh:
            drawn.append(self.new(role))
        return drawn[int(self.rng.integers(len(drawn)))]

    def _tint(self, role: str) -> tuple[float, float, float]:
        rng = self.rng
        if role in ("leaf", "meadow"):
            base = np.array([0.35, 0.6, 0.15]) * np.exp(rng.uniform(-0.9, 0.5)) + rng.uniform(0, 0.2, 3)
            return tuple(float(v) for v in base)  # type: ignore[return-value]
        if role in ("wall", "ceiling"):
            return self.color(0.3 if rng.random() < 0.85 else 0.06, 1.0, 0.5)
        if role in ("wood", "bark", "soil"):
            base = np.array([0.6, 0.38, 0.2]) ** rng.uniform(0.1, 1.2) * np.exp(rng.uniform(-1.4, 0.4))
            return tuple(float(v) for v in base)  # type: ignore[return-value]
        if role in ("ground", "road", "rock", "floor", "facade", "metal", "roof"):
            warm = self.color(0.1, 0.9, 0.5)
            return warm[0] * 1.06, warm[1], warm[2] * 0.9
        if role in ("print", "view"):
            return self.color(0.5, 1.2, 0.3)
        return self.color()
