from __future__ import annotations

import numpy as np
import pytest

from depth_perception.geometry.projection import deskew, project_cloud
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.messages.camera_info import camera_from_info
from depth_perception.messages.image import decode_depth, decode_image
from depth_perception.messages.point_cloud import decode_cloud
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import stamp_of
from depth_perception.recordings.reader import Recording, RecordingError
from training.synthetic.recording import Settings, record, schedule

SMALL = Settings("room", seconds=0.5, width=96, height=72, rate=6.0)


@pytest.fixture(scope="module")
def bag(tmp_path_factory):
    path = tmp_path_factory.mktemp("synthetic") / "room"
    told = []
    record(path, SMALL, progress=lambda done, total: told.append((done, total)))
    assert told == [(k, 8) for k in range(1, 9)]
    return path


def test_topics_types_and_latching(bag):
    with Recording(bag) as recording:
        topics = recording.topics()
    assert {name: (t.type.rsplit("/", 1)[-1], t.count) for name, t in topics.items() if name != "/tf"} == {
        "/camera/camera_info": ("CameraInfo", 3),
        "/camera/depth/ground_truth": ("Image", 3),
        "/camera/image": ("Image", 3),
        "/lidar/points": ("PointCloud2", 5),
        "/tf_static": ("TFMessage", 1),
    }
    assert topics["/tf_static"].qos.latched
    assert topics["/tf"].count > 30


def test_stamps_run_free_of_each_other_and_logging_follows(bag):
    with Recording(bag) as recording:
        everything = [m for m in recording.messages() if not m.topic.startswith("/tf")]
    images = [stamp_of(m.message.header) for m in everything if m.topic == "/camera/image"]
    truths = [stamp_of(m.message.header) for m in everything if m.topic == "/camera/depth/ground_truth"]
    clouds = [stamp_of(m.message.header) for m in everything if m.topic == "/lidar/points"]
    assert images == truths
    assert not set(images) & set(clouds)
    np.testing.assert_allclose(np.diff(clouds), 1e8)
    for m in everything:
        late = m.log_time - stamp_of(m.message.header)
        assert late > 1e8 if m.topic == "/lidar/points" else 0 < late < 5e7


def test_cloud_projects_onto_the_true_depth(bag):
    tree = TransformTree(cache_time_s=None)
    with Recording(bag) as recording:
        for m in recording.messages(["/tf", "/tf_static"]):
            for t in m.message.transforms:
                parent, child, stamp, T = transform_from_message(t)
                tree.insert(parent, child, stamp, T, static=m.topic == "/tf_static")
        truth = next(recording.messages(["/camera/depth/ground_truth"])).message
        camera = camera_from_info(next(recording.messages(["/camera/camera_info"])).message)
        cloud = decode_cloud(next(recording.messages(["/lidar/points"])).message)
        image = decode_image(next(recording.messages(["/camera/image"])).message)
    assert image.std() > 20
    assert cloud.ring is not None
    assert cloud.time is not None
    assert cloud.intensity is not None
    assert 0 <= cloud.time.min() <= cloud.time.max() < 0.1
    depth = decode_depth(truth)
    image_stamp = stamp_of(truth.header)
    still = deskew(cloud, lambda stamp: tree.lookup("odom", cloud.frame_id, stamp), image_stamp)
    sparse = project_cloud(still, tree.lookup(truth.header.frame_id, cloud.frame_id, image_stamp), camera)
    relative = np.abs(sparse.depth / depth[sparse.rows, sparse.columns] - 1)
    assert len(sparse) > 300
    assert np.median(relative) < 0.015
    assert np.mean(relative < 0.1) > 0.75  # the rest shines through or hits an edge
    shining = sparse.depth > 1.1 * depth[sparse.rows, sparse.columns]
    assert shining.mean() > 0.01  # the LiDAR sees behind things, which is what makes this hard


def test_workers_do_not_change_a_byte(bag, tmp_path):
    record(tmp_path / "room", SMALL, workers=2)
    for name in ("room.mcap",):
        assert (tmp_path / "room" / name).read_bytes() == (bag / name).read_bytes()


def test_existing_recording_is_kept(bag):
    before = (bag / "room.mcap").stat().st_mtime_ns
    with pytest.raises(RecordingError, match="exists already"):
        record(bag, SMALL)
    assert (bag / "room.mcap").stat().st_mtime_ns == before


def test_schedule_is_in_log_order_and_settings_are_checked():
    times = [event.log_time for event in schedule(SMALL)]
    assert times == sorted(times)
    with pytest.raises(ValueError, match="scene: 'moon' is not one of room, street"):
        Settings("moon")
    with pytest.raises(ValueError, match="width: 4 is below 16"):
        Settings("room", width=4)
