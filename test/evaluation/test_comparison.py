from __future__ import annotations

import math

import numpy as np
import pytest

from depth_perception.evaluation import comparison
from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.pictures import FramePictures
from depth_perception.evaluation.report import format_figure
from depth_perception.evaluation.results import TRUTH
from depth_perception.visualization.sheets import Panel


@pytest.fixture(scope="module")
def result(recording):
    return evaluate(EvaluationSettings(recording, models=("diffusion", "fast", "peer:nearest"), frames=2))


def figures(**mae):
    others = {key: 1.0 for key in (*comparison.METRICS, comparison.TIME)}
    return {model: {**others, "mae": value} for model, value in mae.items()}


def test_every_model_has_a_row_and_the_first_one_is_held_against_each_other(result):
    made = comparison.table(result, TRUTH, format_figure)
    names = [row["model"] for row in made["rows"]]
    assert names == ["diffusion", "fast", "peer:nearest", "diffusion ÷ fast", "diffusion ÷ peer:nearest"]
    assert {len(row["cells"]) for row in made["rows"]} == {len(made["head"])}
    labels = [column["label"] for column in made["head"]]
    for label in ("MAE", "RMSE", "AbsRel", "δ<1.25", "Boundary MAE", "In 1σ", "In 95 %", "Time"):
        assert label in labels
    own, other = (result.totals[model, TRUTH].figures()["mae"] for model in ("diffusion", "peer:nearest"))
    assert made["rows"][4]["cells"][0]["text"] == f"× {own / other:.2f}"
    assert made["rows"][2]["cells"][labels.index("In 1σ")]["text"] == "–"  # a peer claims no deviation
    assert float(made["rows"][0]["cells"][-1]["text"]) == pytest.approx(
        1e3 * np.median(result.latency["diffusion"]["complete"]), abs=0.06
    )


def test_one_model_alone_is_no_comparison(recording):
    alone = evaluate(EvaluationSettings(recording, models=("fast",), frames=1))
    assert comparison.table(alone, TRUTH, format_figure) is None


def test_less_and_more_are_told_in_words():
    text = comparison.sentence(figures(a=1.0, b=2.0, c=0.8, d=1.001), 7)
    assert text == (
        "The mean absolute error of a is 50 % below that of b, 25 % above that of c, the same as that of d, on the "
        "same 7 frames with the same points."
    )
    assert comparison.sentence(figures(a=1.0, b=math.nan), 7) == ""


def test_ratios_have_no_figure_where_there_is_nothing_to_divide():
    found = comparison.ratios(figures(a=1.0, b=0.0), "a", "b")
    assert math.isnan(found["mae"])
    assert found["rmse"] == 1.0
    assert "delta1" not in found  # half of that would not be twice as good


def test_pictures_stand_in_columns_with_holes_where_a_model_has_none():
    picture = np.zeros((4, 4, 3), np.uint8)
    shared = [Panel("Image", picture), Panel("Input", picture)]
    models = {
        "a": [Panel("Depth", picture), Panel("Deviation", picture), Panel("Cloud", picture)],
        "b": [Panel("Depth", picture), Panel("Cloud", picture)],
    }
    grid, columns = comparison.side_by_side(FramePictures(shared, models))
    assert columns == 3
    assert [None if panel is None else panel.title for panel in grid] == [
        "Image", "a: depth", "b: depth",
        "Input", "a: deviation", None,
        None, "a: cloud", "b: cloud",
    ]  # fmt: skip
