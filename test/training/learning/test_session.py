"""The whole way on a tiny recording, a few steps of each kind."""

from __future__ import annotations

import json
import signal

import numpy as np
import pytest
import torch

from depth_perception.models import weights, zoo
from training import learn
from training.learning import exporting, fitting, report, session
from training.learning.interrupt import Asked
from training.learning.options import read_options
from training.learning.session import Session
from training.learning.suitability import UnsuitableError

SMALL = ("data.workers=0", "data.batch_size=2", "threads=1", "data.epoch=8", "data.validation=2")
QUIET = ("trainer.logger=false", "trainer.enable_progress_bar=false")


def command(kind, bag, start, out, *more, steps=3):
    settings = [word for text in (*SMALL, *QUIET) for word in ("--set", text)]
    words = [kind, "--bag", bag, "--start-from", start, "--out", out, "--device", "cpu", *settings]
    if steps:
        words += ["--steps", steps]
    return [str(word) for word in (*words, *more)]


@pytest.fixture
def no_sheets(monkeypatch):
    """Matplotlib takes seconds for a sheet."""
    monkeypatch.setattr(report, "contact_sheet", lambda *_: b"")


@pytest.fixture(scope="module")
def still(bags, pose):
    return bags("still", [pose()] * 6)


@pytest.fixture(scope="module")
def estimation(moving, bags, estimator_file, tmp_path_factory):
    """A finished run, with another recording beside."""
    out = tmp_path_factory.mktemp("out") / "estimation"
    other = bags("other", [np.array(p) for p in _forward()], truth=True)
    assert learn.main(command("estimation", moving, estimator_file, out, "--also", other)) == 0
    return out


def _forward():
    for k in range(4):
        T = np.eye(4)
        T[2, 3] = 0.08 * k
        yield T


@pytest.fixture(scope="module")
def completion(moving, completer_file, tmp_path_factory):
    out = tmp_path_factory.mktemp("out") / "completion"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report, "contact_sheet", lambda *_: b"")
        patch.setattr(exporting, "_SEEN", 200)  # as many errors as so short a recording has
        assert learn.main(command("completion", moving, completer_file, out, "--held-out", "0.3")) == 0
    return out


def test_own_weights_run_in_metres_and_name_the_recording(estimation, look, pose, camera):
    file = estimation / "estimation-small-moving.safetensors"
    estimator = zoo.load_estimator("estimation-small", backend="torch", device="cpu", file=file)
    assert estimator.version == "7+moving"
    assert estimator.scale.name == "METRIC"
    found = estimator.infer(look(pose())[0], camera)
    assert np.isfinite(found.depth).all()
    about = weights.inspect(file).training
    assert about["recordings"] == ["moving"]
    assert about["taught_by"] == "video, known poses, measured points"
    assert about["command"].startswith("depth_perception train estimation --bag")
    assert "learned from moving" in file.with_suffix(".md").read_text()
    assert list(estimation.glob("monocular-*.onnx"))


def test_scores_stand_before_and_after_with_their_alignment(estimation):
    scores = json.loads((estimation / "scores.json").read_text())
    parts = {c["recording"]: c for c in scores["comparisons"]}
    assert parts["moving"]["part"] == "later part"
    assert parts["other"]["part"] == "another recording"
    for part in parts.values():
        assert set(part["before"]["figures"]) == {"median of each image"}  # untrained depth has no unit
        assert set(part["after"]["figures"]) == {"median of each image", "none"}
        assert part["after"]["target"] == "ground truth"
        assert 0 < part["after"]["figures"]["none"]["abs_rel"] < 1
    # the last fifth alone
    frames = sorted((estimation / "frames" / "moving").glob("*.npz"))
    assert [f["name"] for f in parts["moving"]["after"]["frames"]] == [
        f.stem for f in frames[-round(0.2 * len(frames)) :]
    ]
    assert "alignment median of each image" in scores["claim"]


def test_the_page_shows_both_and_what_was_found(estimation):
    page = (estimation / "report.html").read_text()
    for text in (
        "before: dense depth",
        "after: dense depth",
        "after: absolute error",
        "Measured, not shown to it",
        "another recording",
        "video, known poses, measured points",
        "odom",
        "/lidar/points",
        "color: var(--muted)",
    ):
        assert text in page
    assert (estimation / "pictures" / "moving.png").stat().st_size > 10_000


def test_the_factor_was_found_before_learning(estimation):
    start = json.loads((estimation / "start.json").read_text())
    assert start["by"] == "points"
    config = (estimation / "config.yaml").read_text()
    assert f"nearest: {start['ends'][0]}" in config
    assert "known_poses: true" in config


@pytest.mark.usefixtures("no_sheets")
def test_done_once_nothing_is_done_again(estimation, moving, bags, estimator_file, monkeypatch, capsys):
    for module, name in ((fitting, "_run"), (session, "score"), (session.exporting, "learned")):
        monkeypatch.setattr(module, name, lambda *_: pytest.fail("it was done again"))
    words = command("estimation", moving, estimator_file, estimation, "--also", bags("other"))
    assert learn.main(words) == 0
    assert "later part" in capsys.readouterr().out


@pytest.mark.usefixtures("no_sheets")
def test_more_steps_go_on_from_the_last_one(moving, estimator_file, tmp_path, monkeypatch):
    words = command("estimation", moving, estimator_file, tmp_path, "--video-only", steps=2)
    assert learn.main(words) == 0
    first = torch.load(tmp_path / "training" / "last.ckpt", weights_only=False)
    words = command("estimation", moving, estimator_file, tmp_path, "--video-only", steps=4)
    assert learn.main(words) == 0
    last = torch.load(tmp_path / "training" / "last.ckpt", weights_only=False)
    assert (first["global_step"], last["global_step"]) == (2, 4)
    assert (first["made"]["samples"], last["made"]["samples"]) == (4, 8)
    about = weights.inspect(tmp_path / "estimation-small-moving.safetensors").training
    assert about["taught_by"] == "video, known poses"
    assert json.loads((tmp_path / "start.json").read_text())["by"] == "known poses"


