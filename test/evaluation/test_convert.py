from __future__ import annotations

import cv2
import numpy as np
import pytest

from depth_perception.evaluation.convert import ConversionError, kitti_drive_to_bag, rgbd_folder_to_bag
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.messages.camera_info import camera_from_info
from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.point_cloud import decode_cloud
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import stamp_of
from depth_perception.recordings.reader import Recording

FOCAL = 20.0


def make_drive(folder, timestamps=False, numbers=(0, 1, 3)):
    """A drive whose LiDAR looks along x from the camera's place, camera 2 sitting 6 cm to the left of camera 0."""
    (folder / "image_02" / "data").mkdir(parents=True)
    (folder / "velodyne_points" / "data").mkdir(parents=True)
    for number in numbers:
        image = np.full((12, 16, 3), (10, 20, 30 + number), np.uint8)
        cv2.imwrite(str(folder / "image_02" / "data" / f"{number:010d}.png"), image[:, :, ::-1])
    scan = np.array([[5, 0.1, 0, 0.5], [5, -0.1, 0, 0.25], [5, 0.1, -1, 1.0]], np.float32)
    scan.tofile(folder / "velodyne_points" / "data" / "0000000001.bin")
    (folder / "calib_cam_to_cam.txt").write_text(
        "calib_time: 09-Jan-2012 13:57:47\nR_rect_00: 1 0 0 0 1 0 0 0 1\n"
        f"P_rect_02: {FOCAL} 0 7.5 {0.06 * FOCAL} 0 {FOCAL} 5.5 0 0 0 1 0\n"
    )
    (folder / "calib_velo_to_cam.txt").write_text("R: 0 -1 0 0 0 -1 1 0 0\nT: 0 0 0\n")
    if timestamps:
        lines = [f"2011-09-26 13:02:2{number}.500000250" for number in range(5)]
        for sensor in ("image_02", "velodyne_points"):
            (folder / sensor / "timestamps.txt").write_text("\n".join(lines) + "\n")
    return folder


def read(path):
    with Recording(path) as recording:
        return [(recorded.topic, recorded.message) for recorded in recording.messages()]


def test_kitti_drive_keeps_pixels_points_and_the_whole_calibration_chain(tmp_path):
    messages = read(kitti_drive_to_bag(make_drive(tmp_path / "drive"), tmp_path / "bag"))
    images = [message for topic, message in messages if topic.endswith("image_raw")]
    assert len(images) == 3
    np.testing.assert_array_equal(decode_image(images[2])[0, 0], [10, 20, 33])
    steps = np.diff([stamp_of(image.header) for image in images])
    assert steps.tolist() == [100_000_000, 200_000_000]
    (cloud,) = [decode_cloud(message) for topic, message in messages if topic.endswith("pointcloud")]
    assert cloud.intensity.tolist() == [0.5, 0.25, 1.0]
    assert cloud.ring.tolist() == [0, 1, 2]  # the azimuth starts anew twice
    tree = TransformTree(None)
    for topic, message in messages:
        if topic == "/tf_static":
            for transform in message.transforms:
                tree.insert(*transform_from_message(transform), static=True)
    T = tree.lookup("camera_color_left", "velo_link", None)
    camera = camera_from_info(next(message for topic, message in messages if topic.endswith("camera_info")))
    point = T @ [5.0, 0.0, 0.0, 1.0]
    pixel = camera.K @ point[:3] / point[2]
    assert pixel[:2] == pytest.approx([7.5 + FOCAL * 0.06 / 5.0, 5.5])


def test_kitti_timestamps_are_read_to_the_nanosecond(tmp_path):
    messages = read(kitti_drive_to_bag(make_drive(tmp_path / "drive", timestamps=True), tmp_path / "bag"))
    stamps = [stamp_of(message.header) for topic, message in messages if topic.endswith("image_raw")]
    assert stamps[0] == 1_317_042_140_500_000_250
    assert stamps[2] - stamps[0] == 3_000_000_000


