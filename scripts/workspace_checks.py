"""What the machine must bring before anything is built: Python, a C++ compiler, CMake, make; and which ROS 2 to use.

Standard library only: this runs before anything is installed.
"""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

OLDEST_PYTHON = (3, 10)
NEWEST_PYTHON_WITH_WHEELS = (3, 14)
OLDEST_CMAKE = (3, 16)
TESTED_DISTRO = "jazzy"
PATH_LISTS = ("AMENT_PREFIX_PATH", "CMAKE_PREFIX_PATH", "COLCON_PREFIX_PATH", "PYTHONPATH", "LD_LIBRARY_PATH", "PATH")

Which = Callable[[str], "str | None"]


class SetupError(RuntimeError):
    """Set-up cannot go on. The text says what is missing and what to type."""


@dataclass(frozen=True)
class PythonFacts:
    """What one interpreter says about itself; ``executable`` is the real file, not a link or a virtual environment."""

    executable: str
    version: tuple[int, int]
    has_venv: bool
    has_headers: bool

    @property
    def name(self) -> str:
        """The usual name of this version's packages and programs: ``python3.12``."""
        return f"python{self.version[0]}.{self.version[1]}"


def probe_python(executable: str) -> PythonFacts:
    """Ask an interpreter for its version, its venv module and its C headers; raises SetupError if it does not run."""
    question = (
        "import importlib.util as u, os, sys, sysconfig;"
        "print(sys.version_info[0], sys.version_info[1], int(bool(u.find_spec('venv') and u.find_spec('ensurepip'))),"
        "int(os.path.isfile(os.path.join(sysconfig.get_path('include'), 'Python.h'))),"
        "os.path.realpath(sys.executable))"
    )
    try:
        done = subprocess.run([executable, "-c", question], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise SetupError(f"{executable} does not run ({error}).\nType: make PYTHON=python3.12 ...") from error
    *numbers, real_path = done.stdout.strip().split(" ", 4)
    major, minor, has_venv, has_headers = (int(word) for word in numbers)
    return PythonFacts(real_path, (major, minor), bool(has_venv), bool(has_headers))


def check_python(python: PythonFacts, wheels: bool) -> None:
    """Raise SetupError if this interpreter cannot carry the workspace; ``wheels``: ROS comes from PyPI."""
    if python.version < OLDEST_PYTHON:
        raise SetupError(
            f"Python 3.10 or newer is needed; {python.executable} is {python.name}.\n"
            "Install one and type: make PYTHON=python3.12 ..."
        )
    if wheels and python.version > NEWEST_PYTHON_WITH_WHEELS:
        raise SetupError(
            f"ROS 2 wheels exist for Python 3.10 to 3.14; {python.executable} is {python.name}.\n"
            "Install one of these and type: make PYTHON=python3.12 ..."
        )
    if not python.has_venv:
        raise SetupError(
            f"{python.executable} cannot create virtual environments.\nType: sudo apt install {python.name}-venv"
        )
    if not python.has_headers:
        raise SetupError(
            f"The C headers of {python.executable} are missing; messages are compiled against them.\n"
            f"Type: sudo apt install {python.name}-dev"
        )


def check_platform(system: str = platform.system(), machine: str = platform.machine()) -> None:
    """Raise SetupError where no ROS 2 wheels exist, naming the way round it."""
    if system != "Linux" or machine not in ("x86_64", "aarch64"):
        raise SetupError(
            f"ROS 2 wheels exist for Linux on x86-64 and aarch64, and this is {system} on {machine}.\n"
            "Install ROS 2 Jazzy, source its setup.bash, and type make again: a sourced ROS 2 is used."
        )


def parse_version(text: str) -> tuple[int, ...]:
    """Return the first dotted number in ``text`` as integers, or () if there is none."""
    found = re.search(r"\d+(?:\.\d+)+", text)
    return tuple(int(part) for part in found.group().split(".")) if found else ()


def check_tools(which: Which = shutil.which, environment: Mapping[str, str] = os.environ) -> None:
    """Raise one SetupError that names every missing build tool."""
    missing = []
    compilers = [*environment.get("CXX", "").split()[:1], "c++", "g++", "clang++"]
    if not any(which(compiler) for compiler in compilers):
        missing.append(("a C++ compiler", "g++"))
    if which("cmake") is None:
        missing.append(("CMake 3.16 or newer", "cmake"))
    if which("make") is None and which("gmake") is None:
        missing.append(("make", "make"))
    if which("bash") is None:
        missing.append(("bash", "bash"))
    if missing:
        names = ", ".join(name for name, _ in missing)
        packages = " ".join(package for _, package in missing)
        raise SetupError(f"Missing: {names}.\nType: sudo apt install {packages}    (or your system's equivalent)")
    cmake = which("cmake")
    output = subprocess.run([str(cmake), "--version"], capture_output=True, text=True, check=False).stdout
    if parse_version(output) < OLDEST_CMAKE:
        found = ".".join(str(part) for part in parse_version(output)) or "one that does not tell its version"
        raise SetupError(f"CMake 3.16 or newer is needed; {cmake} is {found}.\nType: pip install --user cmake")


def without_own_paths(environment: Mapping[str, str], root: Path) -> dict[str, str]:
    """Return ``environment`` with every path inside ``root`` taken out of its path lists.

    A shell that sourced ``scripts/env.sh`` carries this folder's .venv and install; seeing those as "an installed
    ROS 2" would make the set-up depend on what it made itself.
    """
    cleaned = dict(environment)
    for name in PATH_LISTS:
        if name not in cleaned:
            continue
        parts = [part for part in cleaned[name].split(os.pathsep) if part and not _is_inside(Path(part), root)]
        if parts:
            cleaned[name] = os.pathsep.join(parts)
        else:
            del cleaned[name]
    if _is_inside(Path(cleaned.get("VIRTUAL_ENV") or "/"), root):
        cleaned.pop("VIRTUAL_ENV", None)
    return cleaned


def _is_inside(path: Path, folder: Path) -> bool:
    return path == folder or folder in path.parents


def sourced_ros(environment: Mapping[str, str]) -> str | None:
    """Return the name of the ROS 2 distribution that the shell has sourced, or None.

    ``environment`` must already be without this folder's own paths.
    """
    if environment.get("ROS_DISTRO") and environment.get("AMENT_PREFIX_PATH"):
        return environment["ROS_DISTRO"]
    return None


def ros_prefix(environment: Mapping[str, str]) -> str:
    """Return the prefix that the sourced rclpy is installed in, empty if none says so."""
    prefixes = [prefix for prefix in environment.get("AMENT_PREFIX_PATH", "").split(os.pathsep) if prefix]
    return next((prefix for prefix in prefixes if (Path(prefix) / "share" / "rclpy").is_dir()), "")


def python_of_ros(distro: str, candidates: list[str], environment: Mapping[str, str]) -> str:
    """Return the first of ``candidates`` that imports the sourced rclpy; raises SetupError with their complaints."""
    complaints = []
    for candidate in candidates:
        command = [candidate, "-c", "import rclpy"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, env=dict(environment), check=False)
        except OSError as error:
            complaints.append(f"  {candidate}: {error.strerror}")
            continue
        if done.returncode == 0:
            return candidate
        complaints.append(f"  {candidate}: {(done.stderr.strip().splitlines() or ['failed without a word'])[-1]}")
    raise SetupError(
        f"ROS 2 {distro} is sourced, but its rclpy cannot be imported:\n" + "\n".join(complaints) + "\n"
        "Type: make PYTHON=/usr/bin/python3 ...    (the Python that this ROS 2 was built for)\n"
        "or, to use ROS 2 wheels instead, start a shell that has not sourced ROS 2."
    )


def die(error: SetupError) -> None:
    """Print what is missing and what to type, and end with status 1."""
    sys.stdout.flush()
    print(f"\ndepth_perception: {error}", file=sys.stderr)
    sys.exit(1)
