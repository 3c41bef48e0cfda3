from __future__ import annotations

from depth_perception.pipelines.topics import COMPLETION_INPUTS, COMPLETION_OUTPUTS, Topic, topic_table


def test_names_are_unique_and_relative_but_for_the_global_ones():
    topics = COMPLETION_INPUTS + COMPLETION_OUTPUTS
    names = [topic.name for topic in topics]
    assert len(set(names)) == len(names)
    assert {name for name in names if name.startswith("/")} == {"/tf", "/tf_static", "/diagnostics"}


def test_the_table_has_a_row_a_topic_and_names_the_choice():
    table = topic_table([Topic("a", "t/msg/T", "what", "x: y"), Topic("b", "t/msg/U", "why")])
    assert table.splitlines()[2:] == ["| `a` | `t/msg/T` | what (`x: y`) |", "| `b` | `t/msg/U` | why |"]
