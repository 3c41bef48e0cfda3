"""Which images and which of their pixels a step of the fit looks at."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def choose_image(objects: Sequence[int], rng: np.random.Generator, key_share: float = 0.2, key_images: int = 50) -> int:
    """Return the index of one image; ``objects`` counts the objects of each.

    With probability ``key_share``, and always when the image drawn shows no object, one of the ``key_images`` images
    with the most objects takes its place. Raises ValueError if there is no image.
    """
    if not len(objects):
        raise ValueError("there is no image to choose from")
    chosen = int(rng.integers(len(objects)))
    if objects[chosen] == 0 or rng.random() < key_share:
        best = np.argsort(-np.asarray(objects), kind="stable")[:key_images]
        chosen = int(best[rng.integers(len(best))])
    return chosen


def choose_rays(
    groups: NDArray[np.int32], random_rays: int, label_rays: int, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return indices of rays: some at random, and some spread over all labels by area, at least one of each.

    ``groups`` (n,) numbers the labels of an image from 0. Rounding up gives each label its part of ``label_rays``,
    so there may be a few more, up to one for each label; a ray may come twice. Raises ValueError without any ray.
    """
    if not len(groups):
        raise ValueError("there are no rays to choose from")
    parts = [rng.integers(len(groups), size=random_rays)] if random_rays else []
    if label_rays:
        order = np.argsort(groups, kind="stable")
        sizes = np.bincount(groups)
        firsts = np.cumsum(sizes) - sizes
        wanted = np.ceil(label_rays * sizes / len(groups)).astype(np.int64)
        label = np.repeat(np.arange(len(sizes)), wanted)
        parts.append(order[firsts[label] + (rng.random(len(label)) * sizes[label]).astype(np.int64)])
    return np.concatenate(parts)
