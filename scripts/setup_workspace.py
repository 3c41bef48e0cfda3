"""Make this folder ready and run a task in it: ``python3 scripts/setup_workspace.py build|demo|lint|test|weights``.

The Makefile calls this. Steps: look at the machine, create .venv, install the pinned wheels (or take the ROS 2 that
the shell has sourced), mend the wheels' CMake files, lay out a colcon workspace in build/, colcon build, run. A step
is skipped if it was done from the same things before. Nothing outside the folder is written, nothing needs root.
Standard library only.
"""

from __future__ import annotations

import argparse
import contextlib
import fcntl
import os
import shutil
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import workspace_checks as checks
import workspace_tasks as tasks
import workspace_wheels as wheels
from workspace_checks import SetupError
from workspace_interfaces import TF2_MSGS, write_tf2_msgs

ROOT = Path(__file__).resolve().parents[1]
GROUPS = {
    "build": ("runtime",),
    "demo": ("runtime", "training"),
    "lint": ("runtime", "training", "learning", "view", "dev"),
    "test": ("runtime", "training", "learning", "view", "dev"),
    "weights": ("runtime", "training", "learning"),
}
TORCH_CPU_INDEX = "https://download.pytorch.org/whl/cpu"
# Parts of the checkout that make up the ROS package
PACKAGE_PARTS = (
    "package.xml",
    "CMakeLists.txt",
    "LICENSE",
    "msg",
    "srv",
    "depth_perception",
    "scripts",
    "launch",
    "config",
)


@dataclass(frozen=True)
class Workspace:
    """Where everything is, and which ROS 2 it is made for: ``distro`` is None for ROS 2 from wheels."""

    root: Path
    python: str
    distro: str | None
    environment: dict[str, str]

    @property
    def venv(self) -> Path:
        """The virtual environment."""
        return self.root / ".venv"

    @property
    def interpreter(self) -> Path:
        """The virtual environment's Python."""
        return self.venv / "bin" / "python"

    @property
    def stamps(self) -> wheels.Stamps:
        """Which steps of the build are done, kept beside the build."""
        return wheels.Stamps(self.root / "build" / "set_up" / "stamps")

    @property
    def key(self) -> str:
        """What the virtual environment and the build belong to."""
        source = f"{self.distro} in {checks.ros_prefix(self.environment)}" if self.distro else "wheels"
        return "|".join([str(self.root), self.python, source])

    def build_environment(self) -> dict[str, str]:
        """Environment variables for pip, CMake and colcon."""
        variables = dict(self.environment)
        variables.update(VIRTUAL_ENV=str(self.venv), PATH=f"{self.venv / 'bin'}{os.pathsep}{variables.get('PATH', '')}")
        if self.distro is None:
            for name in ("PYTHONPATH", "LD_LIBRARY_PATH", "COLCON_PREFIX_PATH", "_ROS_WHEELS_BOOTSTRAP_COMPLETE"):
                variables.pop(name, None)
            variables.update(AMENT_PREFIX_PATH=str(self.venv), CMAKE_PREFIX_PATH=str(self.venv))
        return variables


def say(text: str) -> None:
    """Tell the person at the terminal what is going on."""
    print(f"[set-up] {text}", flush=True)


@contextlib.contextmanager
def telling(text: str) -> Iterator[None]:
    """Say that something long begins, and how long it took."""
    say(f"{text} ...")
    start = time.monotonic()
    yield
    say(f"  done in {time.monotonic() - start:.0f} s")


