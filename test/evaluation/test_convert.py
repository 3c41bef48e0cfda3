from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.convert import ConvertError, kitti_drive_to_bag, rgbd_folder_to_bag, thin_out
from depth_perception.geometry.projection import project_cloud
from depth_perception.geometry.transforms import invert
from depth_perception.messages.camera_info import camera_from_info
from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.labels import decode_labels
from depth_perception.messages.point_cloud import decode_cloud
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import stamp_of
from depth_perception.recordings.reader import Recording, RecordingError

SECOND = 1_000_000_000
# The LiDAR looks forward along x; camera 0 sits in it without offset, camera 2 is 0.5 m to its left.
VELO = "calib_time: 15-Mar-2012 11:37:16\nR: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n"
CAMS = "calib_time: 09-Jan-2012\nR_rect_00: 1 0 0 0 1 0 0 0 1\nP_rect_02: 20 0 9 10 0 20 4 0 0 0 1 0\n"


def make_drive(folder, calibration):
    (folder / "image_02" / "data").mkdir(parents=True)
    (folder / "velodyne_points" / "data").mkdir(parents=True)
    (calibration / "calib_velo_to_cam.txt").write_text(VELO)
    (calibration / "calib_cam_to_cam.txt").write_text(CAMS)
    for k in range(3):
        picture = np.full((10, 20, 3), (10, 20, 30 + k), np.uint8)  # OpenCV order: blue green red
        cv2.imwrite(str(folder / "image_02" / "data" / f"{k:010d}.png"), picture)
    # Two lasers, each a sweep from azimuth 350 to 10 degrees the short way round.
    points = np.array([[10, -1, 0, 0.5], [10, 1, 0, 0.25], [5, -0.5, -0.4, 0.1], [5, 0.0, -0.4, 0.9]], np.float32)
    for k in (0, 2):
        points.tofile(folder / "velodyne_points" / "data" / f"{k:010d}.bin")
    return folder


def test_kitti_drive(tmp_path):
    out = kitti_drive_to_bag(make_drive(tmp_path / "drive", tmp_path), tmp_path / "bag")
    with Recording(out) as recording:
        counts = {name: info.count for name, info in recording.topics().items()}
        assert counts == {"/camera/camera_info": 3, "/camera/image": 3, "/lidar/points": 2, "/tf_static": 1}
        assert recording.topics()["/tf_static"].qos.latched
        image = next(recording.messages(["/camera/image"])).message
        np.testing.assert_array_equal(decode_image(image)[0, 0], [30, 20, 10])
        stamps = [stamp_of(m.message.header) for m in recording.messages(["/lidar/points"])]
        assert stamps[1] - stamps[0] == 2 * SECOND // 10
        assert stamps[0] == stamp_of(image.header)
        camera = camera_from_info(next(recording.messages(["/camera/camera_info"])).message)
        cloud = decode_cloud(next(recording.messages(["/lidar/points"])).message)
        parent, child, _, T = transform_from_message(next(recording.messages(["/tf_static"])).message.transforms[0])
    assert (parent, child) == ("lidar", "camera_optical_frame")
    assert (cloud.frame_id, image.header.frame_id) == (parent, child)
    np.testing.assert_allclose(cloud.intensity, [0.5, 0.25, 0.1, 0.9])
    # pixel = P_rect_02 (4th column and all) * X: the first point has camera 0 coordinates (1, 0, 10)
    sparse = project_cloud(cloud, invert(T), camera)
    first = int(np.flatnonzero(sparse.source == 0)[0])
    assert (sparse.columns[first], sparse.rows[first]) == (20 * 1.5 / 10 + 9, 4)
    assert sparse.depth[first] == pytest.approx(10.0)


def test_kitti_time_stamps_keep_nanoseconds(tmp_path):
    date = tmp_path / "2011_09_26"
    date.mkdir()
    drive = make_drive(date / "2011_09_26_drive_0001_sync", date)
    lines = [f"2011-09-26 13:02:25.{100000001 * (k + 1)}" for k in range(3)]
    for sensor in ("image_02", "velodyne_points"):
        (drive / sensor / "timestamps.txt").write_text("\n".join(lines) + "\n")
    with Recording(kitti_drive_to_bag(date, tmp_path / "bag")) as recording:  # a date folder with one drive
        stamps = [stamp_of(m.message.header) for m in recording.messages(["/camera/image"])]
        scans = [stamp_of(m.message.header) for m in recording.messages(["/lidar/points"])]
    assert stamps == [1317042145 * SECOND + 100000001 * (k + 1) for k in range(3)]
    assert scans == [stamps[0], stamps[2]]


