"""Lens distortion on normalised image coordinates (x/z, y/z), forwards and back, for the models of CameraInfo.

``plumb_bob`` and ``rational_polynomial`` are one family: radial polynomial k1 k2 k3 over k4 k5 k6, tangential p1 p2,
thin prism s1..s4 and a tilted sensor tau_x tau_y, in OpenCV's order of coefficients (4, 5, 8, 12 or 14 of them; D. C.
Brown, Close-range camera calibration, 1971; OpenCV, module calib3d). ``equidistant`` is J. Kannala and S. Brandt, A
generic camera model for conventional, wide-angle and fish-eye lenses, PAMI 28(8), 2006, with four coefficients.

Every polynomial turns round somewhere. Beyond that radius, points far outside the view would land inside the image
again, so a lens here ends where its radial function stops rising or its Jacobian stops being positive.
"""

from __future__ import annotations

import functools
import math

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

COEFFICIENTS = {
    "none": (),
    "plumb_bob": (4, 5, 8, 12, 14),
    "rational_polynomial": (4, 5, 8, 12, 14),
    "equidistant": (4,),
}
"""Known models with the numbers of coefficients they take; zero coefficients mean no distortion in any of them."""

_TABLE = 1024
_NEWTON_STEPS = 12
_FARTHEST = 1e4  # squared radius of a ray 89.4 degrees off the axis


def check(model: str, D: Array) -> tuple[float, ...]:
    """Return the coefficients as a tuple, empty when they distort nothing.

    Raises ValueError naming model and coefficients when the model is unknown, their number is wrong or one of
    them is not finite.
    """
    if model not in COEFFICIENTS:
        raise ValueError(f"distortion model {model!r} is unknown; known: {', '.join(COEFFICIENTS)}")
    values = tuple(np.asarray(D, np.float64).reshape(-1).tolist())
    if not all(map(math.isfinite, values)):
        raise ValueError(f"distortion coefficients {list(values)} of {model!r} are not finite")
    if model == "none" or not values or (model != "equidistant" and not any(values)):
        return ()
    if len(values) not in COEFFICIENTS[model]:
        counts = ", ".join(map(str, COEFFICIENTS[model]))
        raise ValueError(f"{model!r} takes {counts} distortion coefficients, got {len(values)}: {list(values)}")
    return values


@functools.lru_cache(maxsize=64)
def lens(model: str, coefficients: tuple[float, ...]) -> BrownLens | FisheyeLens | None:
    """Return the lens of checked coefficients; None if it distorts nothing."""
    if not coefficients:
        return None
    return FisheyeLens(coefficients) if model == "equidistant" else BrownLens(coefficients)


