"""What makes channels become objects: the clustering losses of ClusteringSDF (Wu et al., ECCV 2024).

``opacity`` (r, c) is the occlusion-aware opacity of each channel on each ray, in about [0, 1]; ``simplex`` (r, c) its
softmax over channels; ``groups`` (r,) counts the labels of one image from 0. All return a scalar.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def to_simplex(opacity: Tensor) -> Tensor:
    """Return the softmax over channels of opacities (r, c), without a temperature, which all weights rest on."""
    return torch.softmax(opacity, -1)


def group_means(values: Tensor, groups: Tensor, count: int) -> Tensor:
    """Return the mean (count, c) of ``values`` (r, c) in each group; zeros for a group that has no ray."""
    sums = values.new_zeros(count, values.shape[1]).index_add(0, groups, values)
    return sums / group_sizes(groups, count).clamp_min(1).to(values.dtype)[:, None]


def group_sizes(groups: Tensor, count: int) -> Tensor:
    """Return how many rays (count,) each group has."""
    return torch.bincount(groups, minlength=count)


def differentiation(simplex: Tensor, groups: Tensor) -> Tensor:
    """Push the labels of one image apart: minus the summed distance of their means, over G (G - 1).

    Each pair counts once, so this is half of the mean distance. It is 0 where there is no pair. Label 0 is a label
    like any other here.
    """
    means = _present_means(simplex, groups)
    count = len(means)
    if count < 2:
        return simplex.sum() * 0.0
    first, second = torch.triu_indices(count, count, 1, device=means.device)
    return -_norm(means[first] - means[second]).sum() / (count * (count - 1))


def regularization(simplex: Tensor, groups: Tensor) -> Tensor:
    """Make each further channel of a ray cost: the variance over *channels*, a mean over rays, then over labels."""
    variance = simplex.var(1, keepdim=True)
    return _present_means(variance, groups).mean()


def scatter(simplex: Tensor, groups: Tensor) -> Tensor:
    """Return the usual squared distance to the own label's mean, over rays: not in the paper, for comparison."""
    labels, inverse = torch.unique(groups, return_inverse=True)
    means = group_means(simplex, inverse, len(labels))
    return ((simplex - means[inverse]) ** 2).sum(1).mean()


def one_hot(opacity: Tensor, is_object: Tensor) -> Tensor:
    """Draw each ray to its strongest channel: mean squared error to the one-hot vector, where ``is_object`` (r,)."""
    if not bool(is_object.any()):
        return opacity.sum() * 0.0
    chosen = opacity[is_object]
    target = F.one_hot(chosen.detach().argmax(1), chosen.shape[1]).to(chosen.dtype)
    return ((chosen - target) ** 2).mean()


def background(opacity: Tensor, is_object: Tensor) -> Tensor:
    """Draw channel 0 to full opacity where the label is 0."""
    return _mean((opacity[:, 0] - 1.0).abs(), ~is_object)


def foreground(opacity: Tensor, is_object: Tensor) -> Tensor:
    """Draw channel 0 to no opacity where the label is not 0."""
    return _mean(opacity[:, 0].abs(), is_object)


def semantic(opacity: Tensor, labels: Tensor, confidence: Tensor) -> Tensor:
    """Tie channels to classes: distance of each class's mean opacity to one-hot, times its mean confidence (r,).

    Label 0 becomes the last of the classes c - 1 with confidence 0.1, as do classes beyond it; divided by the number
    of classes seen.
    """
    last = opacity.shape[1] - 1
    confidence = torch.where(labels == 0, torch.full_like(confidence, 0.1), confidence)
    classes = torch.where(labels == 0, last, labels.clamp_max(last))
    seen, inverse = torch.unique(classes, return_inverse=True)
    means = group_means(opacity, inverse, len(seen))
    belief = group_means(confidence[:, None], inverse, len(seen))[:, 0]
    target = F.one_hot(seen, last + 1).to(opacity.dtype)
    return (_norm(means - target) * belief).sum() / len(seen)


def cross_view(simplex: Tensor, groups: Tensor, other_means: Tensor, other: Tensor) -> Tensor:
    """Push labels from what other cameras saw elsewhere: exp(-sum of distances) over pairs.

    ``other_means`` (m, c) are mean simplices of other images' labels that are known to be other things than
    group ``other`` (m,) of this image. Needs semantic labels, which hold across views.
    """
    if not len(other):
        return simplex.sum() * 0.0
    means = group_means(simplex, groups, int(max(int(groups.max()), int(other.max()))) + 1)
    return torch.exp(-_norm(means[other] - other_means).sum())


def distinction(distances: Tensor) -> Tensor:
    """Keep objects out of each other: at random points (n, c) no second channel may be deeper inside than allowed.

    Where the nearest surface is ``d`` deep inside one object, all others must be at least as far outside. The minimum
    is not moved by it (ObjectSDF++, Wu et al., ICCV 2023).
    """
    nearest = distances.detach().min(1, keepdim=True)
    overlap = F.relu(-distances - nearest.values)
    overlap = overlap.scatter(1, nearest.indices, 0.0)
    return overlap.sum(1).mean()


def _present_means(values: Tensor, groups: Tensor) -> Tensor:
    labels, inverse = torch.unique(groups, return_inverse=True)
    return group_means(values, inverse, len(labels))


def _norm(difference: Tensor) -> Tensor:
    """Return the length of rows; its gradient at zero is zero, not NaN."""
    square = (difference**2).sum(-1)
    apart = square > 0
    return torch.where(apart, torch.sqrt(torch.where(apart, square, 1.0)), 0.0)


def _mean(values: Tensor, chosen: Tensor) -> Tensor:
    return (values * chosen).sum() / chosen.sum().clamp_min(1)