def test_kitti_mistakes_are_named(tmp_path):
    with pytest.raises(ConvertError, match="no such folder"):
        kitti_drive_to_bag(tmp_path / "none", tmp_path / "bag")
    with pytest.raises(ConvertError, match="expected a KITTI raw drive"):
        kitti_drive_to_bag(tmp_path, tmp_path / "bag")
    (tmp_path / "a").mkdir()
    drive = make_drive(tmp_path / "a" / "drive", tmp_path / "a")
    with pytest.raises(ConvertError, match="camera: '2'"):
        kitti_drive_to_bag(drive, tmp_path / "bag", camera="2")
    (tmp_path / "a" / "calib_cam_to_cam.txt").write_text("P_rect_02: 1 2 3\n")
    with pytest.raises(ConvertError, match="no P_rect_02 of 12 numbers"):
        kitti_drive_to_bag(drive, tmp_path / "bag")
    (tmp_path / "a" / "calib_cam_to_cam.txt").unlink()
    with pytest.raises(ConvertError, match=r"no calib_cam_to_cam\.txt"):
        kitti_drive_to_bag(drive, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()


def make_rgbd(folder, frames=3):
    folder.mkdir()
    depth = np.zeros((8, 10), np.uint16)
    depth[1:7] = 1500
    depth[0, 0] = 65535
    for k in range(frames):
        cv2.imwrite(str(folder / f"frame-{k:06d}.color.png"), np.full((8, 10, 3), 50 + k, np.uint8))
        cv2.imwrite(str(folder / f"frame-{k:06d}.depth.png"), depth)
        pose = np.eye(4)
        pose[:3, 3] = 0.1 * k, 0, 0
        pose[0, 0] = 1.0003  # as rounded as 7-Scenes' poses are
        if k == 2:
            pose[:] = np.inf
        np.savetxt(folder / f"frame-{k:06d}.pose.txt", pose)
    np.savetxt(folder / "camera-intrinsics.color.txt", [[12, 0, 5], [0, 12, 4], [0, 0, 1]])
    return folder


def test_rgbd_folder(tmp_path):
    out = rgbd_folder_to_bag(make_rgbd(tmp_path / "in"), tmp_path / "bag", points=7)
    with Recording(out) as recording:
        counts = {name: info.count for name, info in recording.topics().items()}
        sparse = [decode_depth(m.message) for m in recording.messages(["/camera/sparse_depth"])]
        truth = decode_depth(next(recording.messages(["/camera/depth/ground_truth"])).message)
        camera = camera_from_info(next(recording.messages(["/camera/camera_info"])).message)
        poses = [transform_from_message(m.message.transforms[0]) for m in recording.messages(["/tf"])]
    assert counts == {
        "/camera/camera_info": 3,
        "/camera/depth/ground_truth": 3,
        "/camera/image": 3,
        "/camera/sparse_depth": 3,
        "/tf": 2,  # the third pose was lost
    }
    assert [int(np.isfinite(s).sum()) for s in sparse] == [7, 7, 7]
    assert not np.array_equal(sparse[0], sparse[1], equal_nan=True)
    assert np.isnan(truth[0, 0])
    np.testing.assert_allclose(truth[1:7], 1.5)
    assert (camera.K[0, 0], camera.width) == (12, 10)
    assert poses[1][:2] == ("odom", "camera_optical_frame")
    np.testing.assert_allclose(poses[1][3][:3, 3], [0.1, 0, 0])


def test_rgbd_with_list_and_all_points(tmp_path):
    folder = tmp_path / "in"
    (folder / "images").mkdir(parents=True)
    (folder / "depth").mkdir()
    cv2.imwrite(str(folder / "images" / "00003.png"), np.zeros((4, 6, 3), np.uint8))
    cv2.imwrite(str(folder / "depth" / "00003.png"), np.full((4, 6), 2000, np.uint16))
    np.savetxt(folder / "K.txt", np.diag([5.0, 5.0, 1.0]))
    (folder / "frames.txt").write_text("00003.png " + " ".join(map(str, np.eye(4).ravel())) + "\n")
    with Recording(rgbd_folder_to_bag(folder, tmp_path / "bag", points=None)) as recording:
        assert "/camera/depth/ground_truth" not in recording.topics()
        np.testing.assert_allclose(decode_depth(next(recording.messages(["/camera/sparse_depth"])).message), 2.0)
    with pytest.raises(RecordingError, match="exists already"):
        rgbd_folder_to_bag(folder, tmp_path / "bag")


def test_rgbd_mistakes_are_named(tmp_path):
    with pytest.raises(ConvertError, match="expected a posed RGB-D folder"):
        rgbd_folder_to_bag(tmp_path, tmp_path / "bag")
    folder = make_rgbd(tmp_path / "in")
    with pytest.raises(ConvertError, match="points: 0"):
        rgbd_folder_to_bag(folder, tmp_path / "bag", points=0)
    (folder / "frame-000001.color.png").unlink()
    with pytest.raises(ConvertError, match=r"frame-000001\.color"):
        rgbd_folder_to_bag(folder, tmp_path / "bag")


def test_thin_out_keeps_all_when_there_are_few():
    depth = np.full((3, 3), np.nan, np.float32)
    depth[0, :2] = 4.0
    np.testing.assert_array_equal(thin_out(depth, 5, np.random.default_rng(0)), depth)


@pytest.mark.real_data
def test_real_kitti_drive_projects_onto_its_images(real_data, tmp_path):
    with Recording(kitti_drive_to_bag(real_data / "kitti_drive", tmp_path / "bag")) as recording:
        counts = {name: info.count for name, info in recording.topics().items()}
        camera = camera_from_info(next(recording.messages(["/camera/camera_info"])).message)
        cloud = decode_cloud(next(recording.messages(["/lidar/points"])).message)
        _, _, _, T = transform_from_message(next(recording.messages(["/tf_static"])).message.transforms[0])
    assert (counts["/camera/image"], counts["/lidar/points"]) == (32, 9)
    sparse = project_cloud(cloud, invert(T), camera)
    assert 14_000 < len(sparse) < 17_000  # as the set's own SOURCE.md counts
    assert cloud.ring is not None
    assert len(np.unique(cloud.ring)) == 64


@pytest.mark.real_data
@pytest.mark.parametrize("name", ["hololens_office"])
def test_real_rgbd_folder(real_data, tmp_path, name):
    with Recording(rgbd_folder_to_bag(real_data / name, tmp_path / "bag", points=150)) as recording:
        assert recording.topics()["/camera/image"].count == 60
        sparse = decode_depth(next(recording.messages(["/camera/sparse_depth"])).message)
        assert np.isfinite(sparse).sum() == 150


def test_rotated_depth_and_labels(tmp_path):
    folder = make_rgbd(tmp_path / "in")
    first = sorted(folder.glob("*.depth.png"))[0]
    shape = cv2.imread(str(first), cv2.IMREAD_UNCHANGED).shape
    tenths = np.full(shape, 12345, np.uint16)  # 1.2345 m
    tenths[0, :2] = 0, 2400  # nothing, and too near to be true
    cv2.imwrite(str(first), (tenths << 3) | (tenths >> 13))
    labels = np.arange(shape[0] * shape[1]).reshape(shape).astype(np.uint8)
    cv2.imwrite(str(first.with_name(first.name.replace("depth", "segm"))), labels)
    out = rgbd_folder_to_bag(folder, tmp_path / "bag", points=None, depth_format="rotated")
    with Recording(out) as recording:
        depth = decode_depth(next(recording.messages(["/camera/sparse_depth"])).message)
        found = [decode_labels(item.message) for item in recording.messages(["/camera/labels"])]
    assert np.isnan(depth[0, :2]).all()
    assert depth[1:] == pytest.approx(1.2345, abs=6e-4)  # 16UC1 has millimetres
    assert len(found) == 1
    assert (found[0] == labels).all()
    with pytest.raises(ConvertError, match="depth format 'x' is not one of millimetres, rotated"):
        rgbd_folder_to_bag(folder, tmp_path / "other", depth_format="x")
