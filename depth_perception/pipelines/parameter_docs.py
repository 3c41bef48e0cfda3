"""Parameter tables as documentation: the commented YAML file of a node, and a table for its README."""

from __future__ import annotations

import textwrap
from typing import Any

from depth_perception.pipelines.parameters import Parameter, ParameterTable, Value

_WIDTH = 118  # characters a line


def limits_text(parameter: Parameter) -> str:
    """Return what values are allowed, as ``a | b``, ``0.1 to 200`` or an empty text for any."""
    if parameter.choices:
        return " | ".join(parameter.choices)
    low, high = parameter.minimum, parameter.maximum
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def yaml_value(value: Value) -> str:
    """Return ``value`` in YAML so that reading it gives back the same type and value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        escaped = value.replace("\\", "\\\\").replace('"', '\\"')
        return f'"{escaped}"'
    if isinstance(value, float):
        text = repr(value)
        # YAML 1.1 reads 1e-05 as text: exponents need a point in the mantissa and a sign
        mantissa, mark, exponent = text.partition("e")
        if mark:
            point = mantissa if "." in mantissa else mantissa + ".0"
            return f"{point}e{exponent if exponent[0] in '+-' else '+' + exponent}"
        return text
    return str(value)


def _comments(parameter: Parameter) -> tuple[str, str]:
    unit = f" [{parameter.unit}]" if parameter.unit else ""
    limits = limits_text(parameter)
    allowed = f"{limits}{unit}; " if limits or unit else ""
    return parameter.description, allowed + ("set at start only" if parameter.read_only else "can change while running")


def yaml_text(table: ParameterTable, node: str) -> str:
    """Return a ROS 2 parameter file with every parameter of ``table`` at its default, with comments.

    The file applies to any node name and namespace (section ``/**``); ``node`` is only mentioned.
    """
    lines = [
        f"# Every parameter of {node} with its default. Delete what you do not change.",
        f"# Made by: depth_perception parameters {node.removesuffix('_node')}; do not edit the copy in config/.",
        "/**:",
        "  ros__parameters:",
    ]
    tree: dict[str, Any] = {}
    for name, parameter in table.items():
        *path, leaf = name.split(".")
        branch = tree
        for key in path:
            branch = branch.setdefault(key, {})
        branch[leaf] = parameter
    _write(tree, "    ", lines)
    return "\n".join(lines) + "\n"


def _write(tree: dict[str, Any], indent: str, lines: list[str]) -> None:
    for key, item in tree.items():
        if isinstance(item, Parameter):
            for comment in _comments(item):
                first = indent + "# "
                lines += textwrap.wrap(comment, _WIDTH, initial_indent=first, subsequent_indent=first)
            lines.append(f"{indent}{key}: {yaml_value(item.default)}")
        else:
            lines.append(f"{indent}{key}:")
            _write(item, indent + "  ", lines)


def markdown_table(table: ParameterTable) -> str:
    """Return the parameters as a GitHub markdown table: name, default, unit, allowed values, run time, meaning."""
    rows = [
        "| parameter | default | unit | allowed | at run time | meaning |",
        "|---|---|---|---|---|---|",
    ]
    for name, parameter in table.items():
        allowed = limits_text(parameter).replace("|", "\\|")
        change = "no" if parameter.read_only else "yes"
        meaning = parameter.description.replace("|", "\\|")
        default = yaml_value(parameter.default)
        rows.append(f"| `{name}` | `{default}` | {parameter.unit} | {allowed} | {change} | {meaning} |")
    return "\n".join(rows)
