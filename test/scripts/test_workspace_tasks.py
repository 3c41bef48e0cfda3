import os

import pytest
import workspace_tasks as tasks


@pytest.fixture
def calls(monkeypatch):
    """Commands instead of processes; ``fail`` names the first word of one that ends with status 3."""

    class Calls(list):
        fail = ""

        def run_all(self, commands, root, environment):
            for command in commands:
                self.append(command)
                if command[0] == self.fail:
                    return 3
            return 0

    calls = Calls()
    monkeypatch.setattr(tasks, "run_all", calls.run_all)
    return calls


def test_commands_run_inside_the_sourced_workspace(tmp_path, capfd):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "env.sh").write_text("export GREETING='hello there'\n")
    status = tasks.run_all([["sh", "-c", 'echo "$GREETING" "$1"', "sh", "a b"]], tmp_path, os.environ)
    assert status == 0
    assert "hello there a b" in capfd.readouterr().out


def test_the_first_failure_ends_a_row_of_commands(tmp_path, capfd):
    (tmp_path / "scripts").mkdir()
    (tmp_path / "scripts" / "env.sh").write_text("")
    assert tasks.run_all([["true"], ["sh", "-c", "exit 4"], ["echo", "never"]], tmp_path, os.environ) == 4
    assert "never\n" not in capfd.readouterr().out.replace("$ echo never", "")


def test_tests_come_last_so_that_their_closing_line_does(tmp_path, calls):
    assert tasks.run("test", tmp_path, {}) == 0
    assert [command[0] for command in calls] == ["ruff", "ruff", "mypy", "pytest"]
    assert str(tmp_path / "build") in calls[-1][-1]


def test_a_linter_that_complains_ends_the_tests(tmp_path, calls):
    calls.fail = "mypy"
    assert tasks.run("test", tmp_path, {}) == 3
    assert calls[-1] == ["mypy"]


def test_lint_runs_no_tests(tmp_path, calls):
    assert tasks.run("lint", tmp_path, {}) == 0
    assert ["pytest"] not in [command[:1] for command in calls]


def test_build_tells_what_to_type(tmp_path, calls, capsys):
    assert tasks.run("build", tmp_path, {}) == 0
    assert calls == []
    assert ". scripts/env.sh" in capsys.readouterr().out


def test_demo_renders_its_recording_once(tmp_path, calls):
    source = tmp_path / "training" / "synthetic" / "room.py"
    source.parent.mkdir(parents=True)
    source.write_text("chairs = 1")
    recording = tmp_path / "out" / "demo" / "recording"
    render = ["python", "-m", "training.synthetic.make_demo", "out/demo/recording"]
    show = ["depth_perception", "demo", "out/demo/recording", "--out", "out/demo"]
    calls.fail = "python"
    assert tasks.run("demo", tmp_path, {}) == 3
    calls.fail = ""
    assert tasks.run("demo", tmp_path, {}) == 0
    recording.mkdir(parents=True)
    (recording / "old.mcap").touch()
    assert tasks.run("demo", tmp_path, {}) == 0
    assert calls == [render, render, show, show]
    source.write_text("chairs = 2")
    assert tasks.run("demo", tmp_path, {}) == 0
    assert calls[4:] == [render, show]
    assert not (recording / "old.mcap").exists()
