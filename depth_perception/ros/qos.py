"""Quality of service: what the nodes ask for and offer, and plain words for what does not match."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions

from depth_perception.recordings.qos import QosProfile

OUTPUT_DEPTH = 5

_RELIABILITY = {
    "best_effort": ReliabilityPolicy.BEST_EFFORT,
    "reliable": ReliabilityPolicy.RELIABLE,
    "best_available": ReliabilityPolicy.BEST_AVAILABLE,
    "system_default": ReliabilityPolicy.SYSTEM_DEFAULT,
}


def sensor_qos(reliability: str, depth: int) -> QoSProfile:
    """Return the profile of a sensor subscription; ``reliability`` as in the parameter ``qos.reliability``."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=depth,
        reliability=_RELIABILITY[reliability],
        durability=DurabilityPolicy.VOLATILE,
    )


def output_qos() -> QoSProfile:
    """Return the profile of every output: reliable serves both kinds of subscriber (REP 2003)."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=OUTPUT_DEPTH,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.VOLATILE,
    )


def latched_qos() -> QoSProfile:
    """Return the profile of what late subscribers want to know, too: the last message is kept for them."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=1,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def tf_qos() -> QoSProfile:
    """Return the profile for /tf: best effort hears best-effort and reliable publishers alike."""
    return QoSProfile(history=HistoryPolicy.KEEP_LAST, depth=100, reliability=ReliabilityPolicy.BEST_EFFORT)


def static_tf_qos() -> QoSProfile:
    """Return the profile for /tf_static: late joiners get what was published before."""
    return QoSProfile(
        history=HistoryPolicy.KEEP_LAST,
        depth=100,
        reliability=ReliabilityPolicy.RELIABLE,
        durability=DurabilityPolicy.TRANSIENT_LOCAL,
    )


def overridable() -> QoSOverridingOptions:
    """Return the policies that users may change by ``qos_overrides.<topic>...`` parameters."""
    kinds = (QoSPolicyKind.HISTORY, QoSPolicyKind.DEPTH, QoSPolicyKind.RELIABILITY, QoSPolicyKind.DURABILITY)
    return QoSOverridingOptions(policy_kinds=kinds)


def policy_name(kind: int | QoSPolicyKind) -> str:
    """Return ``reliability``, ``durability``, ... for the policy of an incompatible-QoS event."""
    try:
        return QoSPolicyKind(int(kind)).name.lower()
    except ValueError:
        return f"policy {int(kind)}"


def node_names(endpoints: Iterable[Any]) -> list[str]:
    """Return the full names of the nodes that own these endpoints (TopicEndpointInfo), as far as they are known."""
    known = [info for info in endpoints if not info.node_name.startswith("_NODE_NAME_UNKNOWN")]
    return sorted({f"{info.node_namespace.rstrip('/')}/{info.node_name}" for info in known})


def incompatible_publisher(topic: str, policy: str, publishers: Iterable[str], asked: str, parameter: str) -> str:
    """Say which publisher cannot be heard and what to change.

    ``publishers`` names the nodes that publish on ``topic``, ``asked`` what this node asks for,
    ``parameter`` the parameter that changes it (empty if none does).
    """
    who = ", ".join(publishers) or "a publisher"
    text = f"{topic}: incompatible {policy}: {who} offers less than the {asked} that this node asks for"
    if policy == "reliability":
        return f"{text}; set parameter {parameter} to best_effort" if parameter else text
    if policy == "durability":
        return f"{text}; publish it as transient_local (ros2 bag play: --qos-profile-overrides-path)"
    return f"{text}; change the publisher"


def incompatible_subscriber(topic: str, policy: str) -> str:
    """Say that somebody asks for more than an output offers."""
    return (
        f"{topic}: a subscriber asks for more {policy} than this node offers (reliable, volatile) and gets nothing; "
        f"change the subscriber, or set parameter qos_overrides.{topic}.publisher.{policy}"
    )


def recorded_qos(recorded: QosProfile) -> QoSProfile:
    """Return the rclpy profile that offers a recorded topic as it was recorded."""
    return QoSProfile(
        history=HistoryPolicy[recorded.history.upper()],
        depth=max(recorded.depth, 1),
        reliability=ReliabilityPolicy[recorded.reliability.upper()],
        durability=DurabilityPolicy[recorded.durability.upper()],
    )
