from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.sensors import Scan
from depth_perception.frames import DepthPrediction
from depth_perception.models.calibration import Calibration
from depth_perception.models.learned import LearnedCompleter, Prepared
from training.calibrate import DENSITIES, Errors, collect, coverage, fit
from training.datasets.rendered import frame_files


def errors(seed, factor, count=60_000) -> Errors:
    """Laplace errors whose scale is ``factor(density, raw)`` of what the network says."""
    rng = np.random.default_rng(seed)
    density = rng.choice(DENSITIES, count)
    raw = np.exp(rng.uniform(np.log(0.002), np.log(0.2), count))
    return Errors(density, raw, np.abs(rng.laplace(size=count)) * raw * factor(density, raw))


FACTORS = {
    "too sure": lambda density, raw: 4.0,
    "not sure enough": lambda density, raw: 0.1,
    "sparse is worse": lambda density, raw: np.where(density < 0.01, 3.0, 0.5),
    "large is overdone": lambda density, raw: np.where(raw > 0.02, 0.3, 2.0),
}


@pytest.mark.parametrize("case", FACTORS)
def test_intervals_hold_what_they_promise_on_other_errors(case):
    calibration = fit(errors(0, FACTORS[case]))
    one, wide = coverage(calibration, errors(1, FACTORS[case]))
    assert one == pytest.approx(0.683, abs=0.015)
    assert wide == pytest.approx(0.95, abs=0.012)


def test_they_hold_for_each_density_alone():
    factor = FACTORS["sparse is worse"]
    calibration = fit(errors(0, factor, 300_000))
    check = errors(1, factor)
    for density in (DENSITIES[0], DENSITIES[-1]):
        of = check.density == density
        one, wide = coverage(calibration, Errors(*(x[of] for x in check)))
        assert one == pytest.approx(0.683, abs=0.03)
        assert wide == pytest.approx(0.95, abs=0.03)


def test_without_a_table_all_get_the_same_factor():
    factor = FACTORS["sparse is worse"]
    calibration = fit(errors(0, factor), tabled=False)
    one, wide = coverage(calibration, errors(1, factor))
    assert one == pytest.approx(0.683, abs=0.015)
    assert wide == pytest.approx(0.95, abs=0.012)
    deviation = np.array([0.001, 0.1, 3.0], np.float32)
    stretched = [calibration.apply(deviation, np.ones_like(deviation), density) / deviation for density in DENSITIES]
    assert np.ptp(stretched) < 1e-5
    assert calibration == Calibration.from_dict(calibration.to_dict())


def test_without_calibration_they_do_not():
    untouched = Calibration((0.0,), (0.0,), ((0.0,),))
    assert coverage(untouched, errors(1, FACTORS["too sure"]))[0] < 0.3


def test_heavy_tails_widen_the_outer_interval_alone():
    rng = np.random.default_rng(0)
    even = errors(0, FACTORS["too sure"])
    gauss = even._replace(error=np.abs(rng.normal(size=len(even.raw))) * even.raw)
    assert fit(gauss).wide == pytest.approx(1.96, abs=0.05)
    # 68.3 % of a Laplace distribution lie within 1.149 scales, 95 % within 2.996
    assert fit(even).wide == pytest.approx(2.996 / 1.149, abs=0.06)


class Flat:
    """Says 4 m everywhere, sure to 40 cm."""

    family, config, input_names = "flat", None, ("points",)

    def prepare(self, image, sparse, camera):
        return Prepared((sparse[None, None],), 1.0, sparse)

    def finish(self, outputs, prepared):
        sparse = prepared.context
        depth = np.full(sparse.shape, 4, np.float32)
        # wherever a point was given the answer is far off: such pixels must not count
        depth[sparse > 0] = 1_000
        return DepthPrediction(depth, np.full_like(depth, 0.4), np.zeros_like(depth))


def some_points(frame, rng):
    kept = rng.random(frame.depth.shape) < 0.1
    sparse = np.where(kept, np.maximum(frame.depth, 0.5), 0).astype(np.float32)
    return Scan(sparse, np.where(kept, 1, np.nan).astype(np.float32))


def test_errors_are_those_of_pixels_nobody_measured(rendered):
    stretched = Calibration((0.0,), (0.0,), ((3.0,),))
    completer = LearnedCompleter("flat", "1", Flat(), lambda inputs: inputs, stretched)
    found = collect(completer, frame_files(rendered, True)[:3], scan=some_points)
    assert len(found.raw) == 3 * 2_000
    assert np.allclose(found.raw, 0.1)  # raw: a calibration already there is left out
    assert found.error.max() < 5
    assert np.allclose(found.density, 0.1, atol=0.02)
    again = collect(completer, frame_files(rendered, True)[:3], scan=some_points)
    assert np.array_equal(found.error, again.error)
    assert not np.array_equal(found.error, collect(completer, frame_files(rendered, True)[:3], 1, some_points).error)


def test_nothing_to_learn_from_is_told(rendered):
    def nothing(frame, rng):
        return Scan(np.zeros_like(frame.depth), np.full_like(frame.depth, np.nan))

    completer = LearnedCompleter("flat", "1", Flat(), lambda inputs: inputs)
    with pytest.raises(ValueError, match="no errors to calibrate with"):
        collect(completer, frame_files(rendered, True), scan=nothing)
