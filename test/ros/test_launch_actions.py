"""The plans as launch_ros actions; needs the real launch and launch_ros, which come with a ROS 2 installation."""

from types import SimpleNamespace

import pytest

from depth_perception.available import optional
from depth_perception.ros.launch_actions import launch_description, node_action
from depth_perception.ros.launching import Argument, Launch, LaunchError, NodePlan

if optional("launch_ros") is None:
    pytest.skip("launch and launch_ros are not installed", allow_module_level=True)

from importlib import import_module

LaunchContext = import_module("launch").LaunchContext
ARGUMENTS = (
    Argument("bag", None, "Recording to play."),
    Argument("rviz", "false", "Show it.", ("true", "false")),
)


def entities_of(description, given):
    """Visit a launch description with arguments, without starting anything; return the nodes that would start."""
    context = LaunchContext()
    context.launch_configurations.update(given)
    nodes = []
    for entity in description.entities:
        nodes += entity.visit(context) or []
    return nodes, context


def test_arguments_are_declared_as_described():
    description = launch_description(Launch("t", "", ARGUMENTS, lambda values: []))
    bag, rviz = description.get_launch_arguments()
    assert (bag.name, bag.default_value, bag.description) == ("bag", None, "Recording to play.")
    assert rviz.choices == ["true", "false"]


def test_the_plan_gets_the_values_of_this_launch():
    seen = []

    def plan(values):
        seen.append(dict(values))
        return [NodePlan("completion_node", "left", namespace="robot")]

    nodes, _ = entities_of(launch_description(Launch("t", "", ARGUMENTS, plan)), {"bag": "x", "foreign": "y"})
    assert seen == [{"bag": "x", "rviz": "false"}]
    (node,) = nodes
    assert type(node).__name__ == "Node"


def test_a_value_that_cannot_be_ends_the_launch_with_its_reason():
    def plan(values):
        raise LaunchError("rate: 'fast' is not a number")

    with pytest.raises(RuntimeError, match="rate: 'fast' is not a number"):
        entities_of(launch_description(Launch("t", "", ARGUMENTS, plan)), {"bag": "x"})


def test_the_profile_is_set_unless_there_is_one(monkeypatch):
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    description = Launch("t", "", (), lambda values: [])
    _, context = entities_of(launch_description(description), {})
    assert context.environment["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith(".xml")
    monkeypatch.setenv("FASTRTPS_DEFAULT_PROFILES_FILE", "/mine.xml")
    _, context = entities_of(launch_description(description), {})
    assert context.environment["FASTRTPS_DEFAULT_PROFILES_FILE"] == "/mine.xml"


@pytest.mark.parametrize(
    ("required", "status", "ends"), [(True, 0, True), (True, 1, True), (False, 0, False), (False, 1, True)]
)
def test_what_the_end_of_a_process_means(required, status, ends, monkeypatch):
    actions = {}
    launch_ros = import_module("launch_ros.actions")
    monkeypatch.setattr(launch_ros, "Node", lambda **given: actions.update(given))
    node_action(NodePlan("completion_node", "n", required=required))
    found = actions["on_exit"](SimpleNamespace(returncode=status), None)
    assert [type(action).__name__ for action in found] == (["Shutdown"] if ends else [])
