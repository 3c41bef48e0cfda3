"""The virtual environment: made once, filled from requirements/, its CMake files mended. Standard library only."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from pathlib import Path

from workspace_checks import SetupError

# A rosdep key of package.xml, and the module that shows it is installed
DISTRIBUTION_MODULES = {
    "python3-jinja2": "jinja2",
    "python3-numpy": "numpy",
    "python3-opencv": "cv2",
    "python3-scipy": "scipy",
    "python3-matplotlib": "matplotlib",
    "python3-yaml": "yaml",
}
DISTRIBUTION_PYPI_NAMES = {
    "jinja2",
    "matplotlib",
    "numpy",
    "opencv-contrib-python-headless",
    "pyyaml",
    "scipy",
    "setuptools",
}
BUILD_PATH = re.compile(r"/opt/python/[^;\"\s]*?(?P<kind>/include/python3\.\d+|/numpy/_core/include)")


def digest(*parts: str | Path) -> str:
    """Return a hash of texts and of the contents of files; a missing file counts as such."""
    total = hashlib.sha256()
    for part in parts:
        content = part.encode() if isinstance(part, str) else part.read_bytes() if part.is_file() else b"\0missing"
        total.update(len(content).to_bytes(8, "big") + content)
    return total.hexdigest()


class Stamps:
    """Remembers, in one small file a step, what a finished step was made from; a failed step leaves no file."""

    def __init__(self, folder: Path):
        """``folder`` holds the stamps and must vanish together with what they stand for."""
        self.folder = folder

    def is_current(self, step: str, key: str) -> bool:
        """True if ``step`` was finished with exactly this key."""
        file = self.folder / step
        return file.is_file() and file.read_text() == key

    def exists(self, step: str) -> bool:
        """True if ``step`` was ever finished."""
        return (self.folder / step).is_file()

    def write(self, step: str, key: str) -> None:
        """Record that ``step`` is done."""
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / step).write_text(key)

    def forget(self, step: str) -> None:
        """Record that ``step`` is about to be done again."""
        (self.folder / step).unlink(missing_ok=True)


def run_logged(command: list[str], log: Path, environment: Mapping[str, str], failure: str, cwd: Path) -> None:
    """Run ``command`` with its output in ``log``; raises SetupError with the end of that output and ``failure``."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if shutil.which(command[0], path=environment.get("PATH")) is None:
        raise SetupError(f"Missing: {command[0]}.\n{failure}")
    with log.open("w") as stream:
        done = subprocess.run(
            command, stdout=stream, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=dict(environment), cwd=cwd
        )
    if done.returncode:
        tail = "\n".join("  " + line for line in log.read_text(errors="replace").splitlines()[-25:])
        raise SetupError(f"{' '.join(command[:4])} ... failed; the end of {log}:\n{tail}\n{failure}")


def create_environment(
    folder: Path, python: str, key: str, system_packages: bool, environment: Mapping[str, str]
) -> bool:
    """Make the virtual environment ``folder`` unless it is there and of the same ``key``; True if it was made.

    An environment that was made from something else is replaced. One that carries no stamp was made by hand: it is
    used as it is. Raises SetupError if venv fails.
    """
    stamps = Stamps(folder / "stamps")
    interpreter = folder / "bin" / "python"
    if interpreter.exists() and (stamps.is_current("venv", key) or not stamps.exists("venv")):
        return False
    shutil.rmtree(folder, ignore_errors=True)
    command = [python, "-m", "venv", *(["--system-site-packages"] if system_packages else []), str(folder)]
    run_logged(
        command,
        folder.parent / "build" / "set_up" / "venv.log",
        environment,
        f"Type: {python} -m venv {folder}    to see it alone; on Debian and Ubuntu python3-venv must be installed.",
        folder.parent,
    )
    stamps.write("venv", key)
    return True


def install_key(requirements: Path, extra: Iterable[str], key: str) -> str:
    """Hash what an installation depends on: the file, the pins beside it, pip's options and the environment's key."""
    return digest(requirements, requirements.with_name("pins.txt"), " ".join(extra), key)


