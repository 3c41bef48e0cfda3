from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.prefill import fill
from depth_perception.models.refiner import CHANNELS, RefinerConfig, RefinerMethod, rays, reduce

SHAPE = (50, 70)
CAMERA = CameraModel.pinhole(60, 66, 30.0, 20.0, SHAPE[1], SHAPE[0])


def scene(share=0.05, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    depth = 1 / (0.2 + 0.003 * columns + 0.002 * rows)
    sparse = np.where(rng.random(shape) < share, depth, 0).astype(np.float32)
    sparse[3, 3] = depth[3, 3]
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8), sparse


def filling_alone(inputs):
    """A network that believes the filling: depth is channel 3's exponential."""
    depth = np.exp(inputs[0][:, 3:4])
    return depth, 0.1 * depth, np.full_like(depth, 0.75)


def completer(**settings) -> LearnedCompleter:
    return LearnedCompleter("test", "1", RefinerMethod(RefinerConfig(**settings)), filling_alone)


@pytest.mark.parametrize("shape", [(32, 64), (50, 70), (1, 1), (97, 33)])
@pytest.mark.parametrize("share", [0.001, 0.2])
def test_inputs_suit_the_network_and_answers_the_image(shape, share):
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(shape) < share, 3, 0).astype(np.float32)
    sparse[0, 0] = 3
    made = completer()
    prepared = made.method.prepare(None, sparse, None)
    (features,) = prepared.inputs
    assert features.shape[:2] == (1, CHANNELS)
    assert features.dtype == np.float32
    assert features.shape[2] % 32 == features.shape[3] % 32 == 0
    assert np.isfinite(features).all()
    prediction = made.infer(None, sparse)
    for part in prediction:
        assert part.shape == shape
    assert (prediction.depth > 0).all()


def test_a_network_that_changes_nothing_gives_the_filling_in_metres():
    image, sparse = scene()
    prediction = completer(coarsest=1).infer(image, sparse, CAMERA)
    assert np.allclose(prediction.depth, fill(image, sparse).depth, rtol=1e-3)
    assert np.allclose(prediction.standard_deviation, 0.1 * prediction.depth, rtol=1e-3)


def test_beliefs_are_told_of_points_alone():
    image, sparse = scene()
    prediction = completer().infer(image, sparse)
    assert np.array_equal(np.isfinite(prediction.inlier), sparse > 0)
    assert np.allclose(prediction.inlier[sparse > 0], 0.75)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.4])
def test_twice_as_far_looks_the_same_to_the_network(share):
    image, sparse = scene(share)
    method = RefinerMethod()
    one, two = method.prepare(image, sparse, CAMERA), method.prepare(image, 2 * sparse, CAMERA)
    assert two.scale == pytest.approx(2 * one.scale, rel=1e-4)
    assert np.allclose(one.inputs[0], two.inputs[0], atol=2e-3)


def test_the_grid_is_coarser_for_few_points_and_for_large_images():
    method = RefinerMethod(RefinerConfig(coarsen=100, coarsest=3, cells=20_000))
    many, few, large = np.zeros((3, 100, 100), np.float32)
    many[::5, ::5], few[50, 50] = 2, 2
    large = np.full((300, 250), 2, np.float32)
    assert method.step(many) == 1
    assert method.step(few) == 3
    assert method.step(large) == 2  # 75 000 pixels in cells of 4
    features = method.prepare(None, few, None).inputs[0]
    assert features.shape[2:] == (64, 64)  # 34 cells, padded


def test_of_points_in_one_cell_the_nearest_stays():
    sparse = np.zeros((5, 7), np.float32)
    sparse[0, 0], sparse[1, 1], sparse[4, 6] = 5, 2, 9
    image = np.zeros((5, 7, 3), np.uint8)
    image[:2, :2] = 100
    grid, small = reduce(image, sparse, 2)
    assert grid.shape == (3, 4)
    assert grid[0, 0] == 2
    assert grid[2, 3] == 9
    assert np.count_nonzero(grid) == 2
    assert small.shape == (3, 4, 3)
    assert (small[0, 0] == 100).all()
    assert (small[1:] == 0).all()
    same, picture = reduce(image, sparse, 1)
    assert same is sparse
    assert picture is image


def test_an_edge_in_the_image_stays_sharp_when_the_grid_is_coarse():
    depth = np.where(np.arange(80) < 41, 2.0, 6.0) * np.ones((60, 1))
    image = np.where(depth[..., None] < 4, 40, 220).astype(np.uint8).repeat(3, 2)
    sparse = np.zeros((60, 80), np.float32)
    sparse[::12, ::12] = depth[::12, ::12]
    made = LearnedCompleter("test", "1", RefinerMethod(RefinerConfig(coarsest=2)), None)
    prepared = made.method.prepare(image, sparse, None)
    assert prepared.context.step == 2
    truth = np.full(prepared.inputs[0][:, :1].shape, 2.0, np.float32)
    truth[..., 21:] = 6  # the cell at 20 holds columns 40 and 41, one of each side
    truth[..., 20] = 4
    outputs = (truth / prepared.scale, 0.1 * truth / prepared.scale, np.ones_like(truth))
    found = made.method.finish(outputs, prepared).depth
    assert np.abs(found[5:-5, 39] - 2).mean() < 0.4
    assert np.abs(found[5:-5, 43] - 6).mean() < 0.8


def test_directions_are_those_of_the_rays():
    x, y = rays(CAMERA, SHAPE, 1)
    assert x[0, 30] == pytest.approx(0)
    assert y[20, 0] == pytest.approx(0)
    assert x[7, 60] == pytest.approx(0.5 * 30 / 60)
    assert y[42, 9] == pytest.approx(0.5 * 22 / 66)
    # the middle of a cell of two pixels lies between them
    coarse = rays(CAMERA, (25, 35), 2)
    assert coarse[0, 0, 15] == pytest.approx(x[0, 30:32].mean())
    assert rays(None, SHAPE, 1) is None


def test_a_missing_image_or_camera_is_zero_in_the_features():
    image, sparse = scene()
    method = RefinerMethod()
    with_both = method.prepare(image, sparse, CAMERA).inputs[0]
    with_none = method.prepare(None, sparse, None).inputs[0]
    assert with_both[0, :3].any()
    assert with_both[0, -2:].any()
    assert not with_none[0, :3].any()
    assert not with_none[0, -2:].any()


def test_no_point_no_answer():
    prediction = completer().infer(None, np.zeros(SHAPE, np.float32))
    assert np.isnan(prediction.depth).all()
