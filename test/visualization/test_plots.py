from __future__ import annotations

import cv2
import numpy as np

from depth_perception.visualization import plots


def decode(png):
    assert png.startswith(b"\x89PNG")
    return cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)


def test_lines_are_drawn_and_repeat_to_the_byte():
    series = {"a": ([0, 1, 2], [1.0, float("nan"), 3.0]), "b": ([0, 1, 2], [2.0, 2.0, 2.0])}
    first = plots.lines(series, "time [s]", "MAE [m]")
    assert first == plots.lines(series, "time [s]", "MAE [m]")
    assert decode(first).std() > 5
    assert first != plots.lines({"a": ([0, 1, 2], [1.0, 2.0, 3.0])}, "time [s]", "MAE [m]")


def test_no_version_or_date_in_the_file():
    png = plots.lines({"a": ([0, 1], [0, 1])}, "x", "y")
    assert b"matplotlib" not in png.lower()


def test_bars_take_missing_values():
    picture = decode(plots.grouped_bars(["0-1", "1-2"], {"a": [1.0, float("nan")], "b": [2.0, 3.0]}, "x", "y"))
    assert picture.shape[1] > picture.shape[0]


def test_calibration_is_square_and_shows_its_curve():
    flat = plots.calibration({"m": [(0.1, 0.1), (0.9, 0.9)]})
    bent = plots.calibration({"m": [(0.1, 0.5), (0.9, 0.95)], "n": [(0.2, 0.1), (0.9, 0.8)]})
    assert decode(flat).shape == decode(bent).shape
    assert flat != bent


def test_global_settings_of_the_user_are_left_alone():
    import matplotlib

    before = dict(matplotlib.rcParams)
    plots.lines({"a": ([0, 1], [0, 1])}, "x", "y")
    assert dict(matplotlib.rcParams) == before
