"""What a launch is, as plain data, and how to run one without ROS's launch tools.

A ``Launch`` has arguments and a plan: a pure function from their values to the processes to start. The launch files
turn the plan into launch_ros actions (``launch_actions``); ``depth_perception launch NAME [argument:=value ...]``
starts the same processes itself. Neither rclpy nor launch is imported here.
"""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from depth_perception.ros.fastdds import profile_variables
from depth_perception.ros.processes import POLL, Child, ProcessGroup

Value = bool | int | float | str


class LaunchError(ValueError):
    """An argument is unknown or has a value that cannot be; the text is what the user reads."""


@dataclass(frozen=True)
class Argument:
    """One argument of a launch; ``default`` None means that it must be given."""

    name: str
    default: str | None
    description: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class NodePlan:
    """One process to start. ``arguments`` come before ``--ros-args``; ``required``: its end ends the launch."""

    executable: str
    name: str
    namespace: str = ""
    package: str = "depth_perception"
    arguments: tuple[str, ...] = ()
    parameter_file: str = ""
    parameters: Mapping[str, Value] = field(default_factory=dict)
    remappings: tuple[tuple[str, str], ...] = ()
    log_level: str = "info"
    required: bool = True


@dataclass(frozen=True)
class Launch:
    """A named set of processes; ``plan`` raises LaunchError for values that do not fit together."""

    name: str
    description: str
    arguments: tuple[Argument, ...]
    plan: Callable[[Mapping[str, str]], list[NodePlan]]

    def resolve(self, given: Mapping[str, str]) -> dict[str, str]:
        """Return a value for every argument; raises LaunchError naming argument, value and what is allowed."""
        known = {argument.name: argument for argument in self.arguments}
        for name in given:
            if name not in known:
                raise LaunchError(f"{name}: launch {self.name} has no such argument; it has {', '.join(known)}")
        values = {}
        for name, argument in known.items():
            value = given.get(name, argument.default)
            if value is None or (argument.default is None and not value):
                raise LaunchError(f"{name}:= must be given: {argument.description}")
            if argument.choices and value not in argument.choices:
                allowed = ", ".join(choice or '""' for choice in argument.choices)
                raise LaunchError(f"{name}: {value!r} is not one of {allowed}")
            values[name] = value
        return values


def parse_arguments(words: Sequence[str]) -> dict[str, str]:
    """Return ``name:=value`` words as a mapping; raises LaunchError for any other word."""
    given = {}
    for word in words:
        name, found, value = word.partition(":=")
        if not found or not name:
            raise LaunchError(f"{word!r} is not of the form argument:=value")
        given[name] = value
    return given


def ros_arguments(node: NodePlan) -> list[str]:
    """Return everything behind the executable on a node's command line."""
    words = [*node.arguments, "--ros-args", "-r", f"__node:={node.name}"]
    if node.namespace:
        words += ["-r", f"__ns:={absolute(node.namespace)}"]
    for source, target in node.remappings:
        words += ["-r", f"{source}:={target}"]
    if node.parameter_file:
        words += ["--params-file", node.parameter_file]
    for name, value in node.parameters.items():
        # the value is read as YAML; JSON keeps text text, whatever it looks like
        words += ["-p", f"{name}:={json.dumps(value)}"]
    return [*words, "--log-level", node.log_level]


def absolute(namespace: str) -> str:
    """Return a namespace with its leading slash."""
    return "/" + namespace.strip("/")


def command_line(node: NodePlan) -> list[str]:
    """Return the full command for ``node``; raises LaunchError if a program of another package is not installed."""
    if node.package == "depth_perception":
        # the very interpreter and search path of this process, wherever and however the package is installed
        start = f"import sys; from depth_perception.nodes.{node.executable} import main; sys.exit(main())"
        return [sys.executable, "-c", start, *ros_arguments(node)]
    program = shutil.which(node.executable)
    if program is None:
        raise LaunchError(f"{node.executable} is not installed; it comes with ROS 2 (package {node.package})")
    return [program, *ros_arguments(node)]


def run_without_ros(launch: Launch, given: Mapping[str, str]) -> int:
    """Start the processes of ``launch`` and stay until a required one ends or Ctrl-C; return the exit status.

    All others are then ended by SIGINT. Raises LaunchError for bad arguments, before anything starts.
    """
    nodes = launch.plan(launch.resolve(given))
    commands = [command_line(node) for node in nodes]
    environment = {**os.environ, **profile_variables(), "PYTHONUNBUFFERED": "1"}
    with ProcessGroup(sys.stdout) as group:
        try:
            started = [
                (node, group.start(node.name, command, env=environment)) for node, command in zip(nodes, commands)
            ]
            while True:
                for node, child in started:
                    if child.returncode or (child.returncode == 0 and node.required):
                        return _farewell(child)
                time.sleep(POLL)
        except KeyboardInterrupt:
            return 130


def _farewell(child: Child) -> int:
    """Return the exit status of a process whose end is the end of all, as a shell would give it."""
    child.wait(0)
    status = child.returncode or 0
    if status:
        print(f"{child.name} ended with status {status}; ending the others", file=sys.stderr)
    return status if status >= 0 else 128 - status


def describe(launch: Launch) -> str:
    """Return the arguments of ``launch`` as text, in the manner of ``ros2 launch --show-args``."""
    lines = [f"{launch.name}: {launch.description}", "Arguments (argument:=value):"]
    for argument in launch.arguments:
        default = "must be given" if argument.default is None else f"default {argument.default!r}"
        choices = f"; one of {', '.join(choice or repr('') for choice in argument.choices)}" if argument.choices else ""
        lines.append(f"  {argument.name}: {argument.description} ({default}{choices})")
    return "\n".join(lines)


def argument_table(launch: Launch) -> str:
    """Return the arguments of ``launch`` as a GitHub markdown table."""
    rows = ["| argument | default | meaning |", "|---|---|---|"]
    for argument in launch.arguments:
        default = (
            "must be given" if argument.default is None else f"`{argument.default}`" if argument.default else "empty"
        )
        choices = (
            f" One of {', '.join(f'`{choice}`' for choice in argument.choices if choice)}." if argument.choices else ""
        )
        rows.append(f"| `{argument.name}` | {default} | {argument.description}{choices} |")
    return "\n".join(rows)
