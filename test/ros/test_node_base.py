import time

import pytest

pytest.importorskip("rclpy")
from diagnostic_msgs.msg import DiagnosticArray
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter as RosParameter
from rosgraph_msgs.msg import Clock

from depth_perception.pipelines.parameters import Parameter, ParameterTable
from depth_perception.ros import node_base
from depth_perception.ros.diagnostics import Status
from depth_perception.ros.node_base import PerceptionNode
from depth_perception.ros.run import StartError

TABLE = ParameterTable(
    [
        Parameter("diagnostics.period", 0.05, "Period.", "s", 0.01, 60.0, read_only=True),
        Parameter("time_jump.backward", 1.0, "Jump.", "s", 0.01, 3600.0),
        Parameter("autostart", True, "Start.", read_only=True),
        Parameter("gain", 1.0, "A number.", "", 0.0, 10.0),
    ]
)


class Subject(PerceptionNode):
    def __init__(self, **options):
        self.calls = []
        self.fail = ""
        super().__init__("subject", TABLE, **options)

    def _note(self, name):
        self.calls.append(name)
        if self.fail == name:
            raise RuntimeError(f"{name} went wrong")

    def set_up(self):
        self._note("set_up")

    def ready(self):
        return not self.fail.startswith("slow")

    def begin(self):
        self._note("begin")

    def end(self):
        self._note("end")
        return True

    def tear_down(self):
        self._note("tear_down")

    def statuses(self):
        if self.fail == "statuses":
            raise RuntimeError("no state")
        return [Status("task")]

    def on_parameters(self, values):
        self.calls.append(("gain", values["gain"]))

    def on_time_jump(self, reason):
        self.calls.append(("jump", reason))


def make(ros, **options):
    return ros.add(Subject(context=ros.context, **options))


def test_autostart_goes_through_both_transitions_and_close_undoes_them(ros):
    node = make(ros)
    node.autostart()
    assert node.is_active
    assert node.close() is True
    assert node.calls == ["set_up", "begin", "end", "tear_down"]


def test_autostart_activates_what_is_not_ready_as_soon_as_it_is(ros):
    node = make(ros)
    node.fail = "slow"
    node.autostart()
    assert node.calls == ["set_up"]
    deadline = time.monotonic() + 0.3
    ros.wait(lambda: time.monotonic() > deadline, "some time")
    assert not node.is_active
    node.fail = ""
    ros.wait(lambda: node.is_active, "activation")
    assert node.calls == ["set_up", "begin"]


def test_autostart_does_not_wait_for_ever_nor_against_a_manager(ros, monkeypatch):
    monkeypatch.setattr(node_base, "START_PATIENCE", 0.1)
    node = make(ros)
    node.fail = "slow"
    node.autostart()
    ros.wait(lambda: node.is_active, "activation all the same")
    other = make(ros)
    other.fail = "slow"
    other.autostart()
    other.trigger_cleanup()
    deadline = time.monotonic() + 0.3
    ros.wait(lambda: time.monotonic() > deadline, "some time")
    assert other.calls == ["set_up", "tear_down"]


def test_a_full_round_of_transitions(ros):
    node = make(ros)
    for trigger in ("configure", "activate", "deactivate", "activate", "deactivate", "cleanup", "configure"):
        assert getattr(node, f"trigger_{trigger}")() == TransitionCallbackReturn.SUCCESS
    assert node.calls == ["set_up", "begin", "end", "begin", "end", "tear_down", "set_up"]
    node.trigger_activate()
    node.trigger_shutdown()
    assert node.calls[-2:] == ["end", "tear_down"]
    assert not node.is_active


def test_a_failing_transition_says_why_and_is_undone(ros):
    node = make(ros)
    node.fail = "begin"
    with pytest.raises(StartError, match="could not be activated: begin went wrong"):
        node.autostart()
    assert node.calls == ["set_up", "begin", "end"]
    assert not node.is_active
    node.fail = ""
    assert node.trigger_activate() == TransitionCallbackReturn.SUCCESS


def test_parameter_changes_arrive(ros):
    node = make(ros)
    node.set_parameters([RosParameter("gain", value=2)])
    assert node.calls == [("gain", 2.0)]


def test_diagnostics_survive_what_they_describe(ros):
    node = make(ros)
    received = []
    ros.node().create_subscription(DiagnosticArray, "/diagnostics", received.append, 10)
    ros.wait(lambda: received, "diagnostics")
    assert received[-1].status[0].name == "subject: task"
    node.fail = "statuses"
    ros.wait(lambda: "no state" in received[-1].status[0].message, "the failure is told")
    assert received[-1].status[0].level == b"\x02"


def test_a_problem_is_remembered(ros):
    node = make(ros)
    node.problem("cause", "/topic", "text")
    assert [problem.text for problem in node.problems.recent(0.0)] == ["text"]


def test_clock_going_back_reaches_a_configured_node(ros):
    node = make(ros, parameter_overrides=[RosParameter("use_sim_time", value=True)])
    clock = ros.node("player").create_publisher(Clock, "/clock", 1)

    def at(seconds):
        def arrived():
            message = Clock()
            message.clock.sec = seconds
            clock.publish(message)
            return node.now() == seconds * 1_000_000_000

        return arrived

    ros.wait(at(100), "the clock")
    node.autostart()
    ros.wait(at(110), "forward is no jump")
    assert not [call for call in node.calls if call[0] == "jump"]
    ros.wait(at(50), "back")
    jumps = [call for call in node.calls if call[0] == "jump"]
    assert len(jumps) == 1
    assert "-60.000 s" in jumps[0][1]
    node.trigger_deactivate()  # transforms are listened to all the same
    node.set_parameters([RosParameter("time_jump.backward", value=20.0)])
    ros.wait(at(40), "less than the parameter")
    ros.wait(at(15), "back again")
    jumps = [call for call in node.calls if call[0] == "jump"]
    assert [jump[1].split()[3] for jump in jumps] == ["-60.000", "-25.000"]
    node.trigger_cleanup()
    ros.wait(at(200), "forward")
    ros.wait(at(1), "back for the last time")
    assert len([call for call in node.calls if call[0] == "jump"]) == 2
