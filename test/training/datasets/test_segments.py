from __future__ import annotations

import numpy as np

from training.datasets.segments import BORDER, color_segments, true_planes
from training.datasets.video import RenderedVideo


def halves():
    rng = np.random.default_rng(0)
    image = np.full((72, 96, 3), 90, np.uint8)
    image[:, 48:] = (200, 120, 60)
    return np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def test_colours_part_regions():
    found = color_segments(halves())
    assert found.max() == 2
    inner = found[BORDER:-BORDER, BORDER:-BORDER]
    assert (inner > 0).mean() > 0.95
    assert len(np.unique(inner[:, :36])) == len(np.unique(inner[:, 44:])) == 1
    assert inner[30, 10] != inner[30, 70]
    assert (found[:BORDER] == 0).all()


def test_normals_part_what_has_one_colour():
    normal = np.zeros((72, 96, 3), np.float32)
    normal[:36, :, 2], normal[36:, :, 1] = -1, -1
    found = color_segments(halves(), normal)
    assert found.max() == 4
    assert len({found[20, 20], found[50, 20], found[20, 80], found[50, 80]}) == 4


def test_small_regions_are_none():
    image = halves()
    image[30:33, 20:23] = 255
    assert color_segments(image).max() == 2


def test_true_planes_are_flat_and_many(sequences):
    frame = RenderedVideo(sequences / "00000001.npz")[4]
    found = true_planes(frame.depth, frame.normal, frame.label, frame.camera)
    assert found.max() >= 3
    assert (found > 0).mean() > 0.25
    from depth_perception.geometry.camera import rays

    points = (rays(frame.camera) * frame.depth[..., None]).astype(np.float64)
    for k in range(1, found.max() + 1):
        part = points[found == k]
        centred = part - part.mean(0)
        thickness = np.sqrt(max(np.linalg.eigvalsh(centred.T @ centred / len(part))[0], 0))
        assert thickness < 0.012 * part[:, 2].mean()
        assert len(np.unique(frame.label[found == k])) == 1
