from __future__ import annotations

import pytest

from depth_perception.pipelines.parameters import (
    Parameter,
    ParameterError,
    ParameterTable,
    flatten,
    read_parameter_file,
)

TABLE = ParameterTable(
    [
        Parameter("model", "fast", "Which.", choices=("fast", "slow")),
        Parameter("sync.interval", 0.1, "How long.", "s", 0.0, 1.0),
        Parameter("sync.queue", 5, "How many.", minimum=1),
        Parameter("active", True, "Whether."),
    ]
)


def test_defaults_are_overridden_and_whole_numbers_become_floats():
    values = TABLE.resolve({"sync.interval": 1, "active": False})
    assert values == {"model": "fast", "sync.interval": 1.0, "sync.queue": 5, "active": False}
    assert isinstance(values["sync.interval"], float)


@pytest.mark.parametrize(
    ("name", "value", "text"),
    [
        ("modle", "fast", r"modle: no such parameter; did you mean model\?"),
        ("queue", 3, r"queue: no such parameter; did you mean sync.queue\?"),
        ("depth", 3, "depth: no such parameter; known: model, sync.interval, sync.queue, active"),
        ("model", "quick", "'quick' is not one of fast, slow"),
        ("model", 3, "expected str, got 3"),
        ("sync.interval", 1.5, "above the maximum 1"),
        ("sync.interval", -0.5, "below the minimum 0"),
        ("sync.interval", float("nan"), "not a number"),
        ("sync.queue", 0, "below the minimum 1"),
        ("sync.queue", 2.0, "expected int, got 2.0"),
        ("sync.queue", True, "expected int, got True"),
        ("active", 1, "expected bool, got 1"),
    ],
)
def test_bad_values_name_parameter_and_value(name, value, text):
    with pytest.raises(ParameterError, match=text) as caught:
        TABLE.resolve({name: value})
    assert name in str(caught.value)


def test_a_table_refuses_twins_and_broken_defaults():
    with pytest.raises(ValueError, match="twice"):
        ParameterTable([Parameter("a", 1, ""), Parameter("a", 2, "")])
    with pytest.raises(ParameterError, match="below the minimum"):
        ParameterTable([Parameter("a", 1, "", minimum=2)])


def test_flatten_joins_names_with_dots():
    assert flatten({"a": {"b": {"c": 1}, "d": 2}, "e": 3}) == {"a.b.c": 1, "a.d": 2, "e": 3}


def test_parameter_file_sections_apply_in_order(tmp_path):
    path = tmp_path / "p.yaml"
    path.write_text(
        "/**:\n  ros__parameters:\n    use_sim_time: true\n    sync: {interval: 0.5, queue: 2}\n"
        "/robot/completion_node:\n  ros__parameters:\n    sync: {queue: 3}\n    qos_overrides: {/a: {depth: 1}}\n"
        "other_node:\n  ros__parameters:\n    sync: {queue: 9}\n"
    )
    values = read_parameter_file(path, TABLE, "completion_node")
    assert values["sync.interval"] == 0.5
    assert values["sync.queue"] == 3


@pytest.mark.parametrize("text", ["- a\n- b\n", "completion_node:\n  sync: 1\n"])
def test_a_file_that_is_no_parameter_file_says_so(tmp_path, text):
    path = tmp_path / "p.yaml"
    path.write_text(text)
    with pytest.raises(ValueError, match=r"p\.yaml"):
        read_parameter_file(path, TABLE, "completion_node")
