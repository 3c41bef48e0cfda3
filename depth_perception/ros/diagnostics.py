"""Diagnostics as plain statuses, and their way onto /diagnostics with the node's clock.

``diagnostic_updater`` keeps a clock of its own that ignores simulated time, hence this small one.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.clock import Clock, ClockType
from rclpy.node import Node
from rclpy.qos import QoSProfile


class Level(enum.IntEnum):
    """Severity as in ``diagnostic_msgs/DiagnosticStatus``; a stale status is for the monitor to find."""

    OK = 0
    WARN = 1
    ERROR = 2


@dataclass
class Status:
    """One task's state. Each remark raises the level if it is worse; the texts are joined."""

    task: str
    level: Level = Level.OK
    remarks: list[str] = field(default_factory=list)
    values: dict[str, str] = field(default_factory=dict)

    def remark(self, level: Level, text: str) -> None:
        """Add ``text`` to the message and raise the level to at least ``level``."""
        self.level = max(self.level, level)
        if text not in self.remarks:
            self.remarks.append(text)

    def set(self, key: str, value: object) -> None:
        """Set one key; floats get four significant digits."""
        self.values[key] = f"{value:.4g}" if isinstance(value, float) else str(value)

    @property
    def message(self) -> str:
        """Everything that is to be said, or ``OK``."""
        return "; ".join(self.remarks) or "OK"


def status_message(status: Status, node_name: str, hardware_id: str) -> DiagnosticStatus:
    """Return ``status`` as a message named ``<node_name>: <task>``."""
    return DiagnosticStatus(
        level=bytes([status.level]),
        name=f"{node_name}: {status.task}",
        message=status.message,
        hardware_id=hardware_id,
        values=[KeyValue(key=key, value=value) for key, value in status.values.items()],
    )


class DiagnosticsPublisher:
    """Publishes the statuses of a node at a fixed period of a steady clock, also while a recording is paused."""

    def __init__(self, node: Node, period: float, collect: Callable[[], Iterable[Status]], hardware: Callable[[], str]):
        """Call ``collect`` every ``period`` seconds; ``hardware`` names the compute device."""
        self._node = node
        self._collect = collect
        self._hardware = hardware
        self._publisher = node.create_publisher(DiagnosticArray, "/diagnostics", QoSProfile(depth=10))
        self._timer = node.create_timer(period, self.publish, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def publish(self) -> None:
        """Collect and publish now."""
        message = DiagnosticArray()
        message.header.stamp = self._node.get_clock().now().to_msg()
        name, hardware = self._node.get_fully_qualified_name().lstrip("/"), self._hardware()
        message.status = [status_message(status, name, hardware) for status in self._collect()]
        self._publisher.publish(message)
