import time
from collections import Counter

import numpy as np
import pytest

from depth_perception.evaluation.sensors import CLEAN, random_sensor
from depth_perception.evaluation.sensors.sensor import SHARES


@pytest.fixture(scope="module")
def sensors():
    rng = np.random.default_rng(0)
    return [random_sensor(rng) for _ in range(2000)]


def test_shares_are_complete():
    assert sum(SHARES.values()) == pytest.approx(1)


def test_kinds_come_as_often_as_said(sensors):
    kinds = Counter(type(s.pattern).__name__ for s in sensors)
    told = {
        "Uniform": 0.40,
        "Spinning": 0.30,
        "Corners": 0.15,
        "TimeOfFlight": 0.08,
        "Stereo": 0.05,
        "SolidState": 0.02,
    }
    assert set(kinds) == set(told)
    for kind, share in told.items():
        assert kinds[kind] / 2000 == pytest.approx(share, abs=0.03), kind


def test_half_are_clean_and_outliers_are_rare(sensors):
    assert np.mean([s.corruption == CLEAN for s in sensors]) == pytest.approx(0.5, abs=0.04)
    real = [s.corruption.outliers > 0.01 or s.corruption.clusters > 0 or s.corruption.mixed > 0.2 for s in sensors]
    assert np.mean(real) == pytest.approx(0.15, abs=0.04)
    assert np.median([s.corruption.noise for s in sensors]) == 0
    assert max(s.corruption.noise for s in sensors) <= 0.02
    shifts = np.hypot(*np.array([s.corruption.shift for s in sensors]).T)
    assert shifts.max() <= 8
    assert np.mean(shifts <= 1) > 0.85


def test_densities_span_the_promised_range(sensors):
    counts = np.array([s.pattern.count for s in sensors if type(s.pattern).__name__ == "Uniform"])
    assert counts.min() < 70
    assert counts.max() > 28000
    rings = {s.pattern.rings for s in sensors if type(s.pattern).__name__ == "Spinning"}
    assert {4, 8, 16, 32, 64, 128} <= rings <= set(range(4, 129))


def test_the_same_state_gives_the_same_bytes(shifted_frame):
    def run(seed):
        rng = np.random.default_rng(seed)
        return b"".join(part.tobytes() for _ in range(25) for part in random_sensor(rng).scan(shifted_frame, rng))

    assert run(5) == run(5)
    assert run(5) != run(6)


def test_scans_of_all_kinds_are_well_formed_and_mostly_right(shifted_frame):
    rng, right = np.random.default_rng(1), []
    for _ in range(60):
        scan = random_sensor(rng).scan(shifted_frame, rng)
        assert scan.sparse.shape == scan.inlier.shape == shifted_frame.depth.shape
        assert scan.sparse.dtype == scan.inlier.dtype == np.float32
        assert np.isfinite(scan.sparse).all()
        assert (scan.sparse >= 0).all()
        np.testing.assert_array_equal(np.isnan(scan.inlier), scan.sparse == 0)
        right.append(np.nanmean(scan.inlier))
    assert np.mean(np.array(right) > 0.85) > 0.75


def test_a_scan_takes_milliseconds(shifted_frame):
    rng, times = np.random.default_rng(2), []
    for _ in range(40):
        sensor = random_sensor(rng)
        start = time.perf_counter()
        sensor.scan(shifted_frame, rng)
        times.append(time.perf_counter() - start)
    assert np.median(times) < 0.02  # 1.3 ms on two quiet cores
