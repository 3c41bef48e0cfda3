"""GAM-Depth as a LightningModule: depth, semantics and poses learned together from windows of video.

Cheng et al., *GAM-Depth* (ICRA 2024). Of what is trained only encoder and depth decoder run on a robot.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor

from depth_perception.geometry.warping import warp
from depth_perception.models.networks.monocular import MonocularNetwork
from depth_perception.models.networks.monocular_decoder import SemanticDecoder
from depth_perception.models.networks.monocular_pose import RELEASE_DEPTH, PoseNetwork
from training.losses.monocular import GamDepthCriterion, Views
from training.tasks.base import NetworkTask
from training.tasks.monocular_scores import boundary_f1, depth_scores, plane_residual

FAMILY = "monocular"


class MonocularTask(NetworkTask):
    """Trains the monocular network made from ``config`` on windows whose sources stand at ``offsets``.

    ``classes`` of the proxy labels, 0 for no semantic decoder; ``release_softmax``: see ``SemanticDecoder``.
    ``residual``: a second pose is told from the target and the warped source. ``pose_widths``, ``pose_blocks`` and
    ``pose_width``: of the pose networks, by default as the depth encoder's, and its half-way width.

    ``start_from``: a weight file to go on from, or a checkpoint of such a task (a pickle: only your own), of which
    poses, semantics and the mask's knee are taken over as well, where they fit. A weight file holds no pose networks:
    for ``settle`` steps depth stays as it is while they learn, so that their first guesses do not spoil it.

    ``known_poses``: take the motion between frames from the data, as wheel odometry, visual-inertial odometry or the
    renderer tell it, instead of pose networks. It is no part of the paper. Depth is then in metres, for cameras like
    the one that was learned from, and learned sooner; no pose network is trained.

    Depth starts at the geometric mean of its range, and translations in proportion to it. ``release_start``: at
    disparity 0.5, which is twice the nearest depth. The release can do so as it starts from trained weights; from
    random ones depth is drawn to that end, where it has no contrast and little gradient.

    Adam; the rate rises over ``warmup`` steps and falls to a tenth after each share of all steps in ``milestones``
    (epochs 26 and 36 of 50 in the paper). Only the depth network's weights are averaged, validated and exported.
    """

    def __init__(
        self,
        criterion: GamDepthCriterion | None = None,
        config: dict[str, Any] | None = None,
        offsets: tuple[int, ...] = (-2, -1, 1, 2),
        classes: int = 0,
        release_softmax: bool = False,
        residual: bool = True,
        known_poses: bool = False,
        release_start: bool = False,
        pose_widths: tuple[int, ...] | None = None,
        pose_blocks: tuple[int, ...] | None = None,
        pose_width: int | None = None,
        learning_rate: float = 1e-4,
        warmup: int = 100,
        milestones: tuple[float, ...] = (0.52, 0.72),
        average: float = 0.998,
        start_from: str | None = None,
        settle: int = 0,
        compiled: bool = False,
    ):
        checkpoint = start_from if start_from and start_from.endswith(".ckpt") else None
        super().__init__(FAMILY, config, learning_rate, average, None if checkpoint else start_from, compiled)
        self.criterion = criterion or GamDepthCriterion()
        self.offsets = tuple(offsets)
        self.residual = residual
        self.settle = settle
        self.warmup = warmup
        self.milestones = tuple(milestones)
        widths = tuple(pose_widths or self.config.widths)
        depth = RELEASE_DEPTH if release_start else math.sqrt(self.config.nearest * self.config.farthest)
        width = pose_width or max(widths[4] // 2, 1)
        self.pose = PoseNetwork(widths, pose_blocks or self.config.blocks, width, depth)
        if not (release_start or start_from):
            self._start_at(depth)
        self.known_poses = known_poses
        if known_poses:
            self.pose.requires_grad_(False)
        elif not residual:
            self.pose.residual.requires_grad_(False)
        self.semantic = (
            SemanticDecoder(self.config.widths, self.config.decoder, classes, release_softmax) if classes else None
        )
        if checkpoint:
            self.start_from = checkpoint
            loaded = torch.load(checkpoint, map_location="cpu", weights_only=False)
            self._take_all(loaded["state_dict"])
            self.count_on(loaded.get("made", {}))

    def _take_all(self, state: dict[str, Tensor]) -> None:
        """Take over what fits of a checkpoint; the network starts from the averaged weights."""
        own = self.state_dict()
        averaged = "averaged.module."
        for name, value in state.items():
            names = [name] if not name.startswith("network.") else []
            if name.startswith(averaged):
                names.append("network." + name.removeprefix(averaged))
            for target in names:
                if target in own and own[target].shape == value.shape and target != "averaged.n_averaged":
                    own[target].copy_(value)

    @torch.no_grad()
    def _start_at(self, depth: float) -> None:
        near, far = self.config.nearest, self.config.farthest
        share = (1 / depth - 1 / far) / (1 / near - 1 / far)
        for network in (self.network, self.averaged.module):
            bias = cast(MonocularNetwork, network).disparity.bias
            assert bias is not None
            bias.fill_(math.log(share / (1 - share)))

    def look(self, batch: dict[str, Tensor], network: MonocularNetwork, semantics: bool, frozen: bool = False) -> Views:
        """Return what depth and pose networks make of ``batch``, see ``VideoWindows``.

        Networks see the changed colours, the losses those that were taken. ``frozen``: no gradient reaches depth.
        """
        frames, shown, K = batch["frames"], batch["shown"], batch["K"]
        target = shown[:, 0].contiguous(memory_format=torch.channels_last)
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            features = network.encoder(target)
            output = network.decode(features)
        logits = self.semantic(features) if self.semantic is not None and semantics else None
        if self.known_poses:
            poses = dict(zip(self.offsets, told(batch["poses"]).unbind(1)))
        else:
            poses = self.poses(target, dict(zip(self.offsets, shown[:, 1:].unbind(1))), output.depth, K)
        # borders are repeated: black ones would be edges
        warped = [warp(image, output.depth, K, poses[k])[0] for k, image in zip(self.offsets, frames[:, 1:].unbind(1))]
        ends = (self.config.nearest, self.config.farthest)
        return Views(output, [poses[k] for k in self.offsets], warped, logits, ends)

    def poses(self, target: Tensor, sources: dict[int, Tensor], depth: Tensor, K: Tensor) -> dict[int, Tensor]:
        """Return final T_source_target (B, 4, 4) by place in time, of images (B, 3, H, W)."""
        first = self.pose.to_sources({0: target, **sources})
        if not self.residual:
            return first
        warped = {place: warp(image, depth, K, first[place])[0] for place, image in sources.items()}
        return self.pose.corrected(first, target, warped)

    def parts_to_compile(self) -> list[torch.nn.Module]:
        """Return what is called with one size all the time; the rest is small, or differs from call to call."""
        network = cast(MonocularNetwork, self.network)
        poses = [] if self.known_poses else [self.pose.encoder]
        return [network.encoder, network.decoder, *poses]

    def training_step(self, batch: dict[str, Tensor], index: int) -> Tensor:
        """Return the loss of one batch."""
        semantics = self.criterion.wants_semantics(self.current_epoch)
        settling = self.global_step < self.settle
        self.network.train(not settling)  # nor do its statistics move
        views = self.look(batch, cast(MonocularNetwork, self.network), semantics, settling)
        parts = self.criterion(views, batch, self.current_epoch)
        count = len(batch["K"])
        self.log_dict({f"train/{k}": v.detach() for k, v in parts.items()}, batch_size=count)
        self.samples += count * self.trainer.world_size
        return parts["loss"]

    def validation_step(self, batch: dict[str, Tensor], index: int) -> None:
        """Log the parts of the loss and, where depth is known, errors of the averaged weights after median scaling."""
        views = self.look(batch, cast(MonocularNetwork, self.averaged.module), semantics=False)
        parts = self.criterion(views, batch, self.current_epoch)
        parts = {f"val/{k}": v for k, v in parts.items() if k != "loss"}
        scores = depth_scores(views.output.depth, batch["depth"])
        if scores:
            scores |= boundary_f1(views.output.depth, batch["depth"])
            scores |= plane_residual(views.output.depth, batch["depth"], batch["K"], batch["segment"])
        parts |= {f"val/{k}": v for k, v in scores.items()}
        self.log_dict(parts, batch_size=len(batch["K"]), on_epoch=True, sync_dist=True)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say besides what the video was and which mask was learned with."""
        super().on_save_checkpoint(checkpoint)
        mask = self.criterion.mask
        checkpoint["made"] |= {"offsets": list(self.offsets), "mask": mask.kind, "knee": round(mask.knee(), 1)}
        checkpoint["made"]["known_poses"] = self.known_poses

    def configure_optimizers(self) -> Any:
        """Return Adam and its schedule."""
        parameters = [p for p in self.parameters() if p.requires_grad]
        optimizer = torch.optim.Adam(parameters, lr=self.learning_rate)
        total = max(int(self.trainer.estimated_stepping_batches), 1)
        steps = [share * total for share in self.milestones]

        def rate(step: int) -> float:
            return falling(step, self.warmup, steps)

        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def told(poses: Tensor) -> Tensor:
    """Return ``poses`` (B, n, 4, 4); raises ValueError if one of them is unknown, that is 0."""
    if bool((poses[..., 3, 3] == 0).any()):
        raise ValueError("known_poses asks for videos whose poses are known, and here is one without")
    return poses


def falling(step: int, warmup: int, milestones: Sequence[float]) -> float:
    """Return the factor of the learning rate: rising to 1 over ``warmup`` steps, a tenth after each milestone."""
    return min(1.0, (step + 1) / max(warmup, 1)) * 0.1 ** bisect_right(milestones, step)
