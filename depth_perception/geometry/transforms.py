"""Rigid transforms as 4x4 matrices; ``T_a_b`` maps points of frame b to frame a.

Quaternions are ordered x, y, z, w as in ``geometry_msgs/Quaternion``. The scalar helpers at the end work on plain
floats: on seven numbers Python's own arithmetic is several times faster than NumPy calls, and a transform tree
does nothing else all day.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

Matrix = NDArray[np.float64]
Pose = tuple[float, float, float, float, float, float, float]  # x y z, then quaternion x y z w

UNIT_TOLERANCE = 1e-2
"""Largest deviation of a squared quaternion norm from one that still counts as rounding; the bound tf2 uses."""

_PARALLEL = 1.0 - 1e-9  # cosine above which slerp and normalised linear blending agree to rounding


def quaternion_to_matrix(xyzw: ArrayLike) -> Matrix:
    """Return the (3, 3) rotation of a quaternion x y z w, which is normalised first.

    Raises ValueError if it is not four finite numbers or has no length.
    """
    values = _numbers(xyzw, 4, "quaternion")
    norm = math.sqrt(sum(v * v for v in values))
    if norm < 1e-12:
        raise ValueError(f"quaternion {values} has zero length, so it is no rotation")
    return pose_to_matrix((0.0, 0.0, 0.0, *(v / norm for v in values)))[:3, :3]  # type: ignore[arg-type]


def matrix_to_quaternion(R: ArrayLike) -> Matrix:
    """Return the unit quaternion x y z w (4,), w >= 0, of a rotation matrix (3, 3).

    Shepperd's method: the largest of the four components is computed first, so no precision is lost near 180
    degrees (S. W. Shepperd, Quaternion from rotation matrix, J. Guidance and Control 1(3), 1978).
    """
    rows = np.asarray(R, np.float64)
    if rows.shape != (3, 3) or not np.isfinite(rows).all():
        raise ValueError(f"a rotation must be a finite (3, 3) matrix, got {np.asarray(R)!r}")
    return np.array(_quaternion(rows.tolist()))


def make_transform(translation: ArrayLike, xyzw: ArrayLike) -> Matrix:
    """Return the (4, 4) transform of a translation in metres and a quaternion x y z w.

    Raises ValueError for numbers that are not finite and for a quaternion whose squared norm is farther from one
    than UNIT_TOLERANCE: tf2 refuses those too, because they are a sender's error and not rounding.
    """
    shift = _numbers(translation, 3, "translation")
    quaternion = _numbers(xyzw, 4, "quaternion")
    squared = sum(v * v for v in quaternion)
    if abs(squared - 1.0) > UNIT_TOLERANCE:
        raise ValueError(f"quaternion {quaternion} is not of unit length (norm {math.sqrt(squared):.4g})")
    norm = math.sqrt(squared)
    return pose_to_matrix((*shift, *(v / norm for v in quaternion)))  # type: ignore[arg-type]


def check_transform(T: ArrayLike) -> Matrix:
    """Return ``T`` as float64 (4, 4); raises ValueError saying what keeps it from being a rigid transform."""
    matrix = np.asarray(T, np.float64)
    if matrix.shape != (4, 4):
        raise ValueError(f"a transform must have shape (4, 4), got {matrix.shape}")
    (a, b, c, x), (d, e, f, y), (g, h, i, z), last = matrix.tolist()
    # the sum is finite unless one of the twelve is not (or they are beyond any distance on earth)
    if not math.isfinite(a + b + c + d + e + f + g + h + i + x + y + z):
        raise ValueError("it holds numbers that are not finite")
    if last != [0.0, 0.0, 0.0, 1.0]:
        raise ValueError(f"the last row of a rigid transform is 0 0 0 1, not {last}")
    lengths = (a * a + d * d + g * g, b * b + e * e + h * h, c * c + f * f + i * i)
    angles = (a * b + d * e + g * h, a * c + d * f + g * i, b * c + e * f + h * i)
    determinant = a * (e * i - f * h) - b * (d * i - f * g) + c * (d * h - e * g)
    worst = max(max(abs(v - 1.0) for v in lengths), max(abs(v) for v in angles))
    if worst > UNIT_TOLERANCE or determinant < 0.0:
        raise ValueError("its rotation is not orthonormal (a quaternion that is not of unit length gives this)")
    return matrix


def invert(T: ArrayLike) -> Matrix:
    """Return the inverse of a rigid transform (4, 4): ``invert(T_a_b)`` is ``T_b_a``."""
    matrix = np.asarray(T, np.float64)
    out = np.eye(4)
    out[:3, :3] = matrix[:3, :3].T
    out[:3, 3] = -matrix[:3, :3].T @ matrix[:3, 3]
    return out


def interpolate(T0: ArrayLike, T1: ArrayLike, alpha: float) -> Matrix:
    """Return the transform a share ``alpha`` of the way from ``T0`` to ``T1``, as tf2 does it.

    Translation goes in a straight line, rotation at constant speed on the shorter arc (K. Shoemake, Animating
    rotation with quaternion curves, SIGGRAPH 1985). ``alpha`` outside [0, 1] raises ValueError: that would
    be extrapolation.
    """
    if not 0.0 <= alpha <= 1.0:
        raise ValueError(f"alpha must lie in [0, 1], got {alpha}")
    return pose_to_matrix(interpolate_poses(matrix_to_pose(T0), matrix_to_pose(T1), alpha))


def apply(T: ArrayLike, points: ArrayLike) -> NDArray:
    """Return ``points`` (n, 3) of frame b in frame a, given ``T_a_b`` (4, 4).

    float32 points come back as float32 but are computed in float64 where it matters: a translation of
    kilometres (map frames) would otherwise cost centimetres.
    """
    matrix = np.asarray(T, np.float64)
    given = np.asarray(points)
    moved = given @ matrix[:3, :3].T + matrix[:3, 3]
    return moved.astype(np.float32) if given.dtype == np.float32 else moved


def matrix_to_pose(T: ArrayLike) -> Pose:
    """Return a (4, 4) transform as seven floats: translation, then quaternion x y z w."""
    rows = np.asarray(T, np.float64).tolist()
    return (rows[0][3], rows[1][3], rows[2][3], *_quaternion(rows))


def pose_to_matrix(pose: Pose) -> Matrix:
    """Return seven floats (translation, unit quaternion x y z w) as a (4, 4) transform."""
    px, py, pz, x, y, z, w = pose
    return np.array(
        [
            [1.0 - 2.0 * (y * y + z * z), 2.0 * (x * y - z * w), 2.0 * (x * z + y * w), px],
            [2.0 * (x * y + z * w), 1.0 - 2.0 * (x * x + z * z), 2.0 * (y * z - x * w), py],
            [2.0 * (x * z - y * w), 2.0 * (y * z + x * w), 1.0 - 2.0 * (x * x + y * y), pz],
            [0.0, 0.0, 0.0, 1.0],
        ]
    )


def compose_poses(first: Pose, second: Pose) -> Pose:
    """Return the pose of ``first @ second``."""
    ax, ay, az, x, y, z, w = first
    bx, by, bz, X, Y, Z, W = second
    # rotate the second translation: t + 2 w (q x t) + 2 q x (q x t)
    cx, cy, cz = 2.0 * (y * bz - z * by), 2.0 * (z * bx - x * bz), 2.0 * (x * by - y * bx)
    return (
        ax + bx + w * cx + y * cz - z * cy,
        ay + by + w * cy + z * cx - x * cz,
        az + bz + w * cz + x * cy - y * cx,
        w * X + x * W + y * Z - z * Y,
        w * Y - x * Z + y * W + z * X,
        w * Z + x * Y - y * X + z * W,
        w * W - x * X - y * Y - z * Z,
    )


def interpolate_poses(first: Pose, second: Pose, alpha: float) -> Pose:
    """Return the pose a share ``alpha`` in [0, 1] of the way from ``first`` to ``second``; see interpolate."""
    ax, ay, az, x, y, z, w = first
    bx, by, bz, X, Y, Z, W = second
    cosine = x * X + y * Y + z * Z + w * W
    if cosine < 0.0:  # q and -q are the same rotation; take the one on the near side
        cosine, X, Y, Z, W = -cosine, -X, -Y, -Z, -W
    if cosine > _PARALLEL:
        keep, take = 1.0 - alpha, alpha
    else:
        angle = math.acos(cosine)
        keep, take = math.sin((1.0 - alpha) * angle) / math.sin(angle), math.sin(alpha * angle) / math.sin(angle)
    x, y, z, w = keep * x + take * X, keep * y + take * Y, keep * z + take * Z, keep * w + take * W
    norm = math.sqrt(x * x + y * y + z * z + w * w)
    rest = 1.0 - alpha
    return (
        rest * ax + alpha * bx,
        rest * ay + alpha * by,
        rest * az + alpha * bz,
        x / norm,
        y / norm,
        z / norm,
        w / norm,
    )


def _quaternion(rows: list[list[float]]) -> tuple[float, float, float, float]:
    (a, b, c), (d, e, f), (g, h, i) = rows[0][:3], rows[1][:3], rows[2][:3]
    trace = a + e + i
    largest = max(trace, a, e, i)
    if largest == trace:
        x, y, z, w = h - f, c - g, d - b, 1.0 + trace
    elif largest == a:
        x, y, z, w = 1.0 + a - e - i, b + d, c + g, h - f
    elif largest == e:
        x, y, z, w = b + d, 1.0 - a + e - i, f + h, c - g
    else:
        x, y, z, w = c + g, f + h, 1.0 - a - e + i, d - b
    scale = math.copysign(1.0 / math.sqrt(x * x + y * y + z * z + w * w), w)
    return x * scale, y * scale, z * scale, w * scale


def _numbers(values: ArrayLike, count: int, what: str) -> list[float]:
    numbers = np.asarray(values, np.float64).reshape(-1).tolist()
    if len(numbers) != count:
        raise ValueError(f"a {what} has {count} numbers, got {len(numbers)}")
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f"{what} {numbers} is not finite")
    return numbers
