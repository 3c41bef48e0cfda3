"""From what labels say to channels: evidence of points at nodes, logits that follow from it, and channels that stay.

Evidence of many views is an unbiased answer wherever many looked; the clustering losses then only have to decide
where they are divided.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.key_frame import LabelledPoints

SURE = 5.0  # logits by which channels can differ
_VIEWS = 4.0  # more of them speak no louder: they repeat the errors of each other at borders
_PRIOR = 0.5  # views that the neighbourhood counts as


def add_evidence(
    field: ChannelField, frame: LabelledPoints, says: NDArray[np.float32], votes: Tensor, heard: Tensor
) -> None:
    """Add to ``votes`` (rows, width) what a frame's points say at fine nodes, and to ``heard`` (rows,) that they do.

    ``says`` (g, width) is what each of its labels says for each thing, 0 or more. A point speaks at the eight nodes
    around it, as much as it is near them; all points of the frame together no louder than one at the node.
    """
    if not len(frame.points):
        return
    nodes, weights, _ = field.grid.corners(torch.from_numpy(frame.points).to(votes.device))
    rows = field.row_of[nodes].long()
    good = (rows >= 0) & (rows < len(votes))
    own, weights = rows[good], weights[good]
    groups = torch.from_numpy(frame.groups).to(votes.device)[:, None].expand_as(rows)[good].long()
    sums = torch.zeros_like(heard).index_add_(0, own, weights)
    heard += sums.clamp_max(1.0)
    pair, place = torch.unique(own * len(says) + groups, return_inverse=True)  # few labels speak at each node
    share = weights.new_zeros(len(pair)).index_add_(0, place, weights / sums[own].clamp_min(1.0))
    table = torch.from_numpy(says).to(votes.device)
    votes.index_add_(0, pair // len(says), share[:, None] * table[pair % len(says)])


def logits_of_votes(field: ChannelField, votes: Tensor, heard: Tensor) -> Tensor:
    """Return logits (rows, width) of evidence ``votes`` (rows, width) that ``heard`` (rows,) views gave.

    0 for the largest. Where few views speak, what they say around in the coarse cells counts too.
    """
    nodes, weights, _ = field.wide.corners(field.grid.points(field.node_of))
    both = torch.cat([votes, heard[:, None]], 1)
    wide = both.new_zeros(field.wide.size, both.shape[1])
    for corner in range(8):
        wide.index_add_(0, nodes[:, corner], weights[:, corner, None] * both)
    around = torch.nn.functional.embedding_bag(nodes, wide, per_sample_weights=weights, mode="sum")
    mean = around[:, :-1] / around[:, -1:].clamp_min(1e-6)
    mean[:, 0] += around[:, -1] <= 0
    total = heard[:, None] + _PRIOR
    logits = (votes + _PRIOR * mean) * (total.clamp_max(_VIEWS) / total)
    return (logits - logits.amax(1, keepdim=True)).clamp_min(-SURE)


def channels_for(votes: Tensor, owner: Tensor, known: Tensor, channels: int) -> NDArray[np.int64]:
    """Return a channel (1 + objects,) for the background and each object of the evidence ``votes`` (rows, 1 + objects).

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
