from __future__ import annotations

import pytest
import yaml

from depth_perception.nodes.bag_player_parameters import BAG_PLAYER_PARAMETERS
from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.parameter_docs import limits_text, markdown_table, yaml_text, yaml_value
from depth_perception.pipelines.parameters import Parameter, ParameterTable, read_parameter_file


@pytest.mark.parametrize(
    ("node", "table"),
    [
        ("completion", COMPLETION_PARAMETERS),
        ("estimation", ESTIMATION_PARAMETERS),
        ("bag_player", BAG_PLAYER_PARAMETERS),
        ("evaluation", EVALUATION_PARAMETERS),
    ],
)
def test_shipped_yaml_is_what_the_generator_writes(repository, node, table):
    text = (repository / "config" / f"{node}.yaml").read_text()
    assert text == yaml_text(table, f"{node}_node"), (
        f"stale; run: python -m depth_perception parameters {node} > config/{node}.yaml"
    )


def test_yaml_reads_back_as_the_defaults_under_any_node_name(tmp_path):
    file = tmp_path / "x.yaml"
    file.write_text(yaml_text(COMPLETION_PARAMETERS, "completion_node"))
    assert read_parameter_file(file, COMPLETION_PARAMETERS, "renamed") == COMPLETION_PARAMETERS.defaults()


@pytest.mark.parametrize("value", [True, False, 0, -3, 1.0, 0.1, 1e-7, -2.5e-9, 1e300, "", "on", 'a "b" \\ c', "1.0"])
def test_yaml_value_keeps_type_and_value(value):
    back = yaml.safe_load(f"x: {yaml_value(value)}")["x"]
    assert back == value
    assert type(back) is type(value)


def test_yaml_shows_description_limits_and_unit():
    table = ParameterTable([Parameter("a.b", 2.0, "Some length.", "m", 1.0, 3.0, read_only=True)])
    text = yaml_text(table, "some_node")
    assert "some_node" in text
    for part in ("      # Some length.\n", "      # 1 to 3 [m]; set at start only\n", "    a:\n", "      b: 2.0\n"):
        assert part in text


def test_limits_text_covers_every_kind_of_limit():
    assert limits_text(Parameter("a", "x", "d", choices=("x", "y"))) == "x | y"
    assert limits_text(Parameter("a", 1, "d", minimum=0)) == "at least 0"
    assert limits_text(Parameter("a", 1, "d", maximum=4)) == "at most 4"
    assert limits_text(Parameter("a", True, "d")) == ""


def test_markdown_has_one_row_per_parameter_with_equal_cells():
    rows = markdown_table(COMPLETION_PARAMETERS).splitlines()
    assert len(rows) == 2 + len(COMPLETION_PARAMETERS)
    cells = {len(row.replace("\\|", "").split("|")) for row in rows}
    assert cells == {8}
    assert any(row.startswith("| `depth.max` | `80.0` | m | 0.1 to 10000 | yes |") for row in rows)
