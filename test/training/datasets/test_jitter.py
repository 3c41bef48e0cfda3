from __future__ import annotations

import numpy as np
import pytest

from training.datasets.jitter import Jitter

IMAGE = np.random.default_rng(0).integers(60, 180, (12, 16, 3), np.uint8)
SAME = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 0.0}


def change(**values):
    return Jitter(**{**SAME, **values})(IMAGE).astype(float)


def test_nothing_asked_is_nothing_done():
    assert np.abs(change() - IMAGE).max() <= 1


def test_each_change_does_what_its_name_says():
    np.testing.assert_allclose(change(brightness=1.2), 1.2 * IMAGE, atol=1.5)
    flat = change(contrast=0.5)
    assert flat.std() == pytest.approx(0.5 * IMAGE.std(), rel=0.02)
    grey = change(saturation=0.0)
    assert np.ptp(grey, axis=2).max() <= 1
    turned = change(hue=1 / 3)
    np.testing.assert_allclose(turned, np.roll(IMAGE, 1, axis=2), atol=2)  # red becomes green, and so on


def test_draws_stay_within_bounds_and_differ():
    draws = [Jitter.draw(np.random.default_rng(k)) for k in range(50)]
    for draw in draws:
        assert all(0.8 <= x <= 1.2 for x in (draw.brightness, draw.contrast, draw.saturation))
        assert abs(draw.hue) <= 0.1
        assert sorted(draw.order) == [0, 1, 2, 3]
    assert len({d.order for d in draws}) > 10
    assert Jitter.draw(np.random.default_rng(3)) == draws[3]
