"""Contact sheets: several pictures of one frame side by side, with titles, colour bars and units."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.visualization.colormap import DECADES, lookup_table
from depth_perception.visualization.plots import figure, png_bytes


class ColorBar(NamedTuple):
    """What the colours of a picture mean: ``minimum`` to ``maximum`` in ``unit``; ``map`` as in colormap."""

    minimum: float
    maximum: float
    unit: str = "m"
    map: str = "turbo"
    reverse: bool = False
    logarithmic: bool = False

    @classmethod
    def depth(cls, minimum: float, maximum: float) -> ColorBar:
        """Return the bar of ``colormap.colorize``."""
        return cls(minimum, maximum, "m", "turbo", reverse=True, logarithmic=True)

    @classmethod
    def error(cls, maximum: float) -> ColorBar:
        """Return the bar of ``colormap.colorize_error``."""
        return cls(maximum * 10.0**-DECADES, maximum, "m", "inferno", logarithmic=True)

    @classmethod
    def deviation(cls, maximum: float) -> ColorBar:
        """Return the bar of ``colormap.colorize_std``."""
        return cls(maximum * 10.0**-DECADES, maximum, "m", "viridis", logarithmic=True)

    def ticks(self, count: int = 5) -> list[tuple[float, float]]:
        """Return (position on the bar from 0 to 1, value) of evenly placed ticks, ends included."""
        positions = np.linspace(0.0, 1.0, count)
        if self.logarithmic:
            values = self.minimum * (self.maximum / self.minimum) ** positions
        else:
            values = self.minimum + (self.maximum - self.minimum) * positions
        return [(float(p), float(v)) for p, v in zip(positions, values)]

    def colors(self, count: int = 255) -> NDArray[np.uint8]:
        """Return ``count`` RGB colours (count, 3) from the low end to the high end."""
        table = lookup_table(self.map, self.reverse)[1:]
        return table[np.linspace(0, len(table) - 1, count).round().astype(int)]


class Panel(NamedTuple):
    """One RGB picture (height, width, 3) with a title and, if its colours are numbers, a bar."""

    title: str
    picture: NDArray[np.uint8]
    bar: ColorBar | None = None


def number(value: float) -> str:
    """Return ``value`` with about three significant digits and no exponent for usual distances."""
    if value == 0:
        return "0"
    digits = int(np.clip(2 - np.floor(np.log10(abs(value))), 0, 4))
    text = f"{value:.{digits}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def contact_sheet(panels: Sequence[Panel | None], columns: int = 3, title: str = "", width: float = 12.0) -> bytes:
    """Return the panels in rows of ``columns`` as PNG, ``width`` inches wide at 120 dots an inch.

    All pictures should have one size; None leaves a place empty. Raises ValueError without panels.
    """
    pictures = [panel.picture for panel in panels if panel is not None]
    if not pictures:
        raise ValueError("a contact sheet needs at least one panel")
    columns = min(columns, len(panels))
    rows = -(-len(panels) // columns)
    height, breadth = pictures[0].shape[:2]
    cell = width / columns
    # title and bar take a fixed height beside the picture's own
    total = rows * (cell * height / breadth + 0.6) + (0.4 if title else 0.0)
    with figure(width, total) as made:
        made.get_layout_engine().set(h_pad=0.03, w_pad=0.04, hspace=0.0, wspace=0.02)
        if title:
            made.suptitle(title, fontsize=12, fontweight="bold", x=0.01, ha="left")
        grid = made.subplots(2 * rows, columns, squeeze=False, height_ratios=[cell * height / breadth, 0.12] * rows)
        for index in range(rows * columns):
            row, column = divmod(index, columns)
            top, bottom = grid[2 * row, column], grid[2 * row + 1, column]
            top.axis("off")
            bottom.set_axis_off()
            panel = panels[index] if index < len(panels) else None
            if panel is None:
                continue
            top.imshow(panel.picture, interpolation="antialiased")
            top.set_title(panel.title, loc="left")
            if panel.bar is not None:
                bottom.set_axis_on()
                bottom.imshow(panel.bar.colors()[None], aspect="auto", extent=(0, 1, 0, 1))
                ticks = panel.bar.ticks()
                labels = [number(value) for _, value in ticks]
                labels[-1] += f" {panel.bar.unit}"
                bottom.set_xticks([position for position, _ in ticks], labels, fontsize=8)
                bottom.set_yticks([])
                bottom.grid(visible=False)
                for spine in bottom.spines.values():
                    spine.set_visible(False)
        return png_bytes(made, dpi=120)
