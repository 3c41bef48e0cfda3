from __future__ import annotations

import itertools
import json
import sys
from pathlib import Path

import pytest

from depth_perception import demo
from depth_perception.demo import (
    Demo,
    DemoError,
    commands,
    environment,
    find_recordings,
    live_row,
    play,
    result_rows,
    write_parameters,
)
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import ModelChoice
from depth_perception.pipelines.parameters import read_parameter_file

FAST = ModelChoice("fast")
TOPICS = TopicChoice("/camera/image", "/camera/camera_info", "/lidar/points", None, "/truth")


def test_recordings_are_found_in_order_of_name(tmp_path):
    for name in ("street", "room"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.mcap").touch()
    (tmp_path / "drive.bag").touch()
    (tmp_path / "notes.txt").touch()
    (tmp_path / "empty").mkdir()
    assert [path.name for path in find_recordings(tmp_path)] == ["drive.bag", "room", "street"]
    assert find_recordings(tmp_path / "drive.bag") == [tmp_path / "drive.bag"]


def test_a_recording_itself_is_taken(tmp_path):
    (tmp_path / "metadata.yaml").touch()
    assert find_recordings(tmp_path) == [tmp_path]


def test_no_recordings_say_how_to_make_them(tmp_path):
    with pytest.raises(DemoError, match="make demo"):
        find_recordings(tmp_path)


def test_domain_is_private_unless_chosen():
    made = environment({"PATH": "/bin"})
    assert made["ROS_AUTOMATIC_DISCOVERY_RANGE"] == "LOCALHOST"
    assert 1 <= int(made["ROS_DOMAIN_ID"]) <= 100
    chosen = {"ROS_DOMAIN_ID": "7", "ROS_AUTOMATIC_DISCOVERY_RANGE": "SUBNET"}
    assert {key: environment(chosen)[key] for key in chosen} == chosen


def test_commands_give_each_node_what_it_needs(tmp_path):
    file = tmp_path / "p.yaml"
    made = commands(Demo(tmp_path / "bag", tmp_path / "out", FAST, ("diffusion",), rate=2.0), TOPICS, file)
    assert set(made) == set(demo.NODES)
    assert 'models:="fast,diffusion"' in made["evaluation_node"]
    assert ("--params-file", str(file)) in itertools.pairwise(made["completion_node"])
    assert f'params_file:="{file}"' in made["evaluation_node"]
    assert "use_sim_time:=true" in made["completion_node"]
    assert "rate:=2.0" in made["bag_player_node"]
    awaited = 'wait_for_subscribers:="/camera/image:2,/camera/camera_info:1,/lidar/points:2"'
    assert awaited in made["bag_player_node"]
    assert made["bag_player_node"].count("-r") == 1  # its name only: it publishes under the recorded topics
    for node in ("evaluation_node", "completion_node"):
        assert "points:=/lidar/points" in made[node]
        assert not any("/truth" in part for part in made[node])  # truth is no input


def test_parameters_exist_in_the_nodes(tmp_path):
    pytest.importorskip("depth_perception.nodes.evaluation_parameters")
    from depth_perception.nodes.bag_player_parameters import BAG_PLAYER_PARAMETERS
    from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS

    tables = {
        "evaluation_node": EVALUATION_PARAMETERS,
        "completion_node": COMPLETION_PARAMETERS,
        "bag_player_node": BAG_PLAYER_PARAMETERS,
    }
    checked = set()
    for node, command in commands(
        Demo(tmp_path, tmp_path, ModelChoice("jarrn", "onnx"), ("fast",)), TOPICS, tmp_path / "p"
    ).items():
        for flag, text in itertools.pairwise(command):
            if flag == "-p" and not text.startswith("use_sim_time"):
                name, _, value = text.partition(":=")
                tables[node][name].check(json.loads(value))
                checked.add(node)
    assert checked == {"evaluation_node", "bag_player_node"}  # completion reads a file


def test_parameter_file_is_one_the_node_reads(tmp_path):
    path = write_parameters(
        Demo(tmp_path, tmp_path / "out", ModelChoice("jarrn", "onnx", "cpu", "w.safetensors")), "odom"
    )
    values = read_parameter_file(path, COMPLETION_PARAMETERS, "completion_node")
    assert ModelChoice.from_parameters(values) == ModelChoice("jarrn", "onnx", "cpu", "w.safetensors")
    assert values["transform.fixed_frame"] == "odom"


def scripted(monkeypatch, tmp_path, **scripts):
    """Let ``play`` run small Python programs in place of the nodes."""
    sleeper = "import time\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    pass\n"
    programs = {node: scripts.get(node, sleeper) for node in demo.NODES}

    def made(given, topics, parameters):
        return {node: [sys.executable, "-u", "-c", code] for node, code in programs.items()}

    monkeypatch.setattr(demo, "commands", made)
    monkeypatch.setattr(demo, "look_into", lambda recording: (TOPICS, "odom"))
    return Demo(Path("bag"), tmp_path, FAST, timeout=20.0)


def test_play_ends_with_the_report(monkeypatch, tmp_path):
    writes = f"import time, pathlib\ntime.sleep(0.3)\npathlib.Path({str(tmp_path / 'report.html')!r}).write_text('x')\n"
    given = scripted(monkeypatch, tmp_path, evaluation_node=writes, bag_player_node="pass")
    assert play(given) == tmp_path / "report.html"


def test_an_old_report_does_not_count(monkeypatch, tmp_path):
    (tmp_path / "report.html").write_text("old")
    with pytest.raises(DemoError, match="evaluation failed"):
        play(scripted(monkeypatch, tmp_path, evaluation_node="pass"))


def test_a_failing_node_is_named_with_its_last_lines(monkeypatch, tmp_path):
    broken = "import sys\nprint('no such device')\nsys.exit(3)"
    with pytest.raises(DemoError, match=r"(?s)completion_node ended too early.*status 3.*no such device"):
        play(scripted(monkeypatch, tmp_path, completion_node=broken))


def test_waiting_is_bounded(monkeypatch, tmp_path):
    given = scripted(monkeypatch, tmp_path)
    with pytest.raises(DemoError, match=r"no report after 0\.5 s"):
        play(Demo(given.recording, given.out, given.model, timeout=0.5))


def figures(mae):
    return {key: 0.5 for key in demo.SHOWN} | {"frames": 3, "mae": mae}


def test_tables_are_read_from_the_files(tmp_path):
    models = {"fast": figures(0.25), "diffusion": figures(0.5)}
    scores = {"models": {name: {"scores": {"ground truth": values}} for name, values in models.items()}}
    (tmp_path / "scores.json").write_text(json.dumps(scores))
    (tmp_path / "timing.json").write_text(json.dumps({"fast": {"stages": {"complete": {"median_ms": 12.3}}}}))
    rows = result_rows("room", tmp_path)
    assert [row[:4] for row in rows] == [
        ["room", "fast", "ground truth", "0.2500"], ["room", "diffusion", "ground truth", "0.5000"]
    ]  # fmt: skip
    assert rows[0][-1] == "12"
    assert demo.verdict("room", tmp_path) == (
        "room, ground truth: The mean absolute error of fast is 50 % below that of diffusion, on the same 3 frames "
        "with the same points."
    )


def test_one_model_alone_has_no_verdict_and_figures_may_be_missing(tmp_path):
    missing = figures(0.25) | {"smear_rate": None}
    (tmp_path / "scores.json").write_text(json.dumps({"models": {"fast": {"scores": {"held-out points": missing}}}}))
    (tmp_path / "timing.json").write_text("{}")
    assert "–" in result_rows("room", tmp_path)[0]
    assert demo.verdict("room", tmp_path) == ""


def test_a_model_that_cannot_be_had_is_told_before_anything_is_played(tmp_path, monkeypatch):
    monkeypatch.setattr(demo, "play", lambda *given: pytest.fail("played"))
    (tmp_path / "metadata.yaml").touch()
    choice = ModelChoice("clude", file=str(tmp_path / "mine.safetensors"))
    with pytest.raises(DemoError, match=r"mine\.safetensors"):
        demo.run_demo(tmp_path, tmp_path / "out", choice)


def test_what_was_live_is_read_from_its_file(tmp_path):
    assert live_row("room", tmp_path) is None
    live = {
        "model": "fast",
        "images": 10,
        "completed": 9,
        "topics": [{"role": "depth", "rate_hz": 9.87}],
        "end_to_end": {"median_ms": 12.3, "p95_ms": 20.0},
        "drops": {"overwritten": 1, "late": 0},
    }
    (tmp_path / "live.json").write_text(json.dumps(live))
    assert live_row("room", tmp_path) == ["room", "fast", "10", "9", "9.9", "12", "20", "1 overwritten"]
