"""CluDe's NumPy side with a stand-in for the network: scale, filter, sizes, edges."""

from __future__ import annotations

import dataclasses
import json

import numpy as np
import pytest

from depth_perception.models.clude import LARGE, CludeConfig, CludeMethod, filtered, gather, shrink
from depth_perception.models.learned import LearnedCompleter

TINY = CludeConfig(working_pixels=40 * 60)


def rescued(inputs):
    """A network that spreads each measured row's mean, in the units it was given; all points right."""
    _, points = inputs
    depth = np.full(points[:, :1].shape, max(points[:, :1].max(), 1e-3), np.float32)
    depth[points[:, :1] > 0] = points[:, :1][points[:, :1] > 0]
    return depth, depth * np.float32(0.1), np.full_like(depth, 0.9)


def sparse_points(shape=(40, 60), share=0.1, seed=0, scale=1.0):
    rng = np.random.default_rng(seed)
    depth = rng.uniform(2, 3, shape).astype(np.float32)
    return np.where(rng.random(shape) < share, depth * np.float32(scale), 0).astype(np.float32)


def image_of(shape=(40, 60), seed=0):
    return np.random.default_rng(seed).integers(0, 256, (*shape, 3), dtype=np.uint8)


@pytest.mark.parametrize("step", [1, 2])
def test_doubling_the_points_doubles_the_depth(step):
    method = CludeMethod(dataclasses.replace(TINY, working_pixels=40 * 60 // step**2))
    completer = LearnedCompleter("clude", "0", method, rescued)
    one, two = (completer.infer(image_of(), sparse_points(scale=s)) for s in (1.0, 2.0))
    np.testing.assert_allclose(two.depth, 2 * one.depth, rtol=1e-6)
    np.testing.assert_allclose(two.standard_deviation, 2 * one.standard_deviation, rtol=1e-5)
    np.testing.assert_allclose(two.inlier, one.inlier, rtol=1e-4)


def test_the_scale_is_not_an_outliers():
    sparse = sparse_points()
    plain = CludeMethod(TINY).prepare(None, sparse).scale
    sparse.flat[np.flatnonzero(sparse)[:3]] = 500.0
    assert CludeMethod(TINY).prepare(None, sparse).scale == pytest.approx(plain, rel=0.1)


@pytest.mark.parametrize("shape", [(40, 60), (41, 37), (3, 5), (1, 1), (97, 131)])
@pytest.mark.parametrize("with_image", [True, False])
def test_any_size_comes_back_whole(shape, with_image):
    sparse = sparse_points(shape)
    sparse[0, 0] = 2.5
    method = CludeMethod(TINY)
    prepared = method.prepare(image_of(shape) if with_image else None, sparse)
    for part in prepared.inputs:
        assert part.dtype == np.float32
        assert part.shape[2] % 16 == part.shape[3] % 16 == 0
    assert prepared.inputs[0].shape[2] * prepared.inputs[0].shape[3] < 5_000
    prediction = method.finish(rescued(prepared.inputs), prepared)
    assert prediction.depth.shape == prediction.standard_deviation.shape == shape
    assert np.isfinite(prediction.depth).all()
    np.testing.assert_array_equal(np.isfinite(prediction.inlier), sparse > 0)
    assert prediction.depth.min() >= 2
    assert prediction.depth.max() <= 3.0001


def test_no_image_is_a_gray_one():
    prepared = CludeMethod(TINY).prepare(None, sparse_points())
    assert not prepared.inputs[0].any()


def test_the_filter_rejects_a_return_from_behind_an_object():
    sparse = np.zeros((20, 30), np.float32)
    sparse[::2, :15:2] = 2.0  # an object
    sparse[9, 5] = 5.0  # the wall behind it, seen from beside the camera
    sparse[::4, 22::2] = 5.0  # the wall itself
    passed = filtered(sparse, 7, 0.8)
    assert not passed[9, 5]
    assert passed[:, :15].sum() == (sparse[:, :15] > 0).sum() - 1
    assert passed[:, 22:].sum() == (sparse[:, 22:] > 0).sum()
    assert filtered(sparse, 0, 0.8)[9, 5]


def test_one_wrong_point_does_not_reject_the_surface_around_it():
    sparse = np.full((20, 30), 4.0, np.float32)
    sparse[9, 5] = 0.5
    assert filtered(sparse, 7, 0.8).all()
    sparse[12, 20] = 40.0  # but what stands far behind its neighbours goes
    assert filtered(sparse, 7, 0.8).sum() == sparse.size - 1


def test_a_lonely_point_passes():
    sparse = np.zeros((20, 30), np.float32)
    sparse[3, 3], sparse[15, 25] = 1.0, 50.0
    assert filtered(sparse, 7, 0.8).sum() == 2


def test_the_filter_lets_a_tilted_surface_pass():
    sparse = np.tile(np.linspace(1, 2, 60, dtype=np.float32), (40, 1))
    assert filtered(sparse, 7, 0.8).all()


def test_a_filtered_point_reaches_the_network_marked_and_is_judged_by_the_surface():
    sparse = np.zeros((32, 32), np.float32)
    sparse[::2, ::2] = 2.0
    sparse[9, 5] = 6.0
    method = CludeMethod(dataclasses.replace(TINY, working_pixels=10**6))
    prepared = method.prepare(None, sparse)
    points = prepared.inputs[1][0]
    assert points[0, 9, 5] > 0
    assert points[1, 9, 5] == 0
    assert points[1, 8, 4] == 1
    flat = np.full((1, 1, 32, 32), 2.0 / prepared.scale, np.float32)
    prediction = method.finish((flat, flat * np.float32(0.01), np.full_like(flat, 0.9)), prepared)
    assert prediction.inlier[9, 5] < 0.01
    assert prediction.inlier[8, 4] == pytest.approx(0.9)


def test_of_several_points_in_a_cell_the_nearest_that_passed_stays():
    sparse = np.zeros((4, 4), np.float32)
    sparse[0, 0], sparse[1, 1] = 5.0, 3.0
    sparse[2, 2], sparse[3, 3] = 1.0, 4.0
    passed = sparse > 0
    passed[2, 2] = False
    points, chosen = gather(sparse, passed, 2)
    assert points.tolist() == [[3.0, 0.0], [0.0, 4.0]]
    assert chosen[0, 0] == 5
    assert chosen[1, 1] == 15


def test_a_reduced_image_is_the_mean_of_its_pixels():
    image = np.zeros((3, 4, 3), np.uint8)
    image[:2, :2] = [[[0], [100]], [[100], [200]]]
    small = shrink(image, 2)
    assert small.shape == (2, 2, 3)
    assert small[0, 0].tolist() == [100, 100, 100]


def test_enlarging_puts_no_depth_between_two_surfaces():
    """A step in the working grid, and colours that show where it really is."""
    shape = (40, 60)
    method = CludeMethod(dataclasses.replace(TINY, working_pixels=20 * 30))
    image = np.full((*shape, 3), 40, np.uint8)
    image[:, 31:] = 220
    sparse = np.where(np.arange(60) < 31, 1.0, 3.0)[None].repeat(40, 0).astype(np.float32)
    for guide in (image, None):
        prepared = method.prepare(guide, sparse)
        depth = prepared.inputs[1][:, :1].copy()
        depth[depth == 0] = 1
        prediction = method.finish((depth, depth * np.float32(0.01), depth), prepared)
        between = (prediction.depth > 1.4) & (prediction.depth < 2.6)  # a smear: farther than 20 % from both
        assert between.mean() < 0.01


def test_the_configuration_survives_json():
    for config in (CludeConfig(), LARGE):
        values = json.loads(json.dumps(dataclasses.asdict(config)))
        assert CludeConfig(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()}) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"centres": "guessed"}, "centres is one of learned, log, uniform"),
        ({"offsets": "local"}, "offsets is one of both, global, none"),
        ({"pooling": "max"}, "pooling is one of"),
        ({"expectation": "some"}, "expectation is one of"),
        ({"widths": (8, 8)}, "5 entries"),
        ({"decoder": ()}, "1 to 4"),
        ({"channels": 30}, "multiple of 4"),
        ({"nearest": 3.0}, "nearest < farthest"),
        ({"filter_window": 6}, "odd"),
    ],
)
def test_what_does_not_exist_is_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        CludeConfig(**changes)
