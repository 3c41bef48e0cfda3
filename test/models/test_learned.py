import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.models.calibration import Calibration
from depth_perception.models.completer import Completer
from depth_perception.models.learned import LearnedCompleter, Prepared


class Halves:
    """Says half of the points' median everywhere, a tenth of that as deviation; remembers what it was given."""

    family, config, input_names = "halves", None, ("points",)

    def prepare(self, image, sparse, camera):
        self.given = image, sparse, camera
        return Prepared((sparse[None, None],), float(np.median(sparse[sparse > 0])), sparse)

    def finish(self, outputs, prepared):
        depth, deviation, inlier = (part[0, 0] for part in outputs)
        inlier = np.where(prepared.context > 0, inlier, np.float32(np.nan))
        return DepthPrediction(depth * np.float32(prepared.scale), deviation * np.float32(prepared.scale), inlier)


def network(inputs):
    (points,) = inputs
    half = np.full_like(points, 0.5)
    return half, half / 10, np.ones_like(points)


@pytest.fixture
def sparse():
    sparse = np.zeros((6, 8), np.float32)
    sparse[::2, ::3] = 4
    return sparse


def test_it_is_a_completer(sparse):
    model = LearnedCompleter("halves", "3", Halves(), network)
    assert isinstance(model, Completer)
    assert (model.name, model.version) == ("halves", "3")
    result = model.infer(None, sparse)
    np.testing.assert_allclose(result.depth, 2)
    np.testing.assert_allclose(result.standard_deviation, 0.2, rtol=1e-6)
    np.testing.assert_array_equal(np.isfinite(result.inlier), sparse > 0)


def test_the_method_sees_checked_inputs_only(sparse):
    method = Halves()
    sparse[0, 1:5] = [np.nan, np.inf, -2, 1e-9]
    camera = CameraModel.pinhole(10, 10, 4, 3, 8, 6)
    image = np.zeros((6, 8, 3), np.uint8)
    LearnedCompleter("halves", "3", method, network).infer(np.asfortranarray(image), sparse.astype(np.float64), camera)
    seen, points, same = method.given
    assert seen.flags.c_contiguous
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points[0, 1:5], [0, 0, 0, 0])
    assert same is camera


@pytest.mark.parametrize("value", [0, np.nan, np.inf, -1, 1e30])
def test_without_a_point_nobody_is_asked(value):
    def never(inputs):
        pytest.fail("the network was run")

    result = LearnedCompleter("halves", "3", Halves(), never).infer(None, np.full((3, 5), value, np.float32))
    for part in result:
        assert part.shape == (3, 5)
        assert np.isnan(part).all()


def test_without_an_input_the_method_answers_alone(sparse):
    class Knows(Halves):
        def prepare(self, image, sparse, camera):
            return Prepared((), 1.0, sparse)

        def finish(self, outputs, prepared):
            assert not outputs
            return DepthPrediction(prepared.context + 1, prepared.context, prepared.context)

    def never(inputs):
        pytest.fail("the network was run")

    doubled = Calibration((0.0,), (0.0, 1.0), ((1.0, 1.0),))  # of the network's deviation, which this is not
    result = LearnedCompleter("knows", "1", Knows(), never, doubled).infer(None, sparse)
    np.testing.assert_array_equal(result.depth, sparse + 1)
    np.testing.assert_array_equal(result.standard_deviation, sparse)


@pytest.mark.parametrize(
    ("image", "points", "words"),
    [
        (np.zeros((6, 9, 3), np.uint8), np.ones((6, 8), np.float32), r"\(6, 9\).*\(6, 8\)"),
        (np.zeros((6, 8, 3), np.float32), np.ones((6, 8), np.float32), "float32"),
        (None, np.ones((6, 8), np.uint16), "uint16"),
        (None, np.ones((6, 8, 1), np.float32), r"\(6, 8, 1\)"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(image, points, words):
    with pytest.raises(ValueError, match=words):
        LearnedCompleter("halves", "3", Halves(), network).infer(image, points)


def test_calibration_goes_by_the_density_of_the_points(sparse):
    calibration = Calibration((-6.0, -1.0), (-10.0, 10.0), ((0.0, 0.0), (1.0, 1.0)))
    model = LearnedCompleter("halves", "3", Halves(), network, calibration)
    plain = LearnedCompleter("halves", "3", Halves(), network).infer(None, sparse)
    dense = model.infer(None, np.where(sparse > 0, sparse, np.float32(4)))
    np.testing.assert_allclose(dense.standard_deviation, plain.standard_deviation * np.e, rtol=1e-5)
    some = model.infer(None, sparse).standard_deviation
    assert (plain.standard_deviation < some).all()
    assert (some < dense.standard_deviation).all()
    np.testing.assert_array_equal(dense.depth, plain.depth)
