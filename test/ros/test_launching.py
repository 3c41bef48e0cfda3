import os
import shlex
import signal
import subprocess
import sys
import time

import pytest
import yaml

from depth_perception.ros import launching
from depth_perception.ros.launching import Argument, Launch, LaunchError, NodePlan


def plan_of(*nodes):
    return lambda values: list(nodes)


ARGUMENTS = (
    Argument("bag", None, "Recording to play."),
    Argument("rate", "1.0", "Speed."),
    Argument("rviz", "false", "Show it.", ("true", "false")),
    Argument("model", "", "Which.", ("", "fast")),
)
LAUNCH = Launch("try", "Tries things.", ARGUMENTS, plan_of())


def test_resolve_fills_in_defaults():
    assert LAUNCH.resolve({"bag": "x"}) == {"bag": "x", "rate": "1.0", "rviz": "false", "model": ""}


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "bag:= must be given: Recording to play."),
        ({"bag": ""}, "bag:= must be given"),
        ({"bag": "x", "tempo": "2"}, "tempo: launch try has no such argument; it has bag, rate, rviz, model"),
        ({"bag": "x", "rviz": "yes"}, "rviz: 'yes' is not one of true, false"),
        ({"bag": "x", "model": "slow"}, "model: 'slow' is not one of \"\", fast"),
    ],
)
def test_bad_arguments_are_named(given, text):
    with pytest.raises(LaunchError) as raised:
        LAUNCH.resolve(given)
    assert str(raised.value).startswith(text)


def test_parse_arguments():
    assert launching.parse_arguments(["a:=1", "b:=", "c:=x:=y"]) == {"a": "1", "b": "", "c": "x:=y"}
    for word in ("a=1", ":=1", "a"):
        with pytest.raises(LaunchError, match="is not of the form argument:=value"):
            launching.parse_arguments([word])


def test_ros_arguments_in_full():
    node = NodePlan(
        "completion_node",
        "left_completion",
        namespace="robot/left",
        arguments=("-d", "file"),
        parameter_file="/c.yaml",
        parameters={"use_sim_time": True, "transform.fixed_frame": "1", "sync.offset": 0.5},
        remappings=(("image", "/cam/image"),),
        log_level="debug",
    )
    assert " ".join(launching.ros_arguments(node)) == (
        "-d file --ros-args -r __node:=left_completion -r __ns:=/robot/left -r image:=/cam/image "
        '--params-file /c.yaml -p use_sim_time:=true -p transform.fixed_frame:="1" -p sync.offset:=0.5 '
        "--log-level debug"
    )


@pytest.mark.parametrize("value", [True, 3, 0.25, "1", "on", "odom", "", 'a "quoted" name', "null"])
def test_parameter_values_keep_their_type(value):
    words = launching.ros_arguments(NodePlan("n", "n", parameters={"p": value}))
    read = yaml.safe_load(words[words.index("-p") + 1].partition(":=")[2])
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize("given", ["left", "/left", "/left/"])
def test_absolute(given):
    assert launching.absolute(given) == "/left"


def test_programs_of_other_packages_must_be_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(LaunchError, match=r"rviz2 is not installed; it comes with ROS 2 \(package rviz2\)"):
        launching.command_line(NodePlan("rviz2", "rviz2", package="rviz2"))
    (tmp_path / "rviz2").write_text("#!/bin/sh\n")
    (tmp_path / "rviz2").chmod(0o755)
    assert launching.command_line(NodePlan("rviz2", "rviz2", package="rviz2"))[0] == str(tmp_path / "rviz2")


def test_own_nodes_run_in_this_interpreter():
    command = launching.command_line(NodePlan("completion_node", "c"))
    assert command[0] == sys.executable
    assert "depth_perception.nodes.completion_node" in command[2]


STAY = """
import pathlib, signal, sys

folder = pathlib.Path(sys.argv[1])

def end(*_):
    (folder / "interrupted").touch()
    sys.exit()

signal.signal(signal.SIGINT, end)
print("up", flush=True)
(folder / "up").touch()
while True:
    signal.pause()
"""


def stay_until_interrupted(folder):
    """Return a shell command that says up, waits for SIGINT, and then leaves the file ``interrupted`` in ``folder``."""
    return shlex.join(["exec", sys.executable, "-c", STAY, str(folder)])


@pytest.fixture
def processes(monkeypatch, tmp_path):
    """Replace nodes by small shell scripts, given as their executables."""
    monkeypatch.setattr(launching, "command_line", lambda node: ["sh", "-c", node.executable])
    return tmp_path


def test_a_required_process_ends_the_others(processes, capfd):
    stay = NodePlan(stay_until_interrupted(processes), "stay")
    leave = NodePlan(f"until [ -e {processes}/up ]; do sleep 0.02; done; echo done", "leave")
    began = time.monotonic()
    assert launching.run_without_ros(Launch("t", "", (), plan_of(stay, leave)), {}) == 0
    assert time.monotonic() - began < 20
    assert (processes / "interrupted").exists()
    output = capfd.readouterr().out
    assert "[stay] up" in output
    assert "[leave] done" in output


def test_an_optional_process_may_end_but_not_fail(processes, capfd):
    main = NodePlan("sleep 0.7; exit 0", "main")
    fine = NodePlan("exit 0", "fine", required=False)
    broken = NodePlan("exit 5", "broken", required=False)
    assert launching.run_without_ros(Launch("t", "", (), plan_of(main, fine)), {}) == 0
    assert launching.run_without_ros(Launch("t", "", (), plan_of(main, fine, broken)), {}) == 5
    assert "broken ended with status 5" in capfd.readouterr().err


def test_processes_get_the_profile_for_large_messages(processes, capfd, monkeypatch):
    monkeypatch.delenv("FASTDDS_DEFAULT_PROFILES_FILE", raising=False)
    monkeypatch.delenv("FASTRTPS_DEFAULT_PROFILES_FILE", raising=False)
    launching.run_without_ros(Launch("t", "", (), plan_of(NodePlan("echo $FASTRTPS_DEFAULT_PROFILES_FILE", "n"))), {})
    assert "/config/fastdds_" in capfd.readouterr().out


def test_nothing_starts_with_bad_arguments(processes):
    touched = processes / "started"
    launch = Launch("t", "", (Argument("bag", None, "Recording."),), plan_of(NodePlan(f"touch {touched}", "n")))
    with pytest.raises(LaunchError):
        launching.run_without_ros(launch, {})
    assert not touched.exists()


def test_ctrl_c_ends_everything_quietly(tmp_path):
    code = (
        "import sys\n"
        "from depth_perception.ros import launching\n"
        "from depth_perception.ros.launching import Launch, NodePlan\n"
        "launching.command_line = lambda node: ['sh', '-c', node.executable]\n"
        "node = NodePlan(sys.argv[1], 'n')\n"
        "sys.exit(launching.run_without_ros(Launch('t', '', (), lambda values: [node]), {}))\n"
    )
    command = [sys.executable, "-c", code, stay_until_interrupted(tmp_path)]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "[n] up\n"
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 130
    assert errors == ""
    assert (tmp_path / "interrupted").exists()


def test_descriptions():
    text = launching.describe(LAUNCH)
    assert "bag: Recording to play. (must be given)" in text
    assert "rviz: Show it. (default 'false'; one of true, false)" in text
    table = launching.argument_table(LAUNCH).splitlines()
    assert table[2:] == [
        "| `bag` | must be given | Recording to play. |",
        "| `rate` | `1.0` | Speed. |",
        "| `rviz` | `false` | Show it. One of `true`, `false`. |",
        "| `model` | empty | Which. One of `fast`. |",
    ]
