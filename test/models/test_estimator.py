import sys
import types

import numpy as np
import pytest

from depth_perception import available
from depth_perception.frames import CameraModel, DepthPrediction, ScaleKind
from depth_perception.models import onnx_graphs, weights, zoo
from depth_perception.models.calibration import Calibration
from depth_perception.models.estimator import Estimator, LearnedEstimator
from depth_perception.models.learned import Prepared
from depth_perception.models.weights import WeightError

from .conftest import TinyMethod, random_weights, scene


class Brightness:
    """The brighter, the farther, up to a factor; remembers what it was given."""

    family, config, input_names = "brightness", None, ("image",)

    def prepare(self, image, sparse, camera):
        self.given = image, sparse, camera
        return Prepared((np.moveaxis(image, 2, 0)[None].astype(np.float32),), 1.0)

    def finish(self, outputs, prepared):
        depth, deviation, inlier = (part[0, 0] for part in outputs)
        return DepthPrediction(depth, deviation, inlier)


def network(inputs):
    depth = inputs[0].mean(1, keepdims=True) + 1
    return depth, depth / 10, np.ones_like(depth)


@pytest.fixture
def image():
    return np.random.default_rng(0).integers(0, 256, (6, 8, 3), dtype=np.uint8)


def test_it_is_an_estimator_and_no_measured_pixel_was_believed(image):
    model = LearnedEstimator("brightness", "3", Brightness(), network)
    assert isinstance(model, Estimator)
    assert (model.name, model.version, model.scale) == ("brightness", "3", ScaleKind.UP_TO_SCALE)
    result = model.infer(image)
    np.testing.assert_allclose(result.depth, image.mean(2) + 1, rtol=1e-6)
    np.testing.assert_allclose(result.standard_deviation, result.depth / 10, rtol=1e-6)
    assert result.inlier.shape == (6, 8)
    assert np.isnan(result.inlier).all()


def test_the_method_sees_a_checked_image_no_points_and_the_camera(image):
    method = Brightness()
    camera = CameraModel.pinhole(10, 10, 4, 3, 8, 6)
    LearnedEstimator("brightness", "3", method, network).infer(np.asfortranarray(image), camera)
    seen, sparse, same = method.given
    assert seen.flags.c_contiguous
    assert same is camera
    assert sparse.shape == (6, 8)
    assert not sparse.any()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (np.zeros((6, 8, 3), np.float32), "float32"),
        (np.zeros((6, 8), np.uint8), r"uint8 \(6, 8\)"),
        (np.zeros((6, 8, 4), np.uint8), r"\(6, 8, 4\)"),
        (None, "NoneType"),
    ],
)
def test_what_is_no_image_is_refused(given, words):
    with pytest.raises(ValueError, match=words):
        LearnedEstimator("brightness", "3", Brightness(), network).infer(given)


def test_a_camera_of_another_size_is_refused(image):
    camera = CameraModel.pinhole(10, 10, 4, 3, 9, 6)
    with pytest.raises(ValueError, match=r"\(6, 9\).*\(6, 8\)"):
        LearnedEstimator("brightness", "3", Brightness(), network).infer(image, camera)


def test_calibration_widens_the_deviation_and_nothing_else(image):
    calibration = Calibration((0.0,), (-10.0, 10.0), ((1.0, 1.0),), 2.5)
    plain = LearnedEstimator("brightness", "3", Brightness(), network).infer(image)
    wider = LearnedEstimator("brightness", "3", Brightness(), network, calibration).infer(image)
    np.testing.assert_allclose(wider.standard_deviation, np.e * plain.standard_deviation, rtol=1e-5)
    np.testing.assert_array_equal(wider.depth, plain.depth)


# -- the zoo ---------------------------------------------------------------------------------------


class SeesMethod(TinyMethod):
    """The tiny family without points."""

    def prepare(self, image, sparse, camera):
        return super().prepare(image, np.full(sparse.shape, 2, np.float32), camera)


@pytest.fixture
def shipped(tiny, monkeypatch):
    """A package that ships estimation-small, of the tiny family."""
    module = types.ModuleType("tiny_family")
    module.TinyConfig, module.TinyMethod = sys.modules["tiny_family"].TinyConfig, SeesMethod
    monkeypatch.setitem(sys.modules, "tiny_family", module)
    monkeypatch.setattr(zoo, "FOLDER", tiny.shipped)
    for name, (_, summary) in zoo.ESTIMATORS.items():
        monkeypatch.setitem(zoo.ESTIMATORS, name, ("tiny", summary))
    weights.write(random_weights("tiny", name="estimation-small"), zoo.weight_file("estimation-small"))
    yield tiny
    available.optional.cache_clear()


def test_the_zoo_loads_what_is_shipped(shipped):
    assert zoo.estimators() == ("estimation-small",)
    model = zoo.load_estimator("estimation-small", device="cpu")
    assert isinstance(model, Estimator)
    image, _ = scene()
    depth = model.infer(image).depth
    assert (depth > 0).all()
    assert np.ptp(depth) > 0.01
    np.testing.assert_allclose(
        zoo.load_estimator("estimation-small", backend="torch", device="cpu").infer(image).depth, depth, rtol=1e-4
    )


def test_the_weight_file_says_what_its_depth_means(shipped, tmp_path):
    assert zoo.load_estimator("estimation-small").scale is ScaleKind.UP_TO_SCALE
    assert zoo.describe("estimation-small").scale == "up_to_scale"
    own = random_weights("tiny")
    for told in ("metric", "relative"):
        file = tmp_path / f"{told}.safetensors"
        own.training["scale"] = told
        weights.write(own, file)
        assert zoo.load_estimator("estimation-large", file=file).scale is ScaleKind[told.upper()]
        assert zoo.describe("estimation-large", file).scale == told
    own.training["scale"] = "inches"
    weights.write(own, file)
    for act in (
        lambda: zoo.load_estimator("estimation-large", file=file),
        lambda: zoo.describe("estimation-large", file),
    ):
        with pytest.raises(WeightError, match=r"relative\.safetensors.*'inches' is not one of metric, up_to_scale"):
            act()


def test_what_is_not_shipped_says_how_to_get_it(shipped):
    with pytest.raises(WeightError, match=r"'estimation-large'.*file of your own.*docs/training_estimation\.md"):
        zoo.load_estimator("estimation-large")
    with pytest.raises(ValueError, match=r"unknown estimator 'fast'; known: estimation-small, "):
        zoo.load_estimator("fast")
    with pytest.raises(ValueError, match="estimation-small estimates and completes nothing"):
        zoo.load("estimation-small")
    with pytest.raises(FileNotFoundError, match="gone"):
        zoo.load_estimator("estimation-small", file="gone.safetensors")


def test_an_estimator_is_no_completer_of_the_list(shipped):
    assert not set(zoo.estimators()) & set(zoo.names())


def test_without_torch_the_shipped_graph_runs(shipped, monkeypatch):
    image, _ = scene()
    expected = zoo.load_estimator("estimation-small", backend="torch").infer(image).depth
    onnx_graphs.export(zoo.read_weights("estimation-small"), shipped.shipped)
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "torch,onnx")
    available.optional.cache_clear()
    np.testing.assert_allclose(zoo.load_estimator("estimation-small").infer(image).depth, expected, rtol=1e-4)
