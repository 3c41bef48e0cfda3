"""One evaluated frame as pictures: image, input points, truth, and per model depth, error, deviation, cloud."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.results import Example
from depth_perception.frames import FloatImage, SparseDepth
from depth_perception.visualization.cloud_view import render_cloud
from depth_perception.visualization.colormap import (
    UNKNOWN_COLOR,
    colorize,
    colorize_error,
    colorize_std,
    depth_range,
)
from depth_perception.visualization.overlay import draw_points, overlay_points
from depth_perception.visualization.sheets import ColorBar, Panel


class FramePictures(NamedTuple):
    """``shared`` panels do not depend on the model; ``models`` maps each model to its own panels."""

    shared: list[Panel]
    models: dict[str, list[Panel]]


def round_up(value: float) -> float:
    """Return the next number of the form 1, 2, 5 times a power of ten at or above ``value`` (> 0)."""
    power = 10.0 ** math.floor(math.log10(value))
    for step in (1.0, 2.0, 5.0, 10.0):
        if step * power >= value * (1 - 1e-4):  # float32 noise must not double a scale
            return step * power
    return 10.0 * power


def error_picture(
    depth: FloatImage, truth: FloatImage | None, held: SparseDepth | None, maximum: float
) -> NDArray[np.uint8]:
    """Return the absolute error as RGB: at every true depth, or as dots at the held-out points."""
    if truth is not None:
        return colorize_error(depth - truth, maximum)
    ground = np.empty((*depth.shape, 3), np.uint8)
    ground[:] = UNKNOWN_COLOR
    if held is None or len(held) == 0:
        return ground
    error = np.abs(depth[held.rows, held.columns] - held.depth)
    small_first = np.argsort(np.nan_to_num(error, nan=-1.0), kind="stable")  # large errors stay on top
    colors = colorize_error(error[:, None], maximum)[:, 0]
    answered = np.isfinite(error)[small_first]
    order = small_first[answered]
    radius = 2 if depth.shape[1] >= 320 else 0
    return draw_points(ground, held.rows[order], held.columns[order], colors[order], radius)


def _errors(example: Example, depth: FloatImage) -> NDArray[np.floating]:
    if example.truth is not None:
        error = np.abs(depth - example.truth)
    elif example.held is not None:
        error = np.abs(depth[example.held.rows, example.held.columns] - example.held.depth)
    else:
        return np.zeros(0)
    return error[np.isfinite(error)]


def _scale(values: list[NDArray[np.floating]], percentile: float) -> float:
    """Return a round upper end that shows all but the largest few values of every model."""
    ends = [float(np.percentile(v, percentile)) for v in values if v.size]
    return round_up(max([*ends, 1e-3]))


def frame_pictures(example: Example, points: str = "Input") -> FramePictures:
    """Return the panels of one frame; all models share one scale for each quantity. ``points``: what they are."""
    depths = [depth for depth, _ in example.estimates.values()]
    # depth that is estimated may keep to a narrow range: points beyond it shall show
    sources = [example.truth] if example.truth is not None else [*depths, example.sparse.depth]
    ranges = [r for r in (depth_range(np.asarray(source)) for source in sources) if r is not None]
    ranges = ranges or [depth_range(example.sparse.depth) or (1.0, 10.0)]
    low, high = min(r[0] for r in ranges), max(r[1] for r in ranges)
    error_end = _scale([_errors(example, depth) for depth in depths], 95.0)
    bar = ColorBar.depth(low, high)
    shared = [
        Panel("Image", example.image),
        Panel(f"{points}: {len(example.sparse)} points", overlay_points(example.image, example.sparse, low, high), bar),
    ]
    if example.truth is not None:
        shared.append(Panel("Ground truth", colorize(example.truth, low, high), bar))
    models = {}
    for name, (depth, deviation) in example.estimates.items():
        where = "" if example.truth is not None else " at held-out points"
        panels = [
            Panel("Dense depth", colorize(depth, low, high), bar),
            Panel(
                f"Absolute error{where}",
                error_picture(depth, example.truth, example.held, error_end),
                ColorBar.error(error_end),
            ),
        ]
        if np.isfinite(deviation).any():
            # on the scale of the error, so that the two pictures can be compared
            picture = colorize_std(deviation, error_end)
            panels.append(Panel("Standard deviation", picture, ColorBar.deviation(error_end)))
        cloud = render_cloud(depth, example.image, example.camera)
        panels.append(Panel("Coloured cloud, seen from aside", cloud))
        models[name] = panels
    return FramePictures(shared, models)
