from __future__ import annotations

import numpy as np
import pytest

from training.datasets.augment import displace, recolor

PICTURE = np.random.default_rng(0).integers(40, 200, (48, 64, 3), dtype=np.uint8)


def test_colours_change_and_pixels_stay_where_they_are():
    before = PICTURE.copy()
    changes, still = [], []
    smooth = np.repeat(np.repeat(PICTURE[::8, ::8], 8, 0), 8, 1)
    for seed in range(30):
        after = recolor(smooth, np.random.default_rng(seed))
        assert after.shape == smooth.shape
        assert after.dtype == np.uint8
        changes.append(np.abs(after.astype(int) - smooth).mean())
        grey = [p.astype(float).mean(2).ravel() for p in (smooth, after)]
        still.append(np.corrcoef(*grey)[0, 1])
    assert np.mean(np.array(changes) > 3) > 0.7
    assert np.median(still) > 0.9  # brightness order holds, so edges are where depth has them
    assert np.array_equal(PICTURE, before)


def test_the_same_generator_gives_the_same_picture():
    first, again, other = (recolor(PICTURE, np.random.default_rng(s)) for s in (4, 4, 5))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)


def test_some_pictures_lose_all_colour():
    def colour(image):
        return (image.max(2).astype(int) - image.min(2)).mean()

    found = [colour(recolor(PICTURE, np.random.default_rng(s))) for s in range(40)]
    assert min(found) < 0.25 * colour(PICTURE)
    assert max(found) > 0.8 * colour(PICTURE)


@pytest.mark.parametrize("pixels", [0.5, 1.5])
def test_an_image_moves_by_no_more_than_told(pixels):
    ramp = np.zeros((40, 40, 3), np.uint8)
    ramp[..., 0] = 5 * np.arange(40)  # told by its own slope how far it went
    ramp[..., 1] = 5 * np.arange(40)[:, None]
    found = []
    for seed in range(40):
        moved = displace(ramp, np.random.default_rng(seed), pixels).astype(float)
        found.append([(ramp[10:30, 10:30, c] - moved[10:30, 10:30, c]).mean() / 5 for c in (0, 1)])
    found = np.array(found)
    assert np.abs(found).max() <= pixels + 0.15
    assert np.abs(found).max(0).min() > 0.6 * pixels
    assert (found > 0).any(0).all()
    assert (found < 0).any(0).all()


def test_the_border_is_repeated_and_not_black():
    white = np.full((20, 20, 3), 200, np.uint8)
    assert (displace(white, np.random.default_rng(0), 3.0) == 200).all()
