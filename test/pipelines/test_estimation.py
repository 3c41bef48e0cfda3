import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraFrame, CameraModel, DepthPrediction, ScaleKind, SparseDepth
from depth_perception.geometry.camera import rays
from depth_perception.geometry.transforms import invert
from depth_perception.models import zoo
from depth_perception.models.calibration import Calibration
from depth_perception.models.estimator import NoEstimator
from depth_perception.pipelines.estimation import EstimationInput, EstimationPipeline, EstimationSettings
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.model_selection import EstimatorChoice
from depth_perception.pipelines.motion_scale import MotionScale, MotionSettings
from depth_perception.pipelines.streaming import StreamingSettings

SECOND = 1_000_000_000
CAMERA = CameraModel.pinhole(150, 150, 79.5, 59.5, 160, 120)
UNIT = 4.0  # metres


class Wall:
    """Knows the depth of whatever ``show`` was called with last, in units of its own."""

    name, version = "wall", "7"

    def __init__(self, scale=ScaleKind.UP_TO_SCALE, relative=0.05, unit=UNIT):
        self.scale, self.relative, self.unit = scale, relative, unit
        self.noise = 0.0
        self.rng = np.random.default_rng(0)

    def show(self, depth):
        self.depth = depth

    def infer(self, image, camera=None):
        depth = (self.depth / self.unit * np.exp(self.noise * self.rng.normal(size=self.depth.shape))).astype(
            np.float32
        )
        return DepthPrediction(depth, np.float32(self.relative) * depth, np.full_like(depth, np.nan))


TEXTURE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (400, 600)).astype(np.float32), (0, 0), 2.5)


def view(T_fixed_camera):
    """Image and depth [m] of a slanted, textured wall, from a camera at a pose."""
    T = invert(T_fixed_camera)
    normal, offset = np.array([0.4, 0.1, 1.0]), 3.0
    R, t = T[:3, :3], T[:3, 3]
    turned = rays(CAMERA).astype(np.float64) @ R
    depth = (offset + normal @ (R.T @ t)) / (turned @ normal)
    where = turned * depth[..., None] - R.T @ t
    u, v = (where[..., 0] * 120 + 300).astype(np.float32), (where[..., 1] * 120 + 200).astype(np.float32)
    seen = cv2.remap(TEXTURE, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)
    grey = np.clip((seen - 127) * 4 + 127, 0, 255).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=2), depth


def at(x=0.0):
    T = np.eye(4)
    T[0, 3] = x
    return T


def given(wall, stamp=SECOND, pose=None, points=0, **options):
    image, depth = view(np.eye(4) if pose is None else pose)
    wall.show(depth)
    sparse = np.zeros(CAMERA.shape, np.float32)
    chosen = np.random.default_rng(1).choice(sparse.size, points, replace=False)
    sparse.flat[chosen] = depth.flat[chosen]
    frame = CameraFrame(stamp, "cam", image, CAMERA)
    return EstimationInput(frame, SparseDepth.from_image(sparse), T_fixed_camera=pose, **options), depth


def pipeline(wall, **options):
    return EstimationPipeline(EstimationSettings(**options), wall)


def test_without_anything_to_tell_the_scale_depth_is_in_units_and_says_so():
    wall = Wall()
    frame, depth = given(wall, latency={"decode": 0.5})
    estimate = pipeline(wall).run(frame)
    assert estimate.scale is ScaleKind.UP_TO_SCALE
    np.testing.assert_allclose(estimate.depth, depth / UNIT, rtol=1e-5)
    np.testing.assert_allclose(estimate.standard_deviation, 0.05 * depth / UNIT, rtol=1e-5)
    assert estimate.valid_range == (0, np.inf)  # metres mean nothing here
    assert (estimate.model, estimate.version, estimate.stamp, estimate.frame_id) == ("wall", "7", SECOND, "cam")
    assert list(estimate.latency) == ["decode", "estimate", "scale", "finish"]
    assert (estimate.scale_factor, estimate.scale_source) == (1.0, "")


def test_a_handful_of_points_makes_it_metric_at_once():
    wall = Wall()
    frame, depth = given(wall, points=8)
    estimate = pipeline(wall).run(frame)
    assert estimate.scale is ScaleKind.METRIC
    np.testing.assert_allclose(estimate.depth, depth, rtol=1e-4)
    assert (estimate.scale_source, estimate.valid_range) == ("points", (0.3, 80.0))
    assert estimate.scale_factor == pytest.approx(UNIT, rel=1e-4)
    assert estimate.input_coverage == pytest.approx(8 / depth.size)
    frame, _ = given(wall, points=8)
    assert pipeline(wall, least_points=9).run(frame).scale is ScaleKind.UP_TO_SCALE
    assert pipeline(wall, least_points=0).run(frame).scale is ScaleKind.UP_TO_SCALE


