"""A table of parameters on a live node: declared with description and range, validated, changed in one piece."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping

from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor, ParameterType, SetParametersResult
from rclpy.node import Node
from rclpy.parameter import Parameter as RosParameter

from depth_perception.pipelines.parameters import Parameter, ParameterError, ParameterTable, Value

_TYPES = {
    bool: ParameterType.PARAMETER_BOOL,
    int: ParameterType.PARAMETER_INTEGER,
    float: ParameterType.PARAMETER_DOUBLE,
    str: ParameterType.PARAMETER_STRING,
}
_LARGEST_INTEGER = 2**63 - 1


def descriptor(parameter: Parameter) -> ParameterDescriptor:
    """Return the ROS descriptor of one table entry: type, description, range, choices, read-only."""
    text = f"{parameter.description} [{parameter.unit}]" if parameter.unit else parameter.description
    result = ParameterDescriptor(
        name=parameter.name,
        type=_TYPES[type(parameter.default)],
        description=text,
        read_only=parameter.read_only,
    )
    if parameter.choices:
        result.additional_constraints = f"one of: {', '.join(parameter.choices)}"
    if parameter.minimum is None and parameter.maximum is None:
        return result
    low, high = parameter.minimum, parameter.maximum
    if isinstance(parameter.default, float):
        largest = sys.float_info.max
        result.floating_point_range = [
            FloatingPointRange(
                from_value=-largest if low is None else float(low), to_value=largest if high is None else float(high)
            )
        ]
    elif isinstance(parameter.default, int):
        result.integer_range = [
            IntegerRange(
                from_value=-_LARGEST_INTEGER if low is None else int(low),
                to_value=_LARGEST_INTEGER if high is None else int(high),
            )
        ]
    return result


class NodeParameters:
    """The values of a :class:`ParameterTable` on one node.

    ``values`` is replaced as a whole by every accepted change and never modified, so any thread may
    keep it for the length of one frame.
    """

    def __init__(
        self,
        node: Node,
        table: ParameterTable,
        check: Callable[[Mapping[str, Value]], None] | None = None,
        on_change: Callable[[Mapping[str, Value]], None] | None = None,
        check_change: Callable[[Mapping[str, Value], Mapping[str, Value]], None] | None = None,
    ):
        """Declare the table on ``node``; raises ParameterError if the start-up values are not acceptable.

        ``check`` sees all values together and raises ValueError for combinations that make no sense;
        ``on_change`` runs after a change at run time was accepted, on the executor's thread;
        ``check_change(old, new)`` may refuse one by raising ValueError.
        """
        self._node = node
        self._table = table
        self._check = check
        self._on_change = on_change
        self._check_change = check_change
        given = start_values(node)
        try:
            values = table.resolve(_own(node, given))
            if check is not None:
                check(values)
        except ParameterError:
            raise
        except ValueError as error:
            raise ParameterError(str(error)) from error
        for name, value in values.items():
            node.declare_parameter(name, value, descriptor(table[name]), ignore_override=True)
        self.values: Mapping[str, Value] = values
        node.add_pre_set_parameters_callback(self._widen)
        node.add_on_set_parameters_callback(self._validate)
        node.add_post_set_parameters_callback(self._apply)

    def unused_overrides(self) -> list[str]:
        """Return ``qos_overrides`` that were given but belong to no topic of the node as it is now."""
        given = start_values(self._node)
        return [name for name in given if name.startswith("qos_overrides.") and not self._node.has_parameter(name)]

    def _widen(self, parameters: list[RosParameter]) -> list[RosParameter]:
        """Take 1 for 1.0, as people type it."""
        return [
            RosParameter(p.name, RosParameter.Type.DOUBLE, float(p.value))
            if p.type_ == RosParameter.Type.INTEGER
            and p.name in self._table
            and isinstance(self._table[p.name].default, float)
            else p
            for p in parameters
        ]

    def _validate(self, parameters: list[RosParameter]) -> SetParametersResult:
        try:
            merged = self._merged(parameters)
            if self._check_change is not None:
                self._check_change(self.values, merged)
        except ValueError as error:
            return SetParametersResult(successful=False, reason=str(error))
        return SetParametersResult(successful=True)

    def _apply(self, parameters: list[RosParameter]) -> None:
        merged = self._merged(parameters)
        if merged != self.values:
            self.values = merged
            if self._on_change is not None:
                self._on_change(merged)

    def _merged(self, parameters: list[RosParameter]) -> dict[str, Value]:
        merged = dict(self.values)
        for parameter in parameters:
            if parameter.name in self._table:
                merged[parameter.name] = self._table[parameter.name].check(parameter.value)
        if self._check is not None:
            self._check(merged)
        return merged


def start_values(node: Node) -> dict[str, Value]:
    """Return what command line, parameter files and the constructor set for ``node``, declared or not."""
    # rclpy offers these values only through declaration, which rejects 1 for 1.0 and ignores unknown names
    return {name: parameter.value for name, parameter in node._parameter_overrides.items()}


def _own(node: Node, given: Mapping[str, Value]) -> dict[str, Value]:
    """Leave out what rclpy itself understands."""
    return {
        name: value
        for name, value in given.items()
        if not node.has_parameter(name)
        and not name.startswith("qos_overrides.")
        and name not in ("use_sim_time", "start_type_description_service")
    }
