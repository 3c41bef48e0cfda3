"""A second look at one picture: lift it, render it from a random place, estimate depth there, render that back.

After Zhang et al., Robust geometry-preserving depth estimation using differentiable rendering (ICCV 2023): only depth
whose shape is right agrees with itself from two places. What is compared, and how, is left to losses and searches.

The camera turns about a point in the middle of the picture, so that the scene stays in view and holes stay small. The
turn is what carries information: an error of shift adds the same to the depths of both views, and it is the turn
that makes them differ. A step without a turn says next to nothing.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from depth_perception.geometry import splatting
from depth_perception.geometry.splatting import Rendering, fill_holes, masked_median, render
from depth_perception.geometry.warping import se3

_LEAST_SPREAD = 0.02  # share of the mean

Network = Callable[[Tensor], Tensor]  # images (B, 3, H, W) in [0, 1] to depths (B, 1, H, W)


@dataclass(frozen=True)
class PoseRange:
    """How far a virtual camera goes: degrees to either side, and shares of the median depth for the step.

    The step has a random direction and a length between ``shortest`` and ``longest``. ``narrowest`` is the share of
    the largest yaw below which none is drawn: such a view has seen what the first has.
    """

    yaw: float = 15.0
    pitch: float = 8.0
    roll: float = 2.0
    shortest: float = 0.05
    longest: float = 0.10
    narrowest: float = 0.0


class RoundTrip(NamedTuple):
    """All that a consistency loss needs; shapes as in ``Rendering``, K and the first view are the caller's.

    ``there``: the first view's surface from the second place. ``shown``: its picture without holes, which the network
    got. ``estimate`` (B, 1, H, W): the network's depth there, in its own scale. ``scale`` (B, 1, 1, 1), without
    gradient, brings that to the scale of the first view: ``scaled`` (B, 1, H, W), whose gradient leaves the estimate's
    scale alone. ``back``: the second view's surface, so scaled, from the first place; holes of ``there`` take no part.
    """

    T_view_frame: Tensor
    there: Rendering
    shown: Tensor
    estimate: Tensor
    scale: Tensor
    scaled: Tensor
    back: Rendering


def random_poses(
    depth: Tensor, generator: torch.Generator | None = None, reach: PoseRange | None = None, valid: Tensor | None = None
) -> Tensor:
    """Return T_view_frame (B, 4, 4), one random virtual camera for each ``depth`` (B, 1, H, W).

    Uniform in yaw, pitch, roll and length of the step, about the point of the optical axis at the median of the
    ``valid`` depth (by default what is positive and finite). Numbers are drawn on the generator's device, so that a
    seed means the same views everywhere. No gradient.
    """
    reach = reach or PoseRange()
    depth = depth.detach()
    if valid is None:
        valid = torch.isfinite(depth) & (depth > 0)
    device = generator.device if generator is not None else depth.device
    drawn = torch.rand(len(depth), 7, generator=generator, device=device, dtype=torch.float64)
    turns = 2 * drawn[:, :3] - 1
    turns[:, 0] = torch.sign(turns[:, 0]) * (reach.narrowest + (1 - reach.narrowest) * turns[:, 0].abs())
    turns = turns * torch.tensor([reach.yaw, reach.pitch, reach.roll], dtype=torch.float64, device=device)
    up, around = 2 * drawn[:, 3] - 1, 2 * math.pi * drawn[:, 4]  # even on the sphere
    level = (1 - up.square()).sqrt()
    direction = torch.stack([level * around.cos(), level * around.sin(), up], 1)
    length = reach.shortest + (reach.longest - reach.shortest) * drawn[:, 5:6]
    median = masked_median(depth, valid).view(-1)
    kind = median.dtype
    return pose_about(
        median, turns.to(depth.device, kind), (length * direction).to(depth.device, kind) * median[:, None]
    )


def pose_about(distance: Tensor, turns: Tensor, step: Tensor) -> Tensor:
    """Return T_view_frame (B, 4, 4) that turns about the point at ``distance`` (B,) on the optical axis, then steps.

    ``turns`` (B, 3) are degrees of yaw about y (down), pitch about x (right) and roll about z (forward), done in this
    order; ``step`` (B, 3) moves the points, in the unit of the distance. The pivot itself ends at itself + step.
    """
    yaw, pitch, roll = torch.deg2rad(turns).unbind(1)
    none = torch.zeros_like(yaw)
    zero = torch.zeros_like(step)
    axes = ((none, none, roll), (pitch, none, none), (none, yaw, none))  # the last is done first
    about_z, about_x, about_y = (se3(torch.stack(axis, 1), zero) for axis in axes)
    with torch.autocast(turns.device.type, enabled=False):  # products of matrices would be made in half precision
        rotation = about_z @ about_x @ about_y
        pivot = torch.stack([none, none, distance], 1)
        moved = pivot - (rotation[:, :3, :3] @ pivot[:, :, None])[:, :, 0] + step
    return torch.cat([torch.cat([rotation[:, :3, :3], moved[:, :, None]], 2), rotation[:, 3:]], 1)


def inverse_pose(T: Tensor) -> Tensor:
    """Return the inverses (B, 4, 4) of rigid motions."""
    turned = T[:, :3, :3].transpose(1, 2)
    with torch.autocast(T.device.type, enabled=False):
        moved = -(turned @ T[:, :3, 3:])
    return torch.cat([torch.cat([turned, moved], 2), T[:, 3:]], 1)


def round_trip(
    image: Tensor,
    depth: Tensor,
    K: Tensor,
    T_view_frame: Tensor,
    network: Network,
    keep: Tensor | None = None,
    jump: float = splatting.JUMP,
) -> RoundTrip:
    """Render ``image`` (B, 3, H, W) with ``depth`` (B, 1, H, W) from the virtual place, estimate there, render back.

    ``keep`` bool (B, 1, H, W) leaves out pixels of the first view, e.g. sky. The estimate is brought to the scale of
    the rendered depth before it is lifted, and by scale alone: a shift would take away what is to be seen. Gradients
    flow through both renderings and both passes of the network, and leave the scale of the estimate alone.
    """
    there = render(image, depth, K, T_view_frame, keep, jump=jump)
    shown = fill_holes(there.image, there.mask)
    estimate = network(shown)
    scale = relative_scale(estimate.detach(), there.depth.detach(), there.mask)
    free = scale_free(estimate, there.mask)
    scaled = free * relative_scale(free.detach(), there.depth.detach(), there.mask)
    back = render(shown, scaled, K, inverse_pose(T_view_frame), there.mask, jump=jump)
    return RoundTrip(T_view_frame, there, shown, estimate, scale, scaled, back)


def scale_free(values: Tensor, mask: Tensor) -> Tensor:
    """Return ``values`` (B, 1, H, W) over their mean absolute deviation within ``mask``: a loss cannot pull on a scale.

    Without that consistency shrinks a scene, which no label holds. Divided by their mean instead, values would gain
    by a shift, which makes all differences small. Values all but equal are divided by a fiftieth of their mean.
    """
    count = mask.flatten(1).sum(1).clamp_min(1).view(-1, 1, 1, 1)
    mean = torch.where(mask, values, 0.0).sum((1, 2, 3), keepdim=True) / count
    spread = torch.where(mask, (values - mean).abs(), 0.0).sum((1, 2, 3), keepdim=True) / count
    return values / torch.maximum(spread, (_LEAST_SPREAD * mean.abs()).clamp_min(1e-6))


def relative_scale(values: Tensor, target: Tensor, valid: Tensor) -> Tensor:
    """Return a (B, 1, 1, 1) that makes the mean of abs(a values - target) / target least over ``valid``; 1 if none is.

    All (B, 1, H, W). It is the median of target / values under the weights values / target: a few outliers hardly move
    it, and a loss of this form, being least there, does not pull on the scale. Pixels whose value or target is not
    positive and finite do not count.
    """
    valid = valid & torch.isfinite(values) & (values > 0) & torch.isfinite(target) & (target > 0)
    values, target = torch.where(valid, values, 1.0).double(), torch.where(valid, target, 1.0).double()
    ratio = torch.where(valid, target / values, math.inf).flatten(1)
    ordered, order = ratio.sort(1)
    weight = torch.where(valid, values / target, 0.0).flatten(1).gather(1, order).cumsum(1)
    half = torch.searchsorted(weight, 0.5 * weight[:, -1:]).clamp_max(ratio.shape[1] - 1)
    found = ordered.gather(1, half)
    return torch.where(torch.isfinite(found), found, 1.0).to(torch.float32).view(-1, 1, 1, 1)
