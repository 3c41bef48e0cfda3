from __future__ import annotations

import numpy as np
import pytest

from benchmarks import recovery_real
from depth_perception.evaluation import real_data
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import CameraModel, DepthPrediction, ScaleKind
from depth_perception.models import zoo


class Flat:
    """All is 2 m away, whatever it sees."""

    name, version, scale = "flat", "1", ScaleKind.UP_TO_SCALE

    def __init__(self):
        self.shapes = set()

    def infer(self, image, camera=None):
        self.shapes.add(image.shape)
        depth = (
            2 + np.linspace(0, 1, image.shape[1], dtype=np.float32).repeat(image.shape[0]).reshape(image.shape[1], -1).T
        )
        return DepthPrediction(np.ascontiguousarray(depth), np.ones(image.shape[:2], np.float32))


def frame(shape=(48, 64), camera=True) -> RealFrame:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (*shape, 3), np.uint8)
    known = CameraModel.pinhole(50, 50, shape[1] / 2, shape[0] / 2, shape[1], shape[0]) if camera else None
    return RealFrame("kitchen", "one", image, np.zeros(shape, np.float32), known)


def test_only_frames_of_one_size_with_intrinsics_are_used():
    chosen = recovery_real.usable([frame(camera=False), frame(), frame((24, 32)), frame()])
    assert [f.image.shape for f in chosen] == [(48, 64, 3)] * 2
    assert recovery_real.usable([frame(camera=False)]) == []


def test_focal_lengths_are_told_as_shares_of_the_true_one():
    row = recovery_real.measure("kitchen", [frame()], Flat(), 1, 32)
    # guessed 60 degrees wide: 55.4 of 64 pixels against 50
    assert row.focal.tried[6] == pytest.approx(64 / 2 / np.tan(np.radians(30)) / 50, rel=1e-3)
    assert row.error == pytest.approx(100 * (row.focal.best - 1))
    assert row.frames == 1


def test_the_command_prints_a_table_and_draws(tmp_path, monkeypatch, capsys):
    flat = Flat()
    monkeypatch.setattr(zoo, "load_estimator", lambda name, file=None: flat)
    monkeypatch.setattr(real_data, "load_frames", lambda recording, count: [frame()] * count)
    words = ["--model", "flat", "--recordings", "kitchen", "--frames", "1", "--views", "1", "--width", "32"]
    assert recovery_real.main([*words, "--out", str(tmp_path)]) == 0
    assert "| kitchen | 1 |" in capsys.readouterr().out
    assert (
        (tmp_path / "recovery_real.csv").read_text().startswith("recording,frames,error,one_minimum,shift\nkitchen,1,")
    )
    assert flat.shapes == {(24, 32, 3)}
    assert (tmp_path / "recovery_real.png").stat().st_size > 1000


def test_an_unknown_estimator_is_refused(capsys):
    with pytest.raises(SystemExit):
        recovery_real.main(["--model", "nonesuch", "--recordings", "kitchen"])
    assert "nonesuch" in capsys.readouterr().err


def test_figures_are_kept_for_the_documents(tmp_path, monkeypatch):
    rows = [recovery_real.measure("kitchen", [frame()], Flat(), 1, 32, 25.0)]
    recovery_real.keep(rows, tmp_path / "deep" / "kept.csv")
    assert recovery_real.kept(tmp_path / "deep" / "kept.csv") == recovery_real.table(rows)
    assert recovery_real.kept(tmp_path / "none.csv") == "Not measured yet."


def test_the_camera_turns_as_far_as_it_is_told(monkeypatch):
    reaches = []
    config = recovery_real.RecoveryConfig
    monkeypatch.setattr(
        recovery_real, "RecoveryConfig", lambda **given: reaches.append(given["reach"]) or config(**given)
    )
    recovery_real.measure("kitchen", [frame()], Flat(), 1, 32, 20.0)
    assert (reaches[0].yaw, reaches[0].pitch, reaches[0].narrowest) == (20.0, 10.0, 0.5)
