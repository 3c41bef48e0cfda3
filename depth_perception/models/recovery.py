"""What a frozen network's depth lacks to be a shape, found from unlabelled images: its shift, and the focal length.

After Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV 2023). A network
trained on labels of unknown scale and shift returns (truth - shift) / scale. With the wrong shift, or lifted with the
wrong focal length, the surface bends: seen from a virtual camera that turned, it no longer is what the network says of
that view. Both are found as the minimum of this disagreement over many images and views. The network is only called.

The **scale cannot be found** this way: a scene twice as large looks the same. Shifts are therefore in the network's own
unit, that is for scale 1; depth + shift is right up to one unknown factor.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from depth_perception.geometry.splatting import discontinuities, fill_holes, render
from depth_perception.geometry.virtual_views import Network, PoseRange, random_poses, relative_scale
from depth_perception.models.curve_search import Search, minimise
from depth_perception.models.estimator import Estimator

ViewNetwork = Callable[[Tensor, Tensor], Tensor]  # images and T_view_frame (B, 4, 4) to depths

FOCAL_FACTORS = tuple(2 ** (k / 6) for k in range(-6, 7))  # half to twice the guess
SHIFT_SHARES = tuple(k / 10 for k in range(-5, 11))  # of the median depth

_STILL = 0.002  # change of a round, in shares, that is none
_NEARBY = 0.01  # shares by which slopes are told
_FARTHEST_STEP = 0.2
_FEW = 4  # images or views that tell a deviation
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


class Recovery(NamedTuple):
    """``shift`` in the network's unit, ``K`` (B, 3, 3), how sure each is, and the last search for each.

    ``shift_deviation`` in the network's unit and ``focal_deviation`` as a share are standard deviations as far as
    images and views differ among each other, inf where there are too few; what is wrong with all of them stays unseen.
    """

    shift: float
    K: Tensor
    shift_deviation: float
    focal_deviation: float
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

    def __call__(self, K: Tensor, shift: float = 0.0) -> float:
        """Return the mean disagreement of ``depth + shift`` lifted with ``K`` (N, 3, 3), as a share of depth.

        All calls look from the same places until ``aim`` moves them. inf if no view could be compared, or if the shift
        puts a fiftieth of what is seen behind the camera.
        """
        known = torch.isfinite(self.depth) & (self.depth > 0)
        if float((self.depth[known] <= -shift).float().mean()) > _MOST_BEHIND:
            return math.inf
        return self.mean(self.differences(K, shift))

    @torch.no_grad()
    def differences(self, K: Tensor, shift: float = 0.0) -> Tensor:
        """Return for each view of each image and each of its pixels what the network says more than was rendered.

        (N * views, H * W), as shares of depth, NaN where nothing can be compared. Depths of a rendered view and of the
        network are brought together by scale alone. Their difference counts per depth *without* the shift: divided by
        the shifted depth, a large enough shift would make any difference small.
        """
        size, K = self.config.batch, K.to(self.images.device)
        return torch.cat(
            [
                self._difference(*given, shift=shift)
                for T in self.poses
                for given in zip(self.images.split(size), self.depth.split(size), K.split(size), T.split(size))
            ]
        )

    def mean(self, differences: Tensor) -> float:
        """Return the mean over views of the mean absolute difference, without what ``trim`` takes off; inf if none."""
        sizes = torch.where(torch.isnan(differences), math.inf, differences.abs()).sort(1).values
        count = torch.isfinite(sizes).sum(1)
        taken = ((1 - self.config.trim) * count).long()
        rank = torch.arange(sizes.shape[1], device=sizes.device)
        means = torch.where(rank < taken[:, None], sizes, 0.0).sum(1) / taken
        means = means[count > self.config.least_seen * sizes.shape[1]]
        return float(means.mean()) if len(means) else math.inf

    def _draw(self, shift: float) -> list[Tensor]:
        generator = torch.Generator().manual_seed(self.config.seed)
        return [random_poses(self.depth + shift, generator, self.config.reach) for _ in range(self.config.views)]

    def _difference(self, image: Tensor, depth: Tensor, K: Tensor, T: Tensor, shift: float) -> Tensor:
        # edges are told before the shift, so that the same pixels count for all of them
        there = render(image, depth + shift, K, T, ~discontinuities(depth), jump=math.inf)
        raw = self._in_view(fill_holes(there.image, there.mask), T)
        again = raw + shift
        valid = there.mask & torch.isfinite(again) & (again > 0) & ~discontinuities(raw)
        scale = relative_scale(again, there.depth, valid)
        unit = raw.clamp_min(_LEAST_DEPTH * self.median)
        return torch.where(valid, (scale * again - there.depth) / unit, math.nan).flatten(1)


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
    """Find shift and focal length from the guess ``K`` (N, 3, 3).

    A round is a search for the shift with the focal length of before, the first time a guess, then one for the focal
    length, then steps of both at once. Those are needed because each does nearly what the other does where all is
    about equally far: in turns alone they creep along a narrow valley. Ends early when a round changes nothing.
    """
    if rounds < 1:
        raise ValueError(f"at least one round is needed, got {rounds}")
    shift_search = focal_search = None
    for _ in range(rounds):
        before = (shift_search.best / consistency.median, 0.0) if shift_search else (math.inf, math.inf)
        shift_search = recover_shift(consistency, K)
        consistency.aim(shift_search.best)
        focal_search = recover_focal(consistency, K, shift_search.best)
        shift, log = refine(consistency, K, shift_search.best, math.log(focal_search.best))
        consistency.aim(shift)
        K = with_focal(K, math.exp(log))
        if abs(shift / consistency.median - before[0]) < _STILL and abs(log - before[1]) < _STILL:
            break
    assert shift_search is not None
    assert focal_search is not None
    return Recovery(shift, K, *deviations(consistency, K, shift), shift_search, focal_search)


def deviations(consistency: SelfConsistency, K: Tensor, shift: float) -> tuple[float, float]:
    """Return standard deviations of a shift, in the network's unit, and of a focal length, as a share, found together.

    By the jackknife (Tukey 1958): how far they would move without one image after the other, or one view after the
    other where there are fewer than four images. Slopes stand in for new searches.
    """
    here, slopes = _slopes(consistency, K, torch.tensor([shift / consistency.median, 0.0], dtype=torch.float64))
    images = len(consistency.images)
    group = torch.arange(len(here), device=here.device)
    if images >= _FEW:
        group = group % images  # rows are images, view after view
    groups = group.unique().tolist()
    steps = [_least_absolute(here[group != g], slopes[group != g], consistency.config.trim) for g in groups]
    known = [step for step in steps if step is not None]
    if len(known) < _FEW:
        return math.inf, math.inf
    spread = torch.stack(known).var(0, correction=0) * (len(known) - 1)
    of_shift, of_focal = spread.sqrt().tolist()
    return of_shift * consistency.median, of_focal


def refine(
    consistency: SelfConsistency, K: Tensor, shift: float, log_factor: float = 0.0, steps: int = 8
) -> tuple[float, float]:
    """Return shift and logarithm of the focal factor, better than those given, after up to ``steps`` steps of both.

    Gauss-Newton with absolute instead of squared differences; slopes are taken from two evaluations nearby. A step
    that makes things worse is halved, at most thrice.
    """
    at = torch.tensor([shift / consistency.median, log_factor], dtype=torch.float64)

    here, slopes = _slopes(consistency, K, at)
    error = consistency.mean(here)
    for _ in range(steps):
        step = _least_absolute(here, slopes, consistency.config.trim)
        if step is None:
            break
        step = step * min(1.0, _FARTHEST_STEP / float(step.abs().max()))
        for _ in range(4):
            new = consistency.mean(_differences(consistency, K, at + step))
            if new < error:
                break
            step = step / 2
        else:
            break
        at, error = at + step, new
        if float(step.abs().max()) < 0.5 * _STILL:
            break
        here, slopes = _slopes(consistency, K, at)
    return float(at[0]) * consistency.median, float(at[1])


def _differences(consistency: SelfConsistency, K: Tensor, at: Tensor) -> Tensor:
    """Return the differences at ``at`` (2,): shift as a share of the median depth, logarithm of the focal factor."""
    return consistency.differences(with_focal(K, math.exp(float(at[1]))), float(at[0]) * consistency.median)


def _slopes(consistency: SelfConsistency, K: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Return the differences at ``at`` and how they change along both, one dimension more."""
    here = _differences(consistency, K, at)
    nearby = [_differences(consistency, K, at + h) for h in _NEARBY * torch.eye(2, dtype=torch.float64)]
    return here, torch.stack([(other - here) / _NEARBY for other in nearby], -1)