class BrownLens:
    """Radial, tangential, thin prism and tilt distortion of a perspective lens."""

    def __init__(self, coefficients: tuple[float, ...]):
        k1, k2, p1, p2, k3, k4, k5, k6, *prism_tilt = (*coefficients, *([0.0] * (14 - len(coefficients))))
        self._above, self._below = (k1, k2, k3), (k4, k5, k6)
        self._tangential = (p1, p2)
        self._prism = tuple(prism_tilt[:4])
        self._tilt = _tilt_matrix(*prism_tilt[4:]) if any(prism_tilt[4:]) else None
        self._bent = bool(p1 or p2 or any(self._prism))
        self.limit = _rational_limit(self._above, self._below)
        self._table: tuple[Array, Array] | None = None

    def distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return distorted coordinates; NaN beyond the end of the lens."""
        u, v, inside = self._bend(x, y)
        if self._bent:
            inside &= _positive(self._jacobian(x, y))
        if self._tilt is not None:
            T = self._tilt
            w = T[2, 0] * u + T[2, 1] * v + T[2, 2]
            inside &= w > 0.0
            w = np.where(w > 0.0, w, 1.0)
            u, v = (T[0, 0] * u + T[0, 1] * v + T[0, 2]) / w, (T[1, 0] * u + T[1, 1] * v + T[1, 2]) / w
        return np.where(inside, u, np.nan), np.where(inside, v, np.nan)

    def undistort(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Return undistorted coordinates of distorted ones; NaN where no ray reaches.

        The radial part is inverted from a table, which is never far off even for strong lenses; Newton steps on
        the full model then take it to rounding.
        """
        if self._tilt is not None:
            T = np.linalg.inv(self._tilt)
            w = T[2, 0] * u + T[2, 1] * v + T[2, 2]
            u, v = (T[0, 0] * u + T[0, 1] * v + T[0, 2]) / w, (T[1, 0] * u + T[1, 1] * v + T[1, 2]) / w
        bent = np.hypot(u, v)
        reached, radius = self._radial_table(float(np.nanmax(bent, initial=0.0)))
        start = np.interp(bent, reached, radius)
        scale = np.divide(start, bent, out=np.ones_like(bent), where=bent > 0.0)
        x, y = u * scale, v * scale
        for _ in range(_NEWTON_STEPS):
            fu, fv, _inside = self._bend(x, y)
            a, b, c, d = self._jacobian(x, y)
            du, dv, det = fu - u, fv - v, a * d - b * c
            det = np.where(np.abs(det) > 1e-12, det, np.nan)
            step_x, step_y = (d * du - b * dv) / det, (a * dv - c * du) / det
            x, y = x - step_x, y - step_y
            if not np.nanmax(np.maximum(np.abs(step_x), np.abs(step_y)), initial=0.0) > 1e-14:
                break
        fu, fv, inside = self._bend(x, y)
        close = np.maximum(np.abs(fu - u), np.abs(fv - v)) <= 1e-10 * (1.0 + bent)
        good = inside & close & _positive(self._jacobian(x, y))
        return np.where(good, x, np.nan), np.where(good, y, np.nan)

    def _bend(self, x: Array, y: Array) -> tuple[Array, Array, NDArray[np.bool_]]:
        r2 = x * x + y * y
        inside = r2 < self.limit
        radial = _cubic(self._above, r2)
        if any(self._below):
            radial /= _cubic(self._below, r2)
        u, v = x * radial, y * radial
        if self._bent:
            (p1, p2), (s1, s2, s3, s4) = self._tangential, self._prism
            xy = 2.0 * x * y
            u += p1 * xy + p2 * (r2 + 2.0 * x * x) + r2 * (s1 + s2 * r2)
            v += p2 * xy + p1 * (r2 + 2.0 * y * y) + r2 * (s3 + s4 * r2)
        return u, v, inside

    def _jacobian(self, x: Array, y: Array) -> tuple[Array, Array, Array, Array]:
        """du/dx, du/dy, dv/dx, dv/dy of everything but the tilt."""
        r2 = x * x + y * y
        above, slope = _cubic(self._above, r2), _cubic_slope(self._above, r2)
        if any(self._below):
            below = _cubic(self._below, r2)
            radial = above / below
            slope = (slope - radial * _cubic_slope(self._below, r2)) / below
        else:
            radial = above
        slope *= 2.0  # d radial / dx = slope * x
        a, b, d = radial + slope * x * x, slope * x * y, radial + slope * y * y
        if not self._bent:
            return a, b, b, d
        (p1, p2), (s1, s2, s3, s4) = self._tangential, self._prism
        first, second = 2.0 * (s1 + 2.0 * s2 * r2), 2.0 * (s3 + 2.0 * s4 * r2)
        return (
            a + 2.0 * p1 * y + 6.0 * p2 * x + first * x,
            b + 2.0 * p1 * x + 2.0 * p2 * y + first * y,
            b + 2.0 * p2 * y + 2.0 * p1 * x + second * x,
            d + 2.0 * p2 * x + 6.0 * p1 * y + second * y,
        )

    def _radial_table(self, needed: float) -> tuple[Array, Array]:
        table = self._table
        if table is None or (table[0][-1] < needed and math.isinf(self.limit)):
            end = math.sqrt(self.limit)
            if math.isinf(end):
                end = 1.0
                while end < 1e6 and end * abs(_radial(self._above, self._below, end * end)) < 1.1 * needed:
                    end *= 2.0
            # finer near the axis, where nearly all pixels are
            radius = end * np.linspace(0.0, 1.0, _TABLE, dtype=np.float64) ** 1.5
            reached = radius * _cubic(self._above, radius**2) / _cubic(self._below, radius**2)
            table = self._table = (np.maximum.accumulate(np.where(np.isfinite(reached), reached, 0.0)), radius)
        return table


