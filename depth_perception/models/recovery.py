"""What a frozen network's depth lacks to be a shape, found from unlabelled images: its shift, and the focal length.

After Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV 2023). A network
trained on labels of unknown scale and shift returns (truth - shift) / scale. With the wrong shift, or lifted with the
wrong focal length, the surface bends: seen from a virtual camera that turned, it no longer is what the network says of
that view. Both are found as the minimum of this disagreement over many images and views. The network is only called.

The **scale cannot be found** this way: a scene twice as large looks the same. Shifts are therefore in the network's own
unit, that is for scale 1; depth + shift is right up to one unknown factor.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from depth_perception.geometry.splatting import discontinuities, fill_holes, render
from depth_perception.geometry.virtual_views import Network, PoseRange, random_poses, relative_scale

ViewNetwork = Callable[[Tensor, Tensor], Tensor]  # images and T_view_frame (B, 4, 4) to depths

FOCAL_FACTORS = tuple(2 ** (k / 6) for k in range(-6, 7))  # half to twice the guess
SHIFT_SHARES = tuple(k / 10 for k in range(-5, 11))  # of the median depth

_GOLDEN = (math.sqrt(5) - 1) / 2
_STILL = 0.002  # change of a round, in shares, that is none
_MOST_BEHIND = 0.02  # share of pixels that a shift may put behind the camera
_LEAST_DEPTH = 0.1  # share of the median below which a depth no longer counts more the nearer it is


@dataclass(frozen=True)
class RecoveryConfig:
    """``views`` virtual cameras are drawn for each image, with ``seed``, within ``reach``.

    Of the pixels of a view the share ``trim`` that disagrees most does not count: what came out from behind something.
    A view of which less than the share ``least_seen`` can be compared is left out. ``batch``: images at once.
    """

    views: int = 8
    seed: int = 0
    reach: PoseRange = field(default_factory=PoseRange)
    trim: float = 0.2
    least_seen: float = 0.05
    batch: int = 16


class Search(NamedTuple):
    """A curve of disagreement and its minimum.

    ``tried`` ascends; ``errors`` are shares of depth. ``best`` with ``error`` is the minimum, found finer than
    ``tried``. ``has_minimum``: it lies within what was tried, and no second one comes near.
    """

    tried: tuple[float, ...]
    errors: tuple[float, ...]
    best: float
    error: float
    has_minimum: bool


class Recovery(NamedTuple):
    """``shift`` in the network's unit, ``K`` (B, 3, 3), and the last search for each."""

    shift: float
    K: Tensor
    shift_search: Search
    focal_search: Search


