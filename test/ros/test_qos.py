import pytest

pytest.importorskip("rclpy")
from rclpy.qos import DurabilityPolicy, HistoryPolicy, QoSPolicyKind, ReliabilityPolicy

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.recordings.qos import LATCHED_QOS, QosProfile
from depth_perception.ros import qos


@pytest.mark.parametrize("reliability", COMPLETION_PARAMETERS["qos.reliability"].choices)
def test_every_choice_of_the_parameter_is_a_profile(reliability):
    profile = qos.sensor_qos(reliability, 7)
    assert profile.depth == 7
    assert profile.reliability.name.lower() == reliability
    assert profile.history == HistoryPolicy.KEEP_LAST


def test_outputs_serve_both_kinds_of_subscriber():
    assert qos.output_qos().reliability == ReliabilityPolicy.RELIABLE
    assert qos.output_qos().durability == DurabilityPolicy.VOLATILE


def test_tf_hears_everybody_and_static_tf_the_past():
    assert qos.tf_qos().reliability == ReliabilityPolicy.BEST_EFFORT
    assert qos.static_tf_qos().durability == DurabilityPolicy.TRANSIENT_LOCAL


def test_durability_can_be_overridden_as_the_texts_say():
    assert QoSPolicyKind.DURABILITY in qos.overridable().policy_kinds


def test_policy_names():
    assert qos.policy_name(QoSPolicyKind.RELIABILITY) == "reliability"
    assert qos.policy_name(int(QoSPolicyKind.DURABILITY)) == "durability"
    assert qos.policy_name(3) == "policy 3"


def test_texts_name_topic_policy_and_remedy():
    text = qos.incompatible_publisher("/points", "reliability", ["/driver"], "reliable", "qos.reliability")
    assert "/points" in text
    assert "/driver" in text
    assert "set parameter qos.reliability to best_effort" in text
    text = qos.incompatible_publisher("/tf_static", "durability", [], "transient_local", "")
    assert "/tf_static" in text
    assert "transient_local" in text
    text = qos.incompatible_publisher("/image", "deadline", [], "1 s", "qos.reliability")
    assert "deadline" in text
    assert "change the publisher" in text
    text = qos.incompatible_subscriber("/depth/mask", "durability")
    assert "/depth/mask" in text
    assert "qos_overrides./depth/mask.publisher.durability" in text


@pytest.mark.parametrize(
    "recorded",
    [QosProfile(), LATCHED_QOS, QosProfile("best_effort", "volatile", "keep_last", 3), QosProfile(history="keep_all")],
)
def test_recorded_profiles_are_offered_as_they_were(recorded):
    made = qos.recorded_qos(recorded)
    assert made.reliability.name.lower() == recorded.reliability
    assert made.durability.name.lower() == recorded.durability
    assert made.history.name.lower() == recorded.history
    assert made.depth == recorded.depth
