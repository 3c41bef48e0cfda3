from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.models.learned import Prepared
from training.calibrate_estimation import calibrate, collect, held
from training.datasets.video import VideoFrame

CAMERA = CameraModel.pinhole(60, 60, 31.5, 23.5, 64, 48)


class Guesser:
    """Depth in a unit of its own, three times as far off as it says: a Laplace distribution."""

    family, config, input_names = "guesser", None, ("image",)

    def prepare(self, image, sparse, camera):
        return Prepared((image[None].astype(np.float32),), 1.0, image)

    def finish(self, outputs, prepared):
        rng = np.random.default_rng(int(prepared.context[0, 0, 0]))
        truth = truth_of(prepared.context)
        said = np.where(np.arange(64) < 32, 0.02, 0.1) + 0 * truth  # one half is surer
        depth = truth * np.exp(rng.laplace(0, 3 * said / np.sqrt(2)))
        return DepthPrediction((depth / 7).astype(np.float32), (said * depth / 7).astype(np.float32), None)


def truth_of(image):
    return (2 + image[..., 1] / 100).astype(np.float32)


class Estimator:
    name, version, scale = "guesser", "1", None
    method, run = Guesser(), staticmethod(lambda inputs: inputs)


def frames(count, first=0):
    rng = np.random.default_rng(first)
    for k in range(count):
        image = rng.integers(0, 255, (48, 64, 3), np.uint8)
        image[0, 0, 0] = first + k
        yield VideoFrame(f"v/{k}", image, CAMERA, truth_of(image))


def test_deviations_are_stretched_by_as_much_as_they_are_too_small():
    errors = collect(Estimator(), frames(12))
    calibration = calibrate(errors)
    assert len(calibration.log_density) == len(calibration.log_factor) == 1
    depth = np.full((2, 2), 3, np.float32)
    # 68.3 % of a Laplace distribution lie within 1.149 widths, which are sqrt(1/2) deviations each
    for said in (0.02, 0.1):
        found = calibration.apply(depth * np.float32(said), depth, 1.0) / depth
        assert found == pytest.approx(3 * said * 1.149 / np.sqrt(2), rel=0.15)
    assert held(calibration, collect(Estimator(), frames(6, first=50), seed=1)) == pytest.approx(
        (0.683, 0.95), abs=0.02
    )


def test_the_unit_of_depth_does_not_matter_and_unknown_pixels_do_not_count():
    (frame,) = frames(1)
    frame.depth[:, :60] = 0
    errors = collect(Estimator(), [frame])
    assert len(errors.error) == 48 * 4
    assert set(np.round(errors.raw, 3)) == {0.1}
    assert np.median(errors.error) < 1
    frame.depth[:] = 0
    with pytest.raises(ValueError, match="no errors to calibrate with"):
        collect(Estimator(), [frame])
