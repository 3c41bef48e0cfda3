"""Player, completion node and evaluation node together: the report tells both scores and what was live."""

import json

import pytest

pytest.importorskip("rclpy")

REMAP = ("-r", "image:=/camera/image", "-r", "camera_info:=/camera/camera_info", "-r", "points:=/camera/points")


def test_report_with_a_live_part(graph, recording, tmp_path):
    out = tmp_path / "report"
    completion = graph.completion(*REMAP, "-p", "use_sim_time:=true")
    evaluation = graph.start(
        "evaluation_node",
        *REMAP,
        *("-p", f"bag:={recording.path}", "-p", f"out:={out}", "-p", "models:=fast", "-p", "frames:=3"),
        *("-p", "silence:=1.0"),
    )
    graph.observer.wait_for_outputs("depth/image_rect", "depth/info")
    wait = "wait_for_subscribers:=/camera/image:2,/camera/camera_info,/camera/points:2,/tf_static"
    player = graph.play(recording.path, "-p", wait)
    graph.observer.wait(lambda: evaluation.returncode is not None, "the report", timeout=60.0)
    assert evaluation.returncode == 0, evaluation.output
    assert player.wait() == 0
    assert (out / "report.html").stat().st_size > 1000
    assert str(out / "report.html") in evaluation.output
    live = json.loads((out / "live.json").read_text())
    assert live["model"] == "fast"
    assert live["completed"] >= len(recording.stamps) // 2
    assert live["end_to_end"]["count"] == live["completed"]
    assert live["stages"]["complete"]["count"] > 0
    rates = {row["name"]: row["rate_hz"] for row in live["topics"]}
    assert rates["/camera/image"] == pytest.approx(10.0, rel=0.3)
    assert set(rates) >= {"/camera/points", "/depth/image_rect"}
    assert isinstance(live["drops"], dict)
    assert completion.interrupt() == 0


def test_without_a_live_graph(graph, recording, tmp_path):
    out = tmp_path / "report"
    evaluation = graph.start(
        "evaluation_node",
        *("-p", f"bag:={recording.path}", "-p", f"out:={out}", "-p", "models:=fast", "-p", "frames:=2"),
        *("-p", "live:=false"),
    )
    assert evaluation.wait(60.0) == 0, evaluation.output
    assert (out / "report.html").is_file()
    assert not (out / "live.json").exists()


def test_a_recording_without_what_is_needed_is_one_clear_error(graph, recording, tmp_path):
    evaluation = graph.start(
        "evaluation_node",
        *("-p", f"bag:={recording.path}", "-p", "live:=false", "-p", "topics.points:=/lidar", "-p", f"out:={tmp_path}"),
        may_fail=True,
    )
    assert evaluation.wait(60.0) == 1
    assert "/lidar" in evaluation.output
    assert "Traceback" not in evaluation.output
