import numpy as np
import pytest

pytest.importorskip("rclpy")
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from depth_perception.messages.types import rosbags_types
from depth_perception.nodes.bag_player import BagPlayerNode, names
from depth_perception.pipelines.parameters import ParameterError
from depth_perception.recordings.qos import LATCHED_QOS
from depth_perception.recordings.writer import RecordingWriter
from depth_perception.ros.run import StartError

START = 1_700_000_000_000_000_000


@pytest.fixture
def bag(tmp_path):
    """Ten words at 100 Hz, a latched one, and a type that nobody has installed."""
    from rosbags.typesys import Stores, get_types_from_msg, get_typestore

    store = get_typestore(Stores.ROS2_JAZZY)
    store.register(get_types_from_msg("float64 value", "nobody_msgs/msg/Thing"))
    make = rosbags_types().make
    with RecordingWriter(tmp_path / "bag", typestore=store, qos={"/map": LATCHED_QOS}) as writer:
        writer.write("/map", make("std_msgs/msg/String", data="world"), START)
        writer.write("/thing", store.types["nobody_msgs/msg/Thing"](np.float64(1.0)), START)
        for index in range(10):
            writer.write("/words", make("std_msgs/msg/String", data=str(index)), START + index * 10_000_000)
    return tmp_path / "bag"


def player(ros, bag, **parameters):
    overrides = [Parameter(name, value=value) for name, value in {"bag": str(bag), **parameters}.items()]
    return ros.add(BagPlayerNode(context=ros.context, parameter_overrides=overrides))


def test_names():
    assert names(" /a, b ,,/c/d") == ["/a", "/b", "/c/d"]
    assert names("") == []


@pytest.mark.parametrize("read_ahead", [0, 5])
def test_everything_arrives_in_order_and_the_player_ends(ros, bag, read_ahead):
    observer, words = ros.node(), []
    observer.create_subscription(String, "/words", lambda m: words.append(m.data), 50)
    node = player(ros, bag, wait_for_subscribers="/words", read_ahead=read_ahead)
    ros.wait(lambda: node.exit_status is not None, "the end")
    ros.wait(lambda: len(words) == 10, "all words")
    assert words == [str(index) for index in range(10)]
    assert node.exit_status == 0


def test_latched_messages_reach_late_subscribers_and_unknown_types_are_skipped(ros, bag):
    node = player(ros, bag, exit_when_done=False, rate=50.0)
    assert "/thing" not in node._publishers_by_topic
    observer, maps = ros.node(), []
    latched = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    observer.create_subscription(String, "/map", lambda m: maps.append(m.data), latched)
    ros.wait(lambda: maps == ["world"], "the latched message")
    assert node.exit_status is None


def test_prefix_and_pause(ros, bag):
    observer, words = ros.node(), []
    observer.create_subscription(String, "/left/words", lambda m: words.append(m.data), 50)
    node = player(ros, bag, prefix="/left", paused=True, wait_for_subscribers="/words", topics="/words")
    ros.wait(lambda: node._publishers_by_topic["/words"].get_subscription_count(), "the subscription")
    for _ in range(10):
        ros.executor.spin_once(timeout_sec=0.05)
    assert not words
    assert node.set_parameters([Parameter("paused", value=False)])[0].successful
    ros.wait(lambda: len(words) == 10, "all words after the pause")


def test_looping_begins_again(ros, bag):
    observer, words = ros.node(), []
    observer.create_subscription(String, "/words", lambda m: words.append(m.data), 50)
    player(ros, bag, loop=True, wait_for_subscribers="/words")
    ros.wait(lambda: len(words) >= 25, "two and a half passes")
    assert words[10:20] == words[:10]


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"wait_for_subscribers": "/nothing"}, "wait_for_subscribers: '/nothing'"),
        ({"wait_for_subscribers": "/words:many"}, "'/words:many'"),
        ({"topics": "/nothing"}, "no topic /nothing"),
        ({"topics": "/thing"}, "nothing in it can be played"),
        ({"start_offset": 100.0}, "start offset"),
    ],
)
def test_what_cannot_be_played_is_refused(ros, bag, parameters, text):
    with pytest.raises(StartError, match=text):
        player(ros, bag, **parameters)


def test_simulated_time_is_refused(ros, bag):
    with pytest.raises(ParameterError, match="use_sim_time"):
        player(ros, bag, use_sim_time=True)


def test_a_recording_that_breaks_off_is_an_error_status(ros, bag, monkeypatch):
    from depth_perception.recordings.player import Player
    from depth_perception.recordings.reader import RecordingError

    def fail(self, now):
        raise RecordingError("damaged")

    monkeypatch.setattr(Player, "take", fail)
    node = player(ros, bag)
    ros.wait(lambda: node.exit_status is not None, "the end")
    assert node.exit_status == 1
