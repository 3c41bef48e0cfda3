"""package.xml, CMakeLists.txt, setup.py, requirements/ and the scripts say the same."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

import depth_perception

# Python module -> key of package.xml that brings it
KEYS = {
    "cv2": "python3-opencv",
    "jinja2": "python3-jinja2",
    "matplotlib": "python3-matplotlib",
    "numpy": "python3-numpy",
    "scipy": "python3-scipy",
    "yaml": "python3-yaml",
    "tf2_ros": "tf2_ros_py",
}
# Python module -> distribution on PyPI, where the names differ
DISTRIBUTIONS = {
    "cv2": "opencv-contrib-python-headless",
    "yaml": "pyyaml",
    "rerun": "rerun-sdk",
    "skimage": "scikit-image",
    "sklearn": "scikit-learn",
}
# no rosdep key that apt can install; imported on use, with a word on how to get them
PIP_ONLY = {"rosbags", "rerun", "torch", "onnx", "onnxruntime", "safetensors", "skimage", "sklearn", "trimesh"}


@pytest.fixture(scope="module")
def manifest(repository):
    return ElementTree.parse(repository / "package.xml").getroot()


@pytest.fixture(scope="module")
def cmake(repository):
    return (repository / "CMakeLists.txt").read_text()


@pytest.fixture(scope="module")
def dependencies(manifest):
    return {element.text for element in manifest if element.tag.endswith("depend")}


def imported_modules(package: Path) -> set[str]:
    """Top-level names of everything imported, or looked for by name, anywhere in the package."""
    names = set()
    for file in package.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Import):
                names |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names.add((node.module or "").split(".")[0])
            elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
                function = getattr(node.func, "attr", getattr(node.func, "id", ""))
                if function in ("import_module", "optional") and isinstance(node.args[0].value, str):
                    names.add(node.args[0].value.split(".")[0])
    return names


def test_version_is_the_same_everywhere(manifest):
    assert manifest.findtext("version") == depth_perception.__version__


def test_a_hybrid_package(manifest):
    assert manifest.findtext("name") == "depth_perception"
    assert manifest.findtext("license") == "Apache-2.0"
    assert manifest.findtext("export/build_type") == "ament_cmake"
    assert manifest.findtext("member_of_group") == "rosidl_interface_packages"


def test_licence_is_there_in_full(repository):
    text = (repository / "LICENSE").read_text()
    assert "Apache License" in text
    assert "END OF TERMS AND CONDITIONS" in text


def test_every_import_has_a_key(repository, dependencies):
    missing = set()
    for module in imported_modules(repository / "depth_perception") - set(sys.stdlib_module_names):
        if module not in {"depth_perception", "", *PIP_ONLY} and KEYS.get(module, module) not in dependencies:
            missing.add(module)
    assert missing == set()


def test_every_import_is_installed_by_make(repository, dependencies):
    """Only ROS itself comes from elsewhere."""
    listed = set()
    for name in ("runtime", "training", "learning", "view", "dev"):
        listed |= {line.lower() for line in (repository / "requirements" / f"{name}.txt").read_text().split("\n")}
    imported = imported_modules(repository / "depth_perception") | imported_modules(repository / "training")
    for module in imported - set(sys.stdlib_module_names) - {"depth_perception", "training", "benchmarks", ""}:
        if KEYS.get(module, module) in dependencies - set(KEYS.values()) | {"tf2_ros_py"}:
            continue
        assert DISTRIBUTIONS.get(module, module) in listed, module


def test_every_message_is_generated(repository, cmake):
    files = {f"{kind}/{file.name}" for kind in ("msg", "srv") for file in (repository / kind).glob(f"*.{kind}")}
    assert files == set(re.findall(r'"((?:msg|srv)/\w+\.(?:msg|srv))"', cmake))


def test_messages_name_their_packages(repository, cmake, manifest):
    used = set()
    for file in (repository / "msg").glob("*.msg"):
        used |= set(re.findall(r"^(\w+)/\w+", file.read_text(), re.MULTILINE))
    generated_from = re.search(r"DEPENDENCIES ([^)]*)\)", cmake)
    assert generated_from is not None
    assert used <= set(generated_from[1].split())
    assert set(generated_from[1].split()) <= {element.text for element in manifest.findall("depend")}
    for package in generated_from[1].split():
        assert f"find_package({package} REQUIRED)" in cmake


def test_every_node_is_installed(repository, cmake):
    listed = set(re.findall(r"^\s+scripts/(\w+)$", cmake, re.MULTILINE))
    nodes = {file.stem for file in (repository / "depth_perception" / "nodes").glob("*_node.py")}
    assert listed == nodes | {"depth_perception"}


@pytest.mark.parametrize(
    "name",
    [
        "bag_player_node",
        "completion_node",
        "decomposition_node",
        "depth_perception",
        "estimation_node",
        "evaluation_node",
    ],
)
def test_executables_run_wherever_python_is(repository, name):
    script = repository / "scripts" / name
    text = script.read_text()
    module = re.search(r"from (depth_perception\.[\w.]+) import main", text)
    assert text.startswith("#!/usr/bin/env python3\n")
    assert script.stat().st_mode & 0o111 == 0o111
    assert module is not None
    assert (repository / (module[1].replace(".", "/") + ".py")).is_file()


def test_executable_bits_are_in_git(repository):
    listed = subprocess.run(
        ["git", "ls-files", "--stage", "scripts", ".ci/run"],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    if listed.returncode:
        pytest.skip("not a git checkout")
    modes = {line.split("\t")[1]: line[:6] for line in listed.stdout.splitlines()}
    for name in ("scripts/completion_node", "scripts/depth_perception", "scripts/estimation_node", ".ci/run"):
        assert modes[name] == "100755", name


def test_no_folder_has_the_name_of_a_generated_one(repository):
    package = repository / "depth_perception"
    assert not any((package / name).exists() for name in ("msg", "srv", "action", "msg.py", "srv.py", "action.py"))


def test_everything_pinned_once(repository):
    folder = repository / "requirements"
    pins = re.findall(r"^([\w.-]+)==\S+(?: ; (.+))?$", (folder / "pins.txt").read_text(), re.MULTILINE)
    names = [name.lower() for name, _ in pins]
    wanted = set()
    for file in folder.glob("*.txt"):
        if file.name != "pins.txt":
            text = file.read_text()
            assert "-c pins.txt" in text, file.name
            assert "==" not in text, f"{file.name} pins something; pins.txt is the place for that"
            wanted |= {line.split("[")[0].lower() for line in text.splitlines() if re.match(r"\w", line)}
    assert wanted <= set(names)
    for name in set(names):
        markers = sorted(marker for other, marker in pins if other.lower() == name)
        assert markers in (
            [""],
            ['python_version < "3.11"'],
            ['python_version < "3.11"', 'python_version >= "3.11"'],
        ), name


def test_pip_extras(repository):
    text = (repository / "setup.py").read_text()
    assert "==" not in text, "exact versions belong into requirements/pins.txt"
    for extra in ("training", "view", "dev"):
        assert f'"{extra}": [' in text


def test_wheel_holds_code_and_shared_files(repository, tmp_path):
    source = tmp_path / "source"
    source.mkdir()
    parts = (
        "package.xml",
        "setup.py",
        "pyproject.toml",
        "LICENSE",
        "config",
        "launch",
        "msg",
        "srv",
        "depth_perception",
    )
    for name in parts:
        (source / name).symlink_to(repository / name)
    command = [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--no-index"]
    done = subprocess.run([*command, "-w", str(tmp_path), str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()
    assert depth_perception.__version__ in wheel.name
    for file in (repository / "depth_perception").rglob("*"):
        if file.is_file() and "__pycache__" not in file.parts:
            assert str(file.relative_to(repository)) in names
    shared = {name.partition("share/depth_perception/")[2] for name in names if "share/depth_perception/" in name}
    assert {
        "config/fastdds_large_messages.xml",
        "launch/completion.launch.py",
        "msg/DepthInfo.msg",
        "msg/DepthScale.msg",
    } <= shared
