from __future__ import annotations

import csv
import io
import json

import numpy as np
import pytest

from depth_perception.evaluation.boundaries import BoundarySums
from depth_perception.evaluation.metrics import depth_sums
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.results import (
    ALL_METRICS,
    HELD_OUT,
    TRUTH,
    EvaluationResult,
    FrameScore,
    Total,
    per_frame_csv,
    scores,
    timing,
    write_data,
)


@pytest.fixture
def result():
    made = EvaluationResult(
        recording={"name": "r", "seconds": 1.0, "topics": {}},
        topics=TopicChoice("/image"),
        protocol={"holdout": "none"},
        parameters={"model": "fast"},
        models={"fast": "1"},
    )
    sums = depth_sums([2.0, 3.0], [2.0, 4.0])
    total = made.totals.setdefault(("fast", HELD_OUT), Total())
    total.add(sums, BoundarySums(), 0.5)
    total.add(sums, BoundarySums(2, 2, 1.0, 1), 1.0)
    figures = {**sums.compute(), **BoundarySums().compute()}
    made.rows.append(FrameScore(0, 10**18 + 1, "fast", HELD_OUT, 2, figures, 0.5, 7, None))
    made.rows.append(FrameScore(1, 10**18 + 2, "fast", HELD_OUT, 2, figures, 1.0, 7, -0.0125))
    made.frames = 2
    made.skip("no_transform", "first reason")
    made.skip("no_transform", "second reason")
    made.latency["fast"] = {"complete": [0.01, 0.03], "total": [0.02, 0.06]}
    return made


def test_totals_average_over_frames(result):
    figures = result.totals["fast", HELD_OUT].figures()
    assert figures["mae"] == 0.5
    assert figures["boundary_mae"] == 0.5
    assert figures["image_coverage"] == 0.75
    assert (figures["frames"], figures["scored"]) == (2, 4)


def test_scores_are_valid_json_without_nan(result):
    text = json.dumps(scores(result), allow_nan=False)
    found = json.loads(text)["models"]["fast"]["scores"][HELD_OUT]
    assert found["inside_68"] is None
    assert found["mae"] == 0.5
    assert found["by_range"][-1]["lower"] == 3.0


def test_infinite_bin_borders_become_null(result):
    result.totals["fast", HELD_OUT].add(depth_sums([90.0], [90.0]), BoundarySums(), 1.0)
    assert scores(result)["models"]["fast"]["scores"][HELD_OUT]["by_range"][-1]["upper"] is None


def test_first_reason_is_kept_and_all_are_counted(result):
    assert result.skipped == {"no_transform": 2}
    assert result.messages == {"no_transform": "first reason"}


def test_csv_has_a_line_per_frame_and_empty_cells_for_nothing(result):
    rows = list(csv.DictReader(io.StringIO(per_frame_csv(result))))
    assert len(rows) == 2
    assert rows[0]["stamp"] == "1000000000000000001"
    assert rows[0]["interval"] == ""
    assert float(rows[1]["interval"]) == -0.0125
    assert float(rows[0]["mae"]) == 0.5
    assert rows[0]["smear_rate"] == ""
    assert set(ALL_METRICS) <= set(rows[0])


def test_timing_in_milliseconds(result):
    found = timing(result)["fast"]
    assert found["stages"]["complete"]["median_ms"] == pytest.approx(20.0)
    assert found["frames_per_second"] == pytest.approx(25.0)


def test_no_seconds_of_computation_in_the_repeatable_files(result, tmp_path):
    paths = {path.name: path for path in write_data(result, tmp_path / "deep" / "er")}
    before = {name: path.read_bytes() for name, path in paths.items()}
    result.latency["fast"]["complete"].append(9.0)
    write_data(result, tmp_path / "deep" / "er")
    changed = {name for name, path in paths.items() if path.read_bytes() != before[name]}
    assert changed == {"timing.json"}


def test_targets_put_truth_first(result):
    result.totals["fast", TRUTH] = Total()
    assert result.targets() == [TRUTH, HELD_OUT]


def test_numpy_numbers_become_plain(result):
    result.protocol["n"] = np.float64(2.0)
    result.protocol["m"] = np.int64(3)
    assert json.loads(json.dumps(scores(result)))["protocol"] == {"holdout": "none", "n": 2.0, "m": 3}
