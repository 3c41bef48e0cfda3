import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import START, BallScene, KnowingFitter, lifted, loop

from depth_perception.pipelines.scene_blocks import (
    SIGHTED,
    Block,
    Lattice,
    block_file,
    lattice_about,
    read_block,
    sightings_of,
    write_block,
)
from depth_perception.pipelines.scene_files import SceneError

LATTICE = Lattice(2.0, 0.25, (-1.0, -1.0, 0.0))


def fitter(key=(0, 0, 0)):
    return KnowingFitter(BallScene(), *LATTICE.box(key))


def test_every_point_lies_in_one_cube_also_below_the_origin():
    points = np.array([[-1.0, -1.0, 0.0], [0.999, 0.999, 1.999], [1.0, 0.0, 0.0], [-1.01, 0.0, -0.01]])
    assert LATTICE.keys(points).tolist() == [[0, 0, 0], [0, 0, 0], [1, 0, 0], [-1, 0, -1]]
    for key, point in zip(LATTICE.keys(points).tolist(), points):
        low, high = LATTICE.core(tuple(key))
        assert np.all((low <= point) & (point < high))


def test_a_block_is_fitted_with_a_margin_that_it_shares_with_its_neighbours():
    low, high = LATTICE.box((1, 0, 0))
    assert low.tolist() == [0.75, -1.25, -0.25]
    assert high.tolist() == [3.25, 1.25, 2.25]
    shared = LATTICE.shared((0, 0, 0))
    assert len(shared) == 26
    assert (0, 0, 0) not in shared
    low, high = shared[1, 0, 0]
    assert (high - low).tolist() == [0.5, 2.5, 2.5]
    assert low[0] == 0.75
    low, high = shared[1, 1, -1]
    assert high - low == pytest.approx([0.5, 0.5, 0.5])
    back_low, back_high = LATTICE.shared((1, 1, -1))[0, 0, 0]
    assert (back_low == low).all()
    assert (back_high == high).all()


def test_what_is_seen_first_lies_in_the_middle_of_a_block():
    points = np.random.default_rng(0).normal((4.0, -2.0, 0.7), 0.2, (500, 3))
    lattice = lattice_about(points, 3.0, 0.2)
    low, high = lattice.core((0, 0, 0))
    assert (low + high) / 2 == pytest.approx([4.0, -2.0, 0.7], abs=0.06)
    assert np.unique(lattice.keys(points), axis=0).tolist() == [[0, 0, 0]]
    assert np.round(np.array(lattice.origin) * 20, 6) % 1 == pytest.approx(0)  # to the decimetre, less half a block
    assert lattice_about(np.zeros((0, 3)), 2.0, 0.1).origin == (-1.0, -1.0, -1.0)


def test_sightings_hold_a_few_points_of_each_label_and_its_category():
    frame = BallScene().frame(loop(1)[0])
    points = np.arange(300, dtype=float).reshape(100, 3)
    labels = np.array([5] * 60 + [0] * 20 + [-1] * 10 + [9] * 10)
    large, small = sightings_of(frame, points, labels, {9: "cup"})
    assert (large.stamp, large.category, small.category) == (START, "", "cup")
    assert len(large.points) <= SIGHTED
    assert set(map(tuple, large.points.tolist())) <= set(map(tuple, points[:60].tolist()))
    np.testing.assert_array_equal(small.points, points[90:].astype(np.float32))


def test_of_too_many_key_frames_the_one_that_is_most_like_another_goes():
    block, scene, poses = Block((0, 0, 0), fitter()), BallScene(), loop(4)
    for pose in (poses[0], poses[1], lifted(poses[1], 0.01), poses[2]):
        block.add(scene.frame(pose), [], limit=3)
    assert len(block.frames) == len(block.sightings) == len(block.fitter.frames) == 3
    assert {0, 3} < set(block.frames)  # one of the two that are alike is gone
    assert set(block.fitter.frames) == set(block.frames)


def test_a_block_comes_back_from_disk_as_it_was(tmp_path):
    block, scene = Block((1, -2, 0), fitter((1, -2, 0))), BallScene()
    for pose in loop(3):
        block.add(scene.frame(pose), [], limit=10)
    block.steps = block.fitter.steps = 7
    path = block_file(tmp_path, block.key)
    write_block(path, block)
    assert path.name == "block_1_-2_0.npz"
    back = read_block(path, fitter)
    assert (back.key, back.steps, back.fitter.steps) == (block.key, 7, 7)
    assert list(back.frames) == [0, 1, 2]
    for index, pose in enumerate(loop(3)):
        np.testing.assert_array_equal(back.frames[index], pose)
    np.testing.assert_array_equal(back.fitter.low, LATTICE.box((1, -2, 0))[0])


def test_without_its_fitter_a_block_begins_anew(tmp_path):
    block = Block((0, 0, 0), fitter())
    block.add(BallScene().frame(loop(1)[0]), [], limit=10)
    block.fitter.steps = block.steps = 7
    path = block_file(tmp_path, block.key)
    write_block(path, block, with_fitter=False)
    back = read_block(path, fitter)
    assert (back.steps, back.fitter.steps, back.frames) == (7, 0, {})


def test_a_damaged_file_is_named(tmp_path):
    path = tmp_path / "block_0_0_0.npz"
    path.write_bytes(b"PK no block")
    with pytest.raises(SceneError, match=r"block_0_0_0\.npz"):
        read_block(path, fitter)
