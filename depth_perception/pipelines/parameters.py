"""Parameters as plain data: one table per node, read by the node, the evaluator, the docs and the tests."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

Value = bool | int | float | str


class ParameterError(ValueError):
    """A parameter name is unknown or its value is outside what the table allows."""


@dataclass(frozen=True)
class Parameter:
    """One parameter: its type is that of ``default``; ``unit`` is for the documentation.

    ``minimum`` and ``maximum`` are inclusive; ``choices`` lists allowed strings; ``read_only`` marks
    what can only be set at start because subscriptions or publishers are built from it.
    """

    name: str
    default: Value
    description: str
    unit: str = ""
    minimum: float | None = None
    maximum: float | None = None
    choices: tuple[str, ...] = ()
    read_only: bool = False

    def check(self, value: Any) -> Value:
        """Return ``value`` in this parameter's type; raises ParameterError naming parameter and value."""
        kind = type(self.default)
        if kind is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if type(value) is not kind:
            raise ParameterError(f"{self.name}: expected {kind.__name__}, got {value!r}")
        if self.choices and value not in self.choices:
            raise ParameterError(f"{self.name}: {value!r} is not one of {', '.join(self.choices)}")
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if value != value:
                raise ParameterError(f"{self.name}: {value!r} is not a number")
            if self.minimum is not None and value < self.minimum:
                raise ParameterError(f"{self.name}: {value!r} is below the minimum {self.minimum:g}")
            if self.maximum is not None and value > self.maximum:
                raise ParameterError(f"{self.name}: {value!r} is above the maximum {self.maximum:g}")
        return value


class ParameterTable(Mapping[str, Parameter]):
    """An ordered set of parameters, looked up by dotted name."""

    def __init__(self, parameters: Iterable[Parameter]):
        """Raise ValueError if a name occurs twice or a default breaks its own rule."""
        self._by_name: dict[str, Parameter] = {}
        for parameter in parameters:
            if parameter.name in self._by_name:
                raise ValueError(f"parameter {parameter.name} is declared twice")
            parameter.check(parameter.default)
            self._by_name[parameter.name] = parameter

    def __getitem__(self, name: str) -> Parameter:
        """Return the parameter called ``name``; raises KeyError."""
        return self._by_name[name]

    def __iter__(self):
        """Iterate over the names in declaration order."""
        return iter(self._by_name)

    def __len__(self) -> int:
        """Number of parameters."""
        return len(self._by_name)

    def defaults(self) -> dict[str, Value]:
        """Return every name with its default."""
        return {name: parameter.default for name, parameter in self._by_name.items()}

    def resolve(self, values: Mapping[str, Any]) -> dict[str, Value]:
        """Return defaults overridden by ``values``; raises ParameterError for a bad name or value."""
        resolved = self.defaults()
        for name, value in values.items():
            if name not in self._by_name:
                raise ParameterError(f"{name}: no such parameter; {self._meant(name)}")
            resolved[name] = self._by_name[name].check(value)
        return resolved

    def _meant(self, name: str) -> str:
        """Return what to say about an unknown name: those like it, else all."""
        ends = [known for known in self._by_name if known.endswith(f".{name}")]
        likely = ends or difflib.get_close_matches(name, self._by_name, cutoff=0.75)
        return f"did you mean {' or '.join(likely)}?" if likely else f"known: {', '.join(self._by_name)}"


def flatten(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Turn nested mappings into dotted names: ``{"sync": {"policy": "exact"}}`` -> ``sync.policy``."""
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        flat.update(flatten(value, f"{name}.") if isinstance(value, Mapping) else {name: value})
    return flat


def read_parameter_file(path: str | Path, table: ParameterTable, node: str) -> dict[str, Value]:
    """Read a ROS 2 parameter YAML and return every parameter of ``table``, defaults filled in.

    Sections ``/**`` and those whose last name is ``node`` apply, in file order, as rcl does it.
    Raises ParameterError for an unknown name or bad value, ValueError if the file has no ROS layout.
    """
    document = yaml.safe_load(Path(path).read_text()) or {}
    if not isinstance(document, Mapping):
        raise ValueError(f"{path}: not a ROS 2 parameter file (no node sections)")
    values: dict[str, Any] = {}
    for section, body in document.items():
        if section != "/**" and str(section).rsplit("/", 1)[-1] != node:
            continue
        if not isinstance(body, Mapping) or "ros__parameters" not in body:
            raise ValueError(f"{path}: section {section} has no ros__parameters")
        values.update(flatten(body["ros__parameters"] or {}))
    for name in ("use_sim_time", "qos_overrides"):  # rclpy's own; every node has them
        values = {key: value for key, value in values.items() if key != name and not key.startswith(name + ".")}
    return table.resolve(values)
