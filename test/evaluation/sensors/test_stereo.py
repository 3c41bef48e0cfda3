import dataclasses

import numpy as np
import pytest

from depth_perception.evaluation.sensors import Sensor, Stereo

from .conftest import BOTTOM, FOCAL, LEFT, RIGHT, TOP, WALL

BARE = Stereo(baseline=0.1, step=0.0, noise=0.0, edge_holes=0.0, holes=0.0)


def share(mask):
    return float(np.mean(mask))


def test_without_faults_only_the_shadow_is_missing(frame, rng):
    scan = Sensor(BARE).scan(frame, rng)
    given = scan.sparse > 0
    np.testing.assert_allclose(scan.sparse[given], frame.depth[given], rtol=1e-5)
    rows, columns = np.nonzero(~given)
    width = FOCAL * 0.1 * (1 / 2 - 1 / WALL)  # difference of the disparities: 8.3 pixels
    assert rows.min() >= TOP
    assert rows.max() < BOTTOM
    assert columns.max() == LEFT - 1
    assert columns.min() == pytest.approx(LEFT - width, abs=1.5)
    assert given[TOP:BOTTOM, RIGHT + 1].all()


def test_quantisation_grows_with_the_square_of_depth(frame, rng):
    slope = np.linspace(1, 8, 240, dtype=np.float32)[:, None] * np.ones((1, 320), np.float32)
    scan = Sensor(dataclasses.replace(BARE, step=0.25)).scan(dataclasses.replace(frame, depth=slope), rng)
    column = scan.sparse[:, 100]
    error = np.abs(column - slope[:, 100])
    near, far = error[slope[:, 100] < 2].max(), error[slope[:, 100] > 6].max()
    assert far > 8 * near
    disparity = FOCAL * 0.1 / column[column > 0]
    np.testing.assert_allclose(disparity / 0.25, np.rint(disparity / 0.25), atol=1e-3)


def test_far_is_missing(frame, rng):
    scan = Sensor(dataclasses.replace(BARE, limit=4.0)).scan(frame, rng)
    assert scan.sparse.max() < 2.1
    assert share(scan.sparse > 0) == pytest.approx((BOTTOM - TOP) * (RIGHT - LEFT) / frame.depth.size)


def test_edges_lose_points_and_surfaces_do_not(frame, rng):
    given = Sensor(dataclasses.replace(BARE, edge_holes=1.0)).scan(frame, rng).sparse > 0
    assert not given[TOP:BOTTOM, RIGHT - 1 : RIGHT + 1].any()
    assert given[: TOP - 2].all()
    assert given[TOP + 2 : BOTTOM - 2, LEFT + 2 : RIGHT - 2].all()


def test_dark_and_saturated_places_are_lost(frame, rng):
    image = np.full_like(frame.image, 120)
    image[:60], image[-60:] = 4, 255
    given = Sensor(dataclasses.replace(BARE, holes=1.0)).scan(dataclasses.replace(frame, image=image), rng).sparse > 0
    assert share(given[:60]) < 0.2
    assert share(given[-60:]) < 0.2
    assert share(given[60:80]) > 0.8


def test_disparity_noise_is_smooth(frame, rng):
    sparse = Sensor(dataclasses.replace(BARE, noise=0.3)).scan(frame, rng).sparse[:TOP]
    disparity = FOCAL * 0.1 / sparse - FOCAL * 0.1 / WALL
    assert 0.2 < disparity.std() < 0.4
    assert np.abs(np.diff(disparity, axis=1)).mean() < 0.15 * disparity.std()


def test_nothing_known_nothing_measured(frame, rng):
    assert not Sensor(Stereo()).scan(dataclasses.replace(frame, depth=np.zeros_like(frame.depth)), rng).sparse.any()
