"""Well-known completion methods to be measured against, each behind one small adapter.

``load(name)`` returns an adapter; ``infer(image, sparse, camera)`` returns float32 (H, W) metres, NaN where the
method answers nothing. A peer with options has one name per option set, ``family:options``; ``variants(family)`` lists
them, so that a comparison can grant each family its best mode. Peers from ``cv2.ximgproc`` need the contrib build of
OpenCV; ``available`` leaves them out where it is missing.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.ip_basic import ip_basic
from depth_perception.frames import CameraModel, FloatImage

Image = NDArray[np.uint8]


class Peer(NamedTuple):
    """One method with fixed options."""

    name: str
    function: Callable[[Image, FloatImage], FloatImage]

    @property
    def family(self) -> str:
        """The name without options."""
        return self.name.split(":")[0]

    def infer(self, image: Image, sparse: FloatImage, camera: CameraModel | None = None) -> FloatImage:
        """Complete ``sparse`` (H, W) metres, 0 = none, guided by RGB uint8 (H, W, 3); all NaN without any point."""
        if not np.any(sparse > 0):
            return np.full(sparse.shape, np.nan, np.float32)
        return self.function(image, sparse)


def load(name: str) -> Peer:
    """Return a peer by name; raises ValueError listing the names."""
    for peer in _peers():
        if peer.name == name:
            return peer
    raise ValueError(f"unknown peer {name!r}; known: {', '.join(available())}")


def available() -> tuple[str, ...]:
    """Return the names of all peers this OpenCV build can run."""
    return tuple(peer.name for peer in _peers())


def families() -> tuple[str, ...]:
    """Return the families in the order of a table."""
    return tuple(dict.fromkeys(peer.family for peer in _peers()))


def variants(family: str) -> tuple[str, ...]:
    """Return the names of one family's option sets; raises ValueError for an unknown family."""
    names = tuple(peer.name for peer in _peers() if peer.family == family)
    if not names:
        raise ValueError(f"unknown peer family {family!r}; known: {', '.join(families())}")
    return names


def nearest(sparse: FloatImage) -> FloatImage:
    """Return the depth of the nearest measured pixel, dense."""
    free = (~(sparse > 0)).astype(np.uint8)
    if free.all():
        return np.full(sparse.shape, np.nan, np.float32)
    _, labels = cv2.distanceTransformWithLabels(free, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL)
    table = np.zeros(int(labels.max()) + 1, np.float32)
    table[np.asarray(labels)[free == 0]] = sparse[free == 0]
    return table[np.asarray(labels)]


def linear(sparse: FloatImage, inverse: bool) -> FloatImage:
    """Interpolate linearly on the Delaunay triangles of the points, in depth or in inverse depth.

    NaN outside the convex hull; all NaN if the points span no triangle.
    """
    from scipy.interpolate import LinearNDInterpolator  # heavy, so only when asked for
    from scipy.spatial import QhullError

    rows, columns = np.nonzero(sparse > 0)
    values = sparse[rows, columns].astype(np.float64)
    grid = np.mgrid[: sparse.shape[0], : sparse.shape[1]].reshape(2, -1).T
    try:
        dense = LinearNDInterpolator(np.column_stack([rows, columns]), 1 / values if inverse else values)(grid)
    except (QhullError, ValueError):  # fewer than three points, or all on one line
        return np.full(sparse.shape, np.nan, np.float32)
    dense = dense.reshape(sparse.shape)
    return (1 / dense if inverse else dense).astype(np.float32)


def _normalized(smooth: Callable[[FloatImage], NDArray], sparse: FloatImage) -> FloatImage:
    """Normalised convolution in inverse depth: filter the masked values and the mask, divide."""
    mask = (sparse > 0).astype(np.float32)
    inverse = np.divide(1, sparse, out=np.zeros_like(sparse), where=sparse > 0)
    weight, total = smooth(mask), smooth(inverse)
    inside = inverse[inverse > 0]
    good = (weight > 1e-6) & (total > 0)
    mean = np.divide(total, weight, out=np.full_like(total, np.nan), where=good)
    return np.reciprocal(np.clip(mean, inside.min(), inside.max()).astype(np.float32))


def _guided(image, sparse, radius, epsilon):
    guide = image.astype(np.float32) / 255
    return _normalized(lambda x: cv2.ximgproc.guidedFilter(guide, x, radius, epsilon), sparse)


def _domain_transform(image, sparse, sigma_space, sigma_color, mode):
    transform = cv2.ximgproc.createDTFilter(image, sigma_space, sigma_color, mode, 3)
    return _normalized(lambda x: transform.filter(x), sparse)


def _global_smoother(image, sparse, strength, sigma_color):
    solver = cv2.ximgproc.createFastGlobalSmootherFilter(image, strength, sigma_color)
    return _normalized(lambda x: solver.filter(x), sparse)


def _weighted_median(image, sparse, radius, sigma_color):
    """Weighted median of the nearest-point filling, in logarithmic 8-bit steps as the OpenCV filter needs."""
    logs = np.log(nearest(sparse))
    low, high = float(logs.min()), float(logs.max())
    scale = 255 / max(high - low, 1e-6)
    coded = np.rint((logs - low) * scale).astype(np.uint8)
    out = cv2.ximgproc.weightedMedianFilter(image, coded, radius, sigma_color)
    return np.exp(np.asarray(out, np.float32) / scale + low)


def _with_options(function, options, image, sparse):
    return function(image, sparse, *options)


@functools.cache
def _peers() -> tuple[Peer, ...]:
    peers = [
        Peer("nearest", lambda image, sparse: nearest(sparse)),
        Peer("linear:z", lambda image, sparse: linear(sparse, False)),
        Peer("linear:1/z", lambda image, sparse: linear(sparse, True)),
    ]
    for blur in ("gaussian", "bilateral", "none"):
        for top in (True, False):

            def function(image, sparse, blur=blur, top=top):
                return ip_basic(sparse, blur=blur, extend_to_top=top)

            peers.append(Peer(f"ip_basic:{blur}{',top' if top else ''}", function))
    if not hasattr(cv2, "ximgproc"):
        return tuple(peers)

    def add(family, function, *grids):
        for options in grids:
            name = f"{family}:" + ",".join(map(str, options))
            peers.append(Peer(name, functools.partial(_with_options, function, options)))

    add("guided", _guided, (4, 1e-4), (8, 1e-4), (8, 1e-3), (16, 1e-3), (32, 1e-3), (32, 1e-2))
    modes = ((cv2.ximgproc.DTF_NC, "nc"), (cv2.ximgproc.DTF_RF, "rf"))
    for mode, label in modes:
        add(f"domain_{label}", lambda i, s, a, b, mode=mode: _domain_transform(i, s, a, b, mode),
            (8.0, 20.0), (8.0, 60.0), (30.0, 20.0), (30.0, 60.0), (80.0, 60.0))  # fmt: skip
    add(
        "global_smoother",
        _global_smoother,
        (100.0, 5.0),
        (1000.0, 5.0),
        (10000.0, 5.0),
        (1000.0, 15.0),
        (10000.0, 15.0),
    )
    add("weighted_median", _weighted_median, (5, 25.5), (11, 25.5))
    return tuple(peers)