class SelfConsistency:
    """How far a network's depth of rotated views is from its depth of the images, rotated.

    ``images`` (N, 3, H, W) in [0, 1], all of one domain. ``network`` maps such a batch to depths (B, 1, H, W), NaN or
    not positive where it knows none. ``in_view`` is asked instead for the rendered views, and is told T_view_frame
    too: for tests against a world that can be looked at from there. Nothing is differentiated. Raises ValueError if
    the network returns another shape or knows nothing.
    """

    def __init__(
        self,
        network: Network,
        images: Tensor,
        config: RecoveryConfig | None = None,
        in_view: ViewNetwork | None = None,
    ):
        self.config = config or RecoveryConfig()
        self.images = images
        self._in_view = in_view or (lambda image, _: network(image))
        with torch.no_grad():
            self.depth = torch.cat([network(part) for part in images.split(self.config.batch)])
        if self.depth.shape != (len(images), 1, *images.shape[2:]):
            raise ValueError(f"depths (N, 1, H, W) wanted for images {tuple(images.shape)}, got {self.depth.shape}")
        known = torch.isfinite(self.depth) & (self.depth > 0)
        if not known.any():
            raise ValueError("the network knows no depth in any of the images")
        self.median = float(self.depth[known].median())
        self.poses = self._draw(0.0)

    def aim(self, shift: float) -> None:
        """Draw the views again, about the middle of what is seen if the depths lack ``shift``."""
        self.poses = self._draw(shift)

    @torch.no_grad()
    def __call__(self, K: Tensor, shift: float = 0.0) -> float:
        """Return the mean disagreement of ``depth + shift`` lifted with ``K`` (N, 3, 3), as a share of depth.

        Depths of a rendered view and of the network are brought together by scale alone. Their difference counts
        per depth *without* the shift: divided by the shifted depth, a large enough shift would make any difference
        small. All calls look from the same places until ``aim`` moves them. inf if no view could be compared, or if
        the shift puts a fiftieth of what is seen behind the camera.
        """
        known = torch.isfinite(self.depth) & (self.depth > 0)
        if float((self.depth[known] <= -shift).float().mean()) > _MOST_BEHIND:
            return math.inf
        total, count = 0.0, 0
        for T in self.poses:
            size = self.config.batch
            error = torch.cat(
                [
                    self._disagreement(*given, shift=shift)
                    for given in zip(self.images.split(size), self.depth.split(size), K.split(size), T.split(size))
                ]
            )
            seen = torch.isfinite(error)
            total, count = total + float(error[seen].sum()), count + int(seen.sum())
        return total / count if count else math.inf

    def _draw(self, shift: float) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self.config.seed)
        return [random_poses(self.depth + shift, generator, self.config.reach) for _ in range(self.config.views)]

    def _disagreement(self, image: Tensor, depth: Tensor, K: Tensor, T: Tensor, shift: float) -> Tensor:
        """Return the mean difference (B,) of one virtual view of each image, NaN where too little can be compared."""
        # edges are told before the shift, so that the same pixels count for all of them
        there = render(image, depth + shift, K, T, ~discontinuities(depth), jump=math.inf)
        raw = self._in_view(fill_holes(there.image, there.mask), T)
        again = raw + shift
        valid = there.mask & torch.isfinite(again) & (again > 0) & ~discontinuities(raw)
        scale = relative_scale(again, there.depth, valid)
        unit = raw.clamp_min(_LEAST_DEPTH * self.median)
        error = torch.where(valid, (scale * again - there.depth).abs() / unit, math.inf).flatten(1)
        count = valid.flatten(1).sum(1)
        taken = ((1 - self.config.trim) * count).long()
        rank = torch.arange(error.shape[1], device=error.device)
        best = torch.where(rank < taken[:, None], error.sort(1).values, 0.0).sum(1) / taken
        return torch.where(count > self.config.least_seen * error.shape[1], best, math.nan)


def recover_shift(
    consistency: SelfConsistency, K: Tensor, shares: Sequence[float] = SHIFT_SHARES, tolerance: float = 0.002
) -> Search:
    """Return the shift that a domain's depths lack, in the network's unit, as far as ``K`` (N, 3, 3) is right.

    Tried are ``shares`` of the median depth, then ever closer about the best, to ``tolerance`` of the median depth.
    """
    unit = consistency.median
    search = minimise(lambda share: consistency(K, share * unit), shares, tolerance)
    return search._replace(tried=tuple(unit * x for x in search.tried), best=unit * search.best)


def recover_focal(
    consistency: SelfConsistency,
    K: Tensor,
    shift: float = 0.0,
    factors: Sequence[float] = FOCAL_FACTORS,
    tolerance: float = 0.005,
) -> Search:
    """Return the factor by which the focal lengths in ``K`` (N, 3, 3) must be multiplied.

    Without calibration let ``K`` be ``guessed_intrinsics``. ``tolerance`` is a share of the focal length.
    """
    logs = [math.log(f) for f in factors]
    search = minimise(lambda log: consistency(with_focal(K, math.exp(log)), shift), logs, tolerance)
    return search._replace(tried=tuple(math.exp(x) for x in search.tried), best=math.exp(search.best))


