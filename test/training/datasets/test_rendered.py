from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.evaluation.sensors import Frame, Scan
from depth_perception.frames import CameraModel
from depth_perception.models import families
from depth_perception.models.learned import Prepared
from training.datasets.rendered import BLOCK, Augmentation, RenderedFrames, collate, frame_files, load_frame, mirrored
from training.synthetic.frames import FRAMES_PER_WORLD

QUIET = Augmentation(mirror=0, colors=False, misaligned=0, without_image=0, without_camera=0)


class Witness:
    """A method that keeps what it was given."""

    family, config, input_names = "witness", None, ("points",)

    def __init__(self):
        self.seen = []

    def prepare(self, image, sparse, camera):
        self.seen.append((image, sparse, camera))
        return Prepared((sparse[None, None],), 2.0)


def everything(frame: Frame, rng: np.random.Generator) -> Scan:
    """A sensor that measures every pixel rightly."""
    return Scan(frame.depth.copy(), np.where(frame.depth > 0, np.float32(1), np.float32(np.nan)))


def points_of(depth, camera):
    rows, columns = np.nonzero(depth > 0)
    z = depth[rows, columns].astype(np.float64)
    k = camera.K
    return np.stack([(columns - k[0, 2]) / k[0, 0] * z, (rows - k[1, 2]) / k[1, 1] * z, z], 1)


def agreement(frame: Frame) -> float:
    """Share of the second view's points that, moved to the camera, lie where the camera sees a surface."""
    T = frame.second.T_camera_second
    points = points_of(frame.second.depth, frame.camera) @ T[:3, :3].T + T[:3, 3]
    k = frame.camera.K
    u = np.round(points[:, 0] / points[:, 2] * k[0, 0] + k[0, 2]).astype(int)
    v = np.round(points[:, 1] / points[:, 2] * k[1, 1] + k[1, 2]).astype(int)
    inside = (u >= 0) & (u < frame.camera.width) & (v >= 0) & (v < frame.camera.height)
    seen = frame.depth[v[inside], u[inside]]
    return float(np.mean(np.abs(seen - points[inside, 2]) < 0.05 * points[inside, 2]))


def test_a_frame_is_read_with_zeros_for_sky_and_a_second_view_that_agrees(rendered):
    frame = load_frame(rendered / "00000000.npz")
    assert np.isfinite(frame.depth).all()
    assert (frame.depth == 0).any()
    assert np.isfinite(frame.second.depth).all()
    assert agreement(frame) > 0.85


@pytest.mark.parametrize("number", [0, 3, 25])
def test_mirroring_keeps_both_views_of_one_world(rendered, number):
    frame = load_frame(rendered / f"{number:08d}.npz")
    flipped = mirrored(frame)
    assert np.array_equal(flipped.image, frame.image[:, ::-1])
    assert agreement(flipped) == pytest.approx(agreement(frame), abs=0.02)
    # the same points in space, left and right exchanged
    before, after = points_of(frame.depth, frame.camera), points_of(flipped.depth, flipped.camera)
    before[:, 0] *= -1
    assert np.allclose(np.sort(before, 0), np.sort(after, 0), atol=1e-5)
    again = mirrored(flipped)
    assert np.allclose(again.camera.K, frame.camera.K)
    assert np.allclose(again.second.T_camera_second, frame.second.T_camera_second)


def test_a_crop_moves_the_camera_with_it(rendered):
    witness = Witness()
    file = rendered / "00000000.npz"
    frame = load_frame(file)
    whole = points_of(frame.depth, frame.camera)
    frames = RenderedFrames([file], witness, (32, 64), QUIET, everything, seed=3)
    for number in range(4):
        sample = frames.sample(0, np.random.default_rng(number))
        image, sparse, camera = witness.seen[-1]
        assert sample["depth"].shape == (1, 32, 64)
        assert image.shape == (32, 64, 3)
        assert camera.shape == (32, 64)
        cut = points_of(sparse, camera)
        # every point of the crop is, to the millimetre, one of the whole frame's
        nearest = np.abs(whole[None] - cut[::37, None]).max(2).min(1)
        assert nearest.max() < 1e-3


