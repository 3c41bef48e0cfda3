"""Procedural textures: each a function of a seeded generator and two colours, returning (S, S, 3) linear RGB.

All repeat without a seam. ``KINDS`` lists them; ``random_texture`` draws any of them in any colours,
which gives as many different surfaces as training asks for.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from training.synthetic.noise import blend, cell_values, coordinates, fractal_noise, smoothstep, value_noise

Color = Sequence[float]
SIZE = 512


def _colors(*colors: Color) -> list[Tensor]:
    return [torch.tensor([float(c) for c in color]) for color in colors]


def plain(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Paint: colour ``a``, hardly mottled with ``b``."""
    low, high = _colors(a, b)
    mottled = fractal_noise(g, size, 4, 5)
    grain = torch.rand((size, size), generator=g)
    return blend(low, high, 0.25 * mottled) * (0.96 + 0.08 * grain[..., None])


def plaster(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Rough plaster with stains of ``b`` and fine shaded bumps."""
    low, high = _colors(a, b)
    stains = smoothstep(0.45, 0.9, fractal_noise(g, size, 3, 5))
    bumps = fractal_noise(g, size, 32, 4, 0.7)
    relief = bumps - torch.roll(bumps, (2, 2), (0, 1))
    return blend(low, high, 0.5 * stains) * (1.0 + 1.2 * relief[..., None]).clamp(0.6, 1.4)


def asphalt(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Dark ground of ``a`` with grit of ``b``, patches and a few cracks."""
    low, high = _colors(a, b)
    grit = value_noise(g, size, (size // 2, size // 2))
    patches = fractal_noise(g, size, 2, 4)
    cracks = (fractal_noise(g, size, 3, 6, 0.6) - 0.5).abs()
    base = blend(low, high, 0.6 * smoothstep(0.55, 1.0, grit) + 0.25 * patches)
    return base * (0.45 + 0.55 * smoothstep(0.0, 0.012, cracks)[..., None])


def _bond(size: int, rows: int, columns: int, shift: float) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return row, column, and the position inside the brick in [0, 1) of a running bond."""
    u, v = coordinates(size)
    row = torch.floor(v * rows)
    across = u * columns + shift * (row % 2)
    return row, torch.floor(across), across % 1, (v * rows) % 1


def brick(g: torch.Generator, a: Color, b: Color, size: int = SIZE, rows: int = 12, columns: int = 4) -> Tensor:
    """Bricks between colours ``a`` and ``b`` in running bond, with grey mortar and worn faces."""
    low, high = _colors(a, b)
    row, column, x, y = _bond(size, rows, columns, 0.5)
    tone = cell_values(g, row, column, rows, columns)
    worn = fractal_noise(g, size, 8, 5)
    face = blend(low, high, (0.7 * tone + 0.45 * worn).clamp(0, 1)) * (0.75 + 0.4 * worn[..., None])
    joint = 0.06
    edge = torch.minimum(torch.minimum(x, 1 - x) * rows / columns, torch.minimum(y, 1 - y))
    mortar = torch.tensor([0.42, 0.4, 0.37]) * (0.7 + 0.5 * fractal_noise(g, size, 32, 3)[..., None])
    lit = 1.0 + 0.25 * (smoothstep(0.75, 0.95, y) - smoothstep(0.25, 0.05, y))
    return blend(mortar, face * lit[..., None], smoothstep(joint, joint + 0.05, edge))


def tiles(g: torch.Generator, a: Color, b: Color, size: int = SIZE, count: int = 4) -> Tensor:
    """Square tiles of ``a`` with marbling of ``b`` and narrow grout."""
    low, high = _colors(a, b)
    row, column, x, y = _bond(size, count, count, 0.0)
    tone = 0.85 + 0.3 * cell_values(g, row, column, count, count)
    vein = 1 - smoothstep(0.0, 0.08, (fractal_noise(g, size, 3, 6) - 0.5).abs())
    face = blend(low, high, 0.35 * vein + 0.2 * fractal_noise(g, size, 4, 4)) * tone[..., None]
    edge = torch.minimum(torch.minimum(x, 1 - x), torch.minimum(y, 1 - y))
    return blend(torch.tensor([0.2, 0.2, 0.19]), face, smoothstep(0.012, 0.025, edge))


def paving(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Slabs in running bond, each of its own tone, dirty at the joints."""
    low, high = _colors(a, b)
    row, column, x, y = _bond(size, 6, 4, 0.5)
    tone = cell_values(g, row, column, 6, 4)
    grain = fractal_noise(g, size, 48, 3, 0.8)
    face = blend(low, high, tone) * (0.75 + 0.5 * grain[..., None])
    edge = torch.minimum(torch.minimum(x, 1 - x) * 1.5, torch.minimum(y, 1 - y))
    return face * (0.35 + 0.65 * smoothstep(0.01, 0.05, edge)[..., None])


def grain(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Wood grain along u: streaks and rings bent by noise."""
    low, high = _colors(a, b)
    _, v = coordinates(size)
    bend = fractal_noise(g, size, 2, 3, 0.5, 2)
    rings = 0.5 + 0.5 * torch.sin(2 * torch.pi * (6 * v + 2.5 * bend))
    streaks = fractal_noise(g, size, 2, 6, 0.8, 12)
    return blend(low, high, (0.55 * rings + 0.55 * streaks).clamp(0, 1))


def planks(g: torch.Generator, a: Color, b: Color, size: int = SIZE, rows: int = 8) -> Tensor:
    """Floor boards along u, each cut from another place of the wood."""
    wood = grain(g, a, b, size)
    row, column, x, y = _bond(size, rows, 2, 0.37)
    jump = (cell_values(g, row, column, rows, 3) * size).long()
    u = torch.arange(size).expand(size, size)
    v = torch.arange(size)[:, None].expand(size, size)
    board = wood[(v + 3 * jump) % size, (u + jump) % size]
    tone = 0.75 + 0.5 * cell_values(g, row, column, rows, 3)
    edge = torch.minimum(torch.minimum(x, 1 - x) * rows / 2, torch.minimum(y, 1 - y))
    return board * tone[..., None] * (0.3 + 0.7 * smoothstep(0.01, 0.045, edge)[..., None])


def checks(g: torch.Generator, a: Color, b: Color, size: int = SIZE, count: int = 8) -> Tensor:
    """Chequered, slightly worn."""
    low, high = _colors(a, b)
    u, v = coordinates(size)
    square = (torch.floor(u * count) + torch.floor(v * count)) % 2
    return blend(low, high, square) * (0.8 + 0.3 * fractal_noise(g, size, 6, 5)[..., None])


def stripes(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Stripes of several widths along v, as on cloth, wall paper or blinds."""
    low, high = _colors(a, b)
    table = torch.rand(24, generator=g)
    u, _ = coordinates(size)
    tone = table[(u * 24).long() % 24]
    thread = 0.9 + 0.2 * torch.rand((size, size), generator=g)
    return blend(low, high, torch.where(tone > 0.5, 0.9, 0.1) * (0.7 + 0.3 * tone)) * thread[..., None]


def weave(g: torch.Generator, a: Color, b: Color, size: int = SIZE, count: int = 64) -> Tensor:
    """Woven cloth: warp over weft, with broad fading."""
    low, high = _colors(a, b)
    u, v = coordinates(size)
    over = (torch.floor(u * count) + torch.floor(v * count)) % 2
    thread = torch.where(over > 0, torch.sin(torch.pi * (u * count % 1)), torch.sin(torch.pi * (v * count % 1)))
    return blend(low, high, 0.3 + 0.4 * over + 0.3 * fractal_noise(g, size, 3, 4)) * (0.55 + 0.45 * thread[..., None])


def carpet(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """A rug: nested borders and diamonds, stretched once over its face."""
    low, high = _colors(a, b)
    third = (low * 0.4 + high.flip(0) * 0.6).clamp(0.02, 0.9)
    u, v = coordinates(size)
    border = torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v))
    rings = (torch.floor(border * 22) % 3).long()
    diamond = (torch.floor(((u - 0.5).abs() + (v - 0.5).abs()) * 18) % 3).long()
    small = (torch.floor((u * 30) % 1 * 2) + torch.floor((v * 30) % 1 * 2)) % 2
    which = torch.where(border < 0.17, rings, diamond)
    image = torch.stack([low, high, third])[which] * (0.85 + 0.15 * small[..., None])
    return image * (0.75 + 0.4 * torch.rand((size, size, 1), generator=g))


def text(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """A printed page or poster: headline, paragraphs of word-like marks and a picture block, ink ``b`` on ``a``."""
    paper, ink = _colors(a, b)
    image = paper.expand(size, size, 3).clone() * (0.95 + 0.05 * fractal_noise(g, size, 4, 3)[..., None])
    unit = size // 64
    for row in range(4, 60, 2):
        if torch.rand(1, generator=g) < 0.12:
            continue
        tall = 2 if row < 10 else 1
        column = 5
        while column < 58:
            word = int(torch.randint(2, 8, (1,), generator=g)) * tall
            end = min(column + word, 59)
            top = size - (row + tall) * unit
            marks = torch.rand((tall * unit, (end - column) * unit), generator=g) > 0.3
            image[top : top + tall * unit, column * unit : end * unit][marks] = ink
            column = end + tall
    x, y = (int(torch.randint(6, 30, (1,), generator=g)) * unit for _ in range(2))
    block = blend(ink, paper.flip(0), fractal_noise(g, size, 4, 4))
    image[y : y + 22 * unit, x : x + 26 * unit] = block[: 22 * unit, : 26 * unit]
    return image


def painting(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """A framed landscape: hazy sky, hills one behind the other, a sun."""
    low, high = _colors(a, b)
    u, v = coordinates(size)
    image = blend(high, (0.5 * high + 0.5).clamp(0, 1), v)
    sun = torch.rand(2, generator=g) * torch.tensor([0.6, 0.25]) + torch.tensor([0.2, 0.6])
    disc = smoothstep(0.09, 0.07, ((u - sun[0]).square() + (v - sun[1]).square()).sqrt())
    image = blend(image, torch.tensor([0.95, 0.7, 0.35]).expand_as(image), disc)
    for layer in range(5):
        ridge = 0.62 - 0.12 * layer + 0.25 * (fractal_noise(g, size, 3, 5)[0] - 0.5)
        tone = (high * (0.75 - 0.16 * layer) + low * (0.25 + 0.16 * layer)).expand_as(image)
        image = blend(image, tone, (v < ridge[None, :]).float())
    frame = torch.minimum(torch.minimum(u, 1 - u), torch.minimum(v, 1 - v))
    return blend(torch.tensor([0.16, 0.09, 0.04]).expand_as(image), image, (frame > 0.045).float())


def foliage(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Leaves: blotches of light and deep shade at several scales."""
    low, high = _colors(a, b)
    clumps = fractal_noise(g, size, 10, 5, 0.75)
    gaps = smoothstep(0.25, 0.6, fractal_noise(g, size, 24, 4, 0.8))
    return blend(low, high, smoothstep(0.3, 0.85, clumps)) * (0.3 + 0.85 * gaps[..., None])


def shingles(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Roof tiles in rows, rounded at their lower edge, shaded where the next row lies over them."""
    low, high = _colors(a, b)
    row, column, x, y = _bond(size, 10, 10, 0.5)
    tone = 0.6 * cell_values(g, row, column, 10, 10) + 0.5 * fractal_noise(g, size, 6, 4)
    arc = 0.22 * (2 * x - 1).square()
    shade = (y > arc).float()
    return blend(low, high, tone.clamp(0, 1)) * (0.35 + 0.65 * shade * (0.65 + 0.35 * (1 - y)))[..., None]


def metal(g: torch.Generator, a: Color, b: Color, size: int = SIZE) -> Tensor:
    """Brushed metal: fine streaks along u."""
    low, high = _colors(a, b)
    return blend(low, high, fractal_noise(g, size, 2, 4, 0.9, 64))


def pebbles(g: torch.Generator, a: Color, b: Color, size: int = SIZE, count: int = 20) -> Tensor:
    """Round stones: cells around jittered centres, dark between them."""
    low, high = _colors(a, b)
    u, v = coordinates(size)
    jitter = torch.rand((2, count, count), generator=g)
    tone = torch.rand((count, count), generator=g)
    best = torch.full((size, size), 9.0)
    second, shade = best.clone(), best.clone()
    column, row = torch.floor(u * count).long(), torch.floor(v * count).long()
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            r, c = (row + dy) % count, (column + dx) % count
            x = column + dx + jitter[0, r, c] - u * count
            y = row + dy + jitter[1, r, c] - v * count
            distance = (x * x + y * y).sqrt()
            nearer = distance < best
            second = torch.where(nearer, best, torch.minimum(second, distance))
            shade = torch.where(nearer, tone[r, c], shade)
            best = torch.where(nearer, distance, best)
    face = blend(low, high, shade) * (1.15 - 0.5 * best.clamp(0, 1))[..., None]
    return face * (0.25 + 0.75 * smoothstep(0.02, 0.18, second - best)[..., None])


Texture = Callable[..., Tensor]
KINDS: dict[str, Texture] = {
    f.__name__: f
    for f in (
        plain, plaster, asphalt, brick, tiles, paving, grain, planks, checks, stripes, weave, carpet, text, painting,
        foliage, shingles, metal, pebbles,
    )
}  # fmt: skip


def random_texture(generator: torch.Generator, size: int = SIZE) -> Tensor:
    """Draw a texture of any kind in two random colours, from dark to bright, mostly of moderate saturation."""
    names = list(KINDS)
    kind = names[int(torch.randint(len(names), (1,), generator=generator))]
    colors = []
    for _ in range(2):
        grey = 0.03 + 0.8 * torch.rand(1, generator=generator)
        hue = torch.rand(3, generator=generator)
        saturation = 0.7 * torch.rand(1, generator=generator)
        colors.append((grey * (1 - saturation + 2 * saturation * hue)).clamp(0.01, 0.95).tolist())
    return KINDS[kind](generator, *colors, size=size).clamp(0.0, 1.0)
