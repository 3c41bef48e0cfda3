import os
import subprocess
import sys
from pathlib import Path

import pytest
import workspace_wheels as wheels
from workspace_checks import SetupError

BUILDER = "/opt/python/cp311-cp311"
NUMPY = f"{BUILDER}/lib/python3.11/site-packages/numpy/_core/include"
EXPORT = f"""set_target_properties(std_msgs::py PROPERTIES
  INTERFACE_INCLUDE_DIRECTORIES "{BUILDER}/include/python3.11;{NUMPY}"
  INTERFACE_LINK_LIBRARIES "rclpy;/opt/other/lib")
"""


def test_mend_text_replaces_both_folders_and_nothing_else():
    mended = wheels.mend_text(EXPORT, "/usr/include/python3.12", "/v/numpy/include")
    assert '"/usr/include/python3.12;/v/numpy/include"' in mended
    assert "/opt/python" not in mended
    assert "/opt/other/lib" in mended
    assert wheels.mend_text(mended, "/usr/include/python3.12", "/v/numpy/include") == mended


def test_mend_cmake_files(tmp_path):
    bad = tmp_path / "std_msgs" / "cmake" / "export_std_msgs__rosidl_generator_pyExport.cmake"
    good = tmp_path / "rcl" / "cmake" / "rclExport.cmake"
    for file, text in ((bad, EXPORT), (good, "nothing to see")):
        file.parent.mkdir(parents=True)
        file.write_text(text)
    assert wheels.mend_cmake_files(tmp_path, "/i", "/n") == [bad]
    assert '"/i;/n"' in bad.read_text()
    assert wheels.mend_cmake_files(tmp_path, "/i", "/n") == []
    assert good.read_text() == "nothing to see"


def test_include_folders_are_those_of_the_interpreter():
    python_include, numpy_include = wheels.include_folders(Path(sys.executable), os.environ)
    assert (
        python_include
        == subprocess.run(
            [sys.executable, "-c", "import sysconfig; print(sysconfig.get_path('include'))"],
            capture_output=True,
            text=True,
        ).stdout.strip()
    )
    assert (Path(numpy_include) / "numpy" / "arrayobject.h").is_file()


def test_digest_tells_apart(tmp_path):
    file = tmp_path / "pins.txt"
    missing = wheels.digest(file)
    file.write_text("numpy==1")
    first = wheels.digest(file)
    file.write_text("numpy==2")
    assert len({missing, first, wheels.digest(file)}) == 3
    assert wheels.digest("ab", "c") != wheels.digest("a", "bc")
    assert wheels.digest("a") == wheels.digest("a")


def test_stamps(tmp_path):
    stamps = wheels.Stamps(tmp_path / "deep" / "stamps")
    assert not stamps.exists("ros")
    assert not stamps.is_current("ros", "k")
    stamps.forget("ros")
    stamps.write("ros", "k")
    assert stamps.is_current("ros", "k")
    assert not stamps.is_current("ros", "other")
    assert stamps.exists("ros")
    stamps.forget("ros")
    assert not stamps.exists("ros")


def test_run_logged_keeps_the_output_and_shows_its_end(tmp_path):
    log = tmp_path / "logs" / "step.log"
    script = "for i in $(seq 40); do echo line $i; done; echo broken >&2; exit 3"
    with pytest.raises(SetupError) as raised:
        wheels.run_logged(["sh", "-c", script], log, os.environ, "Type: something", tmp_path)
    text = str(raised.value)
    assert "  broken" in text
    assert text.endswith("Type: something")
    assert "line 3\n" not in text
    assert str(log) in text
    assert log.read_text().startswith("line 1\n")


def test_run_logged_names_a_missing_program(tmp_path):
    with pytest.raises(SetupError, match=r"Missing: no-such-program\.\nType: that"):
        wheels.run_logged(["no-such-program"], tmp_path / "log", os.environ, "Type: that", tmp_path)


class FakePip:
    """Stands in for .venv/bin/python: notes its arguments and fails when told to."""

    def __init__(self, venv):
        self.calls = venv.parent / "calls"
        self.fail = venv.parent / "fail"
        python = venv / "bin" / "python"
        python.parent.mkdir(parents=True)
        python.write_text(f'#!/bin/sh\necho "$@" >> "{self.calls}"\n[ ! -e "{self.fail}" ]\n')
        python.chmod(0o755)

    def count(self):
        return len(self.calls.read_text().splitlines()) if self.calls.exists() else 0


