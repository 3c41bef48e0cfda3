from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models import neighborhood, surfels
from depth_perception.models.blend import BlendSettings, blend
from depth_perception.models.candidates import ABOUT, HEARD
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.refiner import CHANNELS, RefinerConfig, RefinerMethod
from depth_perception.models.surface import SurfaceSettings, complete

SHAPE = (50, 70)
CAMERA = CameraModel.pinhole(60, 66, 30.0, 20.0, SHAPE[1], SHAPE[0])
ALWAYS = {"dense": 0}


def scene(share=0.05, shape=SHAPE, seed=0):
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    depth = 1 / (0.2 + 0.003 * columns + 0.002 * rows)
    sparse = np.where(rng.random(shape) < share, depth, 0).astype(np.float32)
    sparse[3, 3] = depth[3, 3]
    return rng.integers(0, 256, (*shape, 3), dtype=np.uint8), sparse


def hand_made(inputs):
    """A network that changes nothing: depth is channel 3's exponential."""
    depth = np.exp(inputs[0][:, 3:4])
    return depth, 0.1 * depth, np.full_like(depth, 0.75)


def never(inputs):
    pytest.fail("the network was asked")


def completer(run=hand_made, **settings) -> LearnedCompleter:
    return LearnedCompleter("test", "1", RefinerMethod(RefinerConfig(**settings)), run)


@pytest.mark.parametrize("shape", [(32, 64), (50, 70), (1, 1), (97, 33)])
@pytest.mark.parametrize("share", [0.001, 0.2])
@pytest.mark.parametrize("step", [0, 2, 3])
def test_inputs_suit_the_network_and_answers_the_image(shape, share, step):
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(shape) < share, 3, 0).astype(np.float32)
    sparse[0, 0] = 3
    made = completer(step=step, **ALWAYS)
    prepared = made.method.prepare(None, sparse, None)
    assert len(prepared.inputs) == len(made.method.input_names) == 3
    assert [x.shape[1] for x in prepared.inputs] == [CHANNELS, HEARD * ABOUT, HEARD]
    assert len({x.shape[2:] for x in prepared.inputs}) == 1
    for values in prepared.inputs:
        assert values.dtype == np.float32
        assert values.shape[0] == 1
        assert values.shape[2] % 16 == values.shape[3] % 16 == 0
        assert np.isfinite(values).all()
    prediction = made.infer(None, sparse)
    for part in prediction:
        assert part.shape == shape
    assert np.allclose(prediction.depth, 3, rtol=1e-4)


def test_a_network_that_changes_nothing_gives_the_hand_made_blend_in_metres():
    _, sparse = scene()
    prediction = completer(step=1, **ALWAYS).infer(None, sparse, CAMERA)
    points = neighborhood.build(sparse, 1)
    expected = blend(points, surfels.fit(points), None, BlendSettings()).inverse
    assert np.allclose(prediction.depth, 1 / expected, rtol=5e-3)
    assert np.allclose(prediction.standard_deviation, 0.1 * prediction.depth, rtol=1e-3)


@pytest.mark.parametrize("shape", [(50, 70), (33, 47), (64, 49)])
def test_cells_still_point_at_their_points_when_the_grid_is_padded(shape):
    _, sparse = scene(shape=shape)
    features, about, cell = RefinerMethod(RefinerConfig(step=1, **ALWAYS)).prepare(None, sparse, None).inputs
    height, width = shape
    rows, columns = np.divmod(cell[0].astype(int), cell.shape[3])
    assert (rows < height).all()
    assert (columns < width).all()
    assert (sparse[rows, columns] > 0).all()
    block = np.exp(3 * (features[0, 6, 0, 0] + 0.5))
    y, x = np.mgrid[:height, :width]
    inside = slice(None), slice(height), slice(width)
    distance = np.hypot(rows[inside] - y, columns[inside] - x)
    told = about.reshape(HEARD, ABOUT, *about.shape[2:])[:, 2]
    assert np.allclose(told[inside] * block, distance, atol=1e-3)


def test_padding_repeats_the_border():
    _, sparse = scene()
    for values in RefinerMethod(RefinerConfig(step=1, **ALWAYS)).prepare(None, sparse, None).inputs:
        assert values.shape[2:] == (64, 80)
        assert np.array_equal(values[..., 50:, :], np.broadcast_to(values[..., 49:50, :], values[..., 50:, :].shape))
        assert np.array_equal(values[..., 70:], np.broadcast_to(values[..., 69:70], values[..., 70:].shape))


def test_beliefs_are_told_of_points_alone():
    image, sparse = scene()
    prediction = completer(step=2, **ALWAYS).infer(image, sparse)
    assert np.array_equal(np.isfinite(prediction.inlier), sparse > 0)
    assert np.allclose(prediction.inlier[sparse > 0], 0.75)


@pytest.mark.parametrize("share", [0.002, 0.05, 0.4])
def test_twice_as_far_looks_the_same_to_the_network(share):
    image, sparse = scene(share)
    method = RefinerMethod(RefinerConfig(**ALWAYS))
    one, two = method.prepare(image, sparse, CAMERA), method.prepare(image, 2 * sparse, CAMERA)
    assert two.scale == pytest.approx(2 * one.scale, rel=1e-4)
    for a, b in zip(one.inputs, two.inputs):
        assert np.allclose(a, b, atol=2e-3)