def test_completion_learns_from_points_it_was_not_given(completion):
    file = completion / "completion-small-moving.safetensors"
    model = zoo.load("completion-small", backend="torch", device="cpu", file=file)
    assert model.version == "7+moving"
    scores = json.loads((completion / "scores.json").read_text())
    (part,) = scores["comparisons"]
    assert part["after"]["target"] == part["before"]["target"] == "ground truth"
    assert list(part["after"]["figures"]) == ["none"]
    config = (completion / "config.yaml").read_text()
    assert "training.datasets.recorded.GivenShare" in config
    assert weights.read(file).calibration is not None
    assert "Input: " in (completion / "report.html").read_text()


@pytest.mark.usefixtures("no_sheets")
def test_ctrl_c_keeps_what_was_learned(moving, completer_file, tmp_path, monkeypatch, capsys):
    ask = fitting.run

    def interrupted(*arguments):
        signal.raise_signal(signal.SIGINT)  # before the first step: it ends after it
        ask(*arguments)

    monkeypatch.setattr(fitting, "run", interrupted)
    words = command("completion", moving, completer_file, tmp_path, steps=50)
    try:
        assert learn.main(words) == learn.INTERRUPTED
    finally:
        Asked.stop = False
    assert (tmp_path / "completion-small-moving.safetensors").is_file()
    assert "Stopped on request after 1 of 50 steps" in capsys.readouterr().out


@pytest.mark.usefixtures("no_sheets")
def test_without_anything_measured_video_itself_scores(bags, estimator_file, tmp_path):
    bag = bags("camera_only", points=False)
    assert learn.main(command("estimation", bag, estimator_file, tmp_path, steps=2)) == 0
    scores = json.loads((tmp_path / "scores.json").read_text())
    still, before, after, windows = scores["photometric"]
    assert windows == 3
    assert 0 < after < 1
    assert 0 < before < 1
    assert still > 0
    assert "Photometric error on 3 held-out frames" in scores["claim"]
    assert "Explaining held-out video" in (tmp_path / "report.html").read_text()


def test_steps_are_as_many_as_fit_the_minutes(moving, estimator_file, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "pace", lambda *_: 0.5)
    words = command("estimation", moving, estimator_file, tmp_path, "--minutes", "1", steps=0)
    run = Session(read_options(words), say=lambda text: None)
    plan = run._plan(run._extract_all())
    assert run._config(plan)["trainer"]["max_steps"] == 120
    assert json.loads((tmp_path / "budget.json").read_text())["steps"] == 120
    monkeypatch.setattr(fitting, "pace", lambda *_: 9.0)  # told once, it stays
    assert run._config(plan)["trainer"]["max_steps"] == 120


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        ("estimation", {"name": "still"}, ("too little motion", "5 of 6 images")),
        ("completion", {"name": "camera", "points": False}, ("no points",)),
        ("estimation", {"name": "uncalibrated", "info": False}, ("no camera_info topic",)),
        ("estimation", {"name": "blank", "blank": True}, ("too little texture", "26 of 26")),
    ],
)
def test_unsuitable_recordings_are_refused_in_one_line(
    kind, options, words, bags, still, estimator_file, completer_file, tmp_path, capsys
):
    start = estimator_file if kind == "estimation" else completer_file
    bag = bags(**options)
    assert learn.main(command(kind, bag, start, tmp_path)) == learn.USAGE_ERROR
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith(f"train {kind}: ")
    for word in words:
        assert word in error


def test_turning_alone_is_refused(bags, pose, estimator_file, tmp_path):
    bag = bags("turning", [pose(yaw=-0.6 + 0.05 * k) for k in range(26)], motion="")
    with pytest.raises(UnsuitableError, match=r"too little parallax: near things move by 0\.\d\d% of"):
        Session(read_options(command("estimation", bag, estimator_file, tmp_path)), say=lambda text: None).run()


def test_a_work_folder_of_another_run_is_left_alone(estimation, moving, estimator_file, capsys):
    words = command("estimation", moving, estimator_file, estimation, "--held-out", "0.4")
    assert learn.main(words) == learn.USAGE_ERROR
    assert "another held out (0.2, now 0.4)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--set", "nothing"], "expected OPTION=VALUE"),
        (["--held-out", "1.5"], "share from 0.02 to 0.8"),
        (["--holdout", "none"], "nothing to score"),
        (["--steps", "-3"], "must be positive"),
    ],
)
def test_mistakes_are_told_at_once(words, message, capsys):
    with pytest.raises(SystemExit):
        learn.main(["estimation", "--bag", "x", *words])
    assert message in capsys.readouterr().err


def test_a_recording_that_is_not_there_makes_no_folder(estimator_file, tmp_path, capsys):
    words = command("estimation", tmp_path / "no.mcap", estimator_file, tmp_path / "out")
    assert learn.main(words) == learn.USAGE_ERROR
    assert "no such recording" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_weights_of_the_other_kind_are_refused(moving, completer_file, estimator_file, tmp_path, capsys):
    assert learn.main(command("estimation", moving, completer_file, tmp_path)) == learn.USAGE_ERROR
    assert learn.main(command("completion", moving, estimator_file, tmp_path)) == learn.USAGE_ERROR
    assert "not for completion" in capsys.readouterr().err
