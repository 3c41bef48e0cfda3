"""Quality of service of a recorded topic, as plain data that needs neither rclpy nor rosbags.

rosbag2 stores what the publishers offered: since Jazzy with policies as words, before as the numbers
of rmw. The words used here are those of rclpy and of qos_overrides files.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

RELIABILITIES = ("reliable", "best_effort")
DURABILITIES = ("volatile", "transient_local")
HISTORIES = ("keep_last", "keep_all")


@dataclass(frozen=True)
class QosProfile:
    """What a publisher offers. Policies are lower-case words, see RELIABILITIES, DURABILITIES, HISTORIES."""

    reliability: str = "reliable"
    durability: str = "volatile"
    history: str = "keep_last"
    depth: int = 10

    def __post_init__(self):
        """Raise ValueError for a word or depth that no publisher can offer."""
        for name, allowed in (("reliability", RELIABILITIES), ("durability", DURABILITIES), ("history", HISTORIES)):
            if getattr(self, name) not in allowed:
                raise ValueError(f"QoS {name}: {getattr(self, name)!r} is not one of {', '.join(allowed)}")
        if self.depth < 0:
            raise ValueError(f"QoS depth: {self.depth} is negative")

    @property
    def latched(self) -> bool:
        """True if late subscribers still get what was published before."""
        return self.durability == "transient_local"


SENSOR_QOS = QosProfile()
LATCHED_QOS = QosProfile(durability="transient_local", depth=1)


def default_qos(topic: str) -> QosProfile:
    """Return what to offer on a topic about which nothing is known; /tf_static is latched, /tf is long."""
    if topic.rstrip("/").rsplit("/", 1)[-1] == "tf_static":
        return LATCHED_QOS
    return replace(SENSOR_QOS, depth=100) if topic.rstrip("/").endswith("/tf") else SENSOR_QOS


def merge(profiles: Iterable[QosProfile], topic: str) -> QosProfile:
    """Return the one profile that serves every subscriber served by any of ``profiles``.

    Several publishers share a topic in a recording but only one plays it back, so the strongest
    policy of each kind is offered: reliable over best effort, transient local over volatile.
    """
    profiles = list(profiles)
    if not profiles:
        return default_qos(topic)
    latched = any(profile.latched for profile in profiles)
    depths = [profile.depth for profile in profiles]
    return QosProfile(
        reliability="reliable" if any(p.reliability == "reliable" for p in profiles) else "best_effort",
        durability="transient_local" if latched else "volatile",
        history="keep_all" if any(p.history == "keep_all" for p in profiles) else "keep_last",
        depth=sum(depths) if latched else max(depths),
    )


def from_rosbags(profile: Any, topic: str) -> QosProfile:
    """Translate ``rosbags.interfaces.Qos``; policies that a publisher cannot offer take the topic's default.

    rosbag2 records "unknown" where the middleware does not tell, which is usual for history and depth.
    """
    default = default_qos(topic)

    def word(policy: Any, allowed: tuple[str, ...], fallback: str) -> str:
        name = policy.name.lower()
        return name if name in allowed else fallback

    return QosProfile(
        reliability=word(profile.reliability, RELIABILITIES, default.reliability),
        durability=word(profile.durability, DURABILITIES, default.durability),
        history=word(profile.history, HISTORIES, default.history),
        depth=profile.depth if profile.depth > 0 else default.depth,
    )


def to_rosbags(profile: QosProfile) -> Any:
    """Return the ``rosbags.interfaces.Qos`` that makes ``ros2 bag play`` offer ``profile``."""
    from rosbags.interfaces import Qos, QosDurability, QosHistory, QosLiveliness, QosReliability, QosTime

    forever = QosTime(9223372036, 854775807)  # RMW_DURATION_INFINITE, as rosbag2 writes it
    return Qos(
        history=QosHistory[profile.history.upper()],
        depth=profile.depth,
        reliability=QosReliability[profile.reliability.upper()],
        durability=QosDurability[profile.durability.upper()],
        deadline=forever,
        lifespan=forever,
        liveliness=QosLiveliness.AUTOMATIC,
        liveliness_lease_duration=forever,
        avoid_ros_namespace_conventions=False,
    )
