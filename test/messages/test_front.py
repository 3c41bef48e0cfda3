from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages import camera_info, compressed, image, point_cloud, types
from depth_perception.messages.front import CompletionFront, FrontError, FrontSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS

TYPES = types.rosbags_types()
SECOND = 1_000_000_000
CAMERA = CameraModel.pinhole(40.0, 40.0, 31.5, 23.5, 64, 48)
LIDAR_ABOVE = make_transform([0.0, -0.2, 0.0], [0, 0, 0, 1])  # T_camera_lidar, axes alike to keep numbers readable


def settings(**values):
    names = {name.replace("__", "."): value for name, value in values.items()}
    return FrontSettings.from_parameters(COMPLETION_PARAMETERS.resolve(names))


def image_message(stamp, frame="camera", shape=(48, 64)):
    pixels = np.arange(shape[0] * shape[1] * 3, dtype=np.uint32).astype(np.uint8).reshape(*shape, 3)
    return image.encode_image(TYPES, pixels, "rgb8", stamp, frame)


def info_message(stamp, camera=CAMERA, frame="camera"):
    return camera_info.info_from_camera(TYPES, camera, stamp, frame)


def cloud_message(stamp, points=None, frame="lidar", **fields):
    if points is None:
        x, y = np.meshgrid(np.linspace(-1, 1, 9), np.linspace(-0.5, 0.9, 9))
        points = np.stack([x.ravel(), y.ravel(), np.full(81, 4.0)], axis=1)
    return point_cloud.encode_cloud(TYPES, np.asarray(points, np.float32), stamp, frame, **fields)


def tree():
    transforms = TransformTree(None)
    transforms.insert("camera", "lidar", 0, LIDAR_ABOVE, static=True)
    return transforms


class Recorder:
    """A front whose sets are assembled as they come."""

    def __init__(self, transforms=None, **values):
        self.inputs, self.problems = [], []
        self.front = CompletionFront(settings(**values), transforms or tree(), self.take, self.problems.append)

    def take(self, synced):
        self.inputs.append(self.front.assemble(synced))


