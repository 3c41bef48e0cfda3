"""What the nodes of depth listen to: subscriptions that hand over, and an eye on what does not arrive."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rclpy.event_handler import SubscriptionEventCallbacks
from rclpy.node import Node
from rclpy.qos import QoSProfile
from rclpy.subscription import Subscription

from depth_perception.available import optional
from depth_perception.messages.types import rclpy_types, stamp_of
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.ros.diagnostics import Level, Status
from depth_perception.ros.qos import incompatible_publisher, node_names, overridable, policy_name, sensor_qos
from depth_perception.ros.statistics import RateMeter

NANOSECONDS = 1_000_000_000
MANY_TOPICS = 5  # candidates named in a diagnostic


@dataclass
class Input:
    """One subscribed topic: its role in the front, what it is called on the graph, how often it comes."""

    role: str
    base: str  # the name to remap
    resolved: str
    type: str
    rate: RateMeter = field(default_factory=RateMeter)
    subscription: Subscription | None = None
    newest_stamp: int = 0
    qos: QoSProfile | None = None
    incompatible_policy: str = ""  # of a publisher that cannot be heard


def input_topics(values: Mapping[str, Value]) -> list[tuple[str, str, str, str]]:
    """Return (role, base name, suffix, type) of the inputs that the parameters select."""
    compressed = values["image.transport"] == "compressed"
    image = (
        ("image", "image", "/compressed", "sensor_msgs/msg/CompressedImage")
        if compressed
        else ("image", "image", "", "sensor_msgs/msg/Image")
    )
    if values["input.source"] == "none":
        other = []
    elif values["input.source"] == "points":
        other = [("points", "points", "", "sensor_msgs/msg/PointCloud2")]
    elif values["input.depth_transport"] == "compressedDepth":
        other = [("sparse_depth", "sparse_depth", "/compressedDepth", "sensor_msgs/msg/CompressedImage")]
    else:
        other = [("sparse_depth", "sparse_depth", "", "sensor_msgs/msg/Image")]
    return [image, ("camera_info", "camera_info", "", "sensor_msgs/msg/CameraInfo"), *other]


class CompletionInputs:
    """Subscriptions of image, camera_info and range data, feeding a front."""

    def __init__(
        self,
        node: Node,
        front: Any,
        values: Callable[[], Mapping[str, Value]],
        now: Callable[[], int],
        on_set: Callable[[SyncedSet], None],
        on_problem: Callable[[str, str, str], None],
        on_jump: Callable[[str], None],
        optional_roles: frozenset[str] = frozenset(),
        topics: Sequence[tuple[str, str, str, str]] | None = None,
        hand_over: Mapping[str, Callable[[Any, int], None]] | None = None,
    ):
        """Subscribe at once.

        ``values`` returns the parameters in force, ``now`` is the node's clock in nanoseconds;
        ``on_set`` takes what message_filters paired, ``on_problem(cause, subject, text)`` what went wrong,
        ``on_jump(reason)`` stamps that went back. Nobody minds the silence of ``optional_roles``. Another node
        names its ``topics`` as ``input_topics`` does, and says by role where to hand their messages over.
        """
        self._node = node
        self._front = front
        self._now = now
        self._on_set = on_set
        self._on_problem = on_problem
        self._on_jump = on_jump
        self._values = values
        self._optional = optional_roles
        self._started = now()
        self.inputs: dict[str, Input] = {}
        self._hand_over = hand_over or {
            "image": front.on_image,
            "camera_info": front.on_camera_info,
            "points": front.on_points,
            "sparse_depth": front.on_depth,
        }
        self._pairing: Any = None
        self._filters: dict[str, Any] = {}
        if values().get("sync.policy") == "approximate":
            self._pair_by_message_filters()
        for role, base, suffix, kind in input_topics(values()) if topics is None else topics:
            self._subscribe(role, base, suffix, kind)

    def close(self) -> None:
        """Destroy the subscriptions."""
        for entry in self.inputs.values():
            if entry.subscription is not None:
                self._node.destroy_subscription(entry.subscription)
                entry.subscription = None

    def reset(self) -> None:
        """Forget what depends on the order of time."""
        self._started = self._now()
        for entry in self.inputs.values():
            entry.rate.reset()
            entry.newest_stamp = 0
        if self._pairing is not None:
            self._pair_by_message_filters()

    def on_parameters(self) -> None:
        """Take changed pairing parameters."""
        if self._pairing is not None:
            self._pair_by_message_filters()

    def topic(self, role: str) -> str:
        """Return the resolved topic of a role, or the role itself."""
        return self.inputs[role].resolved if role in self.inputs else role

    def status(self, now: int, silence: float, wanted: bool) -> Status:
        """Return rates, and an explanation for every input that has been silent for ``silence`` seconds."""
        status = Status("inputs")
        self._started = self._started or now  # 0: simulated time had not begun
        for entry in self.inputs.values():
            status.set(f"{entry.resolved} rate [Hz]", entry.rate.rate(now))
            status.set(f"{entry.resolved} received", entry.rate.count)
            last = entry.rate.newest
            quiet = (now - (self._started if last is None else last)) / NANOSECONDS
            static = entry.role == "camera_info" and entry.rate.count > 0  # one is enough for ever
            if quiet >= silence and not static and now > 0:
                fault = Level.ERROR if wanted else Level.WARN
                status.remark(Level.OK if entry.role in self._optional else fault, self._silent(entry, quiet))
            if text := self._incompatible(entry):
                status.remark(Level.ERROR if quiet >= silence else Level.WARN, text)
        return status

    def _silent(self, entry: Input, quiet: float) -> str:
        publishers = self._node.count_publishers(entry.resolved)
        text = f"no messages on {entry.resolved} for {quiet:.1f} s; publishers: {publishers}"
        if publishers:
            return text + self._wrong_type(entry)
        others = [
            name
            for name, kinds in self._node.get_topic_names_and_types()
            if entry.type in kinds and name != entry.resolved and self._node.count_publishers(name)
        ]
        own = {publisher.topic_name for publisher in self._node.publishers}
        own |= {other.resolved for other in self.inputs.values()}
        others = sorted(name for name in others if name not in own)
        if not others:
            return text
        shown = ", ".join(others[:MANY_TOPICS]) + (", ..." if len(others) > MANY_TOPICS else "")
        return f"{text}; {entry.type} is published on {shown}: remap {entry.base}"

    def _wrong_type(self, entry: Input) -> str:
        """Return what to add when somebody publishes on the topic, but another type."""
        kinds = {info.topic_type for info in self._node.get_publishers_info_by_topic(entry.resolved)} - {entry.type}
        return f"; published there is {', '.join(sorted(kinds))}, expected is {entry.type}" if kinds else ""

    def _subscribe(self, role: str, base: str, suffix: str, kind: str) -> None:
        # like image_transport: whoever remaps "image" means its compressed form too
        name = self._node.resolve_topic_name(base) + suffix if suffix else base
        entry = Input(role, base + suffix, self._node.resolve_topic_name(name), kind)
        qos = sensor_qos(str(self._values()["qos.reliability"]), int(self._values()["qos.depth"]))

        entry.qos = qos

        def on_incompatible(event: Any) -> None:
            entry.incompatible_policy = policy_name(event.last_policy_kind)
            self._on_problem("incompatible_qos", "", self._incompatible(entry))

        hand_over = self._hand_over[role]
        self.inputs[role] = entry
        entry.subscription = self._node.create_subscription(
            rclpy_types().message_class(kind),
            name,
            lambda message: self._deliver(entry, hand_over, message),
            qos,
            event_callbacks=SubscriptionEventCallbacks(incompatible_qos=on_incompatible),
            qos_overriding_options=overridable(),
        )

    def _incompatible(self, entry: Input) -> str:
        """Return what to say about publishers that cannot be heard, empty if there are none (any more)."""
        policy = entry.incompatible_policy
        if not policy:
            return ""
        asked: Any = getattr(entry.qos, policy, None)
        found = self._node.get_publishers_info_by_topic(entry.resolved)
        weak = [info for info in found if getattr(info.qos_profile, policy, None) != asked]
        if not weak:
            return ""
        name = asked.name.lower() if hasattr(asked, "name") else str(asked)
        return incompatible_publisher(entry.resolved, policy, node_names(weak), name, "qos.reliability")

    def _deliver(self, entry: Input, hand_over: Callable[[Any, int], None], message: Any) -> None:
        try:
            stamp = stamp_of(message.header)
            now = self._now() or stamp  # simulated time has not begun: the stamps are as good
            entry.rate.tick(now)
            self._watch_order(entry, stamp)
            if entry.role in self._filters:
                self._filters[entry.role].signalMessage(message)
            else:
                hand_over(message, now)
        except Exception as error:  # a message must never end the node
            self._on_problem("exception", entry.resolved, f"{type(error).__name__}: {error}")

    def _watch_order(self, entry: Input, stamp: int) -> None:
        back = entry.newest_stamp - stamp
        if back > float(self._values()["time_jump.backward"]) * NANOSECONDS and stamp > 0:
            self._on_jump(f"stamps on {entry.resolved} went back by {back / NANOSECONDS:.3f} s")
        entry.newest_stamp = max(entry.newest_stamp, stamp)

    def _pair_by_message_filters(self) -> None:
        message_filters = optional("message_filters")
        assert message_filters is not None  # checked with the parameters
        other = "points" if self._values()["input.source"] == "points" else "sparse_depth"
        self._filters = {role: message_filters.SimpleFilter() for role in ("image", other)}
        self._pairing = message_filters.ApproximateTimeSynchronizer(
            list(self._filters.values()),
            int(self._values()["sync.queue_size"]),
            float(self._values()["sync.max_interval"]),
        )
        self._pairing.registerCallback(lambda image, range_data: self._front.add_pair(image, range_data, self._on_set))