@pytest.fixture
def requirements(tmp_path):
    folder = tmp_path / "requirements"
    folder.mkdir()
    (folder / "pins.txt").write_text("numpy==2.4\n")
    (folder / "runtime.txt").write_text("-c pins.txt\nnumpy\n")
    return folder / "runtime.txt"


def test_a_group_is_installed_once_until_its_pins_change(tmp_path, requirements):
    venv = tmp_path / ".venv"
    pip = FakePip(venv)
    assert not wheels.install_is_current(venv, requirements, [], "k")
    wheels.install_group(venv, requirements, os.environ, [], "k")
    assert pip.count() == 1
    assert pip.calls.read_text().strip().endswith(f"-r {requirements}")
    assert wheels.install_is_current(venv, requirements, [], "k")
    assert not wheels.install_is_current(venv, requirements, ["--extra-index-url", "x"], "k")
    assert not wheels.install_is_current(venv, requirements, [], "another Python")
    requirements.with_name("pins.txt").write_text("numpy==2.5\n")
    assert not wheels.install_is_current(venv, requirements, [], "k")


def test_a_failed_installation_is_tried_again(tmp_path, requirements):
    venv = tmp_path / ".venv"
    pip = FakePip(venv)
    pip.fail.touch()
    with pytest.raises(SetupError, match="proxy"):
        wheels.install_group(venv, requirements, os.environ)
    assert not wheels.install_is_current(venv, requirements, [], "")
    pip.fail.unlink()
    wheels.install_group(venv, requirements, os.environ)
    assert wheels.install_is_current(venv, requirements, [], "")


def test_an_environment_of_another_kind_is_replaced_and_a_foreign_one_kept(tmp_path):
    venv = tmp_path / ".venv"
    FakePip(venv)  # made by hand: carries no stamp
    assert not wheels.create_environment(venv, sys.executable, "key", False, os.environ)
    wheels.Stamps(venv / "stamps").write("venv", "key")
    assert not wheels.create_environment(venv, sys.executable, "key", False, os.environ)
    # a Python that only makes the folder, since a real environment takes seconds
    maker = tmp_path / "maker"
    maker.write_text('#!/bin/sh\nfor last; do :; done\nmkdir -p "$last/bin"\necho "$@" > "$last/made"\n')
    maker.chmod(0o755)
    assert wheels.create_environment(venv, str(maker), "another", True, os.environ)
    assert (venv / "made").read_text().strip() == f"-m venv --system-site-packages {venv}"
    assert not (venv / "bin" / "python").exists()
    assert wheels.Stamps(venv / "stamps").is_current("venv", "another")


def test_requirements_over_an_installed_ros(tmp_path, repository):
    target = wheels.write_overlay_requirements(repository / "requirements", tmp_path / "overlay", has_colcon=True)
    runtime = (target / "runtime.txt").read_text().split("\n")
    assert "rosbags" in runtime
    pins = {wheels.requirement_name(line) for line in (target / "pins.txt").read_text().splitlines()}
    for taken in ("numpy", "opencv-contrib-python-headless", "scipy", "matplotlib", "pyyaml", "ros-rclpy"):
        assert taken not in pins
        assert taken not in [wheels.requirement_name(line) for line in runtime]
    assert {"rosbags", "pytest", "torch"} <= pins
    assert (target / "ros.txt").read_text() == "-c pins.txt\n"
    wheels.write_overlay_requirements(repository / "requirements", tmp_path / "overlay", has_colcon=False)
    assert (target / "ros.txt").read_text() == "-c pins.txt\ncolcon-common-extensions\n"


@pytest.mark.parametrize(
    ("line", "name"),
    [("numpy==2 ; x", "numpy"), ("ros-rclpy[fastrtps]", "ros-rclpy"), ("# note", ""), ("-c pins.txt", ""), ("", "")],
)
def test_requirement_name(line, name):
    assert wheels.requirement_name(line) == name


def test_importable():
    assert wheels.importable(Path(sys.executable), ["json", "no_such_module"], os.environ) == {"json"}


def test_missing_distribution_packages_are_named(monkeypatch, tmp_path):
    python = tmp_path / "python"
    python.write_text("#!/bin/sh\necho numpy yaml cv2 jinja2\n")
    python.chmod(0o755)
    with pytest.raises(SetupError, match=r"Missing: python3-scipy, python3-matplotlib\.\nType: sudo apt install"):
        wheels.check_distribution_packages(python, os.environ)


def test_distribution_packages_are_keys_of_the_manifest(repository):
    manifest = (repository / "package.xml").read_text()
    for key in wheels.DISTRIBUTION_MODULES:
        assert f"<exec_depend>{key}</exec_depend>" in manifest
