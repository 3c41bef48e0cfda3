from __future__ import annotations

import pytest

from depth_perception.models import zoo
from training import make_weights


@pytest.fixture
def calls(monkeypatch, tmp_path):
    """What would have been run; nothing is rendered, trained or exported."""
    found = []
    monkeypatch.setattr(make_weights, "WORK", tmp_path / "work")
    monkeypatch.setattr(make_weights.frames, "main", lambda a: found.append(["render", *a]) or 0)
    monkeypatch.setattr(make_weights, "run", lambda a, module: found.append(["train", *a]) or 0)
    monkeypatch.setattr(make_weights.export, "main", lambda a: found.append(["export", *a]) or 0)
    return found


def test_render_train_export(calls, tmp_path):
    options = ["tiny", "--frames", "1100", "--processes", "3", "--set", "trainer.max_epochs=1", "--set=--threads=1"]
    assert make_weights.main([*options, "--out", str(tmp_path / "out")]) == 0
    render, train, export = calls
    frames = str(tmp_path / "work" / "frames")
    assert render[:2] == ["render", frames]
    assert render[render.index("--count") + 1] == "1100"
    assert render[render.index("--processes") + 1] == "3"
    assert train[:2] == ["train", "fit"]
    assert train[train.index("--config") + 1].endswith("configs/tiny.yaml")
    assert train[train.index("--data.folder") + 1] == frames
    assert train[-2:] == ["--trainer.max_epochs=1", "--threads=1"]
    assert "--ckpt_path" not in train
    assert export[1:3] == [str(tmp_path / "work" / "tiny" / "last.ckpt"), "tiny"]
    assert export[export.index("--out") + 1] == str(tmp_path / "out" / "tiny.safetensors")


def test_what_listens_to_an_estimator_learns_from_other_worlds(calls, tmp_path):
    assert make_weights.main(["completion-large", "--processes", "1"]) == 0
    render, train, export = calls
    folder = str(tmp_path / "work" / "more_frames")
    assert render[1] == folder
    first, count = (int(render[render.index(name) + 1]) for name in ("--first-seed", "--count"))
    assert first >= make_weights.FRAMES
    assert count == make_weights.MORE
    assert train[train.index("--data.folder") + 1] == export[export.index("--frames") + 1] == folder


def test_an_interrupted_training_goes_on(calls, tmp_path):
    last = tmp_path / "work" / "tiny" / "last.ckpt"
    last.parent.mkdir(parents=True)
    last.touch()
    make_weights.main(["tiny"])
    train = calls[1]
    assert train[train.index("--ckpt_path") + 1] == str(last)


def test_depth_from_one_camera_is_made_from_video(calls, monkeypatch, tmp_path):
    monkeypatch.setattr(make_weights.sequences, "main", lambda a: calls.append(["sequences", *a]) or 0)
    monkeypatch.setattr(make_weights, "run", lambda a, module: calls.append([module, *a]) or 0)
    monkeypatch.setattr(make_weights.export_estimation, "main", lambda a: calls.append(["export", *a]) or 0)
    assert make_weights.main(["estimation-tiny", "--videos", "7", "--processes", "1"]) == 0
    render, train, export = calls
    videos = str(tmp_path / "work" / "videos")
    assert render[:6] == ["sequences", videos, "--count", "7", "--processes", "1"]
    assert render[render.index("--kinds") + 1 :] == list(make_weights.KINDS)
    assert train[:2] == ["training.train_estimation", "fit"]
    assert train[train.index("--data.folder") + 1] == videos
    assert export[1:5] == [
        str(tmp_path / "work" / "estimation-tiny" / "last.ckpt"),
        "estimation-tiny",
        "--videos",
        videos,
    ]


def test_what_starts_from_frames_goes_on_from_there(calls, monkeypatch, tmp_path):
    monkeypatch.setattr(make_weights.sequences, "main", lambda a: calls.append(["sequences", *a]) or 0)
    monkeypatch.setattr(make_weights, "run", lambda a, module: calls.append([module, *a]) or 0)
    monkeypatch.setattr(make_weights.export_estimation, "main", lambda a: calls.append(["export", *a]) or 0)
    settings = ["--set", "trainer.max_epochs=1", "--set", "model.milestones=[0.5]"]
    assert make_weights.main(["estimation-small", *settings]) == 0
    frames, videos, start, train, export = calls
    assert (frames[0], videos[0], export[0]) == ("render", "sequences", "export")
    assert start[:2] == ["training.train_geometry", "fit"]
    assert start[start.index("--config") + 1].endswith("configs/start/estimation-small.yaml")
    assert start[start.index("--data.folder") + 1] == str(tmp_path / "work" / "frames")
    assert "--trainer.max_epochs=1" in start
    assert "--model.milestones=[0.5]" not in start
    assert train[:2] == ["training.train_estimation", "fit"]
    assert train[train.index("--model.start_from") + 1] == str(
        tmp_path / "work" / "estimation-small-start" / "last.ckpt"
    )


def test_nothing_is_exported_of_a_training_that_failed(calls, monkeypatch):
    monkeypatch.setattr(make_weights, "run", lambda a, module: 3)
    assert make_weights.main(["tiny", "completion-small"]) == 3
    assert [call[0] for call in calls] == ["render"]


def test_without_names_all_that_ship_are_made(calls, monkeypatch):
    monkeypatch.setattr(make_weights.sequences, "main", lambda a: calls.append(["sequences", *a]) or 0)
    monkeypatch.setattr(make_weights.export_estimation, "main", lambda a: calls.append(["export", *a]) or 0)
    make_weights.main([])
    assert [call[2] for call in calls if call[0] == "export"] == list(make_weights.SHIPPED)
    assert [call[0] for call in calls].count("sequences") == 1


@pytest.mark.parametrize(
    ("arguments", "message"), [(["enormous"], "no configuration"), (["tiny", "--set", "max_epochs"], "OPTION=VALUE")]
)
def test_mistakes_are_told_before_anything_is_rendered(calls, capsys, arguments, message):
    with pytest.raises(SystemExit):
        make_weights.main(arguments)
    assert message in capsys.readouterr().err
    assert not calls


def test_every_weight_file_that_ships_can_be_made_again():
    shipped = {name for name in (*zoo.LEARNED, *zoo.ESTIMATORS) if zoo.weight_file(name).is_file()}
    assert shipped == set(make_weights.SHIPPED)
    assert shipped <= set(make_weights.available())
    assert "tiny" in make_weights.available()


def test_training_is_started_with_this_python(monkeypatch):
    seen = []
    monkeypatch.setattr(
        make_weights.subprocess, "run", lambda words, check: seen.append(words) or type("Done", (), {"returncode": 5})
    )
    assert make_weights.run(["fit", "--config", "x"]) == 5
    assert seen[0][1:] == ["-m", "training.train", "fit", "--config", "x"]
