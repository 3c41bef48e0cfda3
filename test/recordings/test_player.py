from __future__ import annotations

import pytest

from depth_perception.recordings.player import Player, publisher_qos
from depth_perception.recordings.qos import QosProfile
from depth_perception.recordings.reader import Recording, RecordingError, TopicInfo

SECOND = 1_000_000_000
T0 = 7 * SECOND  # steady time at which playback begins
BAG = 100 * SECOND


@pytest.fixture(params=["mcap", "ros1"])
def recording(bag_paths, request):
    with Recording(bag_paths[request.param]) as opened:
        yield opened


def play(player, start=T0, limit=100):
    """Take every message at the very time it is due."""
    now, out = start, []
    while not player.finished and len(out) < limit:
        emission = player.take(now)
        if emission is None:
            assert player.due is not None
            assert player.due > now
            now = player.due
            continue
        out.append(emission)
    return out


def test_everything_in_order_at_its_time(recording):
    out = play(Player(recording))
    assert [e.message.topic for e in out[:3]] == ["/tf_static", "/image", "/bumper"]
    assert len(out) == 9
    for emission in out:
        assert emission.clock == emission.message.log_time
        assert emission.due - T0 == emission.message.log_time - BAG
        assert not emission.latched


@pytest.mark.parametrize("rate", [0.5, 2.0])
def test_rate_scales_due_times_only(recording, rate):
    out = play(Player(recording, rate=rate))
    assert out[-1].due - T0 == pytest.approx((out[-1].message.log_time - BAG) / rate, abs=2)
    assert out[-1].clock == out[-1].message.log_time


def test_nothing_comes_early_and_clock_stays_behind(recording):
    player = Player(recording)
    assert player.due is None
    assert player.take(T0).message.topic == "/tf_static"
    assert player.take(T0 + SECOND // 2 - 1) is None
    assert player.clock(T0 + SECOND // 4) == BAG + SECOND // 4
    assert player.clock(T0 + 3 * SECOND) == BAG + SECOND // 2  # held at the message not yet taken
    assert player.clock(T0 + SECOND // 4) == BAG + SECOND // 2  # never backwards
    assert player.take(T0 + SECOND // 2).clock == BAG + SECOND // 2


def test_start_offset_still_gives_latched_messages(recording):
    out = play(Player(recording, start_offset=1.2))
    assert [(e.message.topic, e.latched) for e in out[:2]] == [("/tf_static", True), ("/image", False)]
    assert out[0].clock == BAG + int(1.2 * SECOND)
    assert out[0].due == T0
    assert out[1].message.log_time == BAG + 3 * SECOND // 2
    assert out[1].due - T0 == 3 * SECOND // 10
    assert len(out) == 5


def test_loop_jumps_back_and_repeats_latched_first(recording):
    out = play(Player(recording, loop=True), limit=22)
    second = [e for e in out if e.loop == 1]
    assert [e.loop for e in out[:9]] == [0] * 9
    assert (second[0].message.topic, second[0].latched, second[0].clock) == ("/tf_static", True, BAG)
    assert second[0].due == out[8].due
    assert second[1].message.topic == "/tf_static"
    assert second[0].clock < out[8].clock  # the jump is real
    assert second[2].due - second[0].due == SECOND // 2
    assert len(second) == 10
    assert [e.loop for e in out[19:]] == [2, 2, 2]
    assert sum(e.latched for e in out[19:]) == 1  # not doubled by every pass


def test_clock_may_jump_back_on_loop_without_take(recording):
    player = Player(recording, loop=True)
    play(player, limit=9)
    assert player.clock(T0 + 10 * SECOND) == BAG


def test_pause_and_resume_shift_the_rest(recording):
    player = Player(recording)
    player.take(T0)
    player.pause(T0 + SECOND // 4)
    assert player.paused
    assert player.due is None
    assert player.take(T0 + 50 * SECOND) is None
    assert player.clock(T0 + 50 * SECOND) == BAG + SECOND // 4
    player.resume(T0 + 60 * SECOND)
    assert player.due == T0 + 60 * SECOND + SECOND // 4
    assert player.take(player.due).message.topic == "/image"


def test_steps_while_paused(recording):
    player = Player(recording, paused=True, start_offset=0.4)
    assert player.take(T0) is None
    player.step()
    taken = [player.take(T0 + k) for k in range(4)]
    assert [e and e.message.topic for e in taken] == ["/tf_static", "/image", None, None]
    player.step(2)
    assert [player.take(T0 + SECOND) is not None for _ in range(3)] == [True, True, False]
    player.resume(T0 + 2 * SECOND)
    assert player.due == T0 + 2 * SECOND + 1  # the bumper comes 1 ns after the image taken last
    with pytest.raises(ValueError, match="step: 0"):
        player.step(0)


def test_rate_change_on_the_way(recording):
    player = Player(recording)
    player.take(T0)
    player.set_rate(0.5, T0 + SECOND // 4)
    assert player.due == T0 + SECOND // 4 + SECOND // 2
    assert player.rate == 0.5


def test_falling_behind_slows_down_instead_of_bursting(recording):
    player = Player(recording, max_lag=0.1)
    player.take(T0)
    assert player.take(T0 + 10 * SECOND).message.topic == "/image"
    assert player.take(T0 + 10 * SECOND) is None
    assert player.due == T0 + 10 * SECOND + 1


def test_topics_are_limited_and_mistakes_named(recording):
    out = play(Player(recording, topics=["/image"]))
    assert {e.message.topic for e in out} == {"/image"}
    with pytest.raises(RecordingError, match="no topic /depth"):
        Player(recording, topics=["/depth"])
    with pytest.raises(ValueError, match="rate: 0"):
        Player(recording, rate=0)
    with pytest.raises(ValueError, match=r"start offset: 9 s .* 2\.000 s long"):
        Player(recording, start_offset=9)


def test_latched_topics_keep_all_their_messages(recording):
    several = TopicInfo("/tf_static", "tf2_msgs/msg/TFMessage", 4, QosProfile("reliable", "transient_local", depth=1))
    assert publisher_qos(several).depth == 4
    plain = TopicInfo("/image", "sensor_msgs/msg/Image", 400, QosProfile(depth=5))
    assert publisher_qos(plain).depth == 5
    assert Player(recording).topics["/tf_static"].qos.latched
