from __future__ import annotations

import numpy as np
import pytest

from benchmarks import resolution
from depth_perception.evaluation import real_data
from depth_perception.models import zoo


@pytest.fixture
def one_recording(monkeypatch, small_frame):
    monkeypatch.setattr(real_data, "recordings", lambda: ("kitchen",))
    monkeypatch.setattr(real_data, "load_frames", lambda recording, count: [small_frame])


@pytest.mark.usefixtures("one_recording")
def test_one_network_is_measured_on_every_grid(tmp_path, capsys):
    words = ["--cells", "100", "400", "--frames", "1", "--repeats", "1", "--out", str(tmp_path)]
    assert resolution.main(words) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("|")]
    assert [line.split("|")[1].strip() for line in lines[2:]] == ["100", "400"]
    assert (tmp_path / "resolution.png").stat().st_size > 1000


def test_cells_change_the_grid_and_nothing_else():
    shipped = zoo.load("completion-small")
    coarse, fine = resolution.with_cells(shipped, 200), resolution.with_cells(shipped, 4_000)
    sparse = np.zeros((96, 128), np.float32)
    sparse[48, 64] = 2.0
    assert np.prod(coarse.method.prepare(None, sparse, None).context.grid) <= 200
    assert np.prod(fine.method.prepare(None, sparse, None).context.grid) > 1_000
    assert coarse.run is fine.run is shipped.run


@pytest.mark.usefixtures("one_recording")
def test_a_completer_without_a_network_is_refused(capsys):
    with pytest.raises(SystemExit):
        resolution.main(["--model", "fast"])
    assert "fast has no network" in capsys.readouterr().err


def test_the_mean_is_over_patterns():
    assert resolution.Point(1, 2.0, {"a": 0.5, "b": 2.0}).mean() == pytest.approx(1.0)
