"""The live path: measured depth gives the surface, and labels are clustered where the surface was measured.

On a ray that meets the scene's surface where it was measured, the occlusion-aware opacity of a channel depends on its
margin there alone, so that a ray costs one point instead of a hundred samples. Points are shared in space: this is
what makes the channels of different views agree, while no label is compared across views.
"""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from torch import Tensor

from depth_perception.frames import PosedDepth
from depth_perception.models.decomposition import losses
from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.consensus import find_consensus
from depth_perception.models.decomposition.density import margin_of_opacity
from depth_perception.models.decomposition.fusion import FusedSurface
from depth_perception.models.decomposition.grid import NodeGrid
from depth_perception.models.decomposition.key_frame import LabelledPoints
from depth_perception.models.decomposition.ray_choice import choose_image, choose_rays

_SURE = 4.0  # logits by which votes can differ at the start
_PRIOR = 0.5  # points that the neighbourhood's votes count as


class LiveScene:
    """Surface and channels of one box; see ``SceneFitter`` for what the methods mean."""

    def __init__(self, config: SceneConfig, low: NDArray, high: NDArray, device: str, rng: np.random.Generator):
        self.config, self.device, self.rng = config, device, rng
        self.grid = NodeGrid.cover(low, high, config.cell, config.largest_nodes)
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        self.surface = FusedSurface(self.grid, config.front, config.behind, device)
        width = config.channels if config.start == "random" else min(8, config.channels)
        self.field = ChannelField(self.grid, config.coarse, width, device)
        if config.start == "random":
            noise = rng.standard_normal(self.field.coarse.shape).astype(np.float32)
            self.field.coarse += torch.from_numpy(noise).to(device)
        self.frames: dict[int, LabelledPoints] = {}
        self.stale = False
        self.told = torch.zeros(0, dtype=torch.bool, device=device)  # rows that votes have set
        self.weights = config.weights.for_channels(self.field.width)

    def add(self, index: int, frame: PosedDepth, points: LabelledPoints) -> None:
        """Fuse a frame's depth at once, and keep its labelled points."""
        nodes, pixels = self.surface.add(frame)
        color = torch.from_numpy(frame.image.reshape(-1, 3)).to(self.device)[pixels]
        self.field.allocate(nodes, color)
        self.frames[index] = points
        self.stale = True

    def forget(self, index: int) -> None:
        """Drop a frame's labels; what they have taught stays."""
        del self.frames[index]

    def prepare(self) -> None:
        """Take in the frames that came since the last call."""
        if self.stale and self.config.start == "consensus":
            self._start_from_consensus()
        self.stale = False

    def step(self) -> dict[str, float]:
        """Move the channels by one step; return the losses by name, before weights."""
        config, weights = self.config, self.weights
        usable = [i for i, frame in self.frames.items() if len(frame.points)]
        objects = [self.frames[i].objects for i in usable]
        points, groups, is_object, first = [], [], [], 0
        for _ in range(config.images_per_step):
            frame = self.frames[usable[choose_image(objects, self.rng, config.key_share, config.key_images)]]
            rays = choose_rays(frame.groups, config.random_rays, config.label_rays, self.rng)
            points.append(frame.points[rays])
            groups.append(frame.groups[rays])
            is_object.append(frame.labels[frame.groups[rays]] > 0)
            first += len(rays)
        for table in (self.field.fine, self.field.coarse):
            table.requires_grad_(True)
        opacity = self._opacity(torch.from_numpy(np.concatenate(points)).to(self.device))
        objects_mask = torch.from_numpy(np.concatenate(is_object)).to(self.device)
        terms = {
            "one_hot": losses.one_hot(opacity, objects_mask),
            "background": losses.background(opacity, objects_mask),
            "foreground": losses.foreground(opacity, objects_mask),
        }
        simplex = losses.to_simplex(opacity)
        parts = zip(simplex.split([len(g) for g in groups]), groups)
        pairs = [(q, torch.from_numpy(g).to(self.device, torch.int64)) for q, g in parts]
        for name, loss in (("differentiation", losses.differentiation), ("regularization", losses.regularization)):
            if getattr(weights, name):
                terms[name] = torch.stack([loss(q, g) for q, g in pairs]).mean()
        total = sum((getattr(weights, name) * value for name, value in terms.items()), opacity.new_zeros(()))
        fine, coarse = torch.autograd.grad(total, [self.field.fine, self.field.coarse])
        for table in (self.field.fine, self.field.coarse):
            table.requires_grad_(False)
        self.field.step({"fine": fine, "coarse": coarse}, config.learning_rate, config.largest_logit)
        return {name: float(value.detach()) for name, value in terms.items()} | {"total": float(total.detach())}

    def settle(self) -> None:
        """Tidy up after a run."""

    def assign(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return channel int32, confidence and distance (n,) at points (n, 3); channel -1 where nothing was seen."""
        distance, known = self.surface.sample(points)
        logits, share = self.field.logits(points)
        belief = torch.softmax(logits, 1)
        confidence, channel = belief.max(1)
        seen = share > 0.0
        if not len(self.field.node_of):
            seen = torch.zeros_like(known)
        confidence = torch.where(seen, confidence, 0.0)
        distance = torch.where(known, distance, self.surface.front)
        return torch.where(seen, channel, -1).to(torch.int32), confidence, distance

    def channel_distances(self, points: Tensor) -> Tensor:
        """Return signed distances (n, channels) in metres; their minimum is the scene's."""
        distance, _ = self.surface.sample(points)
        logits, _ = self.field.logits(points)
        return distance[:, None] + self.margins(logits)

    def margins(self, logits: Tensor) -> Tensor:
        """Return how far in metres channels lie behind the scene's surface, for logits (n, c); 0 for the largest."""
        opacity = torch.exp(logits - logits.amax(1, keepdim=True))
        margin = torch.from_numpy(margin_of_opacity(opacity.cpu().numpy())).to(logits.device)
        return margin * (self.config.sharpness * self.grid.cell)

    def _opacity(self, points: Tensor) -> Tensor:
        logits, _ = self.field.logits(points)
        return torch.exp(logits - logits.amax(1, keepdim=True))

    def _start_from_consensus(self) -> None:
        self.told = F.pad(self.told, (0, len(self.field.node_of) - len(self.told)))
        order = sorted(self.frames)
        frames = [self.frames[i] for i in order]
        nodes = [self.grid.index(frame.points) for frame in frames]
        found = find_consensus(frames, nodes, self.config.smallest)
        votes = self._votes(frames, nodes, [found.masks[found.masks[:, 0] == i] for i in range(len(frames))], found)
        total = votes.sum(1)
        rows = torch.from_numpy(np.flatnonzero(total > 0)).to(self.device)
        if not len(rows):
            return
        chosen = votes[rows.cpu().numpy()]
        channel_of = self._channels_for(chosen.argmax(1), rows, found.objects)
        self.field.widen(max(channel_of.max() + 1, 2))
        self.weights = self.config.weights.for_channels(self.field.width)
        table = np.zeros((len(chosen), self.field.width), np.float32)
        for thing, channel in enumerate(channel_of):
            if channel >= 0:
                table[:, channel] += chosen[:, thing]
        self._take_over(rows, torch.from_numpy(table).to(self.device))

    def _votes(self, frames, nodes, masks, found) -> NDArray[np.float32]:
        """Return how many points (rows, 1 + objects) at each node are of no object or of one."""
        row_of = self.field.row_of.cpu().numpy()
        width = found.objects + 1
        votes = np.zeros(len(self.field.node_of) * width, np.float32)
        objects = {tuple(mask): int(thing) for mask, thing in zip(found.masks.tolist(), found.object)}
        for index, (frame, at) in enumerate(zip(frames, nodes)):
            says = np.array([0 if v == 0 else objects.get((index, g), -1) + 1 for g, v in enumerate(frame.labels)])
            silent = np.array([v != 0 and objects.get((index, g), -1) < 0 for g, v in enumerate(frame.labels)], bool)
            if not len(says):
                continue
            rows = row_of[at]
            good = (rows >= 0) & ~silent[frame.groups]
            votes += np.bincount(rows[good] * width + says[frame.groups[good]], minlength=len(votes))
        return votes.reshape(-1, width)

    def _channels_for(self, things: NDArray, rows: Tensor, count: int) -> NDArray[np.int64]:
        """Return the channel (1 + count,) of the background and of each object: the one that has most of it now."""
        channel_of = np.full(count + 1, -1, np.int64)
        channel_of[0] = 0
        sizes = np.bincount(things, minlength=count + 1)
        free = set(range(1, self.config.channels))
        if self.told.any():
            owner, told = self.field.node_logits().argmax(1), self.told[rows].cpu().numpy()
            shared = np.zeros((count + 1, self.field.width))
            np.add.at(shared, (things[told], owner[rows].cpu().numpy()[told]), 1.0)
            for thing, channel in zip(*linear_sum_assignment(-shared[1:, 1:])):
                if shared[thing + 1, channel + 1] > 0:
                    channel_of[thing + 1] = channel + 1
            free -= set(owner[self.told].unique().tolist())
        free -= set(channel_of.tolist())
        for thing in 1 + np.argsort(-sizes[1:], kind="stable"):
            if channel_of[thing] < 0 and sizes[thing] and free:
                channel_of[thing] = min(free)
                free.remove(channel_of[thing])
        return channel_of

    def _take_over(self, rows: Tensor, votes: Tensor) -> None:
        """Set the logits of rows (m,) whose votes (m, width) are for another channel than they have now."""
        share = votes / votes.sum(1, keepdim=True).clamp_min(1e-6)
        points = self.grid.points(self.field.node_of[rows])
        nodes, weights, _ = self.field.wide.corners(points)
        wide = share.new_zeros(self.field.wide.size, share.shape[1])
        wide.index_add_(0, nodes.reshape(-1), (weights[..., None] * share[:, None]).reshape(-1, share.shape[1]))
        around = (wide[nodes] * weights[..., None]).sum(1)
        around = around / around.sum(1, keepdim=True).clamp_min(1e-6)
        total = votes.sum(1, keepdim=True)
        share = (votes + _PRIOR * around) / (total + _PRIOR)
        logits = torch.log(share / share.amax(1, keepdim=True)).clamp_min(-_SURE)
        changed = ~self.told[rows] | (self.field.node_logits()[rows].argmax(1) != logits.argmax(1))
        self.field.set_logits(rows[changed], logits[changed])
        self.told[rows] = True

    def state(self) -> dict[str, NDArray]:
        """Return everything learned and kept, as arrays."""
        field, surface = self.field, self.surface
        arrays = {"distance": surface.distance, "weight": surface.weight, "node_of": field.node_of, "told": self.told}
        arrays |= {"color": field.color, "fine": field.fine, "coarse": field.coarse}
        arrays |= {f"moments_{name}": field.moments[name] for name in ("fine", "coarse")}
        out = {name: tensor.cpu().numpy().copy() for name, tensor in arrays.items()}
        out["counters"] = np.array([field.steps, self.stale], np.int64)
        out["frames"] = np.array(sorted(self.frames), np.int64)
        for index, frame in self.frames.items():
            for name in ("points", "groups", "labels"):
                out[f"frame_{index}_{name}"] = getattr(frame, name).copy()
        return out

    def load_state(self, state: dict[str, NDArray]) -> None:
        """Take over what ``state`` returned for the same box and configuration."""
        if state["distance"].shape != (self.grid.size,):
            raise ValueError(f"state has {state['distance'].size} nodes, this box {self.grid.size}")
        field, surface = self.field, self.surface
        tensor = {n: torch.from_numpy(np.array(a)).to(self.device) for n, a in state.items() if n != "counters"}
        surface.distance, surface.weight = tensor["distance"], tensor["weight"]
        field.node_of, field.color = tensor["node_of"], tensor["color"]
        field.fine, field.coarse = tensor["fine"], tensor["coarse"]
        field.moments = {name: tensor[f"moments_{name}"] for name in ("fine", "coarse")}
        field.row_of.fill_(-1)
        rows = torch.arange(len(field.node_of), dtype=torch.int32, device=field.row_of.device)
        field.row_of[field.node_of] = rows
        field.steps, self.stale = int(state["counters"][0]), bool(state["counters"][1])
        self.told = tensor["told"]
        self.frames = {
            int(i): LabelledPoints(*(np.array(state[f"frame_{i}_{name}"]) for name in ("points", "groups", "labels")))
            for i in state["frames"]
        }
        self.weights = self.config.weights.for_channels(field.width)
