from __future__ import annotations

from depth_perception.recordings.reader import Recording
from training.synthetic import make_demo, object_recording
from training.synthetic.make_demo import main

SMALL = ["--seconds", "0.3", "--width", "48", "--height", "36", "--rate", "4", "--workers", "1", "--scene", "street"]


def test_makes_a_recording_once_and_leaves_no_litter(tmp_path, capsys):
    out = tmp_path / "demo"
    assert main([str(out), *SMALL]) == 0
    assert [path.name for path in out.iterdir()] == ["street"]
    with Recording(out / "street") as recording:
        assert recording.topics()["/camera/image"].count == 1
        assert recording.topics()["/lidar/points"].count == 3
    assert "street: 0.3 s" in capsys.readouterr().out
    assert main([str(out), *SMALL]) == 0
    assert "exists already" in capsys.readouterr().out
    assert main([str(out), "--force", *SMALL]) == 0
    assert [path.name for path in out.iterdir()] == ["street"]


def test_mistakes_are_told_in_one_line(tmp_path, capsys):
    assert main([str(tmp_path), "--seconds", "0"]) == 2
    assert capsys.readouterr().err.strip() == "make_demo: --seconds: 0.0 is below 0.2"
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file"), *SMALL]) == 1
    assert "make_demo:" in capsys.readouterr().err


def test_the_table_is_met_again_by_a_depth_camera(tmp_path, capsys, monkeypatch):
    assert make_demo.TABLE.laps > 1
    small = object_recording.Settings(count=2, views=2, width=32, height=24)
    monkeypatch.setattr(make_demo, "TABLE", small)
    assert main([str(tmp_path / "demo"), "--scene", "table"]) == 0
    assert "table: 0.25 s" in capsys.readouterr().out
    with Recording(tmp_path / "demo" / "table") as recording:
        assert recording.topics()["/camera/depth/image"].count == 2
        assert "/lidar/points" not in recording.topics()
