"""More textures: gradients, blotches, specks, shapes, scribbles, labels and views out of windows.

As in ``training.synthetic.textures``, each is a function of a seeded generator and two colours and returns (S, S, 3)
linear RGB.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import cv2
import numpy as np
import torch
from torch import Tensor

from training.synthetic.noise import blend, coordinates, fractal_noise, smoothstep

Color = Sequence[float]


def _colors(*colors: Color) -> list[Tensor]:
    return [torch.tensor([float(c) for c in color]) for color in colors]


def _number(g: torch.Generator, low: float, high: float) -> float:
    return low + (high - low) * float(torch.rand(1, generator=g))


def gradient(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """One colour fading into the other and back, in one direction."""
    low, high = _colors(a, b)
    u, v = coordinates(size)
    turns = [(1, 0), (0, 1), (1, 1), (1, -1)][int(_number(g, 0, 4))]
    return blend(low, high, 0.5 + 0.5 * torch.cos(2 * math.pi * (turns[0] * u + turns[1] * v + _number(g, 0, 1))))


def blotches(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """Camouflage: two to four tones with hard outlines, of any scale."""
    low, high = _colors(a, b)
    tones = int(_number(g, 2, 5))
    noise = fractal_noise(g, size, 1 << int(_number(g, 1, 5)), int(_number(g, 1, 5)))
    return blend(low, high, torch.floor(noise * tones).clamp_max(tones - 1) / (tones - 1))


def cloudy(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """Smooth noise of any scale and roughness."""
    low, high = _colors(a, b)
    return blend(
        low, high, fractal_noise(g, size, 1 << int(_number(g, 1, 6)), int(_number(g, 1, 6)), _number(g, 0.4, 0.9))
    )


def specks(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """Terrazzo: grains of other tones on a plain ground."""
    low, high = _colors(a, b)
    noise = fractal_noise(g, size, size // 4, 2, 0.6)
    grains = smoothstep(0.62, 0.7, noise)
    tone = torch.rand((size, size), generator=g)
    tone = torch.nn.functional.max_pool2d(tone[None, None], 3, 1, 1)[0, 0]
    return blend(low, high, grains * (0.3 + 0.7 * tone)) * (0.97 + 0.06 * torch.rand((size, size, 1), generator=g))


def _canvas(size: int, color: Tensor) -> np.ndarray:
    return np.broadcast_to(_bytes(color), (size, size, 3)).astype(np.uint8).copy()


def _bytes(color: Tensor) -> tuple[int, ...]:
    return tuple(int(c) for c in (color.clamp(0, 1) * 255).round())


def _finished(canvas: np.ndarray) -> Tensor:
    return torch.from_numpy(canvas.astype(np.float32) / 255.0)


def _random(g: torch.Generator) -> np.random.Generator:
    return np.random.default_rng(int(torch.randint(1 << 30, (1,), generator=g)))


def _ink(rng: np.random.Generator, low: Tensor, high: Tensor) -> tuple[int, ...]:
    mixed = (
        low + (high - low) * float(rng.uniform(0, 1))
        if rng.random() < 0.6
        else torch.from_numpy(rng.uniform(0, 0.9, 3))
    )
    return _bytes(mixed)


def shapes(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """Discs, boxes and triangles over one another."""
    low, high = _colors(a, b)
    rng, image = _random(g), _canvas(size, low)
    for _ in range(int(rng.integers(8, 80))):
        ink, kind = _ink(rng, low, high), rng.random()
        at, reach = rng.uniform(0, size, 2), size * np.exp(rng.uniform(-3.5, -1.2))
        if kind < 0.35:
            cv2.circle(image, tuple(int(v) for v in at), int(reach) + 1, ink, -1)
        else:
            corners = at + reach * rng.normal(size=(3 if kind < 0.6 else 4, 2))
            cv2.fillPoly(image, [cv2.convexHull(corners.astype(np.int32))], ink)
    return _finished(image)


def scribble(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """Lines of several widths, straight or wandering."""
    low, high = _colors(a, b)
    rng, image = _random(g), _canvas(size, low)
    for _ in range(int(rng.integers(5, 60))):
        steps = int(rng.integers(1, 10))
        points = rng.uniform(0, size, 2) + np.cumsum(rng.normal(0, size / (2 + steps), (steps + 1, 2)), 0)
        cv2.polylines(image, [points.astype(np.int32)], False, _ink(rng, low, high), int(rng.integers(1, 5)))
    return _finished(image)


def label(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """A packet's face: blocks of colour, lines of marks, big letters, a bar code."""
    low, high = _colors(a, b)
    rng, image = _random(g), _canvas(size, low)
    for _ in range(int(rng.integers(1, 5))):
        x, y, w, h = (rng.uniform(0, 1, 4) * (1, 1, 0.7, 0.5) * size).astype(int)
        cv2.rectangle(image, (int(x), int(y)), (int(x + w), int(y + h)), _ink(rng, low, high), -1)
    for _ in range(int(rng.integers(1, 4))):
        letters = "".join(chr(int(c)) for c in rng.integers(65, 91, int(rng.integers(2, 7))))
        at = tuple(int(v) for v in rng.uniform(0.02, 0.8, 2) * size)
        scale = float(rng.uniform(0.4, 1.6)) * size / 128
        cv2.putText(image, letters, at, int(rng.integers(0, 4)), scale, _ink(rng, low, high), int(rng.integers(1, 4)))
    for _ in range(int(rng.integers(0, 3))):
        x, y = (int(v) for v in rng.uniform(0.0, 0.7, 2) * size)
        ink = _ink(rng, low, high)
        for row in range(int(rng.integers(2, 8))):
            end = x + int(rng.uniform(0.1, 0.4) * size)
            cv2.line(image, (x, y + 4 * row), (end, y + 4 * row), ink, 1)
    if rng.random() < 0.3:
        x, y = (int(v) for v in rng.uniform(0.0, 0.7, 2) * size)
        for bar in range(24):
            if rng.random() < 0.5:
                cv2.line(image, (x + bar, y), (x + bar, y + size // 6), (5, 5, 5), 1)
    return _finished(image)


def view(g: torch.Generator, a: Color, b: Color, size: int) -> Tensor:
    """What a window shows: sky over roofs or trees over ground, out of focus."""
    low, high = _colors(a, b)
    v = coordinates(size)[1]
    blue = torch.tensor([0.45, 0.62, 0.9]) * (1 - 0.5 * high.mean()) + 0.45 * high.mean()
    image = blend(torch.tensor([0.85, 0.9, 0.95]), blue, v)
    for layer in range(3):
        if _number(g, 0, 1) < 0.5:
            ridge = _number(g, 0.2, 0.8) - 0.1 * layer + 0.3 * (fractal_noise(g, size, 4, 5)[0] - 0.5)
        else:  # houses
            steps = torch.rand(12, generator=g)
            ridge = 0.15 + 0.55 * steps[(torch.arange(size) * 12 // size)] - 0.08 * layer
        green = torch.tensor([0.12, 0.22, 0.06]) if _number(g, 0, 1) < 0.5 else 0.5 * low + 0.1
        tone = green * (0.5 + fractal_noise(g, size, 12, 4)[..., None])
        image = blend(image, tone, (v < ridge[None, :]).float())
    soft = cv2.GaussianBlur(image.numpy(), (0, 0), size / 100)
    return torch.from_numpy(soft)


KINDS: dict[str, Callable[..., Tensor]] = {
    f.__name__: f for f in (gradient, blotches, cloudy, specks, shapes, scribble, label, view)
}
