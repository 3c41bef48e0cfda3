from __future__ import annotations

import numpy as np
import pytest

from depth_perception.messages.point_time import relative_times
from depth_perception.messages.types import MessageError

STAMP = 1_700_000_000_250_000_000
SCAN = np.linspace(0.0, 0.1, 20_000)  # seconds
SCALE = {"s": 1.0, "ms": 1e3, "us": 1e6, "ns": 1e9}


@pytest.mark.parametrize(
    ("values", "tolerance"),
    [
        (SCAN.astype(np.float32), 1e-7),  # velodyne: seconds
        (SCAN - 0.1, 1e-12),  # relative to the end of the scan
        (SCAN * 1e3, 1e-12),
        ((SCAN * 1e6).astype(np.float32), 1e-7),
        ((SCAN * 1e9).astype(np.uint32), 2e-9),  # ouster, livox: nanoseconds
        ((SCAN * 1e9).astype(np.int32) - 100_000_000, 2e-9),
        ((SCAN * 1e6).astype(np.uint32), 2e-6),  # 20000 points in 0.1 ms is more than any LiDAR measures
        (SCAN + STAMP * 1e-9, 3e-7),  # hesai, robosense: seconds since 1970
        (SCAN * 1e9 + float(STAMP), 3e-7),  # livox PointCloud2: nanoseconds since 1970
        (SCAN * 1e6 + STAMP * 1e-3, 3e-7),
    ],
)
def test_units_are_recognised(values, tolerance):
    found = relative_times(values, STAMP)
    assert found.dtype == np.float64
    wanted = SCAN - 0.1 if values[0] < 0 else SCAN
    assert np.abs(found - wanted).max() <= tolerance


@pytest.mark.parametrize("unit", SCALE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.uint32])
def test_a_given_unit_is_believed(unit, dtype):
    values = np.array([0, 1, 2]) if unit == "s" else np.array([0, 20, 100])
    found = relative_times(values.astype(dtype), STAMP, unit)
    assert found == pytest.approx(values / SCALE[unit])


def test_a_clock_of_its_own_starts_at_the_stamp():
    assert np.allclose(relative_times(SCAN + 532.25, STAMP), SCAN, atol=1e-9)
    within_the_second = (SCAN * 1e9).astype(np.uint32) + np.uint32(3_000_000_000)
    assert np.allclose(relative_times(within_the_second, STAMP), SCAN, atol=2e-9)


@pytest.mark.parametrize("stamp", [0.0, 0.04, 0.1, 0.5, 1.0, 1.9, 3.0, 60.0])
def test_the_first_seconds_of_a_simulation(stamp):
    """Absolute and relative times look alike near zero; both are recognised."""
    nanoseconds = round(stamp * 1e9)
    assert np.allclose(relative_times(SCAN, nanoseconds), SCAN, atol=1e-9)
    if stamp > 0.1:
        assert np.allclose(relative_times(SCAN + stamp, nanoseconds), SCAN, atol=1e-9)
        assert np.allclose(relative_times(SCAN + stamp - 0.1, nanoseconds), SCAN - 0.1, atol=1e-9)


def test_a_few_points_of_one_packet_are_nanoseconds():
    packet = np.repeat(np.arange(12, dtype=np.uint32) * 110_592, 32)
    assert relative_times(packet, STAMP) == pytest.approx(packet * 1e-9)


def test_points_of_one_instant():
    assert relative_times(np.zeros(5, np.uint32), STAMP).tolist() == [0.0] * 5
    assert relative_times(np.zeros(0, np.float32), STAMP).tolist() == []


def test_times_that_are_no_numbers_become_the_stamp():
    values = np.array([np.nan, 0.05, np.inf, 0.1, -np.inf])
    assert relative_times(values, STAMP).tolist() == [0.0, 0.05, 0.0, 0.1, 0.0]
    assert np.isnan(values[0])  # the message is left alone


@pytest.mark.parametrize(
    "values",
    [
        np.full(3, np.nan, np.float32),
        np.array([0, 4_294_967_295], np.uint32),
        np.array([-1e30, 1e30]),
        np.arange(100_000, dtype=np.uint16) % 3,  # too fast even in milliseconds: no times
    ],
)
def test_what_is_no_time_is_left_out(values):
    assert relative_times(values, STAMP) is None


def test_an_unknown_unit_is_refused():
    with pytest.raises(MessageError, match="time unit 'min' is not one of s, ms, us, ns, auto"):
        relative_times(SCAN, STAMP, "min")
