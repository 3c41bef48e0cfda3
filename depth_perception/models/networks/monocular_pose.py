"""How the camera moved between frames: one encoder, a decoder for the motion and one for what was left of it.

GAM-Depth (Cheng et al., ICRA 2024) after MonoIndoor (Ji et al., ICCV 2021): a first pose warps the source to the
target; from target and warped source a second, residual pose is told. Both decoders read the same encoder's features.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.geometry.warping import se3
from depth_perception.models.networks.monocular_encoder import Encoder

_SMALL = 0.01  # of what the decoder says; motions between frames are small
RELEASE_DEPTH = 0.2  # network units in which the release's depth starts, to which that factor fits


class PoseDecoder(nn.Module):
    """The encoder's coarsest feature (B, ``encoded``, h, w) to axis-angle and translation, (B, 6).

    ``depth``: what depth starts with; translations are told in proportion to it.
    """

    def __init__(self, encoded: int, width: int, depth: float = RELEASE_DEPTH):
        super().__init__()
        self.reach = depth / RELEASE_DEPTH
        self.squeeze = nn.Conv2d(encoded, width, 1)
        self.layers = nn.ModuleList([nn.Conv2d(width, width, 3, 1, 1) for _ in range(2)])
        self.last = nn.Conv2d(width, 6, 1)

    def forward(self, feature: Tensor) -> Tensor:
        """Return radians (3) times 0.01, and translation (3) in network units times 0.01 ``depth`` / 0.2."""
        x = F.relu(self.squeeze(feature))
        for layer in self.layers:
            x = F.relu(layer(x))
        with torch.autocast(x.device.type, enabled=False):
            motion: Tensor = self.last(x.float()).mean((2, 3))  # (B, 6)
        return _SMALL * torch.cat([motion[:, :3], self.reach * motion[:, 3:]], 1)


class PoseNetwork(nn.Module):
    """Two images in the order they were taken to T_later_earlier (B, 4, 4), by one of two decoders.

    ``width``: of the decoders' layers, 256 in the paper's. Translations are in the units of the depth network, which
    starts at ``depth``.
    """

    def __init__(
        self,
        widths: Sequence[int],
        blocks: Sequence[int] = (2, 2, 2, 2),
        width: int = 256,
        depth: float = RELEASE_DEPTH,
    ):
        super().__init__()
        self.encoder = Encoder(widths, blocks, images=2)
        self.pose = PoseDecoder(widths[4], width, depth)
        self.residual = PoseDecoder(widths[4], width, depth)

    def forward(self, earlier: Tensor, later: Tensor, residual: bool = False) -> Tensor:
        """Images (B, 3, H, W) in [0, 1] to the motion that maps points of the earlier camera to the later one."""
        feature = self.encoder(torch.cat([earlier, later], 1))[4]
        motion = (self.residual if residual else self.pose)(feature)
        return se3(motion[:, :3], motion[:, 3:])

    def to_sources(self, frames: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return T_source_target (B, 4, 4) for every source of ``frames``, images by their place in time, 0 the target.

        The network sees neighbours only, in time order, all pairs in one batch; farther sources are reached over those
        between. Raises ValueError without a target.
        """
        places = sorted(frames)
        if 0 not in frames:
            raise ValueError(f"no target (0) among frames {places}")
        pairs = list(pairwise(places))
        motions = self(torch.cat([frames[a] for a, _ in pairs]), torch.cat([frames[b] for _, b in pairs]))
        return compose(dict(zip(pairs, motions.chunk(len(pairs)))))

    def corrected(self, poses: Mapping[int, Tensor], target: Tensor, warped: Mapping[int, Tensor]) -> dict[int, Tensor]:
        """Return final poses T_source_target = first pose x residual pose.

        ``warped``: each source as the first pose brings it to the target. Such an image is what a camera shows that
        stands where the first pose wrongly thinks the target is; the residual leads there from the true target.
        """
        places = sorted(warped)
        earlier = [target if place > 0 else warped[place] for place in places]
        later = [warped[place] if place > 0 else target for place in places]
        motions = self(torch.cat(earlier), torch.cat(later), residual=True).chunk(len(places))
        return {
            place: chain(poses[place], motion if place > 0 else inverse(motion))
            for place, motion in zip(places, motions)
        }


def compose(motions: Mapping[tuple[int, int], Tensor]) -> dict[int, Tensor]:
    """Return T_source_target for every place from T_later_earlier (B, 4, 4) of neighbours (earlier, later); target 0.

    Raises KeyError where a pair is missing on the way.
    """
    places = sorted({place for pair in motions for place in pair})
    poses: dict[int, Tensor] = {}
    for before, place in pairwise(places):
        if place > 0:  # forwards in time: one more motion in front
            poses[place] = chain(motions[before, place], poses[before]) if before else motions[before, place]
    for place, after in reversed(list(pairwise(places))):
        if place < 0:
            back = inverse(motions[place, after])
            poses[place] = chain(back, poses[after]) if after else back
    return poses


def inverse(T: Tensor) -> Tensor:
    """Return the inverse of rigid motions (B, 4, 4)."""
    turned = T[:, :3, :3].transpose(1, 2)
    top = torch.cat([turned, -chain(turned, T[:, :3, 3:])], 2)
    return torch.cat([top, T[:, 3:]], 1)


def chain(a: Tensor, b: Tensor) -> Tensor:
    """Return a @ b, never in half precision: a turn rounded to 8 bits is off by whole pixels."""
    with torch.autocast(a.device.type, enabled=False):
        return a @ b
