"""Projection of clouds against a plain loop, and deskewing against the true motion."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.frames import CameraModel, PointCloud
from depth_perception.geometry import camera as cameras
from depth_perception.geometry import projection, transforms

CAMERA = CameraModel.pinhole(40.0, 40.0, 15.5, 11.5, 32, 24)
MOUNT = transforms.make_transform([0.1, -0.2, 0.3], [0.5, -0.5, 0.5, 0.5])  # LiDAR x forward to camera z forward


def by_hand(cloud, T, camera, near, far):
    """One point after the other, in float64; returns {(row, column): (depth, index)}."""
    best = {}
    pixels, z = cameras.project(camera, transforms.apply(T, cloud.points.astype(np.float64)))
    for index, ((u, v), depth) in enumerate(zip(pixels, z, strict=True)):
        if not np.isfinite(u) or not near <= depth <= far:
            continue
        at = (int(np.floor(v + 0.5)), int(np.floor(u + 0.5)))
        if not (0 <= at[0] < camera.height and 0 <= at[1] < camera.width):
            continue
        if at not in best or np.float32(depth) < best[at][0]:
            best[at] = (np.float32(depth), index)
    return best


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10_000), st.integers(0, 400), st.sampled_from(["none", "plumb_bob", "equidistant"]))
def test_project_cloud_keeps_the_nearest_of_each_pixel(seed, n, model):
    rng = np.random.default_rng(seed)
    points = rng.uniform([-2, -6, -4], [12, 6, 4], (n, 3)).astype(np.float32)
    points[: n // 4] = points[n // 2 : n // 2 + n // 4] * np.float32(1.5)  # same rays, farther
    D = np.zeros(4) if model == "equidistant" else np.array([-0.3, 0.1, 0.001, 0.0, 0.0])
    camera = CameraModel(32, 24, CAMERA.K, D, model)
    cloud = PointCloud(0, "lidar", points, ring=np.arange(n, dtype=np.int32) % 7)
    sparse = projection.project_cloud(cloud, MOUNT, camera, 0.5, 8.0)
    expected = by_hand(cloud, MOUNT, camera, 0.5, 8.0)
    got = {
        (int(r), int(c)): (d, int(i))
        for r, c, d, i in zip(sparse.rows, sparse.columns, sparse.depth, sparse.source, strict=True)
    }
    assert got == expected
    assert len(sparse) == len(got)
    np.testing.assert_array_equal(sparse.ring, cloud.ring[sparse.source])
    assert (np.diff(sparse.source) > 0).all()
    assert (sparse.rows.dtype, sparse.depth.dtype, sparse.source.dtype) == (np.int32, np.float32, np.int32)


def test_the_first_of_equals_stays():
    points = np.repeat(np.array([[5.0, 0.0, 0.0]], np.float32), 4, axis=0)
    sparse = projection.project_cloud(PointCloud(0, "lidar", points), MOUNT, CAMERA)
    assert sparse.source.tolist() == [0]
    assert sparse.ring is None


def test_nothing_to_project():
    for points in (np.zeros((0, 3), np.float32), np.array([[-5, 0, 0], [np.nan, 1, 1]], np.float32)):
        sparse = projection.project_cloud(PointCloud(0, "lidar", points), MOUNT, CAMERA)
        assert len(sparse) == 0
        assert sparse.shape == (24, 32)
    with pytest.raises(ValueError, match=r"\(4, 4\), got \(3, 4\)"):
        projection.project_cloud(PointCloud(0, "lidar", points), MOUNT[:3], CAMERA)


def test_points_of_a_drive_fall_where_its_calibration_says(real_data):
    """Against the matrices of the data set, multiplied out by themselves."""
    drive = real_data / "kitti_drive"
    numbers = {
        line.split(":")[0]: np.array(line.split(":")[1].split(), float)
        for name in ("calib_cam_to_cam.txt", "calib_velo_to_cam.txt")
        for line in (drive / name).read_text().splitlines()
        if ":" in line
    }
    P = numbers["P_rect_02"].reshape(3, 4)
    rectify, velo = np.eye(4), np.eye(4)
    rectify[:3, :3] = numbers["R_rect_00"].reshape(3, 3)
    velo[:3, :3], velo[:3, 3] = numbers["R"].reshape(3, 3), numbers["T"]
    shift = np.eye(4)
    shift[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    points = np.fromfile(drive / "velodyne_points/data/0000000000.bin", np.float32).reshape(-1, 4)[:, :3]
    camera = CameraModel(1242, 375, P[:, :3])
    sparse = projection.project_cloud(PointCloud(0, "velo", points), shift @ rectify @ velo, camera)
    image = P @ rectify @ velo @ np.c_[points[sparse.source], np.ones(len(sparse))].astype(float).T
    np.testing.assert_allclose(image[0] / image[2], sparse.columns, atol=0.501)
    np.testing.assert_allclose(image[1] / image[2], sparse.rows, atol=0.501)
    assert 14_000 < len(sparse) < 17_500


# --- deskew ------------------------------------------------------------------------------------------------------


def motion(speed, rate):
    """Pose of the sensor in the world at a stamp: constant speed along a line, constant turn about an axis."""
    speed, rate = np.array(speed), np.array(rate)

    def pose(stamp):
        t = stamp * 1e-9
        angle = np.linalg.norm(rate) * t
        axis = rate / np.linalg.norm(rate) if np.any(rate) else rate
        return transforms.make_transform(speed * t, [*(axis * np.sin(angle / 2)), np.cos(angle / 2)])

    return pose


@pytest.mark.parametrize(
    ("speed", "rate", "tolerance"),
    [((20.0, 1.0, 0.0), (0, 0, 0), 1e-5), ((10.0, 0, 0), (0.0, 0.1, 1.0), 2e-4), ((0, 0, 0), (0, 0, 0.5), 1e-4)],
)
def test_deskew_undoes_constant_motion(speed, rate, tolerance):
    rng = np.random.default_rng(0)
    world = rng.uniform(-50, 50, (3000, 3))
    time = rng.permutation(np.linspace(-0.1, 0.0, 3000))  # any order, relative to the end of the scan
    stamp, goal = 5_000_000_000, 4_970_000_000
    pose = motion(speed, rate)
    seen = np.array(
        [transforms.apply(transforms.invert(pose(stamp + round(t * 1e9))), p[None])[0] for p, t in zip(world, time)]
    )
    ring = np.arange(3000, dtype=np.int32)
    cloud = PointCloud(stamp, "lidar", seen.astype(np.float32), None, ring, time)
    out = projection.deskew(cloud, pose, goal)
    expected = transforms.apply(transforms.invert(pose(goal)), world)
    assert np.abs(cloud.points - expected).max() > 0.5  # there was something to undo
    np.testing.assert_allclose(out.points, expected, atol=tolerance)
    assert (out.stamp, out.frame_id, out.time) == (goal, "lidar", None)
    assert out.ring is ring
    assert out.points.dtype == np.float32


def test_deskew_without_times_moves_the_scan_as_one_piece():
    pose = motion((10.0, 0, 0), (0, 0, 0))
    cloud = PointCloud(1_000_000_000, "lidar", np.array([[5.0, 1.0, 0.0]], np.float32))
    np.testing.assert_allclose(projection.deskew(cloud, pose, 1_100_000_000).points, [[4.0, 1.0, 0.0]], atol=1e-5)


@pytest.mark.parametrize("time", [[], [0.02], [0.02, 0.02]])
def test_deskew_of_few_or_simultaneous_points(time):
    pose = motion((10.0, 0, 0), (0, 0, 0))
    points = np.zeros((len(time), 3), np.float32)
    out = projection.deskew(PointCloud(0, "lidar", points, time=np.array(time)), pose, 0)
    np.testing.assert_allclose(out.points, np.tile([0.2, 0, 0], (len(time), 1)), atol=1e-6)


def test_deskew_passes_on_what_the_poses_raise_and_refuses_bad_times():
    def nowhere(stamp):
        raise LookupError(f"no pose at {stamp}")

    cloud = PointCloud(0, "lidar", np.ones((1, 3), np.float32), time=np.array([np.nan]))
    with pytest.raises(LookupError, match="no pose at 7"):
        projection.deskew(cloud, nowhere, 7)
    with pytest.raises(ValueError, match="not finite"):
        projection.deskew(cloud, lambda stamp: np.eye(4), 7)
    with pytest.raises(ValueError, match="bins"):
        projection.deskew(cloud, lambda stamp: np.eye(4), 7, bins=0)
