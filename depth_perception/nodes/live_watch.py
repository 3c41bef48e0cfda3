"""Watches a running completion node from outside: arrivals, DepthInfo and diagnostics into LiveStatistics."""

from __future__ import annotations

import struct
import time
from collections.abc import Callable, Iterable
from typing import Any

from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy

from depth_perception.evaluation.live import LiveStatistics
from depth_perception.messages.types import rclpy_types

DROPS = "drops."
JUMP = 500_000_000  # nanoseconds that /clock must go back to count as a new start


def stamp_of_raw(data: bytes) -> int:
    """Return header.stamp in nanoseconds of a serialised message that begins with a Header.

    CDR: four bytes of encapsulation, whose second tells the byte order, then int32 and uint32.
    Reading eight bytes is far cheaper than taking apart an image that nobody looks at.
    """
    seconds, nanoseconds = struct.unpack_from("<iI" if data[1] & 1 else ">iI", data, 4)
    return int(seconds) * 1_000_000_000 + int(nanoseconds)


def drops_in(status: Any) -> dict[str, int]:
    """Return the drops by cause that a diagnostic status of the completion node lists."""
    return {item.key[len(DROPS) :]: int(item.value) for item in status.values if item.key.startswith(DROPS)}


class LiveWatch:
    """Subscribes to inputs and outputs of one completion node; ``statistics`` collects."""

    def __init__(
        self,
        node: Node,
        completion_node: str,
        inputs: Iterable[tuple[str, str, str, str]],
        clock: Callable[[], float] = time.monotonic,
    ):
        """``completion_node`` is its name, relative to the namespace of ``node`` or absolute.

        ``inputs`` are those of the completion node as ``input_topics`` gives them. Its camera_info is
        left alone: whoever waits for a subscriber there waits for the completion node.
        """
        self.statistics = LiveStatistics()
        self._clock = clock
        self._first: float | None = None
        self._last = clock()
        self._newest_clock = 0
        self.has_looped = False  # the recording began again, so it has been seen from end to end
        full = (
            completion_node
            if completion_node.startswith("/")
            else f"{node.get_namespace().rstrip('/')}/{completion_node}"
        )
        self._status_name = f"{full.lstrip('/')}: completion"
        space = full.rpartition("/")[0]
        types = rclpy_types()
        sensor = QoSProfile(depth=10, reliability=ReliabilityPolicy.BEST_EFFORT)

        def watch(kind: str, topic: str, role: str, qos: QoSProfile) -> None:
            name = node.resolve_topic_name(topic)

            def arrived(data: bytes) -> None:
                now = self._seen(role)
                self.statistics.arrival(name, role, stamp_of_raw(data), now)

            node.create_subscription(types.message_class(kind), topic, arrived, qos, raw=True)

        for role, base, suffix, kind in inputs:
            if role != "camera_info":
                topic = node.resolve_topic_name(base) + suffix if suffix else base
                watch(kind, topic, "image" if role == "image" else "input", sensor)
        watch("sensor_msgs/msg/Image", f"{space}/depth/image_rect", "depth", QoSProfile(depth=10))
        node.create_subscription(
            types.message_class("depth_perception/msg/DepthInfo"),
            f"{space}/depth/info",
            self._info,
            QoSProfile(depth=10),
        )
        node.create_subscription(
            types.message_class("diagnostic_msgs/msg/DiagnosticArray"),
            "/diagnostics",
            self._diagnostics,
            QoSProfile(depth=10),
        )
        node.create_subscription(
            types.message_class("rosgraph_msgs/msg/Clock"),
            "/clock",
            self._tick,
            QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT),
        )

    @property
    def has_started(self) -> bool:
        """True once anything but diagnostics arrived."""
        return self._first is not None

    def quiet_for(self) -> float:
        """Seconds since the last message, or since the beginning."""
        return self._clock() - self._last

    def _seen(self, role: str) -> float:
        now = self._clock()
        if self._first is None:
            self._first = now
        self._last = now
        return now

    def _tick(self, message: Any) -> None:
        stamp = int(message.clock.sec) * 1_000_000_000 + int(message.clock.nanosec)
        if stamp < self._newest_clock - JUMP:
            self.has_looped = True
        self._newest_clock = stamp
        self._seen("clock")

    def _info(self, message: Any) -> None:
        self._seen("info")
        stages = dict(zip(message.latency_stage, (float(seconds) for seconds in message.latency)))
        self.statistics.completed(stages, float(message.coverage), float(message.sync_interval), message.model)

    def _diagnostics(self, message: Any) -> None:
        for status in message.status:
            if status.name == self._status_name:
                self.statistics.drops(drops_in(status))