def test_training_and_held_out_frames_share_no_world(tmp_path):
    for number in range(0, 2 * 50 * BLOCK, 5):
        (tmp_path / f"{number:08d}.npz").touch()
    trained, held = frame_files(tmp_path, False), frame_files(tmp_path, True)
    assert len(trained) + len(held) == 400
    assert len(held) == 8
    worlds = [{int(f.stem) // FRAMES_PER_WORLD for f in files} for files in (trained, held)]
    assert not worlds[0] & worlds[1]


def test_too_few_frames_are_told_from_none(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no rendered frames.*synthetic\.frames"):
        frame_files(tmp_path, False)
    (tmp_path / "00000003.npz").touch()
    assert len(frame_files(tmp_path, True)) == 1
    with pytest.raises(FileNotFoundError, match=r"none of the 1 frames .* to train on"):
        frame_files(tmp_path, False)


def test_the_same_seed_gives_the_same_sample_and_no_seed_another(rendered):
    method = families.method("refiner", families.configuration("refiner", {"step": 2, "dense": 0}))
    files = frame_files(rendered, True)[:2]
    first, again = (RenderedFrames(files, method, (64, 96), Augmentation(), seed=5)[1] for _ in range(2))
    for key in ("depth", "sparse", "inlier", "scale"):
        assert torch.equal(first[key], again[key]), key
    assert torch.equal(first["inputs"][0], again["inputs"][0])
    free = RenderedFrames(files, method, (64, 96), Augmentation())
    torch.manual_seed(0)
    assert not torch.equal(free[1]["sparse"], free[1]["sparse"])


def test_points_are_right_wrong_or_not_there(rendered):
    def careless(frame, rng):
        sparse = np.zeros_like(frame.depth)
        inlier = np.full_like(frame.depth, np.nan)
        sparse[::4, ::4], inlier[::4, ::4] = 3.0, 1.0
        sparse[::8, ::8], inlier[::8, ::8] = 9.0, 0.0
        return Scan(sparse, inlier)

    sample = RenderedFrames(frame_files(rendered, True), Witness(), (64, 64), None, careless, seed=0)[0]
    inlier, sparse = sample["inlier"], sample["sparse"]
    assert (inlier[sparse == 0] == -1).all()
    assert (inlier[sparse == 3] == 1).all()
    assert (inlier[sparse == 9] == 0).all()
    assert (sparse == 9).sum() == 64


def test_a_view_of_nothing_but_sky_survives(frame_maker, tmp_path):
    file = frame_maker(tmp_path, 0)
    with np.load(file) as stored:
        arrays = dict(stored)
    for name in ("depth", "second_depth"):
        arrays[name] = np.full_like(arrays[name], np.nan)
    np.savez(file, **arrays)
    method = families.method("refiner", families.configuration("refiner", {"step": 2, "dense": 0}))
    sample = RenderedFrames([file], method, (64, 96), Augmentation(), seed=0)[0]
    assert torch.isfinite(sample["inputs"][0]).all()
    assert (sample["depth"] == 0).all()  # nothing to learn depth from
    batch = collate([sample, sample])
    assert batch["depth"].shape == (2, 1, 64, 96)
    assert batch["inputs"][0].shape[0] == 2


def test_image_and_camera_may_be_missing(rendered):
    witness = Witness()
    blind = Augmentation(0, False, 0, without_image=1, without_camera=1)
    RenderedFrames(frame_files(rendered, True), witness, (64, 64), blind, everything, seed=0)[0]
    image, _, camera = witness.seen[-1]
    assert image is None
    assert camera is None


def test_a_corner_is_found_in_the_image_that_lies_wrong():
    """Displacement comes before the scan: what a sensor sees of the image is what the network sees of it."""
    seen = []

    def scan(frame, rng):
        seen.append(frame.image.copy())
        return Scan(np.where(frame.depth > 0, frame.depth, 0).astype(np.float32), np.ones_like(frame.depth))

    image = np.random.default_rng(0).integers(0, 256, (24, 32, 3), dtype=np.uint8)
    camera = CameraModel.pinhole(20, 20, 16, 12, 32, 24)
    frame = Frame(image, np.full((24, 32), 3, np.float32), camera)
    options = Augmentation(mirror=0, colors=False, misaligned=1.0, without_image=0, without_camera=0)
    data = RenderedFrames([], Witness(), (24, 32), options, scan)
    shown, *_ = data._draw(frame, np.random.default_rng(1))
    assert np.array_equal(shown, seen[0])
    assert not np.array_equal(shown, image)
