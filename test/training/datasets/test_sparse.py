from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.sensors import Frame
from depth_perception.frames import CameraModel
from training.datasets import sparse
from training.datasets.sparse import SparseScans

SHAPE = (60, 80)


@pytest.fixture
def wall():
    camera = CameraModel.pinhole(70, 70, 39.5, 29.5, SHAPE[1], SHAPE[0])
    image = np.random.default_rng(0).integers(0, 256, (*SHAPE, 3), dtype=np.uint8)
    return Frame(image, np.full(SHAPE, 3.0, np.float32), camera)


def test_scans_are_neither_dense_nor_empty(wall):
    scans = SparseScans(densest=0.05, fewest=10)
    counts = [np.count_nonzero(scans(wall, np.random.default_rng(seed)).sparse) for seed in range(20)]
    assert 10 <= min(counts) <= max(counts) <= 0.05 * np.prod(SHAPE)
    assert len(set(counts)) > 5  # of many sensors


def test_a_seed_gives_one_scan(wall):
    one, same = (SparseScans()(wall, np.random.default_rng(4)) for _ in range(2))
    np.testing.assert_array_equal(one.sparse, same.sparse)


def test_a_view_that_no_sensor_fits_ends_with_the_last_try(wall, monkeypatch):
    tries = []

    class Nothing:
        def scan(self, frame, rng):
            tries.append(rng)
            return sparse.Scan(np.zeros(SHAPE, np.float32), np.full(SHAPE, np.nan, np.float32))

    monkeypatch.setattr(sparse, "random_sensor", lambda rng: Nothing())
    assert not SparseScans()(wall, np.random.default_rng(0)).sparse.any()
    assert 1 < len(tries) < 100
