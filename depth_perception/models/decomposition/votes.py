"""From masks that agree to channels: votes of points at nodes, logits that follow from them, and channels that stay.

Votes are an unbiased answer wherever many views looked; the clustering losses then only have to decide where they
are divided.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.key_frame import LabelledPoints

SURE = 5.0  # logits by which votes can differ
_PRIOR = 0.5  # points that the neighbourhood counts as
_FLOOR = 1e-3


def collect_votes(
    field: ChannelField, frames: Sequence[LabelledPoints], says: Sequence[NDArray[np.int64]], width: int
) -> Tensor:
    """Return the points (rows, width) that speak at each fine node for each of ``width`` things.

    ``says`` holds for each frame what each of its groups (g,) is; -1 has no vote. A point votes at the eight nodes
    around it, as much as it is near them.
    """
    votes = torch.zeros(len(field.node_of) * width, device=field.fine.device)
    for frame, said in zip(frames, says):
        if not len(frame.points):
            continue
        nodes, weights, _ = field.grid.corners(torch.from_numpy(frame.points).to(votes.device))
        rows = field.row_of[nodes].long()
        thing = torch.from_numpy(said[frame.groups]).to(votes.device)[:, None].expand_as(rows)
        good = (rows >= 0) & (thing >= 0)
        votes.index_add_(0, (rows * width + thing)[good], weights[good])
    return votes.reshape(-1, width)


def logits_of_votes(field: ChannelField, votes: Tensor, silent: Tensor) -> Tensor:
    """Return logits (rows, width) of votes (rows, width) for channels, and ``silent`` (rows,) ones for some object.

    A share's logarithm, 0 for the largest. Where few points speak, the votes of the coarse cells around count too.
    """
    objects = votes[:, 1:].sum(1)
    total = votes[:, 0] + objects + silent
    share = votes * torch.where(objects > 0, (objects + silent) / objects.clamp_min(1e-6), 1.0)[:, None]
    share[:, 0] = votes[:, 0]
    nodes, weights, _ = field.wide.corners(field.grid.points(field.node_of))
    width = votes.shape[1]
    wide = votes.new_zeros(field.wide.size, width)
    for corner in range(8):
        wide.index_add_(0, nodes[:, corner], weights[:, corner, None] * share)
    around = torch.nn.functional.embedding_bag(nodes, wide, per_sample_weights=weights, mode="sum")
    heard = around.sum(1, keepdim=True)
    around = torch.where(heard > 0, around / heard.clamp_min(1e-6), 0.0)
    around[:, 0] += heard[:, 0] <= 0
    mixed = (share + _PRIOR * around) / (total[:, None] + _PRIOR) + _FLOOR
    return torch.log(mixed / mixed.amax(1, keepdim=True)).clamp_min(-SURE)


def channels_for(votes: Tensor, owner: Tensor, known: Tensor, channels: int) -> NDArray[np.int64]:
    """Return a channel (1 + objects,) for the background and each object of ``votes`` (rows, 1 + objects).

    An object takes the channel ``owner`` (rows,) that has most of its places now, where that is ``known`` (rows,);
    otherwise the first that nothing has. The largest objects choose first; -1 is left when none is free.
    """
    count = votes.shape[1]
    thing = votes.argmax(1)
    mine = votes.sum(1) > 0
    sizes = torch.bincount(thing[mine], minlength=count).cpu().numpy()
    told = (mine & known).cpu().numpy()
    shared = np.zeros((count, channels))
    np.add.at(shared, (thing.cpu().numpy()[told], owner.cpu().numpy()[told]), 1.0)
    channel_of = np.full(count, -1, np.int64)
    channel_of[0] = 0
    for one, channel in zip(*linear_sum_assignment(-shared[1:, 1:])):
        if shared[one + 1, channel + 1] > 0:
            channel_of[one + 1] = channel + 1
    used = set(owner[known].unique().tolist()) | set(channel_of.tolist())
    free = [k for k in range(1, channels) if k not in used]
    for one in 1 + np.argsort(-sizes[1:], kind="stable"):
        if channel_of[one] < 0 and sizes[one] and free:
            channel_of[one] = free.pop(0)
    return channel_of