class FisheyeLens:
    """Kannala-Brandt: the image radius is a polynomial of the angle to the axis; used below 90 degrees only."""

    def __init__(self, coefficients: tuple[float, ...]):
        self._k = coefficients
        slope = [0.0] * 9
        slope[0] = 1.0
        for power, k in zip((2, 4, 6, 8), coefficients, strict=True):
            slope[power] = (power + 1) * k
        self._end = min(_smallest_root(slope), math.pi / 2)  # depth along the axis has no meaning beyond

    def distort(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return distorted coordinates; NaN beyond the end of the lens."""
        r = np.hypot(x, y)
        theta = np.arctan(r)
        scale = np.divide(self._reach(theta), r, out=np.ones_like(r), where=r > 0.0)
        scale[~(theta < self._end)] = np.nan
        return x * scale, y * scale

    def undistort(self, u: Array, v: Array) -> tuple[Array, Array]:
        """Return undistorted coordinates of distorted ones; NaN where no ray ahead of the camera reaches."""
        reach = np.hypot(u, v)
        table = np.linspace(0.0, self._end, _TABLE, dtype=np.float64)
        theta = np.interp(reach, self._reach(table), table)
        k1, k2, k3, k4 = self._k
        for _ in range(_NEWTON_STEPS):
            t2 = theta * theta
            slope = 1.0 + t2 * (3.0 * k1 + t2 * (5.0 * k2 + t2 * (7.0 * k3 + t2 * 9.0 * k4)))
            step = (self._reach(theta) - reach) / np.where(np.abs(slope) > 1e-9, slope, np.nan)
            theta = theta - step
            if not np.nanmax(np.abs(step), initial=0.0) > 1e-15:
                break
        good = (np.abs(self._reach(theta) - reach) < 1e-10) & (theta < self._end) & (theta >= 0.0)
        theta = np.where(good, theta, np.nan)
        scale = np.tan(theta) / np.where(reach > 0.0, reach, 1.0)
        scale[reach == 0.0] = 1.0
        return u * scale, v * scale

    def _reach(self, theta: Array) -> Array:
        k1, k2, k3, k4 = self._k
        t2 = theta * theta
        return theta * (1.0 + t2 * (k1 + t2 * (k2 + t2 * (k3 + t2 * k4))))


def _cubic(k: tuple[float, ...], r2: Array) -> Array:
    return 1.0 + r2 * (k[0] + r2 * (k[1] + r2 * k[2]))


def _cubic_slope(k: tuple[float, ...], r2: Array) -> Array:
    return k[0] + r2 * (2.0 * k[1] + r2 * 3.0 * k[2])


def _radial(above: tuple[float, ...], below: tuple[float, ...], r2: float) -> float:
    return float(_cubic(above, np.float64(r2)) / _cubic(below, np.float64(r2)))  # type: ignore[arg-type]


def _positive(jacobian: tuple[Array, Array, Array, Array]) -> NDArray[np.bool_]:
    a, b, c, d = jacobian
    return a * d - b * c > 0.0


def _rational_limit(above: tuple[float, ...], below: tuple[float, ...]) -> float:
    """Squared radius at which r * above(r^2) / below(r^2) stops rising or has its pole; infinity if never."""
    poly = np.polynomial.polynomial
    n, m = (1.0, *above), (1.0, *below)
    turn = poly.polyadd(
        poly.polymul(n, m),
        poly.polymul((0.0, 2.0), poly.polysub(poly.polymul(poly.polyder(n), m), poly.polymul(n, poly.polyder(m)))),
    )
    return min(_smallest_root(turn), _smallest_root(m))


def _smallest_root(coefficients) -> float:
    """Smallest positive real root of a polynomial given from the constant upwards; infinity if there is none."""
    trimmed = list(coefficients)
    while trimmed and abs(trimmed[-1]) * _FARTHEST ** (len(trimmed) - 1) < 1e-6:
        trimmed.pop()  # bends nothing anywhere in view, but would upset the companion matrix
    if len(trimmed) < 2:
        return math.inf
    roots = np.polynomial.polynomial.polyroots(trimmed)
    real = roots.real[(np.abs(roots.imag) <= 1e-9 * (1.0 + np.abs(roots.real))) & (roots.real > 0.0)]
    return float(real.min()) if real.size else math.inf


def _tilt_matrix(tau_x: float, tau_y: float) -> Array:
    """Perspective map onto a sensor tilted by tau_x and tau_y radians (Scheimpflug), as OpenCV defines it."""
    cx, sx, cy, sy = math.cos(tau_x), math.sin(tau_x), math.cos(tau_y), math.sin(tau_y)
    R = np.array([[cy, 0.0, -sy], [0.0, 1.0, 0.0], [sy, 0.0, cy]]) @ np.array([[1.0, 0, 0], [0, cx, sx], [0, -sx, cx]])
    onto = np.array([[R[2, 2], 0.0, -R[0, 2]], [0.0, R[2, 2], -R[1, 2]], [0.0, 0.0, 1.0]])
    return onto @ R
