"""What is run once the workspace is set up: the demo, the linters, the tests, the training. Standard library only."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from workspace_wheels import Stamps, digest

LINT = (
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
    ["mypy"],
)
TEST = ["pytest", "-n", "2", "--dist", "loadfile", "-q"]


def in_workspace(command: list[str]) -> list[str]:
    """Return ``command`` as a command line that first sources scripts/env.sh in the current folder."""
    return ["bash", "-c", '. scripts/env.sh && exec "$@"', "bash", *command]


def run_all(commands: list[list[str]], root: Path, environment: Mapping[str, str]) -> int:
    """Run commands one after another inside the workspace; return the first exit status that is not 0, else 0."""
    for command in commands:
        print(f"\n$ {' '.join(command)}", flush=True)
        status = subprocess.run(in_workspace(command), cwd=root, env=dict(environment), check=False).returncode
        if status:
            return status
    return 0


def demo(root: Path, environment: Mapping[str, str]) -> int:
    """Render the demo recording unless it is there, then play it through the nodes."""
    folder = Path("out", "demo")
    recording = folder / "recording"
    stamps = Stamps(root / folder / "stamps")
    key = digest(*sorted((root / "training" / "synthetic").rglob("*.py")))
    if not stamps.is_current("recording", key) or not (root / recording).exists():
        stamps.forget("recording")
        shutil.rmtree(root / recording, ignore_errors=True)
        status = run_all([["python", "-m", "training.synthetic.make_demo", str(recording)]], root, environment)
        if status:
            return status
        stamps.write("recording", key)
    return run_all([["depth_perception", "demo", str(recording), "--out", str(folder)]], root, environment)


def run(task: str, root: Path, environment: Mapping[str, str]) -> int:
    """Run a task of the Makefile; return its exit status."""
    variables = dict(environment)
    if task == "demo":
        return demo(root, variables)
    if task == "weights":
        names = variables.get("WEIGHTS", "").split()
        return run_all([["python", "-m", "training.make_weights", *names]], root, variables)
    if task == "lint":
        return run_all([list(command) for command in LINT], root, variables)
    if task == "test":
        # workers share the cores; more threads in each would only get in their way
        variables.setdefault("OMP_NUM_THREADS", "1")
        variables["DEPTH_PERCEPTION_EXPECT_ROS"] = "1"  # a broken build must fail, not skip the tests that need it
        scratch = ["--basetemp", str(root / "build" / "tmp" / "pytest")]
        return run_all([*(list(command) for command in LINT), [*TEST, *scratch]], root, variables)
    print("[set-up] Ready. In bash or zsh type: . scripts/env.sh", flush=True)
    return 0
