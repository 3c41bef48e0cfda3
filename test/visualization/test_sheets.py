from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_perception.visualization.colormap import colorize, colorize_error
from depth_perception.visualization.sheets import ColorBar, Panel, contact_sheet, number


def test_sheet_holds_every_panel_and_repeats_to_the_byte():
    rng = np.random.default_rng(0)
    panels = [
        Panel(f"panel {index}", rng.integers(0, 255, (30, 60, 3), dtype=np.uint8), ColorBar.depth(1, 50))
        for index in range(5)
    ]
    png = contact_sheet(panels, columns=3, title="A frame")
    assert png == contact_sheet(panels, columns=3, title="A frame")
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR)
    assert picture.shape[1] == 12 * 120
    left = picture[: picture.shape[0] // 2, : picture.shape[1] // 3]
    assert left.std() > 20
    empty = picture[picture.shape[0] * 2 // 3 :, -picture.shape[1] // 4 :]
    assert np.all(empty == 255)  # five panels leave the sixth place white


def test_no_panels_are_refused():
    with pytest.raises(ValueError, match="at least one panel"):
        contact_sheet([])


def test_an_empty_place_stays_empty():
    picture = np.zeros((20, 30, 3), np.uint8)
    full = cv2.imdecode(np.frombuffer(contact_sheet([Panel("a", picture)] * 4, 2), np.uint8), cv2.IMREAD_COLOR)
    holed = cv2.imdecode(
        np.frombuffer(contact_sheet([None, *[Panel("a", picture)] * 3], 2), np.uint8), cv2.IMREAD_COLOR
    )
    assert holed.shape == full.shape
    height, width = full.shape[0] // 2, full.shape[1] // 2
    assert (holed[:height, :width] == 255).all()
    assert not (full[:height, :width] == 255).all()
    with pytest.raises(ValueError, match="at least one panel"):
        contact_sheet([None])


def test_bar_colors_are_those_of_the_picture():
    bar = ColorBar.depth(1.0, 16.0)
    depth = np.array([[value for _, value in bar.ticks(5)]], np.float32)
    np.testing.assert_allclose(depth, [[1, 2, 4, 8, 16]], rtol=1e-6)
    expected = colorize(depth, 1.0, 16.0)[0].astype(int)
    assert np.abs(bar.colors(5).astype(int) - expected).max() <= 6
    error = ColorBar.error(2.0)
    values = np.array([[value for _, value in error.ticks(3)]], np.float32)
    assert np.abs(error.colors(3).astype(int) - colorize_error(values, 2.0)[0].astype(int)).max() <= 6


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (1, "1"), (0.25, "0.25"), (12.345, "12.3"), (123.4, "123"), (0.001, "0.001"), (80, "80")],
)
def test_number(value, text):
    assert number(value) == text
