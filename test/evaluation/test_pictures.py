from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from depth_perception.evaluation.pictures import error_picture, frame_pictures, round_up
from depth_perception.evaluation.results import Example
from depth_perception.frames import CameraModel, SparseDepth
from depth_perception.visualization.colormap import UNKNOWN_COLOR


def example(truth=True, deviation=0.1):
    depth = np.tile(np.linspace(2, 8, 40, dtype=np.float32), (30, 1))
    sparse = SparseDepth.from_image(np.where(np.arange(1200).reshape(30, 40) % 7 == 0, depth, 0).astype(np.float32))
    held = sparse.select(np.arange(len(sparse)) % 5 == 0)
    return Example(
        0,
        1,
        CameraModel.pinhole(40, 40, 19.5, 14.5, 40, 30),
        np.full((30, 40, 3), 100, np.uint8),
        sparse,
        held,
        depth if truth else None,
        {"a": (depth + 0.2, np.full_like(depth, deviation)), "b": (depth * np.nan, np.full_like(depth, np.nan))},
    )


def test_panels_with_truth():
    pictures = frame_pictures(example())
    assert [panel.title for panel in pictures.shared] == ["Image", "Input: 172 points", "Ground truth"]
    titles = [panel.title for panel in pictures.models["a"]]
    assert titles == ["Dense depth", "Absolute error", "Standard deviation", "Coloured cloud, seen from aside"]
    assert "Standard deviation" not in [panel.title for panel in pictures.models["b"]]
    for panel in (*pictures.shared, *pictures.models["a"], *pictures.models["b"]):
        assert panel.picture.shape == (30, 40, 3)
        assert panel.picture.dtype == np.uint8


def test_models_share_their_scales():
    pictures = frame_pictures(example())
    bars = {panel.title: panel.bar for panel in pictures.models["a"]}
    assert bars["Dense depth"] == pictures.shared[1].bar == pictures.shared[2].bar
    assert pictures.models["b"][1].bar == bars["Absolute error"]
    assert bars["Absolute error"].maximum == pytest.approx(0.2)
    assert bars["Standard deviation"].maximum == bars["Absolute error"].maximum


def test_without_truth_errors_are_dots_at_held_out_points():
    panel = frame_pictures(example(truth=False)).models["a"][1]
    assert panel.title == "Absolute error at held-out points"
    known = np.any(panel.picture != np.array(UNKNOWN_COLOR, np.uint8), axis=2)
    assert known.sum() == len(example().held)


def test_error_picture_without_anything_is_grey():
    depth = np.ones((4, 4), np.float32)
    assert np.all(error_picture(depth, None, None, 1.0) == UNKNOWN_COLOR)


@pytest.mark.parametrize(("value", "up"), [(0.3, 0.5), (1.0, 1.0), (1.01, 2.0), (7.0, 10.0), (0.002, 0.002), (60, 100)])
def test_round_up(value, up):
    assert round_up(value) == pytest.approx(up)


def test_points_show_even_where_a_model_keeps_to_a_narrow_range():
    narrow = replace(example(False), estimates={"a": (np.full((30, 40), 5, np.float32), np.ones((30, 40), np.float32))})
    bar = frame_pictures(narrow, "Input for the scale").shared[1].bar
    assert bar.minimum < 2.5
    assert bar.maximum > 7.5
    assert frame_pictures(narrow, "Input for the scale").shared[1].title == "Input for the scale: 172 points"
