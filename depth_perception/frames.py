"""Floor 0: the plain types that travel between the floors. No ROS, no torch, no behaviour.

Conventions kept everywhere: depth is z along the optical axis in metres, float32; unknown depth is
NaN in estimates and 0 in sparse network inputs; optical frames follow REP 103 (x right, y down,
z forward); pixel centres lie at integer coordinates; stamps are integer nanoseconds.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

GAUSSIAN_95 = 1.959964  # standard deviations of a Gaussian's 95 % interval
FloatImage = NDArray[np.float32]


class ScaleKind(enum.IntEnum):
    """What the numbers of a depth image mean; the values are those of ``msg/DepthInfo``."""

    METRIC = 1  # metres
    UP_TO_SCALE = 2  # metres times one unknown factor
    RELATIVE = 3  # unknown factor and unknown shift


@dataclass(frozen=True, eq=False)
class CameraModel:
    """The numbers of one calibrated camera, at the size of the image they belong to.

    K (3, 3), D (n,), R (3, 3) and P (3, 4) are float64 and mean what they mean in
    ``sensor_msgs/CameraInfo`` after binning and region of interest have been applied.
    ``distortion_model`` is ``none``, ``plumb_bob``, ``rational_polynomial`` or ``equidistant``.
    """

    width: int
    height: int
    K: NDArray[np.float64]
    D: NDArray[np.float64] = field(default_factory=lambda: np.zeros(0))
    distortion_model: str = "none"
    R: NDArray[np.float64] = field(default_factory=lambda: np.eye(3))
    P: NDArray[np.float64] | None = None

    @classmethod
    def pinhole(cls, fx: float, fy: float, cx: float, cy: float, width: int, height: int) -> CameraModel:
        """Return an undistorted camera; focal lengths and principal point in pixels."""
        return cls(width, height, np.array([[fx, 0.0, cx], [0.0, fy, cy], [0.0, 0.0, 1.0]]))

    @property
    def shape(self) -> tuple[int, int]:
        """Image size as (height, width)."""
        return self.height, self.width

    @property
    def is_distorted(self) -> bool:
        """True if pixels differ from a pinhole's: a fisheye's do even with all coefficients zero."""
        return self.distortion_model == "equidistant" or (self.distortion_model != "none" and bool(np.any(self.D)))


@dataclass(frozen=True, eq=False)
class CameraFrame:
    """One image with the camera that took it. ``image`` is RGB uint8 (height, width, 3)."""

    stamp: int
    frame_id: str
    image: NDArray[np.uint8]
    camera: CameraModel


@dataclass(frozen=True, eq=False)
class PointCloud:
    """One range scan in its sensor's frame; invalid (NaN, infinite, all-zero) points are gone.

    ``points`` is float32 (n, 3) in metres; ``intensity`` float32 (n,), ``ring`` int32 (n,) and
    ``time`` float64 (n,) in seconds relative to ``stamp`` are None when the sensor gives none.
    """

    stamp: int
    frame_id: str
    points: NDArray[np.float32]
    intensity: NDArray[np.float32] | None = None
    ring: NDArray[np.int32] | None = None
    time: NDArray[np.float64] | None = None

    def __len__(self) -> int:
        """Number of points."""
        return len(self.points)


@dataclass(frozen=True, eq=False)
class SparseDepth:
    """Measured depth at single pixels: at most one value a pixel.

    ``rows``, ``columns`` int32 (m,), ``depth`` float32 (m,) in metres, all > 0; ``source`` int32
    (m,) is the index of each value in the cloud it came from, or in the flattened depth image;
    ``ring`` int32 (m,) the laser ring when known.
    """

    shape: tuple[int, int]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    depth: NDArray[np.float32]
    source: NDArray[np.int32]
    ring: NDArray[np.int32] | None = None

    def __len__(self) -> int:
        """Number of measured pixels."""
        return len(self.depth)

    def image(self) -> FloatImage:
        """Return float32 (height, width): metres, 0 where nothing was measured."""
        out = np.zeros(self.shape, np.float32)
        out[self.rows, self.columns] = self.depth
        return out

    def select(self, chosen: NDArray) -> SparseDepth:
        """Return the values picked by a boolean mask or an index array over the m values."""
        ring = None if self.ring is None else self.ring[chosen]
        return SparseDepth(
            self.shape, self.rows[chosen], self.columns[chosen], self.depth[chosen], self.source[chosen], ring
        )

    @classmethod
    def from_image(cls, depth: FloatImage) -> SparseDepth:
        """Collect the positive, finite pixels of a (height, width) depth image in metres."""
        height, width = depth.shape
        rows, columns = np.nonzero(np.isfinite(depth) & (depth > 0))
        source = (rows * width + columns).astype(np.int32)
        values = depth[rows, columns].astype(np.float32)
        return cls((height, width), rows.astype(np.int32), columns.astype(np.int32), values, source)


class DepthPrediction(NamedTuple):
    """What a model returns: ``depth`` and ``standard_deviation`` float32 (height, width), metres.

    Both are NaN where the model claims nothing. ``inlier`` float32 (height, width) in [0, 1] tells
    at measured pixels how far the measurement was believed (NaN elsewhere), or is None.
    """

    depth: FloatImage
    standard_deviation: FloatImage
    inlier: FloatImage | None = None


@dataclass(frozen=True, eq=False)
class DepthEstimate:
    """Dense depth of one camera frame, as published. NaN where nothing is claimed."""

    stamp: int
    frame_id: str
    camera: CameraModel
    depth: FloatImage
    standard_deviation: FloatImage
    scale: ScaleKind
    model: str
    version: str
    valid_range: tuple[float, float]
    input_coverage: float  # share of pixels with a measurement, in [0, 1]
    latency: dict[str, float] = field(default_factory=dict)  # seconds by stage
    inlier: FloatImage | None = None  # as in DepthPrediction
    wide: float = GAUSSIAN_95  # standard deviations that make a 95 % interval; errors may have heavier tails
    scale_factor: float = 1.0  # what the model's own depth was multiplied by
    scale_deviation: float = 0.0  # of the factor's logarithm; already in standard_deviation
    scale_source: str = ""  # what told the factor last: points, odometry or floor
    scale_age: float = 0.0  # seconds since then

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(height, width) True where depth is claimed."""
        return np.isfinite(self.depth)

    @property
    def coverage(self) -> float:
        """Share of pixels with a depth, in [0, 1]."""
        return float(np.mean(self.mask)) if self.depth.size else 0.0


