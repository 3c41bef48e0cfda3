import os

import pytest
import setup_workspace as setup
import workspace_wheels as wheels
from workspace_checks import SetupError


@pytest.fixture
def root(tmp_path):
    for name in (
        "msg/DepthInfo.msg",
        "depth_perception/__init__.py",
        "depth_perception/frames.py",
        "launch/a.launch.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    for name in ("package.xml", "CMakeLists.txt", "LICENSE"):
        (tmp_path / name).write_text(name)
    for name in ("scripts", "config"):
        (tmp_path / name).mkdir()
    (tmp_path / "requirements").mkdir()
    (tmp_path / "requirements" / "pins.txt").write_text("numpy==2.4\n")
    return tmp_path


def workspace(root, distro=None, **environment):
    return setup.Workspace(root, "/usr/bin/python3.12", distro, {"PATH": "/usr/bin", **environment})


def test_everything_is_written_inside(tmp_path):
    variables = setup.contained_environment(tmp_path, {"HOME": "/home/robot", "ROS_LOG_DIR": "/var/log/ros"})
    for name in ("COLCON_HOME", "MPLCONFIGDIR", "ROS_HOME", "TMPDIR", "XDG_CACHE_HOME", "PIP_CACHE_DIR"):
        assert variables[name].startswith(str(tmp_path / "build")), name
    assert "ROS_LOG_DIR" not in variables
    assert variables["HOME"] == "/home/robot"
    assert (tmp_path / "build" / "tmp").is_dir()
    assert setup.contained_environment(tmp_path, {"PIP_CACHE_DIR": "/c"})["PIP_CACHE_DIR"] == "/c"


def test_wheels_are_built_against_the_virtual_environment_alone(root):
    variables = workspace(root, PYTHONPATH="/old", LD_LIBRARY_PATH="/old").build_environment()
    assert variables["AMENT_PREFIX_PATH"] == variables["CMAKE_PREFIX_PATH"] == str(root / ".venv")
    assert variables["PATH"] == f"{root}/.venv/bin:/usr/bin"
    assert "PYTHONPATH" not in variables
    assert "LD_LIBRARY_PATH" not in variables


def test_a_sourced_ros_keeps_its_paths(root):
    sourced = {"PYTHONPATH": "/opt/ros/jazzy/lib", "AMENT_PREFIX_PATH": "/opt/ros/jazzy"}
    variables = workspace(root, "jazzy", **sourced).build_environment()
    assert {name: variables[name] for name in sourced} == sourced
    assert variables["PATH"].startswith(f"{root}/.venv/bin:")


def test_key_tells_wheels_distributions_and_pythons_apart(root):
    other = setup.Workspace(root, "/usr/bin/python3.13", None, {})
    assert len({workspace(root).key, workspace(root, "jazzy").key, other.key}) == 3
    # overlays come and go without the environment being made anew
    assert (
        workspace(root, "jazzy", AMENT_PREFIX_PATH="/a").key == workspace(root, "jazzy", AMENT_PREFIX_PATH="/b:/a").key
    )


def test_sources_are_links_into_the_checkout(root):
    base = setup.lay_out_sources(root, with_tf2_msgs=True)
    package = base / "src" / "depth_perception"
    assert (package / "msg" / "DepthInfo.msg").read_text() == "msg/DepthInfo.msg"
    assert all(link.is_symlink() and not os.path.isabs(os.readlink(link)) for link in package.iterdir())
    assert not (package / ".venv").exists()
    assert (base / "src" / "tf2_msgs" / "package.xml").is_file()
    (package / "launch").unlink()
    (package / "launch").symlink_to("/nowhere")
    setup.lay_out_sources(root, with_tf2_msgs=False)
    assert (package / "launch" / "a.launch.py").is_file()
    assert not (base / "src" / "tf2_msgs").exists()


def test_only_what_a_build_with_links_sees_asks_for_another(root):
    first = setup.sources_key(root)
    (root / "depth_perception" / "frames.py").write_text("edited")
    (root / "depth_perception" / "__pycache__").mkdir()
    (root / "depth_perception" / "__pycache__" / "frames.pyc").touch()
    assert setup.sources_key(root) == first
    (root / "depth_perception" / "camera.py").touch()
    with_file = setup.sources_key(root)
    (root / "msg" / "DepthInfo.msg").write_text("changed")
    with_message = setup.sources_key(root)
    (root / "depth_perception" / "__init__.py").write_text("changed")
    assert len({first, with_file, with_message, setup.sources_key(root)}) == 4


def test_dead_links_are_removed(tmp_path):
    (tmp_path / "deep").mkdir()
    (tmp_path / "file").touch()
    (tmp_path / "deep" / "good").symlink_to("../file")
    (tmp_path / "deep" / "dead").symlink_to("../renamed")
    assert setup.remove_dead_links(tmp_path) == [tmp_path / "deep" / "dead"]
    assert (tmp_path / "deep" / "good").is_symlink()


class FakeColcon:
    """Notes that colcon was run, makes what the next run looks for, and fails when told to."""

    def __init__(self, root, monkeypatch):
        self.root, self.runs, self.fails = root, 0, False
        monkeypatch.setattr(wheels, "run_logged", self)
        monkeypatch.setattr(wheels, "importable", lambda *_: set())

    def __call__(self, command, log, environment, failure, cwd):
        self.runs += 1
        assert command[0] == "colcon"
        assert "--symlink-install" in command
        if self.fails:
            raise SetupError(failure)
        (self.root / "install").mkdir(exist_ok=True)
        (self.root / "install" / "setup.bash").touch()


def test_build_runs_when_something_changed_and_only_then(root, monkeypatch):
    colcon = FakeColcon(root, monkeypatch)
    setup.build(workspace(root))
    setup.build(workspace(root))
    assert colcon.runs == 1
    (root / "launch" / "b.launch.py").touch()
    setup.build(workspace(root))
    assert colcon.runs == 2
    (root / "install" / "setup.bash").unlink()
    setup.build(workspace(root))
    assert colcon.runs == 3


def test_a_failed_build_is_tried_again(root, monkeypatch):
    colcon = FakeColcon(root, monkeypatch)
    setup.build(workspace(root))
    (root / "package.xml").write_text("changed")
    colcon.fails = True
    with pytest.raises(SetupError, match="make distclean"):
        setup.build(workspace(root))
    (root / "package.xml").write_text("package.xml")  # back to what was built before: still to be built anew
    colcon.fails = False
    setup.build(workspace(root))
    assert colcon.runs == 3


def test_another_ros_starts_from_nothing(root, monkeypatch):
    FakeColcon(root, monkeypatch)
    setup.build(workspace(root))
    stale = root / "install" / "stale"
    stale.touch()
    setup.build(workspace(root))
    assert stale.exists()
    setup.build(workspace(root, "jazzy"))
    assert not stale.exists()


def test_torch_index():
    assert setup.torch_options({}) == []
    assert setup.torch_options({"TORCH_INDEX": ""}) == []
    assert setup.torch_options({"TORCH_INDEX": "https://x/cpu"}) == ["--extra-index-url", "https://x/cpu"]


def test_groups_exist(repository):
    for groups in setup.GROUPS.values():
        for group in ("ros", *groups):
            assert (repository / "requirements" / f"{group}.txt").is_file()


def test_parts_of_the_package_exist(repository):
    assert all((repository / part).exists() for part in setup.PACKAGE_PARTS)


def test_one_at_a_time(tmp_path, capsys):
    import subprocess
    import sys

    code = (
        f"import fcntl; fcntl.flock(open({str(tmp_path / 'build/set_up/lock')!r}, 'w'), fcntl.LOCK_EX | fcntl.LOCK_NB)"
    )
    with setup.only_one(tmp_path):
        other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "BlockingIOError" in other.stderr
    with setup.only_one(tmp_path):
        pass
    assert capsys.readouterr().out == ""


def test_missing_things_end_with_status_1_and_words(monkeypatch, capsys):
    def nothing_there(*_):
        raise SetupError("Missing: cmake.\nType: sudo apt install cmake")

    monkeypatch.setattr(setup, "look_at_machine", nothing_there)
    with pytest.raises(SystemExit) as ended:
        setup.main(["build"])
    assert ended.value.code == 1
    assert "Type: sudo apt install cmake" in capsys.readouterr().err
