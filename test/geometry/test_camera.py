"""Cameras: projection both ways, against OpenCV, and what crop, binning, size and rectification do to them."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.frames import CameraModel
from depth_perception.geometry import camera as cam

K = np.array([[520.0, 0.0, 325.5], [0.0, 515.0, 238.2], [0.0, 0.0, 1.0]])
D = {
    "none": [],
    "plumb_bob": [-0.28, 0.09, 0.0008, -0.0006, -0.01],
    "rational_polynomial": [0.46, -2.58, 0.0007, -0.0003, 1.55, 0.34, -2.41, 1.48],
    "equidistant": [-0.01, 0.02, -0.006, 0.0008],
}


def turn(yaw=0.0, pitch=0.0):
    return cv2.Rodrigues(np.array([pitch, yaw, 0.0]))[0]


def make(model="none", R=None, P=None, width=640, height=480):
    return CameraModel(width, height, K, np.array(D[model], float), model, np.eye(3) if R is None else R, P)


@pytest.mark.parametrize("model", D)
def test_project_agrees_with_opencv(model):
    points = np.random.default_rng(0).uniform([-2, -2, 4], [2, 2, 8], (500, 3))
    pixels, z = cam.project(make(model), points)
    zero = np.zeros(3)
    if model == "equidistant":
        expected = cv2.fisheye.projectPoints(points[:, None], zero, zero, K, np.array(D[model]))[0]
    else:
        expected = cv2.projectPoints(points, zero, zero, K, np.array(D[model], float))[0]
    np.testing.assert_allclose(pixels, expected.reshape(-1, 2), atol=1e-9)
    np.testing.assert_array_equal(z, points[:, 2])


@settings(deadline=None)
@given(
    st.sampled_from(list(D)),
    st.lists(st.tuples(st.floats(0, 639), st.floats(0, 479), st.floats(0.05, 300.0)), min_size=1, max_size=30),
    st.floats(-0.05, 0.05),
    st.floats(-0.05, 0.05),
)
def test_pixel_to_point_and_back(model, sightings, yaw, pitch):
    camera = make(model, R=turn(yaw, pitch))
    sightings = np.array(sightings)
    points = cam.unproject(camera, sightings[:, :2], sightings[:, 2])
    pixels, z = cam.project(camera, points)
    np.testing.assert_allclose(pixels, sightings[:, :2], atol=1e-6)
    np.testing.assert_allclose(z, sightings[:, 2], rtol=1e-12)


@pytest.mark.parametrize("model", D)
def test_what_is_not_ahead_has_no_pixel(model):
    points = np.array([[0, 0, -1.0], [0, 0, 0], [np.nan, 0, 1], [0, 0, np.inf], [0.1, 0.1, 1], [0, 0, 1]])
    pixels, _ = cam.project(make(model), points)
    assert np.isfinite(pixels).all(axis=1).tolist() == [False, False, False, False, True, True]
    assert (np.isnan(pixels[:, 0]) == np.isnan(pixels[:, 1])).all()


def test_nothing_folds_back_into_the_image():
    strong = CameraModel(640, 480, K, np.array([-0.4, 0.12, 0.0, 0.0, -0.01]), "plumb_bob")
    points = np.stack([np.linspace(0, 40, 2000), np.zeros(2000), np.ones(2000)], 1)
    pixels, _ = cam.project(strong, points)
    naive = cv2.projectPoints(points, np.zeros(3), np.zeros(3), K, strong.D)[0].reshape(-1, 2)
    folded = (naive[:, 0] >= 0) & (naive[:, 0] < 640) & (points[:, 0] > 2.0)
    assert folded.any()  # the polynomial alone would put them into the image
    assert np.isnan(pixels[folded]).all()
    seen = pixels[np.isfinite(pixels[:, 0]), 0]
    assert (np.diff(seen) > 0).all()


def test_is_pinhole():
    assert cam.is_pinhole(make())
    assert cam.is_pinhole(CameraModel(640, 480, K, np.zeros(5), "plumb_bob"))
    for other in (
        make("plumb_bob"),
        make(R=turn(0.01)),
        CameraModel(640, 480, K, np.zeros(4), "equidistant"),
        CameraModel(640, 480, K + np.array([[0, 2.0, 0], [0, 0, 0], [0, 0, 0]])),
    ):
        assert not cam.is_pinhole(other)


def test_skew_and_empty_input():
    skewed = CameraModel(640, 480, K + np.array([[0, 2.0, 0], [0, 0, 0], [0, 0, 0]]))
    pixels, _ = cam.project(skewed, np.array([[0.5, 1.0, 2.0]]))
    np.testing.assert_allclose(pixels, [[520 * 0.25 + 2.0 * 0.5 + 325.5, 515 * 0.5 + 238.2]])
    np.testing.assert_allclose(cam.unproject(skewed, pixels, [2.0]), [[0.5, 1.0, 2.0]], atol=1e-12)
    for model in D:
        assert cam.project(make(model), np.zeros((0, 3)))[0].shape == (0, 2)
        assert cam.unproject(make(model), np.zeros((0, 2)), np.zeros(0)).shape == (0, 3)
    with pytest.raises(ValueError, match=r"\(n, 3\), got \(3,\)"):
        cam.project(skewed, np.zeros(3))
    with pytest.raises(ValueError, match=r"\(n, 2\), got \(2,\)"):
        cam.unproject(skewed, np.zeros(2), np.zeros(2))


@pytest.mark.parametrize("model", D)
def test_rays_times_depth_are_the_points_of_the_image(model):
    camera = make(model, R=turn(0.02), width=64, height=48)
    camera = CameraModel(64, 48, np.diag([0.1, 0.1, 1.0]) @ K, camera.D, model, camera.R)
    rays = cam.rays(camera)
    assert rays.shape == (48, 64, 3)
    assert rays.dtype == np.float32
    np.testing.assert_allclose(rays[..., 2], 1.0, atol=1e-6)
    pixels, _ = cam.project(camera, 3.0 * rays.reshape(-1, 3))
    np.testing.assert_allclose(pixels, cam.pixel_grid((48, 64)), atol=1e-4)


def test_crop_and_bin_follows_the_sensor():
    full = make("plumb_bob", P=np.hstack([K, np.zeros((3, 1))]))
    small = cam.crop_and_bin(full, 100, 60, 400, 300, 2, 3)
    assert (small.width, small.height) == (200, 100)
    points = np.random.default_rng(1).uniform([-1, -1, 4], [1, 1, 8], (50, 3))
    big, _ = cam.project(full, points)
    binned, _ = cam.project(small, points)
    np.testing.assert_allclose((binned + 0.5) * [2, 3] + [100, 60], big + 0.5, atol=1e-9)
    np.testing.assert_allclose(small.P[:, :3], small.K)
    same = cam.crop_and_bin(full, 0, 0, 0, 0, 0, 0)
    assert same.shape == full.shape
    np.testing.assert_array_equal(same.K, full.K)
    assert cam.crop_and_bin(full, 40, 0, 0, 0).width == 600


@pytest.mark.parametrize("roi", [(600, 0, 100, 10), (-1, 0, 10, 10), (0, 480, 0, 0), (0, 0, 4, 4, 8, 1)])
def test_crop_and_bin_refuses_to_leave_the_image(roi):
    with pytest.raises(ValueError, match="leaves"):
        cam.crop_and_bin(make(), *roi)


def test_resize_matches_the_resized_picture():
    """A bright blob stays where its point projects to, before and after scaling the picture."""
    camera = make()
    rows, columns = np.mgrid[:480, :640]
    pixel, _ = cam.project(camera, np.array([[0.3, -0.2, 2.0]]))
    blob = np.exp(-((columns - pixel[0, 0]) ** 2 + (rows - pixel[0, 1]) ** 2) / 200.0).astype(np.float32)
    smaller = cv2.resize(blob, (320, 160), interpolation=cv2.INTER_AREA)
    expected, _ = cam.project(cam.resize(camera, 320, 160), np.array([[0.3, -0.2, 2.0]]))
    rows, columns = np.mgrid[:160, :320]
    centre = [(columns * smaller).sum() / smaller.sum(), (rows * smaller).sum() / smaller.sum()]
    np.testing.assert_allclose(centre, expected[0], atol=0.02)
    with pytest.raises(ValueError, match="0 x 160"):
        cam.resize(camera, 0, 160)


def test_rectified_takes_p_without_its_baseline():
    P = np.array([[500.0, 0, 320, -60.0], [0, 500, 240, 0], [0, 0, 1, 0]])
    view = cam.rectified(make("plumb_bob", R=turn(0.01), P=P))
    np.testing.assert_array_equal(view.K, P[:, :3])
    np.testing.assert_array_equal(view.R, np.eye(3))
    assert not view.is_distorted
    pixels, _ = cam.project(cam.rectified_view(make(P=P)), np.array([[0, 0, 1.0]]))
    np.testing.assert_allclose(pixels, [[320, 240]])
    uncalibrated = cam.rectified_view(make(P=np.zeros((3, 4))))
    np.testing.assert_array_equal(uncalibrated.K, K)


@pytest.mark.parametrize("model", ["plumb_bob", "rational_polynomial", "equidistant"])
@pytest.mark.parametrize("yaw", [0.0, 0.03])
def test_rectify_image_moves_a_point_to_where_the_rectified_camera_sees_it(model, yaw):
    P = np.array([[450.0, 0, 318, 0.0], [0, 450, 241, 0], [0, 0, 1, 0]])
    camera = make(model, R=turn(yaw), P=P)
    points = np.array([[0.5, 0.3, 2.0], [-0.6, -0.4, 2.0], [0.05, 0.6, 3.0]])
    raw, _ = cam.project(camera, points)
    expected, _ = cam.project(cam.rectified(camera), points)
    rows, columns = np.mgrid[:480, :640]
    for at, goal in zip(raw, expected, strict=True):
        image = np.exp(-((columns - at[0]) ** 2 + (rows - at[1]) ** 2) / 8.0)
        out = cam.rectify_image(camera, np.repeat((255 * image).astype(np.uint8)[..., None], 3, 2))[..., 0] / 255.0
        centre = [(columns * out).sum() / out.sum(), (rows * out).sum() / out.sum()]
        np.testing.assert_allclose(centre, goal, atol=0.15)


def test_rectify_image_agrees_with_opencv():
    P = np.hstack([K, np.zeros((3, 1))])
    camera = make("plumb_bob", P=P)
    image = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8), (0, 0), 3)
    ours, theirs = cam.rectify_image(camera, image), cv2.undistort(image, K, camera.D)
    assert np.abs(ours.astype(int) - theirs).max() <= 1


def test_rectify_image_leaves_good_images_and_refuses_wrong_ones():
    image = np.zeros((480, 640, 3), np.uint8)
    assert cam.rectify_image(make(), image) is image
    with pytest.raises(ValueError, match="image is 640 x 480 but its camera is 320 x 480"):
        cam.rectify_image(make("plumb_bob", width=320), image)


@pytest.mark.parametrize(
    ("camera", "message"),
    [
        (CameraModel(0, 480, K), "0 x 480 is empty"),
        (CameraModel(640, 480, np.zeros((3, 3))), "no positive focal lengths"),
        (CameraModel(640, 480, K, R=np.zeros((3, 3))), "R .* is not a rotation"),
        (CameraModel(640, 480, K, np.ones(5), "omni"), "'omni' is unknown"),
    ],
)
def test_check_camera_names_what_is_wrong(camera, message):
    with pytest.raises(ValueError, match=message):
        cam.check_camera(camera)
    cam.check_camera(make("plumb_bob"))