@dataclass(frozen=True, eq=False)
class PosedDepth:
    """A camera frame with its depth and its place in the world: what scenes are built from.

    ``image`` RGB uint8 (height, width, 3); ``depth`` float32 (height, width), metres along the optical axis, NaN
    unknown; ``camera`` an undistorted pinhole of that size; ``T_world_camera`` float64 (4, 4) takes points of the
    optical frame to the world. ``labels`` int32 (height, width): one number for each object of this image, 0 what
    belongs to none, -1 unknown; the same number may mean another object in the next image. None: not segmented.
    ``standard_deviation`` of the depth in metres, or None.
    """

    stamp: int
    frame_id: str
    image: NDArray[np.uint8]
    camera: CameraModel
    depth: FloatImage
    T_world_camera: NDArray[np.float64]
    labels: NDArray[np.int32] | None = None
    standard_deviation: FloatImage | None = None


@dataclass(frozen=True, eq=False)
class TriangleMesh:
    """A surface: ``vertices`` float32 (n, 3) in metres, ``faces`` int32 (m, 3), outside counter-clockwise.

    ``colors`` RGB uint8 (n, 3), or None.
    """

    vertices: NDArray[np.float32]
    faces: NDArray[np.int32]
    colors: NDArray[np.uint8] | None = None


class OrientedBox(NamedTuple):
    """A box in metres: ``center`` (3,), ``axes`` (3, 3) with right-handed columns, ``size`` (3,) along them."""

    center: NDArray[np.float64]
    axes: NDArray[np.float64]
    size: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ObjectSurface:
    """The surface of one object in the world frame.

    ``id`` from 1 on stays with the object, and is not used again. ``category`` is empty where none is known;
    ``confidence`` in [0, 1] tells how sure it is that this is one object and whole; ``first_seen`` and ``last_seen``
    are stamps. ``revision`` grows with every change of the mesh.
    """

    id: int
    mesh: TriangleMesh
    box: OrientedBox
    confidence: float
    first_seen: int
    last_seen: int
    category: str = ""
    revision: int = 0
