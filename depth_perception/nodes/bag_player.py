"""The bag player node: a recording on the live graph, in its own QoS, with /clock ticked before every message."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from typing import Any

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile, ReliabilityPolicy

from depth_perception.messages.types import MessageError, rclpy_types
from depth_perception.nodes.bag_player_parameters import BAG_PLAYER_PARAMETERS
from depth_perception.nodes.read_ahead import ReadAhead
from depth_perception.pipelines.parameters import ParameterError, Value
from depth_perception.recordings.player import Player
from depth_perception.recordings.reader import Recording, RecordingError
from depth_perception.ros.parameters import NodeParameters
from depth_perception.ros.qos import recorded_qos
from depth_perception.ros.run import StartError

NANOSECONDS = 1_000_000_000
SETTLE = 0.3  # seconds for subscribers to know a publisher that already knows them
AFTER_END = 0.5  # seconds /clock goes on after the last message, so that waiting nodes come to a decision
ACKNOWLEDGE = 2.0  # longest wait for reliable subscribers to have got everything
_SHARED = ("/tf", "/tf_static", "/clock")


def names(text: str) -> list[str]:
    """Split a comma-separated list of topics; a missing leading slash is added."""
    parts = [part.strip() for part in text.split(",") if part.strip()]
    return [part if part.startswith("/") else f"/{part}" for part in parts]


class BagPlayerNode(Node):
    """Plays one recording on a thread of its own; ``exit_status`` becomes 0 or 1 when it is done."""

    def __init__(self, **options: Any):
        """Open the recording and create its publishers; raises StartError or ParameterError."""
        super().__init__("bag_player_node", **options)
        self.exit_status: int | None = None
        self._recording: Recording | None = None
        self._ahead: ReadAhead | None = None
        self._wake = threading.Condition()
        self._stopping = False
        self.parameters = NodeParameters(self, BAG_PLAYER_PARAMETERS, _check, self._on_parameters)
        values = self.parameters.values
        if self.get_parameter("use_sim_time").value:
            raise ParameterError("use_sim_time: the player makes /clock and cannot follow it; leave it false")
        try:
            self._open(values)
        except (RecordingError, ValueError) as error:
            self.close()
            raise StartError(str(error)) from error
        self._clock_type = rclpy_types().message_class("rosgraph_msgs/msg/Clock")
        self._clock_publisher = self.create_publisher(self._clock_type, "/clock", QoSProfile(depth=1))
        self._publishers_by_topic = self._create_publishers(str(values["prefix"]))
        self._awaited = self._subscribers_to_wait_for(str(values["wait_for_subscribers"]))
        self._thread = threading.Thread(target=self._main, name="bag_player", daemon=True)
        self._thread.start()

    def close(self) -> bool:
        """Stop playing and close the recording."""
        with self._wake:
            self._stopping = True
            self._wake.notify_all()
        thread = getattr(self, "_thread", None)
        if thread is not None:
            thread.join(ACKNOWLEDGE + 1.0)
            if thread.is_alive():
                return False
        if self._ahead is not None:
            self._ahead.close()
        if self._recording is not None:
            self._recording.close()
        return True

    def _open(self, values: Mapping[str, Value]) -> None:
        recording = Recording(str(values["bag"]))
        self._recording = recording
        source: Any = recording
        if int(values["read_ahead"]) > 0:
            source = self._ahead = ReadAhead(recording, int(values["read_ahead"]))
        self._player = Player(
            source,
            rate=float(values["rate"]),
            loop=bool(values["loop"]),
            start_offset=float(values["start_offset"]),
            paused=bool(values["paused"]),
            topics=names(str(values["topics"])) or None,
        )
        for topic, reason in self._player.skipped.items():
            self.get_logger().warning(f"{topic} is not played: {reason}")
        length = (recording.end - recording.start) / NANOSECONDS
        self.get_logger().info(f"playing {values['bag']}: {length:.2f} s, {recording.count} messages")

    def _create_publishers(self, prefix: str) -> dict[str, Publisher]:
        publishers = {}
        for topic, info in self._player.topics.items():
            try:
                kind = rclpy_types().message_class(info.type)
            except MessageError as error:
                self.get_logger().warning(f"{topic} [{info.type}] is not played: {error}")
                continue
            name = topic if topic in _SHARED else prefix.rstrip("/") + topic
            publishers[topic] = self.create_publisher(kind, name, recorded_qos(info.qos))
        if not publishers:
            self.close()
            raise StartError(f"{self.parameters.values['bag']}: nothing in it can be played; see the warnings above")
        return publishers

    def _subscribers_to_wait_for(self, wish: str) -> dict[str, int]:
        """Return how many subscribers each topic must have; ``wish`` as the parameter wait_for_subscribers."""
        if wish == "all":
            return dict.fromkeys(self._publishers_by_topic, 1)
        wanted = {}
        for entry in wish.split(","):
            topic, _, count = entry.partition(":")
            for name in names(topic):
                if name not in self._publishers_by_topic or not (count or "1").strip().isdigit():
                    self.close()
                    known = ", ".join(self._publishers_by_topic)
                    raise StartError(
                        f"wait_for_subscribers: {entry.strip()!r} is not TOPIC or TOPIC:COUNT with a topic of {known}"
                    )
                wanted[name] = int(count or 1)
        return wanted

    def _on_parameters(self, values: Mapping[str, Value]) -> None:
        with self._wake:
            now = time.monotonic_ns()
            if float(values["rate"]) != self._player.rate:
                self._player.set_rate(float(values["rate"]), now)
            if values["paused"]:
                self._player.pause(now)
            else:
                self._player.resume(now)
            self._wake.notify_all()

    # -- the playing thread ---------------------------------------------------------------------

    def _main(self) -> None:
        status = 0
        try:
            self._wait_for_subscribers()
            self._play()
            self._finish()
        except Exception as error:  # a damaged recording, or a context that is gone
            if self.context.ok() and not self._stopping:
                self.get_logger().error(f"playing ended: {error}")
                status = 1
        if self.parameters.values["exit_when_done"] or status:
            self.exit_status = status

    def _play(self) -> None:
        tick = 0  # steady time of the next /clock that belongs to no message
        loops = 0
        while True:
            with self._wake:
                if self._stopping or self._player.finished:
                    return
                now = time.monotonic_ns()
                emission = self._player.take(now)
                if emission is None:
                    period = int(NANOSECONDS / float(self.parameters.values["clock_rate"]))
                    clock = self._player.clock(now) if now >= tick else None
                    due = self._player.due
                    if clock is not None:
                        tick = now + period
                    until = min(tick, tick if due is None else due)
            if emission is not None:
                if emission.loop != loops:
                    loops = emission.loop
                    self.get_logger().info(f"playing again from the start, pass {loops + 1}")
                publisher = self._publishers_by_topic.get(emission.message.topic)
                if publisher is not None:
                    self._tick(emission.clock)
                    publisher.publish(bytes(emission.message.data))
                continue
            if clock is not None:
                self._tick(clock)
            with self._wake:
                if not self._stopping:
                    self._wake.wait(max(until - time.monotonic_ns(), 0) / NANOSECONDS)

    def _tick(self, stamp: int) -> None:
        message = self._clock_type()
        message.clock.sec, message.clock.nanosec = divmod(stamp, NANOSECONDS)
        self._clock_publisher.publish(message)

    def _wait_for_subscribers(self) -> None:
        values = self.parameters.values
        deadline = time.monotonic() + float(values["wait_timeout"])
        while self._awaited and not self._stopping:
            missing = [
                name
                for name, count in self._awaited.items()
                if self._publishers_by_topic[name].get_subscription_count() < count
            ]
            if not missing:
                self._sleep(SETTLE)
                return
            if time.monotonic() >= deadline:
                waited = f"{values['wait_timeout']:g} s"
                self.get_logger().warning(f"too few subscribers of {', '.join(missing)} after {waited}; playing anyway")
                return
            self._sleep(0.02)

    def _finish(self) -> None:
        """Let /clock go on a little, then wait until reliable subscribers have everything."""
        if self._stopping:
            return
        assert self._recording is not None
        started, rate = time.monotonic_ns(), self._player.rate
        step = 1.0 / float(self.parameters.values["clock_rate"])
        while not self._stopping and (elapsed := time.monotonic_ns() - started) < AFTER_END * NANOSECONDS:
            self._tick(self._recording.end + int(elapsed * rate))
            self._sleep(step)
        deadline = time.monotonic() + ACKNOWLEDGE
        for publisher in self._publishers_by_topic.values():
            if publisher.qos_profile.reliability == ReliabilityPolicy.RELIABLE and not self._stopping:
                publisher.wait_for_all_acked(Duration(seconds=max(deadline - time.monotonic(), 0.0)))
        self.get_logger().info("played to the end")

    def _sleep(self, seconds: float) -> None:
        with self._wake:
            if not self._stopping:
                self._wake.wait(seconds)


def _check(values: Mapping[str, Value]) -> None:
    if not values["bag"]:
        raise ParameterError("bag: give the recording to play, for instance -p bag:=/data/drive.mcap")
