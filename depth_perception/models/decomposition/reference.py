"""The reference path: ClusteringSDF's own optimisation, ray by ray (Wu et al., ECCV 2024)."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from depth_perception.frames import PosedDepth
from depth_perception.models.decomposition import geometry_losses, losses
from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.fusion import image_normals
from depth_perception.models.decomposition.network import BACKGROUND_RADIUS, SceneNetwork, gradient
from depth_perception.models.decomposition.ray_choice import choose_image, choose_rays
from depth_perception.models.decomposition.ray_image import FIELDS, RayImage, ray_image
from depth_perception.models.decomposition.rendering import RayValues, render_rays
from depth_perception.models.decomposition.sampling import error_bounded_samples

_MOVED = 0.005  # how far the smoothness loss looks, in the network's unit
_OTHERS, _OTHER_RAYS = 4, 64  # images and rays of the cross-view loss
_FAR = 1.3  # rays end so far from the middle, deep enough inside the background to be opaque
_SHARE = 0.95  # of the first background sphere that the box fills


class ReferenceScene:
    """A network of one box; see ``SceneFitter`` for what the methods mean. Cameras must be in the box."""

    def __init__(self, config: SceneConfig, low: NDArray, high: NDArray, device: str, rng: np.random.Generator):
        self.config, self.device, self.rng = config, device, rng
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        if self.low.shape != (3,) or self.high.shape != (3,) or not (self.high > self.low).all():
            raise ValueError(f"the box from low {self.low.tolist()} to high {self.high.tolist()} is empty")
        self.center = ((self.low + self.high) / 2).astype(np.float32)
        self.unit = float(np.linalg.norm(self.high - self.low) / 2 / (_SHARE * BACKGROUND_RADIUS))  # metres
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(int(rng.integers(2**31)))
            self.network = SceneNetwork(config).to(device)
        grid = {id(p) for p in self.network.grid.parameters()}
        rest = [p for p in self.network.parameters() if id(p) not in grid]
        speeds = [
            {"params": rest, "speed": 1.0},
            {"params": [*self.network.grid.parameters()], "speed": config.grid_speed},
        ]
        self.optimizer = torch.optim.Adam(speeds, lr=config.learning_rate, betas=(0.9, 0.99), eps=1e-15)
        self.weights = config.weights.for_channels(config.channels)
        self.frames: dict[int, RayImage] = {}
        self.steps = 0

    @property
    def ready(self) -> bool:
        """True if there is a ray to look at."""
        return any(len(frame.groups) for frame in self.frames.values())

    def add(self, index: int, frame: PosedDepth) -> None:
        """Keep a frame's rays. Raises ValueError if its camera is outside the box."""
        at = np.asarray(frame.T_world_camera, np.float64)[:3, 3]
        if not ((at >= self.low) & (at <= self.high)).all():
            raise ValueError(f"T_world_camera has its camera at {at.tolist()}: the reference path needs it in the box")
        self.frames[index] = ray_image(frame, image_normals(frame))

    def forget(self, index: int) -> None:
        """Drop a frame."""
        del self.frames[index]

    def prepare(self) -> None:
        """There is nothing to do before a run."""

    def settle(self) -> None:
        """There is nothing to do after a run."""

    def step(self) -> dict[str, float]:
        """Look at one image's rays and move the network by one step; return the losses before weights."""
        config, weights = self.config, self.weights
        usable = [i for i, frame in self.frames.items() if len(frame.groups)]
        image = usable[
            choose_image([self.frames[i].objects for i in usable], self.rng, config.key_share, config.key_images)
        ]
        frame = self.frames[image]
        rays = choose_rays(frame.groups, config.random_rays, config.label_rays, self.rng)
        seen = self._look(frame, rays, self.rng)
        terms = self._clustering(frame, rays, seen)
        terms["color"] = geometry_losses.color(seen.color, self._tensor(frame.color[rays]))
        if weights.depth:
            z = seen.length * self.unit * self._tensor(frame.along[rays])
            terms["depth"] = geometry_losses.depth(z, self._tensor(frame.depth[rays]))
        if weights.normal_distance or weights.normal_angle:
            given = self._tensor(frame.normals[rays])
            terms["normal_distance"] = geometry_losses.normal_distance(seen.normal, given)
            terms["normal_angle"] = geometry_losses.normal_angle(seen.normal, given)
        if weights.cross_view:
            terms["cross_view"] = self._cross_view(image, frame, rays, seen)
        terms |= self._shape(frame, rays, seen)
        total = torch.stack([getattr(weights, name) * value for name, value in terms.items()]).sum()
        for group in self.optimizer.param_groups:
            group["lr"] = config.learning_rate * group["speed"] * 0.1 ** (self.steps / config.decay_steps)
        self.optimizer.zero_grad(set_to_none=True)
        total.backward()
        self.optimizer.step()
        self.steps += 1
        return {name: float(value.detach()) for name, value in terms.items()} | {"total": float(total.detach())}

    def assign(self, points: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return channel, confidence and distance in metres (n,) at points (n, 3) in the world; -1 outside the box."""
        low, high = (torch.from_numpy(x).to(points) for x in (self.low, self.high))
        inside = ((points >= low) & (points <= high)).all(1)
        distances = self.network.distances(self.normalize(points))
        belief = torch.softmax(-distances / self.network.density.b, 1)
        confidence, channel = belief.max(1)
        channel = torch.where(inside, channel, -1).to(torch.int32)
        return channel, torch.where(inside, confidence, 0.0), distances.amin(1) * self.unit

    def normalize(self, points: Tensor) -> Tensor:
        """Return points (n, 3) of the world in the network's unit."""
        return (points - torch.from_numpy(self.center).to(points)) / self.unit

    def cast(
        self, origins: Tensor, directions: Tensor, rng: np.random.Generator | None, color: bool = True
    ) -> RayValues:
        """Render rays (r, 3) of the world with unit directions; lengths come in the network's unit."""
        config = self.config
        start = self.normalize(origins)
        middle = (start * directions).sum(1)
        far = -middle + torch.sqrt((middle**2 - (start**2).sum(1) + _FAR**2).clamp_min(1e-6))
        near = torch.zeros_like(far)
        t = error_bounded_samples(
            self.network.scene,
            start,
            directions,
            near,
            far,
            float(self.network.density.b.detach()),
            rng,
            first=config.initial_samples,
            samples=config.samples,
            extra=config.extra_samples,
            error=config.opacity_error,
            rounds=config.rounds,
            bisections=config.bisections,
        )
        return render_rays(self.network, start, directions, t, color)

    def state(self) -> dict[str, NDArray]:
        """Return network, optimiser and frames as arrays."""
        out = {f"network_{name}": tensor.cpu().numpy().copy() for name, tensor in self.network.state_dict().items()}
        for number, values in self.optimizer.state_dict()["state"].items():
            out |= {f"adam_{number}_{name}": np.asarray(value.cpu()).copy() for name, value in values.items()}
        out["steps"] = np.array(self.steps, np.int64)
        out["frames"] = np.array(sorted(self.frames), np.int64)
        for index, frame in self.frames.items():
            out |= {f"frame_{index}_{name}": getattr(frame, name).copy() for name in FIELDS}
        return out

    def load_state(self, state: dict[str, NDArray]) -> None:
        """Take over what ``state`` returned. Raises ValueError or RuntimeError if the network is another one."""
        learned = {
            n.removeprefix("network_"): torch.from_numpy(np.array(a))
            for n, a in state.items()
            if n.startswith("network_")
        }
        self.network.load_state_dict(learned)
        moments: dict[int, dict[str, Tensor]] = {}
        for name, array in state.items():
            if name.startswith("adam_"):
                _, number, key = name.split("_", 2)
                moments.setdefault(int(number), {})[key] = torch.from_numpy(np.array(array))
        self.optimizer.load_state_dict(self.optimizer.state_dict() | {"state": moments})
        self.steps = int(state["steps"])
        self.frames = {
            int(i): RayImage(*(np.array(state[f"frame_{i}_{name}"]) for name in FIELDS)) for i in state["frames"]
        }

    def _look(self, frame: RayImage, rays: NDArray, rng: np.random.Generator, color: bool = True) -> RayValues:
        directions = self._tensor(frame.directions[rays])
        return self.cast(self._tensor(frame.origin).expand_as(directions), directions, rng, color)

    def _clustering(self, frame: RayImage, rays: NDArray, seen: RayValues) -> dict[str, Tensor]:
        groups = self._tensor(frame.groups[rays]).long()
        numbers = self._tensor(frame.labels[frame.groups[rays]]).long()
        simplex, is_object = losses.to_simplex(seen.opacity), numbers > 0
        terms = {
            "differentiation": losses.differentiation(simplex, groups),
            "regularization": losses.regularization(simplex, groups),
            "one_hot": losses.one_hot(seen.opacity, is_object),
            "background": losses.background(seen.opacity, is_object),
            "foreground": losses.foreground(seen.opacity, is_object),
        }
        if self.weights.semantic:
            terms["semantic"] = losses.semantic(seen.opacity, numbers, torch.ones_like(seen.length))
        return terms

    def _shape(self, frame: RayImage, rays: NDArray, seen: RayValues) -> dict[str, Tensor]:
        """Return the losses on the distances at random points of the box and where the rays met something."""
        drawn = self.rng.uniform(self.low, self.high, (len(rays), 3)).astype(np.float32)
        somewhere = self.normalize(self._tensor(drawn))
        start = self.normalize(self._tensor(frame.origin)[None])
        met = start + self._tensor(frame.directions[rays]) * seen.length.detach()[:, None]
        points = torch.cat([somewhere, met]).requires_grad_(True)
        distances = self.network.distances(points)
        count = self.config.eikonal_channels or self.config.channels
        picked = range(count) if count >= self.config.channels else self.rng.permutation(self.config.channels)[:count]
        normals = gradient(distances.amin(1), points)
        slopes = torch.stack([normals, *(gradient(distances[:, int(k)], points) for k in picked)])
        terms = {"eikonal": geometry_losses.eikonal(slopes)}
        if self.weights.smoothness:
            step = self._tensor(self.rng.uniform(-_MOVED, _MOVED, met.shape).astype(np.float32))
            beside = (met + step).requires_grad_(True)
            moved = gradient(self.network.scene(beside), beside)
            terms["smoothness"] = geometry_losses.smoothness(normals[len(somewhere) :], moved)
        if self.steps >= self.config.distinction_after:
            terms["distinction"] = losses.distinction(distances[: len(somewhere)])
        return terms

    def _cross_view(self, image: int, frame: RayImage, rays: NDArray, seen: RayValues) -> Tensor:
        """Push this image's labels from those other images show under another number; numbers must be classes."""
        groups = self._tensor(frame.groups[rays]).long()
        means, mine = [], []
        others = [i for i, other in self.frames.items() if i != image and other.objects]
        for index in self.rng.permutation(others)[:_OTHERS] if others else []:
            other = self.frames[int(index)]
            objects = np.flatnonzero(other.labels[other.groups] > 0)
            chosen = objects[self.rng.integers(len(objects), size=_OTHER_RAYS)]
            simplex = losses.to_simplex(self._look(other, chosen, self.rng, color=False).opacity)
            there = self._tensor(other.groups[chosen]).long()
            average = losses.group_means(simplex, there, len(other.labels))
            present = np.unique(other.groups[chosen])
            for own in np.unique(frame.groups[rays]):
                if frame.labels[own] <= 0:
                    continue
                for group in present[other.labels[present] != frame.labels[own]]:
                    means.append(average[int(group)])
                    mine.append(int(own))
        simplex = losses.to_simplex(seen.opacity)
        if not means:
            return simplex.sum() * 0.0
        return losses.cross_view(simplex, groups, torch.stack(means), torch.tensor(mine, device=simplex.device))

    def _tensor(self, array: NDArray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device)
