"""Scoring without any measurement: how well depth explains one frame of held-out video by its neighbours.

Both networks are compared under the same motion: that of known poses, or of the pose network that was learned last. The
factor that depth of the first one lacks is taken from the second, image by image, so that only shape is compared.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import cast

import torch
import yaml
from torch import Tensor

from depth_perception.geometry.warping import warp
from depth_perception.models import networks
from depth_perception.models.networks.monocular import MonocularNetwork
from depth_perception.models.weights import Weights
from training.datasets.video import Video
from training.datasets.windows import VideoWindows
from training.losses.photometric import minimum_reprojection
from training.tasks.monocular import MonocularTask


def network_of(found: Weights) -> MonocularNetwork:
    """Return the network with these weights, for inference."""
    network = networks.build(found.family, found.config)
    network.load_state_dict({k: torch.from_numpy(v) for k, v in found.tensors.items()}, strict=False)
    return cast(MonocularNetwork, network.eval())


def task_of(checkpoint: Path, config: Path) -> MonocularTask:
    """Return the task of a checkpoint with its pose networks; ``config``: the file it was trained with."""
    model = yaml.safe_load(config.read_text())["model"]
    task = MonocularTask(
        config=model["config"], offsets=tuple(model["offsets"]), known_poses=model["known_poses"],
        start_from=str(checkpoint),
    )  # fmt: skip
    return cast(MonocularTask, task.eval())


@torch.no_grad()
def photometric_errors(
    task: MonocularTask, before: MonocularNetwork, videos: Sequence[Video], size: tuple[int, int], most: int = 64
) -> tuple[float, float, float, int]:
    """Return mean photometric errors of no depth at all (frames as they are), ``before`` and ``task``, and the windows.

    Pixels that the auto-mask leaves out under either depth count for none. All NaN and 0 without windows.
    """
    try:
        windows = VideoWindows(videos, size, task.offsets, seed=1)
    except ValueError:  # no three frames in a row
        return float("nan"), float("nan"), float("nan"), 0
    chosen = torch.linspace(0, len(windows) - 1, min(most, len(windows))).round().long().unique().tolist()
    totals = torch.zeros(4, dtype=torch.float64)
    for index in chosen:
        totals += torch.stack(_errors(task, before, windows[index]))
    count = totals[3].clamp_min(1)
    still, first, second = (totals[:3] / count).tolist()
    return still, first, second, len(chosen)


def _errors(task: MonocularTask, before: MonocularNetwork, window: dict[str, Tensor]) -> list[Tensor]:
    frames, K = window["frames"][None], window["K"][None]
    target, sources = frames[:, 0], dict(zip(task.offsets, frames[:, 1:].unbind(1)))
    after = cast(MonocularNetwork, task.averaged.module)(target).depth.float()
    if task.known_poses:
        poses = dict(zip(task.offsets, window["poses"][None].unbind(1)))
    else:
        poses = task.poses(target, sources, after, K)
    first = before(target).depth.float()
    first = first * (after.median() / first.median())
    found = [
        minimum_reprojection(target, [warp(image, depth, K, poses[k])[0] for k, image in sources.items()])
        for depth in (first, after)
    ]
    still = minimum_reprojection(target, list(sources.values())).error
    moving = (found[0].error < still) | (found[1].error < still)
    return [(error[moving]).double().sum() for error in (still, found[0].error, found[1].error)] + [
        moving.double().sum()
    ]