def test_the_grid_has_no_more_cells_than_allowed_unless_its_step_is_given():
    _, sparse = scene()

    def cells(**settings):
        return RefinerMethod(RefinerConfig(**settings, **ALWAYS)).prepare(None, sparse, None).context.grid

    assert cells(cells=3500) == (50, 70)
    assert cells(cells=3499) == (25, 35)
    assert cells(cells=400) == (17, 24)
    assert cells(cells=400, step=1) == (50, 70)


def test_where_points_are_dense_the_surface_model_answers_alone():
    image, sparse = scene(0.5)
    prediction = completer(never, dense=3.2).infer(image, sparse, CAMERA)
    expected = complete(image, sparse, SurfaceSettings(voices=3))
    for part, same in zip(prediction, expected):
        assert np.array_equal(part, same, equal_nan=True)


def test_dense_is_what_most_pixels_see():
    method = RefinerMethod(RefinerConfig(dense=3.2, step=1))
    _, many = scene(0.5)
    many[:, 40:] = 0  # as the sky
    _, few = scene(0.5)
    few[:, 30:] = 0
    few[0, 69] = 4
    assert not method.prepare(None, many, None).inputs
    assert method.prepare(None, few, None).inputs
    assert RefinerMethod(RefinerConfig(**ALWAYS)).prepare(None, many, None).inputs
    lattice = np.zeros(SHAPE, np.float32)
    lattice[::16, ::16] = 2  # about six pixels away
    assert method.prepare(None, lattice, None).inputs
    assert not RefinerMethod(RefinerConfig(dense=12, step=1)).prepare(None, lattice, None).inputs


def test_an_edge_in_the_image_stays_sharp_when_the_grid_is_coarse():
    depth = np.where(np.arange(80) < 41, 2.0, 6.0) * np.ones((60, 1))
    image = np.where(depth[..., None] < 4, 40, 220).astype(np.uint8).repeat(3, 2)
    sparse = np.zeros((60, 80), np.float32)
    sparse[::12, ::12] = depth[::12, ::12]
    made = completer(step=2, **ALWAYS)
    prepared = made.method.prepare(image, sparse, None)
    truth = np.full(prepared.inputs[0][:, :1].shape, 2.0, np.float32)
    truth[..., 21:] = 6  # the cell at 20 holds columns 40 and 41, one of each side
    truth[..., 20] = 4
    outputs = (truth / prepared.scale, 0.1 * truth / prepared.scale, np.ones_like(truth))
    found = made.method.finish(outputs, prepared).depth
    assert np.abs(found[5:-5, 39] - 2).mean() < 0.4
    assert np.abs(found[5:-5, 43] - 6).mean() < 0.8


def directions(step, camera=CAMERA):
    _, sparse = scene()
    return RefinerMethod(RefinerConfig(step=step, **ALWAYS)).prepare(None, sparse, camera).inputs[0][0, 8:]


def test_directions_are_those_of_the_rays_at_the_grid():
    x, y = directions(1)
    assert x[0, 30] == pytest.approx(0)
    assert y[20, 0] == pytest.approx(0)
    assert x[7, 60] == pytest.approx(0.5 * 30 / 60)
    assert y[42, 9] == pytest.approx(0.5 * 22 / 66)
    # the middle of a cell of two pixels lies between them
    coarse_x, coarse_y = directions(2)
    assert coarse_x[0, 15] == pytest.approx(x[0, 30:32].mean())
    assert coarse_y[7, 0] == pytest.approx(y[14:16, 0].mean())
    assert not directions(1, None).any()


def test_image_and_camera_are_told_only_where_they_are_there():
    image, sparse = scene()
    method = RefinerMethod(RefinerConfig(step=1, **ALWAYS))
    with_both = method.prepare(image, sparse, CAMERA).inputs[0][0]
    with_none = method.prepare(None, sparse, None).inputs[0][0]
    assert np.allclose(np.moveaxis(with_both[:3, :50, :70], 0, 2), image / 255 - 0.5, atol=1e-5)
    assert (with_both[7] == 1).all()
    assert with_both[8:].any()
    assert not with_none[[0, 1, 2, 7, 8, 9]].any()


def test_no_point_no_answer():
    prediction = completer(never).infer(None, np.zeros(SHAPE, np.float32))
    assert np.isnan(prediction.depth).all()


def test_a_point_that_nobody_agrees_with_is_not_heard_and_is_told():
    image, sparse = scene()
    rows, columns = np.nonzero(sparse)
    wrong = np.argmin(np.hypot(rows - 25, columns - 35))
    spoiled = sparse.copy()
    spoiled[rows[wrong], columns[wrong]] *= 0.4
    without = sparse.copy()
    without[rows[wrong], columns[wrong]] = 0
    made = completer(step=1, **ALWAYS)
    given, wished = (made.method.prepare(image, points, CAMERA).inputs for points in (spoiled, without))
    assert all(np.array_equal(a, b) for a, b in zip(given, wished))
    inlier = made.infer(image, spoiled).inlier
    assert inlier[rows[wrong], columns[wrong]] < 0.1
    assert np.isclose(inlier[rows, columns], 0.75).sum() == len(rows) - 1


def test_points_that_all_contradict_each_other_are_heard():
    sparse = np.zeros(SHAPE, np.float32)
    sparse[::20, ::20] = 2.0 ** np.arange(12).reshape(3, 4)
    assert np.isfinite(completer(step=1, **ALWAYS).infer(None, sparse).depth).all()