def test_the_deviation_has_the_scales_own_in_it_and_widens_without_measurements():
    wall = Wall()
    runner = pipeline(wall)
    first = runner.run(given(wall, points=50)[0])
    late = runner.run(given(wall, stamp=26 * SECOND)[0])
    for estimate in (first, late):
        relative = estimate.standard_deviation / estimate.depth
        np.testing.assert_allclose(relative, np.hypot(0.05, estimate.scale_deviation), rtol=1e-4)
    assert late.scale_deviation > first.scale_deviation + 0.05
    assert runner.run(given(wall, stamp=1000 * SECOND)[0]).scale is ScaleKind.UP_TO_SCALE


def test_odometry_makes_it_metric():
    wall = Wall()
    runner = pipeline(wall)
    first = runner.run(given(wall, SECOND, at(0))[0])
    assert first.scale is ScaleKind.UP_TO_SCALE
    for i in range(1, 4):
        frame, depth = given(wall, SECOND + i * SECOND // 2, at(0.12 * i))
        estimate = runner.run(frame)
    assert estimate.scale is ScaleKind.METRIC
    assert estimate.scale_source == "odometry"
    assert estimate.scale_factor == pytest.approx(UNIT, rel=0.06)
    assert abs(np.log(estimate.scale_factor / UNIT)) < 3 * estimate.scale_deviation
    assert np.median(np.abs(np.log(estimate.depth / depth))) < 0.06


def test_odometry_is_left_alone_when_told_so_and_a_short_way_tells_nothing():
    for motion, step in ((MotionSettings(enabled=False), 0.2), (MotionSettings(), 0.02)):
        wall = Wall()
        runner = pipeline(wall, motion=motion)
        for i in range(4):
            estimate = runner.run(given(wall, SECOND + i * SECOND // 2, at(step * i))[0])
        assert estimate.scale is ScaleKind.UP_TO_SCALE


def test_the_height_of_the_camera_makes_it_metric():
    wall = Wall()
    frame, _ = given(wall, height=1.1)
    down = rays(CAMERA)[..., 1]
    with np.errstate(divide="ignore"):
        wall.show(np.minimum(np.where(down > 0, 1.1 / down, np.inf), 6.0))
    estimate = pipeline(wall).run(frame)
    assert (estimate.scale, estimate.scale_source) == (ScaleKind.METRIC, "floor")
    assert estimate.scale_factor == pytest.approx(UNIT, rel=0.03)


def test_only_metres_are_cut_to_the_published_range():
    wall = Wall()
    frame, depth = given(wall, points=50)
    near = float(np.median(depth))
    estimate = pipeline(wall, min_depth=near, max_depth=near + 0.1).run(frame)
    np.testing.assert_array_equal(estimate.mask, (estimate.depth >= near) & (estimate.depth <= near + 0.1))
    assert 0 < estimate.coverage < 0.5
    assert pipeline(wall, min_depth=near, max_depth=near + 0.1).run(given(wall)[0]).coverage == 1
    with pytest.raises(ValueError, match=r"depth\.min 5 must be below depth\.max 4"):
        EstimationSettings(min_depth=5, max_depth=4)


def test_depth_less_sure_than_allowed_is_unknown_also_because_of_its_scale():
    wall = Wall()
    runner = pipeline(wall, max_relative_deviation=0.1)
    assert runner.run(given(wall, points=50)[0]).coverage == 1
    assert runner.run(given(wall, stamp=60 * SECOND)[0]).coverage == 0


def test_another_model_a_command_and_time_going_back_forget_the_scale():
    wall = Wall()
    runner = pipeline(wall)

    def metric(stamp, points=0):
        return runner.run(given(wall, stamp, points=points)[0]).scale is ScaleKind.METRIC

    assert metric(10 * SECOND, 50)
    assert metric(11 * SECOND)
    runner.reset("command")
    assert not metric(12 * SECOND)
    assert metric(13 * SECOND, 50)
    assert not metric(5 * SECOND)
    assert metric(6 * SECOND, 50)
    other, wall = wall, Wall(unit=2.0)
    runner.estimator = wall
    assert not metric(7 * SECOND)
    assert metric(8 * SECOND, 50)
    assert runner.scale.at(8 * SECOND).factor == pytest.approx(2.0, rel=1e-3)
    assert runner.scale.resets == {"command": 1, "time_jump": 1, "model": 1}
    assert other is not runner.estimator


def test_metric_and_relative_estimators_say_what_they_are():
    wall = Wall(ScaleKind.METRIC, unit=1.0)
    frame, depth = given(wall)
    estimate = pipeline(wall).run(frame)
    assert estimate.scale is ScaleKind.METRIC
    np.testing.assert_allclose(estimate.depth, depth, rtol=1e-5)
    np.testing.assert_allclose(estimate.standard_deviation, 0.05 * depth, rtol=1e-5)
    assert pipeline(wall).run(given(wall, points=50)[0]).scale_factor == pytest.approx(1.0, rel=1e-3)
    wall = Wall(ScaleKind.RELATIVE)
    estimate = pipeline(wall).run(given(wall, points=50)[0])
    assert (estimate.scale, estimate.scale_factor) == (ScaleKind.RELATIVE, 1.0)


@pytest.mark.parametrize("moving", [False, True])
def test_streaming_takes_the_flicker_out_in_the_estimators_unit(moving):
    errors = []
    for enabled in (True, False):
        wall = Wall(relative=0.1)
        wall.noise = 0.04
        runner = pipeline(wall, streaming=StreamingSettings(enabled=enabled))
        for i in range(12):
            pose = at(0.02 * i) if moving else None
            frame, depth = given(wall, SECOND + i * SECOND // 10, pose, points=40)
            estimate = runner.run(frame)
        inside = np.s_[10:-10, 30:-30]
        errors.append(np.abs(np.log(estimate.depth / depth))[inside].mean())
        assert runner.scale.at(frame.frame.stamp).factor == pytest.approx(UNIT, rel=0.05)
    assert errors[0] < 0.6 * errors[1]


def test_calibration_tells_how_wide_errors_are():
    wall = Wall()
    assert pipeline(wall).run(given(wall)[0]).wide == pytest.approx(1.96, abs=1e-3)
    wall.calibration = Calibration((0.0,), (0.0,), ((0.0,),), wide=2.7)
    assert pipeline(wall).run(given(wall)[0]).wide == 2.7


def test_an_estimator_that_knows_nothing_leaves_everything_unknown():
    runner = EstimationPipeline(EstimationSettings(), NoEstimator())
    frame, _ = given(Wall(), points=50)
    estimate = runner.run(frame)
    assert estimate.coverage == 0
    assert estimate.scale is ScaleKind.RELATIVE
    assert not estimate.scale_source


def test_settings_come_from_parameters():
    values = ESTIMATION_PARAMETERS.resolve(
        {"model": "estimation-large", "depth.max": 20.0, "scale.gate": 5.0, "scale.baseline": 0.5,
         "scale.camera_height_deviation": 0.2, "scale.min_points": 7, "streaming.enabled": True}
    )  # fmt: skip
    settings = EstimationSettings.from_parameters(values)
    assert settings.model == EstimatorChoice("estimation-large")
    assert (settings.max_depth, settings.scale.gate, settings.motion.baseline) == (20, 5, 0.5)
    assert (settings.floor.height_deviation, settings.least_points, settings.streaming.enabled) == (0.2, 7, True)
    assert EstimationSettings.from_parameters(ESTIMATION_PARAMETERS.defaults()) == EstimationSettings()


def test_every_estimator_can_be_asked_for():
    assert ESTIMATION_PARAMETERS["model"].choices == tuple(zoo.ESTIMATORS)
    for parameter in ESTIMATION_PARAMETERS.values():
        assert parameter.description.endswith(".")


def test_a_way_too_short_to_show_is_tried_again_later():
    """A far wall: ten centimetres are no parallax, more and more of them are."""
    wall, tried = Wall(), []
    scale = MotionScale(MotionSettings(baseline=0.05))
    for i in range(7):
        frame, _ = given(wall, SECOND + i * SECOND // 4, at(0.051 * i))
        raw = wall.infer(frame.frame.image)
        tried.append(scale.measure(frame.frame, raw, frame.T_fixed_camera))
    assert tried[0] is None
    assert tried[1] is None
    told = next(measurement for measurement in tried if measurement is not None)
    assert told.scale == pytest.approx(UNIT, rel=0.05)


def test_an_image_from_long_ago_or_another_view_is_not_compared():
    for stamp, pose in ((20 * SECOND, at(0.3)), (2 * SECOND, None)):
        wall, scale = Wall(), MotionScale()
        for when, where in ((SECOND, at(0)), (stamp, pose)):
            frame, _ = given(wall, when, where)
            found = scale.measure(frame.frame, wall.infer(frame.frame.image), frame.T_fixed_camera)
        assert found is None
