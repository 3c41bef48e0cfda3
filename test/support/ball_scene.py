"""Balls on a floor, seen exactly: images, depth and labels by the closed form; and a model that knows the answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from depth_perception.frames import CameraModel, PosedDepth, TriangleMesh

START = 1_700_000_000_000_000_000
FRAME = "camera_optical_frame"
COLORS = np.array([[90, 90, 90], [200, 40, 40], [40, 180, 60], [50, 80, 220], [220, 200, 40], [180, 60, 200]], np.uint8)


def look_at(eye: Any, target: Any) -> np.ndarray:
    """T_world_camera of an optical frame at ``eye`` that looks at ``target``, with z of the world up."""
    forward = np.asarray(target, float) - np.asarray(eye, float)
    forward /= np.linalg.norm(forward)
    right = np.cross(forward, [0.0, 0.0, 1.0])
    right /= np.linalg.norm(right)
    T = np.eye(4)
    T[:3, :3] = np.stack([right, np.cross(forward, right), forward], axis=1)
    T[:3, 3] = eye
    return T


def loop(count: int, radius: float = 1.2, height: float = 0.7, center: tuple = (0.0, 0.0, 0.1)) -> list[np.ndarray]:
    """Poses on a circle around ``center``, the last next to the first."""
    turns = np.arange(count) / count * 2 * np.pi
    return [look_at((center[0] + radius * np.cos(a), center[1] + radius * np.sin(a), height), center) for a in turns]


def lifted(pose: np.ndarray, by: float) -> np.ndarray:
    """The same view from ``by`` metres higher."""
    T = pose.copy()
    T[2, 3] += by
    return T


class BallScene:
    """Balls (n, 4) of centre and radius on the floor z = 0."""

    def __init__(
        self,
        balls: Any = ((0.35, 0.0, 0.15, 0.15), (-0.3, 0.25, 0.12, 0.12), (-0.1, -0.35, 0.1, 0.1)),
        camera: CameraModel | None = None,
    ):
        self.balls = np.asarray(balls, float)
        self.camera = camera or CameraModel.pinhole(55.0, 55.0, 31.5, 23.5, 64, 48)

    def frame(self, pose: np.ndarray, stamp: int = START, shuffle: int | None = None) -> PosedDepth:
        """Labels 1.. in the order of the balls, or in a random order and with gaps for the seed ``shuffle``."""
        camera = self.camera
        K = camera.K
        rows, columns = np.mgrid[: camera.height, : camera.width]
        rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(rows.shape)], axis=-1)
        directions = rays @ pose[:3, :3].T
        origin = pose[:3, 3]
        depth = np.full(rows.shape, np.inf)
        labels = np.zeros(rows.shape, np.int32)
        down = directions[..., 2] < -1e-6
        depth[down] = -origin[2] / directions[..., 2][down]
        for index, (x, y, z, radius) in enumerate(self.balls, 1):
            to = origin - (x, y, z)
            a = (directions**2).sum(-1)
            b = 2 * directions @ to
            root = b**2 - 4 * a * (to @ to - radius**2)
            with np.errstate(invalid="ignore"):
                hit = (-b - np.sqrt(root)) / (2 * a)
            near = (root > 0) & (hit > 0) & (hit < depth)
            depth[near], labels[near] = hit[near], index
        image = COLORS[labels % len(COLORS)]
        depth = np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)
        if shuffle is not None:
            numbers = np.random.default_rng(shuffle).choice(np.arange(1, 60), len(self.balls), replace=False)
            labels = np.concatenate([[0], numbers]).astype(np.int32)[labels]
        return PosedDepth(stamp, FRAME, image, camera, depth, pose, labels)


def ball_mesh(ball: np.ndarray, steps: int = 12) -> TriangleMesh:
    """A closed sphere, outside counter-clockwise."""
    x, y, z, radius = ball
    up, around = np.meshgrid(np.linspace(0, np.pi, steps), np.linspace(0, 2 * np.pi, 2 * steps), indexing="ij")
    unit = np.stack([np.sin(up) * np.cos(around), np.sin(up) * np.sin(around), np.cos(up)], axis=-1)
    grid = np.arange(up.size).reshape(up.shape)
    a, b, c, d = grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]
    faces = np.concatenate([np.stack(t, axis=-1).reshape(-1, 3) for t in ((a, b, c), (a, c, d))])
    vertices = unit.reshape(-1, 3) * radius + (x, y, z)
    return TriangleMesh(
        vertices.astype(np.float32), faces.astype(np.int32), np.full((vertices.shape[0], 3), 100, np.uint8)
    )


class KnowingFitter:
    """Has the interface of a SceneFitter, and finds each ball of a scene in the order in which they came into view.

    A ball is there once a key frame has shown it and a step has been done since. So its channel differs from block to
    block and from run to run, as with the real one.
    """

    def __init__(self, scene: BallScene, low: Any, high: Any):
        self.scene, self.low, self.high = scene, np.asarray(low), np.asarray(high)
        self.frames: dict[int, PosedDepth] = {}
        self.added = self.steps = 0
        self.waiting: list[int] = []
        self.order: list[int] = []  # ball of channel 1, 2, ...

    def add(self, frame: PosedDepth) -> int:
        self.frames[self.added] = frame
        ball, distance = self._nearest(self._points(frame))
        seen, counts = np.unique(ball[distance < 0.01], return_counts=True)
        self.waiting += seen[counts > 3].tolist()
        self.added += 1
        return self.added - 1

    def forget(self, index: int) -> None:
        del self.frames[index]

    def run(self, seconds: Any = None, steps: int | None = None, stop: Any = None) -> SimpleNamespace:
        self.order += [ball for ball in dict.fromkeys(self.waiting) if ball not in self.order]
        self.waiting = []
        done = 0 if stop is not None and stop() else min(steps or 1, 10)
        self.steps += done
        return SimpleNamespace(steps=done, losses={"color": 1.0 / (1 + self.steps)})

    def assign(self, points: Any) -> SimpleNamespace:
        ball, distance = self._nearest(np.asarray(points, float))
        channel = np.zeros(len(ball), np.int32)
        for number, known in enumerate(self.order, 1):
            channel[(ball == known) & (distance < 0.02)] = number
        return SimpleNamespace(
            channel=channel, confidence=np.full(len(ball), 0.9, np.float32), distance=distance.astype(np.float32)
        )

    def render(self, camera: CameraModel, T_world_camera: Any, stride: int = 1) -> SimpleNamespace:
        frame = self.scene.frame(np.asarray(T_world_camera))
        points = self._points(frame, keep_all=True)
        labels = self.assign(points).channel.reshape(frame.depth.shape)
        labels[~np.isfinite(frame.depth)] = -1
        picked = slice(None, None, stride)
        return SimpleNamespace(
            labels=labels[picked, picked],
            depth=frame.depth[picked, picked],
            confidence=np.ones_like(frame.depth)[picked, picked],
            color=frame.image[picked, picked],
        )

    def meshes(self, cell: float | None = None) -> dict[int, TriangleMesh]:
        found = {}
        for channel, ball in enumerate(self.order, 1):
            mesh = ball_mesh(self.scene.balls[ball])
            centers = mesh.vertices[mesh.faces].mean(axis=1)
            inside = np.all((centers >= self.low) & (centers <= self.high), axis=1)
            if inside.any():
                used, numbers = np.unique(mesh.faces[inside], return_inverse=True)
                faces = numbers.reshape(-1, 3).astype(np.int32)
                found[channel] = TriangleMesh(mesh.vertices[used], faces, mesh.colors[used])
        return found

    def state(self) -> dict[str, np.ndarray]:
        return {"order": np.array(self.order, np.int64), "steps": np.array(self.steps)}

    def load_state(self, state: dict[str, np.ndarray]) -> None:
        self.order, self.steps = state["order"].tolist(), int(state["steps"])

    def _points(self, frame: PosedDepth, keep_all: bool = False) -> np.ndarray:
        rows, columns = np.mgrid[: frame.camera.height, : frame.camera.width]
        K = frame.camera.K
        rays = np.stack([(columns - K[0, 2]) / K[0, 0], (rows - K[1, 2]) / K[1, 1], np.ones(rows.shape)], axis=-1)
        points = (rays * frame.depth[..., None]).reshape(-1, 3) @ frame.T_world_camera[:3, :3].T
        points = points + frame.T_world_camera[:3, 3]
        if keep_all:
            return points
        points = points[np.isfinite(points).all(axis=1)]
        return points[np.all((points >= self.low) & (points <= self.high), axis=1)]

    def _nearest(self, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        balls = self.scene.balls
        distance = np.abs(np.linalg.norm(points[:, None] - balls[None, :, :3], axis=2) - balls[:, 3])
        if not len(points):
            return np.zeros(0, int), np.zeros(0)
        return distance.argmin(axis=1), distance.min(axis=1)
