import os
import re
import sys

import pytest
import workspace_checks as checks
from workspace_checks import PythonFacts, SetupError

GOOD = PythonFacts("/usr/bin/python3.12", (3, 12), has_venv=True, has_headers=True)


def test_probe_tells_the_truth_about_this_python():
    facts = checks.probe_python(sys.executable)
    assert facts.version == sys.version_info[:2]
    assert facts.executable == os.path.realpath(sys.executable)
    assert facts.name == f"python3.{sys.version_info[1]}"


def test_probe_of_nothing_says_what_to_type(tmp_path):
    with pytest.raises(SetupError, match=r"(?s)no_python does not run.*make PYTHON="):
        checks.probe_python(str(tmp_path / "no_python"))


@pytest.mark.parametrize(
    ("facts", "wheels", "text"),
    [
        (PythonFacts("p", (3, 9), True, True), True, r"3\.10 or newer.*python3\.9.*\nInstall one and type: make"),
        (PythonFacts("p", (3, 15), True, True), True, r"3\.10 to 3\.14.*python3\.15"),
        (
            PythonFacts("p", (3, 11), False, True),
            True,
            r"virtual environments.\nType: sudo apt install python3\.11-venv",
        ),
        (PythonFacts("p", (3, 11), True, False), True, r"headers.*\nType: sudo apt install python3\.11-dev"),
    ],
)
def test_unfit_pythons(facts, wheels, text):
    with pytest.raises(SetupError, match=re.compile(text, re.DOTALL)):
        checks.check_python(facts, wheels)


def test_fit_pythons():
    checks.check_python(GOOD, wheels=True)
    checks.check_python(PythonFacts("p", (3, 15), True, True), wheels=False)  # a sourced ROS 2 brings no wheels


def test_platform():
    checks.check_platform("Linux", "x86_64")
    with pytest.raises(SetupError, match="Darwin on arm64"):
        checks.check_platform("Darwin", "arm64")


@pytest.mark.parametrize(
    ("output", "version"),
    [("cmake version 3.28.3\n\nCMake suite", (3, 28, 3)), ("cmake 4.0", (4, 0)), ("none", ())],
)
def test_parse_version(output, version):
    assert checks.parse_version(output) == version


def fake_tool(folder, name, output):
    tool = folder / name
    tool.write_text(f"#!/bin/sh\necho '{output}'\n")
    tool.chmod(0o755)
    return str(tool)


def test_all_missing_tools_are_named_at_once():
    with pytest.raises(SetupError) as raised:
        checks.check_tools(which=lambda name: None, environment={})
    assert str(raised.value) == (
        "Missing: a C++ compiler, CMake 3.16 or newer, make, bash.\n"
        "Type: sudo apt install g++ cmake make bash    (or your system's equivalent)"
    )


def test_one_missing_tool(tmp_path):
    cmake = fake_tool(tmp_path, "cmake", "cmake version 3.25.1")
    there = {"cmake": cmake, "make": "make", "bash": "bash"}
    with pytest.raises(SetupError, match=r"Missing: a C\+\+ compiler\.\nType: sudo apt install g\+\+ "):
        checks.check_tools(which=there.get, environment={})
    checks.check_tools(which={**there, "icpx": "icpx"}.get, environment={"CXX": "icpx -O2"})


def test_old_cmake(tmp_path):
    cmake = fake_tool(tmp_path, "cmake", "cmake version 3.10.2")
    there = {"cmake": cmake, "make": "make", "bash": "bash", "g++": "g++"}
    with pytest.raises(SetupError, match=r"3\.16 or newer is needed; .*cmake is 3\.10\.2"):
        checks.check_tools(which=there.get, environment={})


def test_own_paths_are_taken_out(tmp_path):
    environment = {
        "AMENT_PREFIX_PATH": f"{tmp_path}/install/depth_perception:{tmp_path}/.venv",
        "PATH": f"{tmp_path}/.venv/bin:/usr/bin:{tmp_path}2/bin",
        "PYTHONPATH": f"{tmp_path}:/opt/ros/jazzy/lib",
        "VIRTUAL_ENV": f"{tmp_path}/.venv",
        "HOME": "/home/robot",
    }
    assert checks.without_own_paths(environment, tmp_path) == {
        "PATH": f"/usr/bin:{tmp_path}2/bin",
        "PYTHONPATH": "/opt/ros/jazzy/lib",
        "HOME": "/home/robot",
    }


def test_sourced_ros():
    assert checks.sourced_ros({"ROS_DISTRO": "jazzy", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}) == "jazzy"
    assert checks.sourced_ros({"ROS_DISTRO": "jazzy"}) is None
    assert checks.sourced_ros({"AMENT_PREFIX_PATH": "/some/workspace"}) is None


def test_ros_prefix(tmp_path):
    (tmp_path / "jazzy" / "share" / "rclpy").mkdir(parents=True)
    path = f"{tmp_path}/overlay{os.pathsep}{tmp_path}/jazzy"
    assert checks.ros_prefix({"AMENT_PREFIX_PATH": path}) == f"{tmp_path}/jazzy"
    assert checks.ros_prefix({}) == ""


def test_python_of_ros(tmp_path):
    without = fake_tool(tmp_path, "without", "")
    (tmp_path / "without").write_text("#!/bin/sh\necho \"No module named 'rclpy'\" >&2\nexit 1\n")
    having = fake_tool(tmp_path, "having", "")
    assert checks.python_of_ros("jazzy", [without, having], {}) == having
    with pytest.raises(SetupError) as raised:
        checks.python_of_ros("jazzy", [without, str(tmp_path / "nothing")], {})
    text = str(raised.value)
    assert "ROS 2 jazzy is sourced" in text
    assert f"{without}: No module named 'rclpy'" in text
    assert "nothing: No such file" in text
    assert "make PYTHON=/usr/bin/python3" in text


def test_die_prints_and_ends(capsys):
    with pytest.raises(SystemExit) as ended:
        checks.die(SetupError("Missing: make.\nType: sudo apt install make"))
    assert ended.value.code == 1
    assert "depth_perception: Missing: make.\nType: sudo apt" in capsys.readouterr().err
