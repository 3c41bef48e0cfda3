import pytest

from depth_perception.ros.statistics import Counters, LatencyMeter, ProblemBook, RateMeter

S = 1_000_000_000


def test_rate_of_a_steady_stream():
    meter = RateMeter()
    for index in range(31):
        meter.tick(10 * S + index * S // 10)
    assert meter.rate(13 * S) == pytest.approx(10.0)
    assert meter.count == 31
    assert meter.newest == 13 * S


def test_rate_sinks_when_the_stream_stops_and_ends_at_zero():
    meter = RateMeter(window=5.0)
    for index in range(11):
        meter.tick(index * S // 10)
    assert meter.rate(1 * S) == pytest.approx(10.0)
    assert meter.rate(2 * S) == pytest.approx(5.0)
    assert meter.rate(100 * S) == 0.0


def test_rate_needs_two_events_and_survives_a_clock_that_goes_back():
    meter = RateMeter()
    assert meter.rate(0) == 0.0
    assert meter.newest is None
    meter.tick(100 * S)
    assert meter.rate(100 * S) == 0.0
    meter.tick(5 * S)
    meter.tick(6 * S)
    assert meter.rate(6 * S) == pytest.approx(1.0)
    meter.reset()
    assert meter.rate(6 * S) == 0.0
    assert meter.count == 3


def test_rate_ignores_two_events_at_the_same_time():
    meter = RateMeter()
    meter.tick(S)
    meter.tick(S)
    assert meter.rate(S) == 0.0


def test_latency_by_stage_in_order_of_appearance():
    meter = LatencyMeter(kept=100)
    for index in range(101):
        meter.add({"decode": index / 100, "complete": 2.0})
    summary = meter.summary()
    assert list(summary) == ["decode", "complete"]
    assert summary["decode"][0] == pytest.approx(0.505)  # the oldest, 0.0, has gone
    assert summary["decode"][1] == pytest.approx(0.9505)
    assert summary["complete"] == (2.0, 2.0)


def test_problem_is_logged_once_and_again_after_a_while():
    book = ProblemBook(repeat=30.0)
    assert book.add("no_transform", "/points", "at 1.5 s", now=0.0) is True
    assert book.add("no_transform", "/points", "at 22 s", now=20.0) is False
    assert book.add("no_transform", "/other", "elsewhere", now=21.0) is True
    assert book.add("no_transform", "/points", "third", now=30.0) is True
    assert [problem.text for problem in book.recent(since=22.0)] == ["third"]
    assert [problem.text for problem in book.recent(since=0.0)] == ["elsewhere", "third"]
    assert book.counts() == {"no_transform": 4}


def test_a_problem_that_changes_is_logged_again_but_not_at_every_frame():
    book = ProblemBook(repeat=30.0, change=3.0)
    assert book.add("bad_image", "/image", "encoding rgb16", now=0.0) is True
    assert book.add("bad_image", "/image", "0 x 0 pixels", now=1.0) is False
    assert book.add("bad_image", "/image", "0 x 0 pixels", now=3.0) is True
    assert book.add("bad_image", "/image", "10 x 0 pixels", now=8.0) is False
    assert book.recent(since=0.0)[0].count == 4


def test_counters():
    counters = Counters()
    counters.add("late")
    counters.add("late", 2)
    assert counters.snapshot() == {"late": 3}
