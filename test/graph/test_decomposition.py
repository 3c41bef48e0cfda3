"""The decomposition node over the live graph: balls on a floor, seen by a camera that goes around them."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest

pytest.importorskip("rclpy")
pytest.importorskip("torch")
pytest.importorskip("skimage")
pytest.importorskip("std_srvs.srv")
from ball_scene import FRAME, BallScene, loop
from nav_msgs.msg import Odometry
from object_listener import Listener
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import CameraInfo, Image, PointCloud2
from std_srvs.srv import Trigger
from visualization_msgs.msg import MarkerArray

from depth_perception.geometry.transforms import matrix_to_quaternion
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.labels import decode_labels, encode_labels
from depth_perception.messages.transform import tf_message, transform_message
from depth_perception.messages.types import rclpy_types

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
NODE = "/decomposition_node"
OK, WARN, ERROR = 0, 1, 2


class Feed:
    """Publishes the views of a camera that goes around and around, as often as the test looks.

    ``send`` names what is published; the labels' numbers are others in every frame.
    """

    def __init__(self, graph, scene=None, views=12):
        self.observer, self.scene = graph.observer, scene or BallScene()
        self.poses, self.sent, self._last = loop(views), 0, 0.0
        self.send = {"image", "depth", "labels", "tf"}
        self.change_labels = lambda labels: labels
        self.encoding = "32SC1"
        node, types = self.observer.node, rclpy_types()
        self.publishers = {
            name: node.create_publisher(kind, f"/{name}", 10)
            for name, kind in {
                "image": Image,
                "camera_info": CameraInfo,
                "depth": Image,
                "labels": Image,
                "tf": types.message_class("tf2_msgs/msg/TFMessage"),
                "odometry": Odometry,
            }.items()
        }

    def step(self):
        types, stamp = rclpy_types(), time.time_ns()
        pose = self.poses[self.sent % len(self.poses)]
        frame = self.scene.frame(pose, stamp, shuffle=self.sent)
        self.sent += 1
        if "tf" in self.send:
            self.publishers["tf"].publish(tf_message(types, [transform_message(types, "odom", FRAME, stamp, pose)]))
        if "odometry" in self.send:
            message = Odometry()
            message.header = encode_image(types, frame.image, "rgb8", stamp, "odom").header
            message.child_frame_id = FRAME
            at, turn = message.pose.pose.position, message.pose.pose.orientation
            at.x, at.y, at.z = pose[:3, 3].tolist()
            turn.x, turn.y, turn.z, turn.w = np.asarray(matrix_to_quaternion(pose[:3, :3])).tolist()
            self.publishers["odometry"].publish(message)
        self.publishers["camera_info"].publish(info_from_camera(types, frame.camera, stamp, FRAME))
        if "labels" in self.send:
            labels = self.change_labels(frame.labels)
            if self.encoding == "rgb8":
                message = encode_image(types, frame.image, "rgb8", stamp, FRAME)
            elif self.encoding == "mono8":
                message = encode_image(types, labels.astype(np.uint8), "mono8", stamp, FRAME)
            else:
                message = encode_labels(types, labels, self.encoding, stamp, FRAME)
            self.publishers["labels"].publish(message)
        self.publishers["depth"].publish(encode_depth(types, frame.depth, "32FC1", stamp, FRAME)[0])
        if "image" in self.send:
            self.publishers["image"].publish(encode_image(types, frame.image, "rgb8", stamp, FRAME))

    def until(self, condition, what, timeout=30.0, every=0.15):
        def look():
            if time.monotonic() - self._last > every:
                self._last = time.monotonic()
                self.step()
            return condition()

        return self.observer.wait(look, what, timeout)


def status(observer, task="decomposition"):
    return observer.status(task, "decomposition_node")


@pytest.mark.timeout(300)  # torch may take long to import on a busy machine
def test_objects_are_counted_and_keep_their_ids_through_a_loop_a_save_and_a_load(graph, tmp_path):
    from depth_perception.srv import GetObject, LoadScene, MergeObjects, SaveScene

    observer, feed = graph.observer, Feed(graph)
    balls = feed.scene.balls
    listener = Listener(observer)
    views = {
        name: observer.collect(kind, f"/objects/{name}")
        for name, kind in {"labels": Image, "points": PointCloud2, "markers": MarkerArray}.items()
    }
    graph.decomposition()

    def one_for_each():
        # sides that no view has shown together yet may be objects of their own for a while
        return len(listener.now()) == len(balls) and None not in listener.matched(balls).values()

    feed.until(one_for_each, "one object for every ball", 120.0)
    before = listener.matched(balls)
    start = feed.sent

    def two_rounds():
        assert set(listener.now()) >= set(before.values())  # at no time is one of them gone
        return feed.sent > start + 2 * len(feed.poses)

    feed.until(two_rounds, "another two rounds", 60.0, every=0.1)
    feed.until(one_for_each, "one object for every ball, still", 60.0)
    assert listener.matched(balls) == before
    for index, number in before.items():
        surface = listener.now()[number]
        assert surface.box.size.max() == pytest.approx(2 * balls[index, 3], rel=0.4)
        assert len(surface.mesh.faces) > 20

    # what has not changed is not sent again
    feed.until(lambda: int(status(observer, "scene").values["steps to do"]) == 0, "an end of the work", 150.0)
    observer.spin_for(1.0)
    listener.now()
    told = listener.told
    feed.until(lambda: len(listener.messages) > listener._read + 4, "messages without objects")
    listener.now()
    assert listener.told - told <= 2

    # who comes late hears of all
    late = Listener(observer, "/objects/all", LATCHED)
    observer.wait(late.now, "all objects, without another frame")
    assert set(late.now()) == set(listener.now())

    feed.until(lambda: all(views.values()), "the views")
    ids = decode_labels(views["labels"][-1])
    assert set(np.unique(ids)) <= {-1, 0, *before.values()}
    assert np.isin(ids, list(before.values())).mean() > 0.02
    assert {marker.ns for message in views["markers"] for marker in message.markers} >= {"surfaces", "boxes", "names"}
    assert "label" in {field.name for field in views["points"][-1].fields}

    for attempt in range(
        10
    ):  # the last frames may still be at work on it, so what is saved is asked for before and after
        got = observer.call(GetObject, f"{NODE}/get_object", GetObject.Request(id=before[0]))
        folder = str(tmp_path / f"scene{attempt}")
        answer = observer.call(SaveScene, f"{NODE}/save_scene", SaveScene.Request(folder=folder))
        assert (answer.success, answer.objects) == (True, 3), answer.message
        assert got.success
        if observer.call(GetObject, f"{NODE}/get_object", GetObject.Request(id=before[0])).object == got.object:
            break
        observer.spin_for(1.0)
    else:
        pytest.fail("the object never stood still")
    assert observer.call(Trigger, f"{NODE}/reset", Trigger.Request()).success
    observer.wait(lambda: not listener.now(), "an empty scene")
    refused = observer.call(GetObject, f"{NODE}/get_object", GetObject.Request(id=before[0]))
    assert (refused.success, refused.message) == (False, f"there is no object {before[0]}; 0 are known")
    answer = observer.call(LoadScene, f"{NODE}/load_scene", LoadScene.Request(folder=folder))
    assert (answer.success, answer.objects) == (True, 3), answer.message
    observer.wait(lambda: len(listener.now()) == 3, "the scene that was saved")
    assert listener.matched(balls) == before
    again = observer.call(GetObject, f"{NODE}/get_object", GetObject.Request(id=before[0]))
    assert again.object == got.object  # bit for bit

    kept, gone = before[1], before[2]
    assert observer.call(MergeObjects, f"{NODE}/merge_objects", MergeObjects.Request(kept=kept, merged=gone)).success
    observer.wait(lambda: set(listener.now()) == {before[0], kept}, "two objects as one")
    assert [gone] == list(listener.messages[-1].merged) or any(gone in m.merged for m in listener.messages)
    answer = observer.call(LoadScene, f"{NODE}/load_scene", LoadScene.Request(folder=str(tmp_path / "nothing")))
    assert not answer.success
    assert "manifest.json: no such file" in answer.message
    assert set(listener.now()) == {before[0], kept}


@pytest.mark.timeout(300)
def test_what_is_wrong_is_named(graph):
    observer, feed = graph.observer, Feed(graph, views=1)
    graph.decomposition("-p", "labels.source:=topic", "-p", "sync.timeout:=0.5", "-p", "diagnostics.silence:=2.0")

    feed.change_labels = lambda labels: labels[:, :-4]
    text = "/labels: width x height: the label image has 60x48 pixels, the image 64x48"
    feed.until(lambda: (s := status(observer)) and text in s.message, "the labels' size", 60.0)
    assert status(observer).level >= WARN
    assert int(status(observer).values["drops.bad_label_size"]) > 0

    feed.change_labels, feed.encoding = (lambda labels: labels), "rgb8"
    feed.until(lambda: "encoding: 'rgb8' is not labels" in status(observer).message, "the labels' encoding")

    feed.send = {"image", "depth", "labels"}  # no transforms
    feed.encoding = "mono8"
    text = f"where the camera '{FRAME}' is in 'odom' is not known"
    feed.until(lambda: text in status(observer, "transforms").message, "the unknown pose")
    assert int(status(observer).values["drops.no_pose"]) > 0

    feed.send = {"image", "depth", "tf"}  # no labels
    feed.until(lambda: int(status(observer).values.get("drops.no_partner_labels", 0)) > 0, "images without labels")
    feed.until(lambda: "no messages on /labels" in observer.status("inputs", "decomposition_node").message, "silence")
    feed.until(lambda: "no frame taken for" in status(observer).message, "that nothing is done")
    assert status(observer).level == ERROR


@pytest.mark.timeout(300)
def test_poses_from_odometry_and_lifecycle(graph, tmp_path):
    from lifecycle_msgs.msg import Transition
    from lifecycle_msgs.srv import ChangeState

    from depth_perception.srv import SaveScene

    observer, feed = graph.observer, Feed(graph)
    feed.send = {"image", "depth", "labels", "odometry"}
    listener = Listener(observer)
    graph.decomposition("-p", "pose.source:=odometry")
    feed.until(lambda: len(listener.now()) == 3, "an object for every ball", 120.0)

    def change(name):
        request = ChangeState.Request(transition=Transition(id=getattr(Transition, f"TRANSITION_{name}")))
        assert observer.call(ChangeState, f"{NODE}/change_state", request).success

    change("DEACTIVATE")
    request = SaveScene.Request(folder=str(tmp_path / "scene"))
    assert observer.call(SaveScene, f"{NODE}/save_scene", request).success  # the scene stays
    change("ACTIVATE")
    before = listener.matched(feed.scene.balls)
    start = feed.sent
    feed.until(lambda: feed.sent > start + 5, "some more frames")
    assert listener.matched(feed.scene.balls) == before
    change("DEACTIVATE")
    change("CLEANUP")
    answer = observer.call(SaveScene, f"{NODE}/save_scene", request)
    assert (answer.success, answer.message) == (False, "the node is not configured, so there is no scene")


@pytest.mark.timeout(300)
def test_a_kill_during_a_save_loses_nothing_already_saved(graph, tmp_path):
    from depth_perception.pipelines.object_tracks import TrackSettings
    from depth_perception.pipelines.scene_store import read_scene
    from depth_perception.srv import SaveScene

    observer, feed = graph.observer, Feed(graph)
    listener = Listener(observer)
    node = graph.decomposition()
    feed.until(lambda: len(listener.now()) == 3, "an object for every ball", 120.0)
    request = SaveScene.Request(folder=str(tmp_path / "scene"))
    assert observer.call(SaveScene, f"{NODE}/save_scene", request).success
    saved = sorted(read_scene(tmp_path / "scene", TrackSettings()).tracks.tracks)
    client = observer.node.create_client(SaveScene, f"{NODE}/save_scene")
    observer.wait(client.service_is_ready, "the service")
    client.call_async(request)
    observer.wait(
        lambda: list((tmp_path / "scene").glob(".scene-*")) or list((tmp_path / "scene").glob("scene-2")),
        "a second save",
    )
    node.may_fail = True
    node._process.send_signal(signal.SIGKILL)
    node.wait()
    assert sorted(read_scene(tmp_path / "scene", TrackSettings()).tracks.tracks) == saved
