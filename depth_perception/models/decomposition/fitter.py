"""Fits one box of the world: key frames in, the surfaces of single objects out."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from depth_perception.frames import CameraModel, FloatImage, PosedDepth, TriangleMesh
from depth_perception.models.decomposition.config import SceneConfig
from depth_perception.models.decomposition.key_frame import check_frame
from depth_perception.models.decomposition.live import LiveScene
from depth_perception.models.decomposition.live_meshes import extract_meshes
from depth_perception.models.decomposition.live_rendering import render_surface
from depth_perception.models.decomposition.reference import ReferenceScene
from depth_perception.models.decomposition.reference_views import network_meshes, render_network

_SETTLE_EVERY = 200  # steps
_AT_ONCE = 65536  # points


class FitReport(NamedTuple):
    """What a run did: ``steps``, the ``losses`` of its last steps by name (before weights), ``seconds``."""

    steps: int
    losses: dict[str, float]
    seconds: float


class Assignment(NamedTuple):
    """For points (n, 3): ``channel`` int32 (n,), -1 unseen, ``confidence`` in [0, 1], ``distance`` in metres."""

    channel: NDArray[np.int32]
    confidence: NDArray[np.float32]
    distance: NDArray[np.float32]


class Rendering(NamedTuple):
    """A view (h, w): channels int32 with -1 unseen, their confidence, depth z in metres or NaN, colour uint8."""

    labels: NDArray[np.int32]
    confidence: FloatImage
    depth: FloatImage
    color: NDArray[np.uint8]


class SceneFitter:
    """One signed distance for each object of a box, found from labels that disagree between views.

    ``low`` and ``high`` (3,) in metres bound the box in the world. Channel 0 is the background. Use one instance from
    one thread at a time. ClusteringSDF, Wu et al., ECCV 2024.
    """

    def __init__(self, config: SceneConfig, low: ArrayLike, high: ArrayLike, device: str = "cpu", seed: int = 0):
        self.config, self.device = config, device
        self.low, self.high = np.asarray(low, np.float64), np.asarray(high, np.float64)
        self._rng = np.random.default_rng(seed)
        kind = LiveScene if config.path == "live" else ReferenceScene
        self._scene: LiveScene | ReferenceScene = kind(config, self.low, self.high, device, self._rng)
        self._next = 0

    def __len__(self) -> int:
        """Number of key frames held."""
        return len(self._scene.frames)

    def add(self, frame: PosedDepth) -> int:
        """Take a key frame with labels and return its index; its depth is fused at once.

        Raises ValueError naming the field and its value if sizes, labels or pose cannot be.
        """
        check_frame(frame)
        index = self._next
        self._scene.add(index, frame)
        self._next += 1
        return index

    def forget(self, index: int) -> None:
        """Drop a key frame; what it taught stays. Raises KeyError if it is not held."""
        self._scene.forget(index)

    def run(
        self, seconds: float | None = None, steps: int | None = None, stop: Callable[[], bool] | None = None
    ) -> FitReport:
        """Fit until ``seconds`` are over, ``steps`` are done or ``stop()`` is true, whichever comes first.

        Raises ValueError if none of them is given. Without a key frame that shows a point of the box it does nothing.
        """
        if seconds is None and steps is None and stop is None:
            raise ValueError("run needs seconds, steps or stop: it would never end")
        sums: dict[str, float] = {}
        started, done, count = time.monotonic(), 0, 0
        if self._scene.ready:
            self._scene.prepare()
            while (
                (steps is None or done < steps)
                and (seconds is None or time.monotonic() - started < seconds)
                and not (stop is not None and stop())
            ):
                if done % 50 == 0:
                    sums, count = {}, 0
                for name, value in self._scene.step().items():
                    sums[name] = sums.get(name, 0.0) + value
                count += 1
                done += 1
                if done % _SETTLE_EVERY == 0:
                    self._scene.settle()
            self._scene.settle()
        mean = {name: value / count for name, value in sums.items()} if count else {}
        return FitReport(done, mean, time.monotonic() - started)

    def assign(self, points: ArrayLike) -> Assignment:
        """Say to which channel points (n, 3) in the world belong, and how far the scene's surface is."""
        given = np.asarray(points, np.float32)
        if given.ndim != 2 or given.shape[1] != 3:
            raise ValueError(f"points must have shape (n, 3), got {given.shape}")
        self._take_in()
        with torch.no_grad():
            parts = [self._scene.assign(part.to(self.device)) for part in torch.from_numpy(given).split(_AT_ONCE)]
        out = [[x.cpu().numpy() for x in part] for part in parts]
        if not out:
            return Assignment(np.zeros(0, np.int32), np.zeros(0, np.float32), np.zeros(0, np.float32))
        channel, confidence, distance = (np.concatenate(x) for x in zip(*out))
        return Assignment(channel, confidence, distance)

    def render(self, camera: CameraModel, T_world_camera: ArrayLike, stride: int = 1) -> Rendering:
        """Return what a pinhole camera would see, each ``stride``-th pixel of each ``stride``-th row."""
        T = np.asarray(T_world_camera, np.float64)
        self._take_in()
        with torch.no_grad():
            if isinstance(self._scene, ReferenceScene):
                return Rendering(*render_network(self._scene, camera, T, stride))
            return Rendering(*render_surface(self._scene, camera, T, stride))

    def meshes(self, cell: float | None = None) -> dict[int, TriangleMesh]:
        """Return the surface of each channel in the world, only where it was observed; 0 is the background.

        ``cell`` in metres is how fine: by default the configuration's. The live path has its own grid and ignores it.
        """
        self._take_in()
        with torch.no_grad():
            if isinstance(self._scene, ReferenceScene):
                return network_meshes(self._scene, cell or self.config.cell)
            return extract_meshes(self._scene)

    def _take_in(self) -> None:
        """Let frames that came since the last step be heard: what they showed first belongs to no channel before."""
        if self._scene.ready:
            self._scene.prepare()

    def state(self) -> dict[str, NDArray]:
        """Return all that was learned as arrays, fit for ``numpy.savez``; ``load_state`` goes on from there exactly."""
        random = json.dumps(self._rng.bit_generator.state).encode()
        return self._scene.state() | {
            "random": np.frombuffer(random, np.uint8).copy(),
            "next": np.array(self._next, np.int64),
            "box": np.stack([self.low, self.high]),
            "path": np.frombuffer(self.config.path.encode(), np.uint8).copy(),
        }

    def load_state(self, state: Mapping[str, NDArray]) -> None:
        """Go on where another fitter of the same box and configuration was. Raises ValueError if it does not fit."""
        path = bytes(np.asarray(state["path"], np.uint8)).decode()
        if path != self.config.path:
            raise ValueError(f"state is of path {path!r}, this fitter of {self.config.path!r}")
        if not np.array_equal(state["box"], np.stack([self.low, self.high])):
            raise ValueError(f"state is of box {state['box'].tolist()}, this fitter of {[*self.low], [*self.high]}")
        self._scene.load_state(dict(state))
        self._rng.bit_generator.state = json.loads(bytes(np.asarray(state["random"], np.uint8)))
        self._next = int(state["next"])
