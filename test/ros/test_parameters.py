import pytest

pytest.importorskip("rclpy")
from rclpy.parameter import Parameter as RosParameter

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameters import Parameter, ParameterError, ParameterTable
from depth_perception.ros.parameters import NodeParameters, descriptor

TABLE = ParameterTable(
    [
        Parameter("depth.min", 0.5, "Nearest.", "m", 0.0, 10.0),
        Parameter("depth.max", 5.0, "Farthest.", "m", 0.0, 10.0),
        Parameter("name", "a", "A word.", choices=("a", "b")),
        Parameter("count", 3, "A number.", "", 1, None, read_only=True),
        Parameter("on", True, "A switch."),
    ]
)


def in_order(values):
    if values["depth.min"] >= values["depth.max"]:
        raise ValueError("depth.min must be below depth.max")


def start(ros, *overrides, **options):
    given = [RosParameter(name, value=value) for name, value in overrides]
    node = ros.node("subject", parameter_overrides=given)
    return node, NodeParameters(node, TABLE, in_order, **options)


def test_every_parameter_of_the_completion_table_has_a_descriptor():
    for parameter in COMPLETION_PARAMETERS.values():
        made = descriptor(parameter)
        assert made.description.startswith(parameter.description)
        assert made.read_only == parameter.read_only
        if parameter.minimum is not None and isinstance(parameter.default, float):
            assert made.floating_point_range[0].from_value == parameter.minimum
            assert made.floating_point_range[0].to_value == parameter.maximum
        for choice in parameter.choices:
            assert choice in made.additional_constraints


def test_a_range_open_to_one_side():
    made = descriptor(TABLE["count"])
    assert made.integer_range[0].from_value == 1
    assert made.integer_range[0].to_value == 2**63 - 1


def test_declared_with_given_values_and_a_whole_number_for_a_float(ros):
    node, parameters = start(ros, ("depth.max", 8), ("name", "b"))
    assert parameters.values == {"depth.min": 0.5, "depth.max": 8.0, "name": "b", "count": 3, "on": True}
    assert node.get_parameter("depth.max").value == 8.0
    assert node.describe_parameter("depth.max").description == "Farthest. [m]"


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("depht.max", 8.0, "depht.max: no such parameter"),
        ("depth.max", 11.0, "above the maximum 10"),
        ("depth.max", "far", "expected float, got 'far'"),
        ("name", "c", "not one of a, b"),
        ("count", 2.5, "expected int, got 2.5"),
        ("depth.min", 7.0, "depth.min must be below depth.max"),
    ],
)
def test_bad_start_values_are_refused_in_one_line(ros, name, value, text):
    with pytest.raises(ParameterError) as caught:
        start(ros, (name, value))
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


def test_qos_overrides_and_sim_time_are_not_unknown(ros):
    override = "qos_overrides./image.subscription.reliability"
    _, parameters = start(ros, (override, "reliable"), ("use_sim_time", True))
    assert parameters.unused_overrides() == [override]


def test_runtime_changes_are_validated_together_and_reported_once(ros):
    seen = []
    node, parameters = start(ros, on_change=seen.append)
    before = parameters.values
    pair = [RosParameter("depth.min", value=6.0), RosParameter("depth.max", value=9.0)]
    assert node.set_parameters_atomically(pair).successful
    assert parameters.values["depth.min"] == 6.0
    assert before["depth.min"] == 0.5  # whoever holds the old values keeps them
    assert len(seen) == 1
    result = node.set_parameters([RosParameter("depth.max", value=1.0)])[0]
    assert not result.successful
    assert "depth.min must be below" in result.reason
    assert node.get_parameter("depth.max").value == 9.0
    result = node.set_parameters([RosParameter("name", value="c")])[0]
    assert not result.successful
    assert "not one of" in result.reason
    assert not node.set_parameters([RosParameter("count", value=4)])[0].successful  # read-only
    assert len(seen) == 1


def test_a_whole_number_is_taken_for_a_float_at_run_time(ros):
    node, parameters = start(ros)
    assert node.set_parameters([RosParameter("depth.max", value=7)])[0].successful
    assert parameters.values["depth.max"] == 7.0
    assert isinstance(parameters.values["depth.max"], float)


def test_a_change_can_be_refused_for_what_it_changes(ros):
    def only_up(old, new):
        if new["depth.max"] < old["depth.max"]:
            raise ValueError(f"depth.max may only grow, not from {old['depth.max']:g} to {new['depth.max']:g}")

    node, parameters = start(ros, check_change=only_up)
    assert node.set_parameters([RosParameter("depth.max", value=6.0)])[0].successful
    result = node.set_parameters([RosParameter("depth.max", value=4.0)])[0]
    assert not result.successful
    assert "not from 6 to 4" in result.reason
    assert parameters.values["depth.max"] == 6.0