def contained_environment(root: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return ``environment`` with every place that tools write to by habit moved into ``root``/build."""
    build = root / "build"
    contained = dict(environment)
    contained.update(
        COLCON_HOME=str(build / "colcon"),
        COLCON_EXTENSION_BLOCKLIST="colcon_core.event_handler.desktop_notification",
        HYPOTHESIS_STORAGE_DIRECTORY=str(build / "hypothesis"),
        MPLCONFIGDIR=str(build / "matplotlib"),
        ROS_HOME=str(build / "ros"),
        TMPDIR=str(build / "tmp"),
        XDG_CACHE_HOME=str(build / "cache"),
        XDG_DATA_HOME=str(build / "data"),
    )
    contained.pop("ROS_LOG_DIR", None)
    contained.setdefault("PIP_CACHE_DIR", str(build / "cache" / "pip"))
    (build / "tmp").mkdir(parents=True, exist_ok=True)
    return contained


def look_at_machine(root: Path, python: str, environment: Mapping[str, str]) -> Workspace:
    """Return the workspace that this machine can carry; raises SetupError naming what is missing."""
    cleaned = contained_environment(root, checks.without_own_paths(environment, root))
    distro = checks.sourced_ros(cleaned)
    if distro is None:
        checks.check_platform()
    else:
        python = checks.python_of_ros(distro, [python, "/usr/bin/python3"], cleaned)
        if distro != checks.TESTED_DISTRO:
            say(f"ROS 2 {distro} is sourced; this package is tested with {checks.TESTED_DISTRO}")
    facts = checks.probe_python(python)
    checks.check_python(facts, wheels=distro is None)
    checks.check_tools(environment=cleaned)
    return Workspace(root, facts.executable, distro, cleaned)


def torch_options(environment: Mapping[str, str]) -> list[str]:
    """Return pip's options for torch: another index beside PyPI if the user names one in TORCH_INDEX."""
    index = environment.get("TORCH_INDEX")
    return ["--extra-index-url", index] if index else []


def prepare_environment(workspace: Workspace, groups: tuple[str, ...]) -> None:
    """Create .venv and install what ``groups`` of requirements/ name."""
    venv, sourced = workspace.venv, workspace.distro is not None
    system_variables = dict(workspace.environment)
    if wheels.create_environment(venv, workspace.python, workspace.key, sourced, system_variables):
        source = f"ROS 2 {workspace.distro} as sourced" if sourced else "ROS 2 Jazzy from wheels"
        say(f"Created .venv with {workspace.python}; {source}")
    variables = workspace.build_environment()
    folder = workspace.root / "requirements"
    if sourced:
        wheels.check_distribution_packages(workspace.interpreter, variables)
        has_colcon = shutil.which("colcon", path=variables["PATH"]) is not None
        folder = wheels.write_overlay_requirements(
            folder, workspace.root / "build" / "set_up" / "requirements", has_colcon
        )
    installed = False
    for group in ("ros", *groups):
        extra = torch_options(os.environ) if group in ("training", "learning") else []
        if wheels.install_is_current(venv, folder / f"{group}.txt", extra, workspace.key):
            continue
        if group == "training" and not extra:
            say(
                "On Linux PyPI's torch brings CUDA (gigabytes). The small CPU build: make ... TORCH_INDEX="
                + TORCH_CPU_INDEX
            )
        with telling(f"Installing requirements/{group}.txt into .venv"):
            wheels.install_group(venv, folder / f"{group}.txt", variables, extra, workspace.key)
        installed = True
    if installed and not sourced:
        mended = wheels.mend_cmake_files(venv / "share", *wheels.include_folders(workspace.interpreter, variables))
        if mended:
            say(f"Mended the include folders in {len(mended)} CMake files of the wheels")
    if installed and "PIP_CACHE_DIR" not in os.environ:
        shutil.rmtree(workspace.environment["PIP_CACHE_DIR"], ignore_errors=True)


def lay_out_sources(root: Path, with_tf2_msgs: bool) -> Path:
    """Return build/workspace, a colcon workspace of links into the checkout.

    CMake refuses to export include folders that lie inside a project's own source folder; numpy's would, since .venv
    is in the checkout. The folder of links has no .venv in it.
    """
    sources = root / "build" / "workspace" / "src"
    package = sources / "depth_perception"
    package.mkdir(parents=True, exist_ok=True)
    for part in PACKAGE_PARTS:
        link, target = package / part, os.path.relpath(root / part, package)
        if link.is_symlink() and os.readlink(link) != target:
            link.unlink()
        if not link.is_symlink():
            link.symlink_to(target)
    if with_tf2_msgs:
        write_tf2_msgs(sources / "tf2_msgs")
    else:
        shutil.rmtree(sources / "tf2_msgs", ignore_errors=True)
    return sources.parent


def sources_key(root: Path) -> str:
    """Hash what a build with links depends on: contents of what is compiled, names of what is linked."""
    contents = [
        root / "package.xml",
        root / "CMakeLists.txt",
        *sorted((root / "msg").glob("*.msg")),
        *sorted((root / "srv").glob("*.srv")),
    ]
    names = sorted(
        str(file.relative_to(root))
        for part in ("depth_perception", "launch", "config", "scripts")
        for file in (root / part).rglob("*")
        if file.is_file() and "__pycache__" not in file.parts
    )
    # the package's __init__.py is copied, not linked
    return wheels.digest(*contents, root / "depth_perception" / "__init__.py", "\n".join(names), *TF2_MSGS.values())


def build(workspace: Workspace) -> None:
    """Run colcon unless nothing changed; raises SetupError with the end of its output if it fails."""
    root, variables = workspace.root, workspace.build_environment()
    toolchain, sources = wheels.digest(workspace.key, root / "requirements" / "pins.txt"), sources_key(root)
    stamps = workspace.stamps
    finished = stamps.is_current("toolchain", toolchain) and stamps.is_current("sources", sources)
    if finished and (root / "install" / "setup.bash").is_file():
        return
    stamps.forget("sources")
    if stamps.exists("toolchain") and not stamps.is_current("toolchain", toolchain):
        for folder in ("build/depth_perception", "build/tf2_msgs", "install"):
            shutil.rmtree(root / folder, ignore_errors=True)
    found = wheels.importable(workspace.interpreter, ["tf2_msgs"], variables)
    base = lay_out_sources(root, with_tf2_msgs="tf2_msgs" not in found)
    command = ["colcon", "--log-base", "log", "build", "--symlink-install", "--base-paths", str(base / "src")]
    options = [f"-DPython3_EXECUTABLE={workspace.interpreter}", "-DBUILD_TESTING=OFF"]
    with telling("Generating messages and installing nodes with colcon"):
        wheels.run_logged(
            [*command, "--cmake-args", *options],
            root / "build" / "set_up" / "colcon.log",
            variables,
            "Type: make distclean, and the same again. If colcon itself is missing, type: "
            "sudo apt install python3-colcon-common-extensions",
            root,
        )
    remove_dead_links(root / "install")
    stamps.write("toolchain", toolchain)
    stamps.write("sources", sources)


def remove_dead_links(folder: Path) -> list[Path]:
    """Remove links to files that are no more: installing never deletes, and a renamed module would stay importable."""
    dead = [file for file in sorted(folder.rglob("*")) if file.is_symlink() and not file.exists()]
    for file in dead:
        file.unlink()
    return dead


@contextlib.contextmanager
def only_one(root: Path) -> Iterator[None]:
    """Let one process at a time set this folder up."""
    lock = root / "build" / "set_up" / "lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            say("Waiting for another make in this folder ...")
            fcntl.flock(stream, fcntl.LOCK_EX)
        yield


def main(arguments: list[str] | None = None) -> int:
    """Set up, then run the task; return its exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("task", choices=sorted(GROUPS))
    parser.add_argument("--python", default=sys.executable, help="interpreter to make .venv from")
    chosen = parser.parse_args(arguments)
    try:
        with only_one(ROOT):
            workspace = look_at_machine(ROOT, chosen.python, os.environ)
            prepare_environment(workspace, GROUPS[chosen.task])
            build(workspace)
        return tasks.run(chosen.task, ROOT, workspace.environment)
    except SetupError as error:
        checks.die(error)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