def _least_absolute(differences: Tensor, slopes: Tensor, trim: float) -> Tensor | None:
    """Return the step (2,) that makes the mean of abs(differences + slopes @ step) least, None if nothing tells it.

    By least squares, weighted again and again by the inverse of what was left over. The share ``trim`` of largest
    differences is left out.
    """
    use = torch.isfinite(differences) & torch.isfinite(slopes).all(-1)
    r, J = differences[use].double(), slopes[use].double()
    if len(r) < 3:
        return None
    kept = r.abs() <= r.abs().kthvalue(max(1, int((1 - trim) * len(r)))).values
    r, J = r[kept], J[kept]
    step = torch.zeros(2, dtype=torch.float64, device=r.device)
    for _ in range(12):
        weight = 1 / (r + J @ step).abs().clamp_min(1e-4)
        normal = J.T @ (weight[:, None] * J)
        if float(torch.linalg.cond(normal)) > 1e8:
            return None
        step = -torch.linalg.solve(normal, J.T @ (weight * r))
    return step.cpu()


def network_of(estimator: Estimator) -> Network:
    """Return what ``SelfConsistency`` wants of an estimator; it gets uint8 images without a camera, one by one."""

    def network(images: Tensor) -> Tensor:
        colors = (255 * images.clamp(0, 1)).round().byte().permute(0, 2, 3, 1).cpu().numpy()
        depths = [torch.from_numpy(estimator.infer(np.ascontiguousarray(image)).depth) for image in colors]
        return torch.stack(depths)[:, None].to(images.device, torch.float32)

    return network


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