def test_what_is_wrong_with_a_drive_is_named(tmp_path):
    with pytest.raises(ConversionError, match="image_02"):
        kitti_drive_to_bag(tmp_path, tmp_path / "bag")
    folder = make_drive(tmp_path / "drive")
    (folder / "velodyne_points" / "data" / "0000000001.bin").write_bytes(b"12345678")
    with pytest.raises(ConversionError, match="2 numbers, expected four"):
        kitti_drive_to_bag(folder, tmp_path / "bag2")
    (folder / "calib_velo_to_cam.txt").write_text("R: 1 0 0 0 1 0 0 0 1\n")
    with pytest.raises(ConversionError, match="no entry T"):
        kitti_drive_to_bag(folder, tmp_path / "bag3")


def make_rgbd(folder):
    folder.mkdir()
    np.savetxt(folder / "camera-intrinsics.txt", [[FOCAL, 0, 7.5], [0, FOCAL, 5.5], [0, 0, 1]])
    for index in range(2):
        depth = np.full((12, 16), 1500 + 100 * index, np.uint16)
        depth[0] = 0
        depth[1] = 65535
        cv2.imwrite(str(folder / f"frame-{index:06d}.depth.png"), depth)
        cv2.imwrite(str(folder / f"frame-{index:06d}.color.png"), np.full((12, 16, 3), 90, np.uint8))
        pose = np.eye(4)
        pose[:3, 3] = [0.1 * index, 0, 0]
        np.savetxt(folder / f"frame-{index:06d}.pose.txt", pose)
    return folder


def test_rgbd_folder_gives_seeded_sparse_depth_beside_the_whole_truth(tmp_path):
    folder = make_rgbd(tmp_path / "rgbd")
    first = read(rgbd_folder_to_bag(folder, tmp_path / "a", points=20))
    again = read(rgbd_folder_to_bag(folder, tmp_path / "b", points=20))
    sparse = [decode_depth(message) for topic, message in first if topic == "/camera/sparse_depth"]
    truth = [decode_depth(message) for topic, message in first if topic.endswith("ground_truth")]
    assert [int(np.isfinite(image).sum()) for image in sparse] == [20, 20]
    assert np.isnan(truth[0][:2]).all()
    assert truth[1][5, 5] == pytest.approx(1.6)
    repeated = [decode_depth(message) for topic, message in again if topic == "/camera/sparse_depth"]
    np.testing.assert_array_equal(sparse, repeated)
    poses = [transform_from_message(message.transforms[0]) for topic, message in first if topic == "/tf"]
    assert [parent for parent, *_ in poses] == ["world", "world"]
    assert poses[1][3][0, 3] == pytest.approx(0.1)


def test_an_unknown_layout_and_unregistered_depth_are_refused(tmp_path):
    with pytest.raises(ConversionError, match=r"camera-intrinsics\.txt"):
        rgbd_folder_to_bag(tmp_path, tmp_path / "bag")
    folder = make_rgbd(tmp_path / "rgbd")
    cv2.imwrite(str(folder / "frame-000001.depth.png"), np.ones((6, 8), np.uint16))
    with pytest.raises(ConversionError, match="8x6 pixels, its image has 16x12"):
        rgbd_folder_to_bag(folder, tmp_path / "bag2")


@pytest.mark.real_data
def test_the_real_sets_convert(real_data, tmp_path):
    with Recording(kitti_drive_to_bag(real_data / "kitti_drive", tmp_path / "kitti")) as recording:
        counts = {name: info.count for name, info in recording.topics().items()}
    assert counts["/kitti/velo/pointcloud"] == 9
    assert counts["/kitti/camera_color_left/image_raw"] == 32
    with Recording(rgbd_folder_to_bag(real_data / "hololens_office", tmp_path / "holo")) as recording:
        assert {info.count for info in recording.topics().values()} == {60}
