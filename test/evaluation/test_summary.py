from __future__ import annotations

from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.summary import summary_table, table


def test_table_aligns_columns():
    text = table(["name", "n"], [["a", "1"], ["longer", "200"]], right=(1,))
    assert text.splitlines() == ["name      n", "──────  ───", "a         1", "longer  200"]


def test_table_without_rows_is_a_header():
    assert table(["a"], []).splitlines() == ["a", "─"]


def test_summary_has_a_line_per_model_and_what_is_missing(recording):
    result = evaluate(EvaluationSettings(recording, models=("fast", "peer:nearest"), frames=2))
    result.skip("no_transform", "why")
    result.partial = "stopped"
    lines = summary_table(result).splitlines()
    assert "MAE [m]" in lines[0]
    assert lines[2].startswith("fast")
    assert lines[3].startswith("peer:nearest")
    assert "1 x no transform" in lines[4]
    assert lines[5] == "partial: stopped after 2 frames"
