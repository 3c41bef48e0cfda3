"""No import runs up the floors, or in a circle. The checker itself is tried on small bad trees first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

FLOORS = {
    "frames": 0,
    "available": 0,
    "geometry": 1,
    "models": 1,
    "pipelines": 2,
    "recordings": 3,
    "messages": 3,
    "visualization": 3,
    "ros": 4,
    "evaluation": 4,
    "nodes": 5,
    "cli": 6,
    "cli_evaluate": 6,
    "cli_options": 6,
    "cli_train": 6,
    "demo": 6,
    "demo_estimation": 6,
    "demo_objects": 6,
    "__main__": 6,
}
LIVE = ("ros", "nodes")  # only these import rclpy
BESIDE = {("models", "geometry")}  # (importer, imported) on one floor, one way only
BY_NAME = ("import_module", "__import__")
GENERATED = ("msg", "srv")  # made by the build from msg/*.msg and srv/*.srv


def modules_of(root: Path) -> dict[str, Path]:
    """Return dotted name -> file of every module of depth_perception/ and training/ under ``root``."""
    found = {}
    for package in ("depth_perception", "training"):
        for file in sorted((root / package).rglob("*.py")):
            parts = file.relative_to(root).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = file
    return found


def imports_of(module: str, file: Path, known: dict[str, Path]) -> Iterator[tuple[str, int]]:
    """Yield (dotted name, line) for everything ``module`` imports, at its top or inside a function."""
    package = module if file.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(file.read_text(), str(file))):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - (node.level - 1)]
                base = ".".join([*above, *([base] if base else [])])
            for alias in node.names:
                full = f"{base}.{alias.name}"
                yield (full if full in known or base == "depth_perception" else base), node.lineno
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", getattr(node.func, "id", "")) in BY_NAME:
            name = node.args[0] if node.args else None
            if isinstance(name, ast.Constant) and isinstance(name.value, str):
                yield name.value, node.lineno


def complaint(module: str, imported: str) -> str | None:
    """Return why ``module`` may not import ``imported``, or None if it may."""
    own, other = module.split("."), imported.split(".")
    if own[0] == "training":
        if other[0] == "rclpy":
            return "training never imports rclpy"
        if other[0] == "depth_perception" and other[1:2] and other[1] in LIVE:
            return "training may not import the live graph"
        return None
    if other[0] == "training":
        return "depth_perception never imports training"
    if len(own) < 2:
        return "the package itself imports nothing of the house" if other[0] == "depth_perception" else None
    if own[1] not in FLOORS:
        return "is on no floor: name it in architecture and in FLOORS"
    if other[0] == "rclpy":
        return None if own[1] in LIVE else "only ros/ and nodes/ import rclpy"
    if other[0] != "depth_perception" or len(other) < 2 or other[1] in (*GENERATED, own[1], "__version__"):
        return None
    if other[1] not in FLOORS:
        return "is on no floor: name it in architecture and in FLOORS"
    mine, theirs = FLOORS[own[1]], FLOORS[other[1]]
    if theirs < mine or (theirs == mine and mine in (0, 6)) or (own[1], other[1]) in BESIDE:
        return None
    return f"runs up the floors: {own[1]} is on floor {mine}, {other[1]} on floor {theirs}"


def violations(root: Path) -> list[str]:
    """Return one line for each import that may not be."""
    known, lines = modules_of(root), []
    for module, file in known.items():
        for imported, line in imports_of(module, file, known):
            reason = complaint(module, imported)
            if reason:
                lines.append(f"{file.relative_to(root)}:{line} imports {imported}: {reason}")
    return lines


def circles(root: Path) -> list[list[str]]:
    """Return every circle of modules that a depth-first walk meets, each closed by its first module."""
    known = modules_of(root)
    graph = {
        module: sorted({name for name, _ in imports_of(module, file, known) if name in known and name != module})
        for module, file in known.items()
    }
    found: list[list[str]] = []
    done: set[str] = set()

    def walk(module: str, path: list[str]) -> None:
        if module in path:
            found.append([*path[path.index(module) :], module])
            return
        if module in done:
            return
        for imported in graph[module]:
            walk(imported, [*path, module])
        done.add(module)

    for module in graph:
        walk(module, [])
    return found


def make_tree(root: Path, files: dict[str, str]) -> Path:
    """Write files, and an empty __init__.py in every folder of theirs that has none."""
    for name, text in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        (root / Path(name).parts[0] / "__init__.py").touch()
        (file.parent / "__init__.py").touch()
    return root


@pytest.mark.parametrize(
    ("file", "text", "reason"),
    [
        ("depth_perception/geometry/a.py", "from depth_perception.pipelines.b import c", "up the floors"),
        ("depth_perception/geometry/a.py", "from ..pipelines import b", "up the floors"),
        ("depth_perception/geometry/a.py", "from depth_perception import pipelines", "up the floors"),
        ("depth_perception/geometry/a.py", "def f():\n    import depth_perception.models.zoo", "up the floors"),
        ("depth_perception/geometry/a.py", "from depth_perception.models import b", "up the floors"),
        ("depth_perception/messages/a.py", "from depth_perception.recordings import reader", "up the floors"),
        ("depth_perception/ros/a.py", "import depth_perception.evaluation.report as r", "up the floors"),
        ("depth_perception/frames.py", "import importlib\nimportlib.import_module('depth_perception.cli')", "up"),
        ("depth_perception/nodes/a.py", "from depth_perception.cli import main", "up the floors"),
        ("depth_perception/messages/a.py", "import rclpy.node", "only ros/ and nodes/"),
        ("depth_perception/pipelines/a.py", "from rclpy import qos", "only ros/ and nodes/"),
        ("depth_perception/demo.py", "from training.synthetic import room", "never imports training"),
        ("depth_perception/attic/a.py", "import os", "on no floor"),
        ("depth_perception/cli.py", "from depth_perception import attic", "on no floor"),
        ("training/synthetic/a.py", "import rclpy", "never imports rclpy"),
        ("training/synthetic/a.py", "from depth_perception.ros import tf", "live graph"),
        ("training/synthetic/a.py", "from depth_perception import nodes", "live graph"),
    ],
)
def test_the_checker_finds(tmp_path, file, text, reason):
    found = violations(make_tree(tmp_path, {file: text}))
    assert len(found) == 1, found
    assert reason in found[0]
    assert file in found[0]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("depth_perception/nodes/a.py", "import rclpy\nfrom depth_perception.ros import tf"),
        ("depth_perception/geometry/a.py", "from depth_perception.geometry.b import c\nfrom . import d\nimport numpy"),
        ("depth_perception/models/a.py", "from depth_perception.geometry.b import c"),
        ("depth_perception/messages/a.py", "from depth_perception.msg import DepthInfo"),
        ("depth_perception/cli.py", "from depth_perception import __version__\nfrom depth_perception.demo import x"),
        ("training/synthetic/a.py", "from depth_perception.messages import image\nfrom training.synthetic import b"),
    ],
)  # fmt: skip
def test_the_checker_allows(tmp_path, file, text):
    assert violations(make_tree(tmp_path, {file: text})) == []


def test_the_checker_finds_circles(tmp_path):
    tree = make_tree(
        tmp_path,
        {
            "depth_perception/geometry/a.py": "from depth_perception.geometry import b",
            "depth_perception/geometry/b.py": "def f():\n    from .c import x",
            "depth_perception/geometry/c.py": "import depth_perception.geometry.a",
            "depth_perception/geometry/d.py": "from .a import y",
        },
    )
    assert violations(tree) == []
    names = [f"depth_perception.geometry.{letter}" for letter in "abca"]
    assert circles(tree) == [names]


def test_no_import_runs_up_the_floors(repository):
    assert len(modules_of(repository)) > 20, "the modules were not found"
    assert violations(repository) == []


def test_no_circles(repository):
    assert circles(repository) == []
