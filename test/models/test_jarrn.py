import dataclasses
import json

import numpy as np
import pytest

from depth_perception.models import families
from depth_perception.models.jarrn import JarrnConfig, JarrnMethod, belief, unit
from depth_perception.models.learned import LearnedCompleter

CONFIG = JarrnConfig(widths=(4, 8, 8), bottlenecks=(1, 1, 1), working_pixels=48 * 64)


def scene(shape=(48, 64), seed=0, share=0.05):
    rng = np.random.default_rng(seed)
    image = rng.integers(0, 255, (*shape, 3), np.uint8)
    truth = np.fromfunction(lambda y, x: 2 + 0.05 * x + 0.02 * y, shape).astype(np.float32)
    return image, np.where(rng.random(shape) < share, truth, np.float32(0)), truth


def network_of_points(inputs):
    """Answer with the mean of the points, so that tests need no torch."""
    (x,) = inputs
    mean = x[:, 3].sum() / x[:, 4].sum()
    depth = np.full((1, 1, *x.shape[2:]), mean, np.float32) * (1 + 0.1 * x[:, :1])
    return depth, 0.1 * depth, np.ones_like(depth)


def test_twice_the_depth_gives_exactly_twice_the_output():
    image, sparse, _ = scene((90, 130))
    completer = LearnedCompleter("jarrn", "0", JarrnMethod(CONFIG), network_of_points)
    once, twice = completer.infer(image, sparse), completer.infer(image, 2 * sparse)
    np.testing.assert_allclose(twice.depth, 2 * once.depth, rtol=1e-6)
    np.testing.assert_allclose(twice.standard_deviation, 2 * once.standard_deviation, rtol=1e-6)
    np.testing.assert_allclose(twice.inlier, once.inlier, rtol=1e-5)


def test_twice_the_depth_gives_the_same_network_inputs():
    image, sparse, _ = scene()
    once, twice = (JarrnMethod(CONFIG).prepare(image, k * sparse) for k in (1, 2))
    assert np.array_equal(once.inputs[0], twice.inputs[0])
    assert twice.scale == 2 * once.scale


def test_the_torch_network_doubles_too():
    torch = pytest.importorskip("torch")
    from depth_perception.models.networks import build

    torch.manual_seed(0)
    network = build("jarrn", CONFIG).eval()
    torch.nn.init.constant_(network.visual.last.bias, 0.5)

    def run(inputs):
        with torch.inference_mode():
            return [x.numpy() for x in network(*(torch.from_numpy(x) for x in inputs))[:3]]

    image, sparse, _ = scene()
    completer = LearnedCompleter("jarrn", "0", JarrnMethod(CONFIG), run)
    once, twice = completer.infer(image, sparse), completer.infer(image, 2 * sparse)
    assert np.ptp(once.depth) > 0.1
    np.testing.assert_allclose(twice.depth, 2 * once.depth, rtol=1e-6)


def test_inputs_are_padded_and_outputs_cut_back():
    image, sparse, _ = scene((45, 61))
    method = JarrnMethod(CONFIG)
    prepared = method.prepare(image, sparse)
    (features,) = prepared.inputs
    assert features.shape == (1, 5, 48, 64)
    assert features.dtype == np.float32
    assert np.array_equal(features[0, :3, 47, :61], features[0, :3, 44, :61]), "colours go on"
    assert not features[0, 3:, 45:].any(), "points do not"
    prediction = method.finish(network_of_points(prepared.inputs), prepared)
    assert prediction.depth.shape == prediction.standard_deviation.shape == (45, 61)


@pytest.mark.parametrize("shape", [(96, 128), (97, 131), (100, 200)])
def test_large_images_are_worked_on_at_a_reduced_size(shape):
    image, sparse, _ = scene(shape)
    method = JarrnMethod(CONFIG)
    prepared = method.prepare(image, sparse)
    assert prepared.inputs[0][0, 0].size <= 1.2 * CONFIG.working_pixels
    prediction = method.finish(network_of_points(prepared.inputs), prepared)
    assert prediction.depth.shape == shape
    assert np.isfinite(prediction.depth).all()


def test_of_two_points_in_a_cell_each_is_judged_by_itself():
    sparse = np.zeros((96, 128), np.float32)
    sparse[::8, ::8] = 4
    sparse[40, 41] = 9  # beside the one at (40, 40)
    method = JarrnMethod(CONFIG)
    prepared = method.prepare(None, sparse)
    depth = np.full((1, 1, 48, 64), 4 / prepared.scale, np.float32)
    prediction = method.finish((depth, 0.02 * depth, np.ones_like(depth)), prepared)
    assert prediction.inlier[40, 40] > 0.9
    assert prediction.inlier[40, 41] < 0.1
    assert np.isnan(prediction.inlier[41, 41])


def test_it_works_without_an_image():
    _, sparse, _ = scene()
    completer = LearnedCompleter("jarrn", "0", JarrnMethod(CONFIG), network_of_points)
    assert np.isfinite(completer.infer(None, sparse).depth).all()


def test_one_wild_point_hardly_moves_the_unit():
    _, sparse, truth = scene(share=0.1)
    rows, columns = np.nonzero(sparse)
    wild = sparse.copy()
    wild[rows[0], columns[0]] = 1000
    assert unit(wild) == pytest.approx(unit(sparse), rel=0.05)
    assert unit(sparse) == pytest.approx(truth.max() / 0.8, rel=0.1)
    features = JarrnMethod(CONFIG).prepare(None, wild).inputs[0]
    assert features[0, 3].max() < 2, "and is not shown to the network"
    assert features[0, 4].sum() == len(rows) - 1


def test_two_points_keep_the_farther_one():
    sparse = np.zeros((48, 64), np.float32)
    sparse[3, 4], sparse[20, 30] = 1, 10
    assert JarrnMethod(CONFIG).prepare(None, sparse).inputs[0][0, 3].max() == pytest.approx(0.8)


def test_no_points_have_no_unit():
    prepared = JarrnMethod(CONFIG).prepare(None, np.zeros((48, 64), np.float32))
    assert prepared.scale == 1
    assert not prepared.inputs[0].any()


def test_belief_falls_with_the_distance_in_deviations():
    depth, relative = np.full(5, 10, np.float32), np.full(5, 0.02, np.float32)
    values = belief(np.array([10, 10.2, 11, 13, 1e6], np.float32), depth, relative)
    assert values[0] > 0.95
    assert (np.diff(values) < 0).all()
    assert values[-1] < 1e-6
    unsure = belief(np.full(5, 13, np.float32), depth, np.full(5, 0.3, np.float32))
    assert unsure[0] > 0.5, "who is unsure believes the sensor"


def test_the_configuration_survives_json():
    values = json.loads(json.dumps(dataclasses.asdict(CONFIG)))
    assert families.configuration("jarrn", values) == CONFIG


@pytest.mark.parametrize("values", [{"offset_clamp": "clip"}, {"widths": (4, 8)}])
def test_the_configuration_refuses_nonsense(values):
    with pytest.raises(ValueError, match=r"offset_clamp|bottleneck"):
        JarrnConfig(**values)