def install_is_current(folder: Path, requirements: Path, extra: Iterable[str], key: str) -> bool:
    """True if the virtual environment ``folder`` has what the file ``requirements`` names."""
    return Stamps(folder / "stamps").is_current(requirements.stem, install_key(requirements, extra, key))


def install_group(
    folder: Path, requirements: Path, environment: Mapping[str, str], extra: Iterable[str] = (), key: str = ""
) -> None:
    """Install one file of requirements/ into the virtual environment ``folder``; raises SetupError if pip fails."""
    stamps = Stamps(folder / "stamps")
    stamps.forget(requirements.stem)
    command = [str(folder / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check", "--no-input"]
    run_logged(
        [*command, *extra, "-r", str(requirements)],
        folder.parent / "build" / "set_up" / f"{requirements.stem}.log",
        environment,
        "If the network was down or behind a proxy (HTTPS_PROXY, PIP_INDEX_URL), mend that and type the same again.",
        folder.parent,
    )
    stamps.write(requirements.stem, install_key(requirements, extra, key))


def write_overlay_requirements(source: Path, target: Path, has_colcon: bool) -> Path:
    """Write requirements for an environment over an installed ROS 2: nothing that the distribution brings is in them.

    Returns ``target``. Its ``ros.txt`` holds colcon if the system has none, and nothing else.
    """
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(source.glob("*.txt")):
        kept = [
            line
            for line in file.read_text().splitlines()
            if not line.lower().startswith("ros-") and requirement_name(line) not in DISTRIBUTION_PYPI_NAMES
        ]
        if file.stem == "ros":
            kept = ["-c pins.txt"] + ([] if has_colcon else ["colcon-common-extensions"])
        (target / file.name).write_text("\n".join(kept) + "\n")
    return target


def requirement_name(line: str) -> str:
    """Return the distribution's name on a line of a requirements file, in lower case; empty for anything else."""
    found = re.match(r"[A-Za-z0-9][A-Za-z0-9._-]*", line.strip())
    return found.group().lower() if found else ""


def mend_text(text: str, python_include: str, numpy_include: str) -> str:
    """Replace, in an exported CMake file, the folders of the machine that built the wheel by those of this one."""
    return BUILD_PATH.sub(lambda found: numpy_include if "numpy" in found["kind"] else python_include, text)


def mend_cmake_files(share: Path, python_include: str, numpy_include: str) -> list[Path]:
    """Mend every exported CMake file under ``share`` and return those that changed."""
    mended = []
    for file in sorted(share.glob("*/cmake/*Export*.cmake")):
        text = file.read_text()
        better = mend_text(text, python_include, numpy_include)
        if better != text:
            file.write_text(better)
            mended.append(file)
    return mended


def include_folders(python: Path, environment: Mapping[str, str]) -> tuple[str, str]:
    """Return the include folders of ``python`` and of its numpy."""
    question = "import numpy, sysconfig; print(sysconfig.get_path('include')); print(numpy.get_include())"
    answer = subprocess.run(
        [str(python), "-c", question], capture_output=True, text=True, env=dict(environment), check=True
    ).stdout.splitlines()
    return answer[0], answer[1]


def importable(python: Path, modules: Iterable[str], environment: Mapping[str, str]) -> set[str]:
    """Return those of ``modules`` that ``python`` finds, without importing them."""
    names = list(modules)
    question = "import sys, importlib.util as u; print(*[n for n in sys.argv[1:] if u.find_spec(n)])"
    done = subprocess.run(
        [str(python), "-c", question, *names], capture_output=True, text=True, env=dict(environment), check=True
    )
    return set(done.stdout.split())


def check_distribution_packages(python: Path, environment: Mapping[str, str]) -> None:
    """Raise SetupError if a library that an installed ROS 2 takes from the distribution is missing."""
    found = importable(python, DISTRIBUTION_MODULES.values(), environment)
    missing = [key for key, module in DISTRIBUTION_MODULES.items() if module not in found]
    if missing:
        raise SetupError(
            f"Missing: {', '.join(missing)}.\nType: sudo apt install {' '.join(missing)}\n"
            "or: rosdep install --from-paths . --ignore-src"
        )
