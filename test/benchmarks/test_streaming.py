import numpy as np
import pytest

from benchmarks import streaming
from benchmarks.streaming import Figures, View
from depth_perception.frames import CameraModel
from depth_perception.models import zoo

CAMERA = CameraModel.pinhole(60, 60, 39.5, 29.5, 80, 60)


@pytest.fixture
def views():
    """A textured wall at 3 m, seen from a camera that goes right by 2 cm each time."""
    random = np.random.default_rng(0)
    texture = np.kron(random.integers(0, 256, (10, 20, 3), dtype=np.uint8), np.ones((8, 8, 1), np.uint8))
    found = []
    for i in range(14):
        T = np.eye(4)
        T[0, 3] = 0.02 * i
        found.append(View(texture[:60, i // 2 : i // 2 + 80].copy(), np.full((60, 80), 3, np.float32), T))
    return found


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(streaming, "POINTS", 40)
    monkeypatch.setattr(streaming, "RANGE_NOISE", 0.05)


@pytest.mark.parametrize("case", streaming.CASES)
def test_each_case_changes_less_with_streaming(views, case):
    found = streaming.measure(case, zoo.load("fast"), views, CAMERA, 14)
    assert (found.case, found.model, found.frames) == (case, "fast", 14)
    assert 0 < found.change_on < 0.9 * found.change_off
    assert 0 < found.error_on < 1.1 * found.error_off
    assert np.isnan(found.step) == (case != "step")
    if case == "step":
        assert 0.9 < found.step < 1.1


def test_change_is_none_where_only_the_camera_moves(views):
    depths = [np.full((60, 80), 3, np.float32)] * len(views)
    assert streaming.change(depths, views, CAMERA) == pytest.approx(0, abs=1e-6)
    depths = [np.full((60, 80), 3 * 1.1 ** (i % 2), np.float32) for i in range(len(views))]
    assert streaming.change(depths, views, CAMERA) == pytest.approx(np.log(1.1), rel=1e-3)


def test_a_result_that_lags_shows_less_of_the_step():
    truth = [np.full((6, 10), 2 if i < 5 else 1, np.float32) for i in range(10)]
    lagging = [t.copy() for t in truth]
    lagging[5] = np.full((6, 10), np.sqrt(2), np.float32)
    assert streaming.step_share(truth, lagging) == pytest.approx(0.5, rel=1e-3)
    assert streaming.step_share(truth, truth) == 1


def test_figures_are_kept_and_drawn_up(tmp_path):
    file = tmp_path / "kept.csv"
    assert streaming.table(file) == "Not measured yet."
    streaming.write([Figures("still", "fast", 30, 0.04, 0.02, 0.1, 0.09, float("nan"))], file)
    assert "| still | `fast` | 30 | 0.0400 | 0.0200 | -50% | 0.1000 | 0.0900 | -10% |  |" in streaming.table(file)