def test_image_and_points_become_measured_pixels_of_the_image():
    recorder = Recorder()
    front = recorder.front
    front.on_camera_info(info_message(SECOND), SECOND)
    front.on_image(image_message(SECOND), SECOND)
    front.on_points(cloud_message(SECOND + SECOND // 50), SECOND + SECOND // 50)
    (given,) = recorder.inputs
    assert given.frame.stamp == SECOND
    assert given.frame.frame_id == "camera"
    assert given.interval == pytest.approx(0.02)
    # the point (0, 0.2, 4) of the LiDAR lies on the optical axis
    row, column = np.argwhere(given.sparse.image() > 0)[:, 0].mean(), 31.5
    assert given.sparse.depth == pytest.approx(4.0)
    assert row == pytest.approx(23.5 + 40 * (0.2 - 0.2) / 4, abs=1.0)
    assert given.sparse.columns.mean() == pytest.approx(column, abs=1.0)
    assert set(given.latency) == {"decode", "transform", "project"}


def test_points_in_the_cameras_own_frame_need_no_transform():
    recorder = Recorder(TransformTree())
    recorder.front.on_camera_info(info_message(SECOND), SECOND)
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.on_points(cloud_message(SECOND, [[0, 0, 4.0]], frame="camera"), SECOND)
    assert recorder.inputs[0].sparse.depth.tolist() == [4.0]
    assert recorder.inputs[0].transform_age is None


def test_calibration_object_is_reused_so_that_cached_maps_last():
    recorder = Recorder()
    for step in range(1, 4):
        now = step * SECOND
        recorder.front.on_camera_info(info_message(now), now)
        recorder.front.on_points(cloud_message(now), now)
        recorder.front.on_image(image_message(now), now)
    cameras = {id(given.frame.camera) for given in recorder.inputs}
    assert len(recorder.inputs) == 3
    assert len(cameras) == 1


def test_distorted_image_is_rectified_unless_told_otherwise():
    distorted = CameraModel(64, 48, CAMERA.K, np.array([-0.2, 0.02, 0, 0, 0]), "plumb_bob")
    distorted = replace(distorted, P=np.hstack([CAMERA.K, np.zeros((3, 1))]))
    for rectify in (True, False):
        recorder = Recorder(image__rectify=rectify)
        recorder.front.on_camera_info(info_message(SECOND, distorted), SECOND)
        recorder.front.on_points(cloud_message(SECOND), SECOND)
        recorder.front.on_image(image_message(SECOND), SECOND)
        assert recorder.inputs[0].frame.camera.is_distorted is not rectify


def test_compressed_inputs_and_sparse_depth_images():
    recorder = Recorder(input__source="depth")
    depth = np.full((48, 64), np.nan, np.float32)
    depth[10, 20] = 2.0
    pixels = np.full((48, 64, 3), 90, np.uint8)
    recorder.front.on_camera_info(info_message(SECOND), SECOND)
    recorder.front.on_depth(compressed.encode_compressed_depth(TYPES, depth, "16UC1", SECOND, "camera")[0], SECOND)
    recorder.front.on_image(compressed.encode_compressed_image(TYPES, pixels, SECOND, "camera", "png"), SECOND)
    (given,) = recorder.inputs
    np.testing.assert_array_equal(given.frame.image, pixels)
    assert (given.sparse.rows.tolist(), given.sparse.columns.tolist()) == ([10], [20])
    assert given.sparse.depth == pytest.approx(2.0)


def test_sparse_depth_moves_with_the_rectified_image():
    distortion = np.array([-0.3, 0.05, 0, 0, 0])
    distorted = CameraModel(64, 48, CAMERA.K, distortion, "plumb_bob", P=np.hstack([CAMERA.K, np.zeros((3, 1))]))
    depth = np.full((48, 64), np.nan, np.float32)
    depth[14, 16] = 2.0
    recorder = Recorder(input__source="depth")
    recorder.front.on_camera_info(info_message(SECOND, distorted), SECOND)
    recorder.front.on_depth(image.encode_depth(TYPES, depth, "32FC1", SECOND, "camera")[0], SECOND)
    recorder.front.on_image(image_message(SECOND), SECOND)
    sparse = recorder.inputs[0].sparse
    expected = cv2.undistortPoints(np.array([[[16.0, 14.0]]]), CAMERA.K, distortion, P=CAMERA.K).ravel()
    assert [sparse.columns[0], sparse.rows[0]] == np.round(expected).astype(int).tolist()


@pytest.mark.parametrize(
    ("message", "cause"),
    [(image_message(0), "no_stamp"), (image_message(SECOND, frame=""), "no_frame")],
)
def test_headers_that_say_nothing_are_refused_and_counted(message, cause):
    recorder = Recorder()
    recorder.front.on_image(message, SECOND)
    assert [problem.cause for problem in recorder.problems] == [cause]
    assert recorder.front.statistics().drops == {cause: 1}


def failing(transforms=None, *, info=True, image_given=None, cloud=None, camera=CAMERA, **values):
    sets = []
    front = CompletionFront(settings(**values), transforms or tree(), sets.append)
    if info:
        front.on_camera_info(info_message(SECOND, camera), SECOND)
    front.on_points(cloud if cloud is not None else cloud_message(SECOND), SECOND)
    front.on_image(image_given or image_message(SECOND), SECOND)
    with pytest.raises(FrontError) as caught:
        front.assemble(sets[0])
    return caught.value


def test_each_failure_names_cause_topic_and_value():
    unknown = image_message(SECOND)
    unknown.encoding = "rgb99"
    other_size = CameraModel.pinhole(40, 40, 16, 12, 32, 24)
    cases = [
        (failing(info=False), "no_camera_info", "camera_info", "no camera_info"),
        (failing(image_given=unknown), "bad_image", "image", "rgb99"),
        (failing(camera=other_size), "size_mismatch", "camera_info", "32x24 pixels, the image has 64x48"),
        (failing(cloud=cloud_message(SECOND, np.zeros((0, 3)))), "empty_cloud", "points", "the cloud is empty"),
        (
            failing(cloud=cloud_message(SECOND, np.full((3, 3), np.nan))),
            "empty_cloud",
            "points",
            "none of 3 points is valid",
        ),
        (
            failing(cloud=cloud_message(SECOND, [[0, 0, -4]])),
            "no_points_in_view",
            "points",
            "none of 1 points in lidar",
        ),
        (failing(TransformTree()), "no_transform", "points", "points in 'lidar' cannot be placed in 'camera'"),
    ]
    for error, cause, topic, text in cases:
        assert (error.cause, error.topic) == (cause, topic)
        assert text in str(error)


def test_depth_that_is_not_registered_is_refused():
    sets = []
    front = CompletionFront(settings(input__source="depth"), tree(), sets.append)
    front.on_camera_info(info_message(SECOND), SECOND)
    front.on_depth(image.encode_depth(TYPES, np.ones((24, 32), np.float32), "32FC1", SECOND, "tof")[0], SECOND)
    front.on_image(image_message(SECOND), SECOND)
    with pytest.raises(FrontError, match=r"32x24 pixels in frame 'tof'.*registered") as caught:
        front.assemble(sets[0])
    assert caught.value.cause == "not_registered"


def test_own_points_and_far_returns_are_cut_off():
    points = [[0, 0.2, 0.05], [0, 0.2, 4.0], [0.01, 0.2, 60.0]]
    recorder = Recorder(cloud__min_range=0.5, cloud__max_range=50.0)
    recorder.front.on_camera_info(info_message(SECOND), SECOND)
    recorder.front.on_points(cloud_message(SECOND, points), SECOND)
    recorder.front.on_image(image_message(SECOND), SECOND)
    assert recorder.inputs[0].sparse.depth.tolist() == pytest.approx([4.0])


def moving_tree():
    """The robot drives at 10 m/s along the optical axis; odom stands still."""
    transforms = tree()
    for step in range(0, 41):
        stamp = SECOND + step * SECOND // 20
        transforms.insert("odom", "camera", stamp, make_transform([0, 0, 0.5 * step], [0, 0, 0, 1]))
    return transforms


def test_the_fixed_frame_bridges_the_time_between_scan_and_image():
    stamp, late = 2 * SECOND, 2 * SECOND + SECOND // 20
    for fixed, expected in (("odom", 3.5), ("", 4.0)):
        recorder = Recorder(moving_tree(), transform__fixed_frame=fixed)
        recorder.front.on_camera_info(info_message(stamp), stamp)
        recorder.front.on_points(cloud_message(stamp, [[0, 0.2, 4.0]]), stamp)
        recorder.front.on_image(image_message(late), late)
        recorder.front.flush()
        assert recorder.inputs[0].sparse.depth[0] == pytest.approx(expected, abs=1e-3)


def test_points_with_time_are_deskewed_in_the_fixed_frame():
    stamp = 2 * SECOND
    points, time = [[0, 0.2, 4.0], [0.5, 0.2, 4.0]], np.array([0.0, 0.05], np.float32)
    for active, expected in ((True, [4.0, 4.5]), (False, [4.0, 4.0])):
        recorder = Recorder(moving_tree(), transform__fixed_frame="odom", cloud__deskew=active)
        recorder.front.on_camera_info(info_message(stamp), stamp)
        recorder.front.on_points(cloud_message(stamp, points, time=time), stamp)
        recorder.front.on_image(image_message(stamp), stamp)
        assert sorted(recorder.inputs[0].sparse.depth) == pytest.approx(expected, abs=0.02)


def test_a_partial_set_carries_no_measurement_and_says_so():
    recorder = Recorder(sync__publish_partial=True, sync__timeout=0.1)
    recorder.front.on_camera_info(info_message(SECOND), SECOND)
    recorder.front.on_image(image_message(SECOND), SECOND)
    recorder.front.poll(SECOND + SECOND // 5)
    (given,) = recorder.inputs
    assert len(given.sparse) == 0
    assert given.interval is None
    assert "no range data" in given.notes[0]


def test_the_cameras_pose_is_looked_up_only_for_those_who_want_it():
    stamp = 2 * SECOND
    for streaming, fixed, expected in ((True, "odom", 10.0), (False, "odom", None), (True, "", None)):
        recorder = Recorder(moving_tree(), transform__fixed_frame=fixed, streaming__enabled=streaming)
        recorder.front.on_camera_info(info_message(stamp), stamp)
        recorder.front.on_points(cloud_message(stamp, [[0, 0.2, 4.0]]), stamp)
        recorder.front.on_image(image_message(stamp), stamp)
        (given,) = recorder.inputs
        assert (None if given.T_fixed_camera is None else given.T_fixed_camera[2, 3]) == expected
        assert not any("camera" in note for note in given.notes)
    recorder = Recorder(streaming__enabled=True, transform__fixed_frame="map")
    recorder.front.on_camera_info(info_message(stamp), stamp)
    recorder.front.on_points(cloud_message(stamp, [[0, 0.2, 4.0]], frame="camera"), stamp)
    with pytest.raises(FrontError, match="map"):  # points need the fixed frame, too
        recorder.front.on_image(image_message(stamp), stamp)
