"""Frames small enough to train on in seconds: a leaning wall, a floor, a box, sky, no renderer; and rendered video."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.synthetic.sequences import Settings, render_sequence

torch.set_num_threads(1)
SIZE = (96, 128)
OFFSET = np.array([0.12, -0.06, 0.02])  # of the second view, in the camera's frame, metres


def cast(K, size, origin):
    """Z-depth (H, W) seen from ``origin`` by a camera that looks along z; NaN is sky."""
    y, x = np.mgrid[: size[0], : size[1]]
    rays = np.stack([(x - K[0, 2]) / K[0, 0], (y - K[1, 2]) / K[1, 1], np.ones(size)], -1)
    depth = np.full(size, np.inf)
    for normal, distance, reach in (
        ((0.3, 0.0, 1.0), 5.0, ((-9, 9), (-0.9, 9))),  # a leaning wall, sky above it
        ((0.0, 1.0, 0.0), 1.0, ((-9, 9), (-9, 9))),  # floor
        ((0.0, 0.0, 1.0), 2.5, ((-0.5, 0.4), (-0.4, 0.7))),  # a box's front
    ):
        with np.errstate(divide="ignore", invalid="ignore"):
            z = (distance - origin @ normal) / (rays @ normal)
        hit = origin + rays * z[..., None]
        on = (z > 0.2) & (hit[..., 2] < 20)
        for axis, (low, high) in enumerate(reach):
            on &= (hit[..., axis] >= low) & (hit[..., axis] <= high)
        depth = np.where(on & (z < depth), z, depth)
    return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)


def write_frame(folder, number, size=SIZE):
    """Write frame ``number`` as training.synthetic.frames does; frames differ in place, field of view and colour."""
    rng = np.random.default_rng(number)
    f = rng.uniform(80, 130)
    K = np.array([[f, 0, size[1] / 2 - 0.5 + rng.uniform(-6, 6)], [0, f, size[0] / 2 - 0.5], [0, 0, 1]])
    place = np.array([rng.uniform(-0.5, 0.5), rng.uniform(-0.3, 0.2), 0.0])
    depth = cast(K, size, place)
    T = np.eye(4)
    T[:3, 3] = OFFSET
    shade = np.nan_to_num(255 / (1 + depth), nan=230.0)
    image = np.clip(shade[..., None] * rng.uniform(0.6, 1, 3) + rng.normal(0, 4, (*size, 3)), 0, 255).astype(np.uint8)
    arrays = {
        "image": image,
        "depth": depth,
        "second_depth": cast(K, size, place + OFFSET),
        "T_camera_second": T,
        "K": K,
        "instance": np.zeros(size, np.uint16),
        "world": np.array("test"),
    }
    np.savez(folder / f"{number:08d}.npz", **arrays)
    return folder / f"{number:08d}.npz"


@pytest.fixture(scope="session")
def rendered(tmp_path_factory):
    """A folder of 8 held-out frames and 24 to train on."""
    folder = tmp_path_factory.mktemp("rendered")
    for number in (*range(8), *range(20, 44)):
        write_frame(folder, number)
    return folder


@pytest.fixture(scope="session")
def frame_maker():
    """``write_frame`` for tests that need other frames."""
    return write_frame


@pytest.fixture(scope="session")
def sequences(tmp_path_factory):
    """A folder with video 0, which is held out, and 1 and 2 to train on: 8 frames of 72 x 96 pixels each."""
    folder = tmp_path_factory.mktemp("sequences")
    for number in range(3):
        arrays = render_sequence(number, Settings(frames=8, size=(72, 96), rate=6.0, kinds=("indoor",)))
        np.savez(folder / f"{number:08d}.npz", **arrays)
    return folder
