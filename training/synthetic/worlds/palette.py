"""Materials by role, in random colours, from one bank of textures that every world of a process shares."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch

from training.synthetic import textures as tx
from training.synthetic.scene import SceneBuilder
from training.synthetic.texture_bank import TextureBank

SIZE = 128
_COPIES = 8  # of every kind of texture
_SEED = 90210

ROLES: dict[str, tuple[str, ...]] = {
    "wall": ("plain", "plain", "plain", "plain", "plaster", "plaster", "brick", "stripes", "uniform", "uniform"),
    "floor": ("planks", "planks", "tiles", "carpet", "plain", "weave", "grain", "paving", "asphalt", "checks"),
    "ceiling": ("plain", "plain", "uniform", "plaster", "tiles"),
    "wood": ("grain", "grain", "planks", "plain", "uniform"),
    "cloth": ("weave", "weave", "stripes", "checks", "carpet", "plain", "uniform"),
    "paint": ("uniform", "uniform", "plain"),
    "metal": ("metal", "metal", "plain", "uniform"),
    "ground": ("asphalt", "asphalt", "paving", "foliage", "pebbles", "plaster", "tiles"),
    "facade": ("brick", "brick", "plaster", "plaster", "plain", "paving", "uniform", "tiles"),
    "roof": ("shingles", "shingles", "metal", "plain"),
    "leaf": ("foliage",),
    "bark": ("grain", "plaster", "asphalt"),
    "soil": ("asphalt", "foliage", "pebbles", "plaster", "plain"),
    "rock": ("plaster", "asphalt", "pebbles", "plain"),
    "print": ("text", "painting", "checks", "stripes", "carpet"),
    "box": ("plain", "uniform", "text", "stripes", "plaster", "grain"),
}


@cache
def bank() -> tuple[TextureBank, dict[str, tuple[int, ...]]]:
    """Return the bank and the indices of each kind of texture; grey ones first, which tints colour."""
    g = torch.Generator().manual_seed(_SEED)
    images, index = [], {}
    for kind, draw in tx.KINDS.items():
        index[kind] = tuple(range(len(images), len(images) + _COPIES))
        for copy in range(_COPIES):
            colors = torch.rand((2, 3), generator=g)
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

    def color(self, low: float = 0.04, high: float = 0.9, saturation: float = 0.7) -> tuple[float, float, float]:
        """Draw a linear RGB colour of random brightness and at most that saturation."""
        grey = np.exp(self.rng.uniform(np.log(low), np.log(high)))
        hue = self.rng.uniform(0.0, 1.0, 3)
        share = self.rng.uniform(0.0, saturation) ** 1.5
        r, g, b = np.clip(grey * (1 - share + 2 * share * hue), 0.01, 1.2)
        return float(r), float(g), float(b)

    def new(self, role: str, **numbers) -> int:
        """Add a material for ``role`` with its own texture, colour, scale and gloss; ``numbers`` override."""
        rng = self.rng
        kinds = self._kinds if rng.random() < self.wild else ROLES.get(role, tuple(self._kinds))
        choices = self.index[kinds[int(rng.integers(len(kinds)))]]
        texture = choices[int(rng.integers(len(choices)))]
        values: dict = {"tint": self._tint(role), "tile": float(np.exp(rng.uniform(np.log(0.4), np.log(3.0))))}
        if role in ("print",):
            values["tile"] = 0.0
        if role in ("cloth", "leaf", "box"):
            values["tile"] *= 0.4
        if rng.random() < 0.35 or role in ("metal", "paint"):
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
        if role in ("leaf",):
            base = np.array([0.35, 0.6, 0.15]) * np.exp(rng.uniform(-0.9, 0.5)) + rng.uniform(0, 0.2, 3)
            return tuple(float(v) for v in base)  # type: ignore[return-value]
        if role in ("wall", "ceiling"):
            return self.color(0.25 if rng.random() < 0.8 else 0.06, 1.0, 0.35)
        if role in ("wood", "bark", "soil"):
            base = np.array([0.6, 0.38, 0.2]) ** rng.uniform(0.1, 1.2) * np.exp(rng.uniform(-1.4, 0.4))
            return tuple(float(v) for v in base)  # type: ignore[return-value]
        if role in ("ground", "rock", "floor", "facade", "metal", "roof"):
            return self.color(0.12, 1.0, 0.4)
        if role == "print":
            return self.color(0.5, 1.2, 0.3)
        return self.color()
