from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from benchmarks import completion
from benchmarks.evidence.rows import Row
from depth_perception.evaluation import peers
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import CameraModel, DepthPrediction
from depth_perception.models import zoo


class FakeLearned:
    """Nearest point with a deviation of 0.1 m, and a calibration that calls three of them 95 %."""

    name, version = "completion-small", "7"
    calibration = SimpleNamespace(wide=3.0)

    def infer(self, image, sparse, camera=None):
        depth = peers.nearest(sparse)
        return DepthPrediction(depth, np.full_like(depth, 0.1))


@pytest.fixture
def learned(monkeypatch):
    """The zoo with one learned model in front."""
    names, load = zoo.names(), zoo.load
    monkeypatch.setattr(zoo, "names", lambda: ("completion-small", *(n for n in names if n in ("diffusion", "fast"))))

    def pretend(name, **choices):
        return FakeLearned() if name == "completion-small" else load(name, **choices)

    monkeypatch.setattr(zoo, "load", pretend)
    for cache in (completion.entries_of, completion.frames_of):
        cache.cache_clear()
    yield
    for cache in (completion.entries_of, completion.frames_of):
        cache.cache_clear()


@pytest.fixture
def small_frame() -> RealFrame:
    """A box before a wall, 48 x 64."""
    truth = np.full((48, 64), 4, np.float32)
    truth[15:35, 20:45] = 2
    image = np.repeat((truth * 50).astype(np.uint8)[..., None], 3, 2)
    return RealFrame("kitchen", "one", image, truth, CameraModel.pinhole(50, 50, 31.5, 23.5, 64, 48))


def make_row(method, variant="", recording="r", frame="f", pattern="64", mae=1.0, ms=2.0, version="1", **more) -> Row:
    values = {"rmse": 2 * mae, "abs_rel": mae / 4, "delta1": 0.9, "boundary_mae": mae, "smear_rate": 0.1,
              "within_1": 0.7, "within_95": 0.95}  # fmt: skip
    return Row(recording, frame, 0, pattern, method, variant or method, version, 100, mae, ms=ms, **(values | more))


@pytest.fixture
def row():
    return make_row
