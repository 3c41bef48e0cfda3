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
from scipy.spatial import cKDTree
from torch import Tensor

from depth_perception.frames import PosedDepth
from depth_perception.models.decomposition import losses
from depth_perception.models.decomposition.channel_field import ChannelField
from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.consensus import find_consensus
from depth_perception.models.decomposition.density import margin_of_opacity
from depth_perception.models.decomposition.fusion import FusedSurface
from depth_perception.models.decomposition.grid import NodeGrid
from depth_perception.models.decomposition.key_frame import LabelledPoints, labelled_points
from depth_perception.models.decomposition.pieces import find_pieces
from depth_perception.models.decomposition.ray_choice import choose_image, choose_rays
from depth_perception.models.decomposition.votes import add_evidence, channels_for, logits_of_votes

_REGION = 3  # cells along the side of what the first guess of the objects joins
_NOISE = 0.3  # of logits at a random start: objects must find their channels, not keep what they happen to have
_KEPT = ("points", "groups", "labels", "sure")  # of a frame, in the order of its fields


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
            self.field.coarse += _NOISE * torch.from_numpy(noise).to(device)
        self.frames: dict[int, LabelledPoints] = {}
        self.stale = False
        self.told = torch.zeros(0, dtype=torch.bool, device=device)  # rows where points have voted
        self.memory = torch.zeros(0, width, device=device)  # evidence (rows, channels) of forgotten frames
        self.heard = torch.zeros(0, device=device)  # how many of them spoke (rows,)
        self.anchor = torch.zeros(0, width, device=device)  # logits (rows, channels) of all evidence
        self.says: dict[int, NDArray[np.float32]] = {}  # evidence (groups, channels) of each group of a frame
        self.weights = config.weights.for_channels(self.field.width)

    @property
    def ready(self) -> bool:
        """True if there is a point to look at."""
        return any(len(frame.points) for frame in self.frames.values())

    def add(self, index: int, frame: PosedDepth) -> None:
        """Fuse a frame's depth at once, and keep its labelled points."""
        nodes, pixels = self.surface.add(frame)
        color = torch.from_numpy(frame.image.reshape(-1, 3)).to(self.device)[pixels]
        self.field.allocate(nodes, color)
        most = self.config.points_per_image
        self.frames[index] = labelled_points(frame, self.low, self.high, most, self.rng)
        self.stale = True

    def forget(self, index: int) -> None:
        """Drop a frame's labels; how its points voted stays."""
        frame = self.frames.pop(index)
        said = self.says.pop(index, None)
        if said is not None:
            add_evidence(self.field, frame, said, self.memory, self.heard)

    def prepare(self) -> None:
        """Take in the frames that came since the last call."""
        if self.stale and self.config.start == "consensus":
            self._start_from_consensus()
        self.stale = False

    def step(self) -> dict[str, float]:
        """Move the channels by one step; return the losses by name, before weights."""
        config, weights = self.config, self.weights
        usable = [i for i, frame in self.frames.items() if frame.sure.any()]
        objects = [self.frames[i].objects for i in usable]
        points, groups, is_object = [], [], []
        for _ in range(config.images_per_step):
            frame = self.frames[usable[choose_image(objects, self.rng, config.key_share, config.key_images)]]
            sure = np.flatnonzero(frame.sure)
            rays = sure[choose_rays(frame.groups[sure], config.random_rays, config.label_rays, self.rng)]
            points.append(frame.points[rays])
            groups.append(frame.groups[rays])
            is_object.append(frame.labels[frame.groups[rays]] > 0)
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
        if config.pull and len(self.anchor):
            self.field.fine[: len(self.anchor)].lerp_(self.anchor, config.pull)
            self.field.coarse.mul_(1 - config.pull)
        return {name: float(value.detach()) for name, value in terms.items()} | {"total": float(total.detach())}

    def settle(self) -> None:
        """Give things that share a channel, but that no view shows as one, channels of their own.

        Masks that agree never let two things share one, so there is nothing to do then.
        """
        field = self.field
        if self.config.start != "random" or not len(field.node_of):
            return
        logits = field.node_logits()
        owner = logits.argmax(1).cpu().numpy()
        seen = (self.surface.distance[field.node_of].abs() < self.grid.cell).cpu().numpy()
        positions = self.grid.points(field.node_of).cpu().numpy()
        free = [k for k in range(1, field.width) if not (seen & (owner == k)).any()]
        for channel in range(1, field.width):
            rows = np.flatnonzero(seen & (owner == channel))
            pieces = find_pieces(
                positions[rows], self.frames.values(), self.config.split_distance, self.config.smallest
            )
            for piece in pieces[1:]:
                if not free:
                    return
                # nodes beside the surface go with it
                near = cKDTree(positions[rows[piece]]).query(positions[owner == channel])[0] < 2 * self.grid.cell
                moved = torch.from_numpy(np.flatnonzero(owner == channel)[near]).to(self.device)
                swapped = logits[moved].clone()
                new = free.pop(0)
                swapped[:, [channel, new]] = swapped[:, [new, channel]]
                field.set_logits(moved, swapped)

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
        return self.margins_below(logits - logits.amax(1, keepdim=True))

    def margins_below(self, behind: Tensor) -> Tensor:
        """Return the margins in metres of channels whose logits are ``behind`` the largest, 0 or less, any shape."""
        margin = torch.from_numpy(margin_of_opacity(torch.exp(behind).cpu().numpy())).to(behind.device)
        return margin * (self.config.sharpness * self.grid.cell)

    def _opacity(self, points: Tensor) -> Tensor:
        logits, _ = self.field.logits(points)
        return torch.exp(logits - logits.amax(1, keepdim=True))

    def _start_from_consensus(self) -> None:
        field, order = self.field, sorted(self.frames)
        frames = [self.frames[i] for i in order]
        coarse = self.grid.coarser(_REGION)
        places, regions = ([grid.index(f.points) for f in frames] for grid in (self.grid, coarse))
        found = find_consensus(frames, places, regions, self.config.smallest)
        new = len(field.node_of) - len(self.told)
        self.told, self.heard = F.pad(self.told, (0, new)), F.pad(self.heard, (0, new))
        self.memory = F.pad(self.memory, (0, 0, 0, new))
        votes = self.memory.new_zeros(len(field.node_of), found.objects + 1)
        heard = self.heard.clone()
        for frame, said in zip(frames, found.evidence):
            add_evidence(field, frame, said, votes, heard)
        owner = field.node_logits().argmax(1)
        channel_of = channels_for(votes, owner, self.told, self.config.channels)
        field.widen(max(int(channel_of.max()) + 1, 2))
        self.memory = F.pad(self.memory, (0, field.width - self.memory.shape[1]))
        self.weights = self.config.weights.for_channels(field.width)
        by_channel = self.memory.clone()
        kept = channel_of >= 0
        by_channel[:, torch.from_numpy(channel_of[kept]).to(votes.device)] += votes[:, torch.from_numpy(kept)]
        self.says = {i: np.zeros((len(said), field.width), np.float32) for i, said in zip(order, found.evidence)}
        for i, said in zip(order, found.evidence):
            self.says[i][:, channel_of[kept]] = said[:, kept]
        self.anchor = logits_of_votes(field, by_channel, heard)
        changed = ~self.told | (owner != self.anchor.argmax(1))
        rows = torch.nonzero(changed)[:, 0]
        field.set_logits(rows, self.anchor[rows])
        self.told |= by_channel.sum(1) > 0

    def state(self) -> dict[str, NDArray]:
        """Return everything learned and kept, as arrays."""
        field, surface = self.field, self.surface
        arrays = {"distance": surface.distance, "weight": surface.weight, "node_of": field.node_of, "told": self.told}
        arrays |= {"memory": self.memory, "heard": self.heard, "anchor": self.anchor}
        arrays |= {"color": field.color, "fine": field.fine, "coarse": field.coarse}
        arrays |= {f"moments_{name}": field.moments[name] for name in ("fine", "coarse")}
        out = {name: tensor.cpu().numpy().copy() for name, tensor in arrays.items()}
        out["counters"] = np.array([field.steps, self.stale], np.int64)
        out["frames"] = np.array(sorted(self.frames), np.int64)
        out |= {f"frame_{index}_says": said.copy() for index, said in self.says.items()}
        for index, frame in self.frames.items():
            for name in _KEPT:
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
        self.told, self.anchor = tensor["told"], tensor["anchor"]
        self.memory, self.heard = tensor["memory"], tensor["heard"]
        self.frames = {
            int(i): LabelledPoints(*(np.array(state[f"frame_{i}_{name}"]) for name in _KEPT)) for i in state["frames"]
        }
        self.says = {i: np.array(state[f"frame_{i}_says"]) for i in self.frames if f"frame_{i}_says" in state}
        self.weights = self.config.weights.for_channels(field.width)
