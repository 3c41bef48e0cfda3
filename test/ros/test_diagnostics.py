import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus

from depth_perception.ros.diagnostics import DiagnosticsPublisher, Level, Status, status_message


def test_levels_are_those_of_ros():
    assert bytes([Level.OK]) == DiagnosticStatus.OK
    assert bytes([Level.WARN]) == DiagnosticStatus.WARN
    assert bytes([Level.ERROR]) == DiagnosticStatus.ERROR


def test_the_worst_remark_counts_and_none_is_repeated():
    status = Status("inputs")
    assert status.message == "OK"
    status.remark(Level.ERROR, "no messages on /points")
    status.remark(Level.WARN, "rate is low")
    status.remark(Level.WARN, "rate is low")
    assert status.level == Level.ERROR
    assert status.message == "no messages on /points; rate is low"


def test_message():
    status = Status("inputs")
    status.set("rate [Hz]", 9.87654321)
    status.set("count", 12)
    message = status_message(status, "left/completion_node", "cpu")
    assert message.name == "left/completion_node: inputs"
    assert message.hardware_id == "cpu"
    assert message.level == DiagnosticStatus.OK
    assert [(item.key, item.value) for item in message.values] == [("rate [Hz]", "9.877"), ("count", "12")]


def test_published_at_a_steady_period_with_the_node_clock(ros):
    node = ros.node("subject", namespace="/left")
    DiagnosticsPublisher(node, 0.05, lambda: [Status("inputs"), Status("completion")], lambda: "cuda:0")
    received = []
    ros.node("observer").create_subscription(DiagnosticArray, "/diagnostics", received.append, 10)
    ros.wait(lambda: len(received) >= 3, "three diagnostics")
    assert [status.name for status in received[0].status] == ["left/subject: inputs", "left/subject: completion"]
    assert received[0].status[0].hardware_id == "cuda:0"
    age = node.get_clock().now().nanoseconds / 1e9 - received[-1].header.stamp.sec
    assert 0 <= age < 60