def recover(consistency: SelfConsistency, K: Tensor, rounds: int = 3) -> Recovery:
    """Find shift and focal length in turn, the shift first with the guess ``K`` (N, 3, 3).

    Where all is about equally far each does what the other does, so that turns alone creep along a valley. After
    each round both are therefore searched along the way that the round took them (Powell, The Computer Journal
    1964). Searches after the first are about the last result.
    """
    if rounds < 1:
        raise ValueError(f"at least one round is needed, got {rounds}")
    unit = consistency.median
    shift, log = 0.0, 0.0
    shares, factors = SHIFT_SHARES, FOCAL_FACTORS
    for k in range(rounds):
        old_shift, old_log = shift, log
        shift_search = recover_shift(consistency, with_focal(K, math.exp(log)), shares)
        shift = shift_search.best
        consistency.aim(shift)
        focal_search = recover_focal(consistency, with_focal(K, math.exp(log)), shift, factors)
        log += math.log(focal_search.best)
        if k + 1 == rounds:
            break
        way, turn = (shift - old_shift, log - old_log) if k else (0.0, 0.0)
        if abs(way) > _STILL * unit or abs(turn) > _STILL:

            def along(step: float, at=(shift, log), by=(way, turn)) -> float:
                return consistency(with_focal(K, math.exp(at[1] + step * by[1])), at[0] + step * by[0])

            step = minimise(along, (-1.0, 0.0, 1.0, 2.0, 4.0, 8.0), 0.1).best
            shift, log = shift + step * way, log + step * turn
        shares = tuple(shift / unit + x for x in (-0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2))
        factors = tuple(2 ** (x / 8) for x in range(-3, 4))
    return Recovery(shift, with_focal(K, math.exp(log)), shift_search, focal_search)


def minimise(function: Callable[[float], float], points: Sequence[float], tolerance: float) -> Search:
    """Return the minimum of a function over ``points``, made finer to ``tolerance`` by golden section about the best.

    A second minimum counts if one must climb out of it by a twentieth of the whole range of values, and if it lies in
    the lower half of the range: smaller ones are noise, higher ones cannot be mistaken for the first.
    """
    if len(points) < 3 or any(b <= a for a, b in itertools.pairwise(points)):
        raise ValueError(f"three or more ascending points are needed, got {tuple(points)}")
    values = [function(x) for x in points]
    finite = [v for v in values if math.isfinite(v)]
    if not finite:
        return Search(tuple(points), tuple(values), points[len(points) // 2], math.inf, False)
    at = values.index(min(finite))
    low, high = points[max(at - 1, 0)], points[min(at + 1, len(points) - 1)]
    inner = [high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)]
    heights = [function(x) for x in inner]
    while high - low > tolerance:
        if heights[0] <= heights[1]:
            high, inner[1], heights[1] = inner[1], inner[0], heights[0]
            inner[0] = high - _GOLDEN * (high - low)
            heights[0] = function(inner[0])
        else:
            low, inner[0], heights[0] = inner[0], inner[1], heights[1]
            inner[1] = low + _GOLDEN * (high - low)
            heights[1] = function(inner[1])
    error, best = min((heights[0], inner[0]), (heights[1], inner[1]), (values[at], points[at]))
    inside = 0 < at < len(points) - 1
    lowest, span = min(finite), max(finite) - min(finite)
    alone = sum(values[i] < lowest + 0.5 * span for i in valleys(values, 0.05 * span)) == 1
    return Search(tuple(points), tuple(values), best, error, inside and alone)


def valleys(values: Sequence[float], depth: float) -> list[int]:
    """Return the places of minima from which one gets lower only by first climbing more than ``depth``.

    The lowest value is always one of them, an end may be one. What is not finite is as high as can be.
    """
    high = [v if math.isfinite(v) else math.inf for v in values]
    found = []
    for i, value in enumerate(high):
        # of equals the first
        lower = [j for j, other in enumerate(high) if other < value or (other == value and j < i)]
        climb = min((max(high[min(i, j) : max(i, j) + 1]) - value for j in lower), default=math.inf)
        if math.isfinite(value) and climb > depth:
            found.append(i)
    return found


def with_focal(K: Tensor, factor: float) -> Tensor:
    """Return ``K`` (B, 3, 3) with both focal lengths multiplied."""
    scale = K.new_ones(3, 3)
    scale[:2, :2] = factor
    return K * scale


def guessed_intrinsics(count: int, size: tuple[int, int], degrees: float = 60.0) -> Tensor:
    """Return K (count, 3, 3) of centred cameras with square pixels, so wide across; ``size`` is (height, width)."""
    focal = size[1] / 2 / math.tan(math.radians(degrees) / 2)
    K = torch.tensor([[focal, 0, (size[1] - 1) / 2], [0, focal, (size[0] - 1) / 2], [0, 0, 1]], dtype=torch.float32)
    return K.expand(count, 3, 3).clone()
