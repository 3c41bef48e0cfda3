from __future__ import annotations

import json
import threading

import pytest

from depth_perception.evaluation.live import SAMPLES, LiveStatistics, summary


def test_rates_gaps_and_counts():
    live = LiveStatistics()
    for index, now in enumerate([0.0, 0.1, 0.2, 0.5, 0.6]):
        live.arrival("/image", "image", index, now)
    (row,) = live.as_dict()["topics"]
    assert row["count"] == 5
    assert row["rate_hz"] == pytest.approx(4 / 0.6)
    assert row["longest_gap_ms"] == pytest.approx(300.0)


def test_end_to_end_latency_is_matched_by_stamp():
    live = LiveStatistics()
    live.arrival("/image", "image", 100, 1.0)
    live.arrival("/image", "image", 200, 1.1)
    live.arrival("/depth", "depth", 200, 1.15)
    live.arrival("/depth", "depth", 999, 1.20)  # belongs to no image that was seen
    found = live.as_dict()
    assert found["images"] == 2
    assert found["completed"] == 2
    assert found["end_to_end"]["count"] == 1
    assert found["end_to_end"]["median_ms"] == pytest.approx(50.0)


def test_a_depth_that_overtakes_its_image_is_not_negative_latency():
    live = LiveStatistics()
    live.arrival("/depth", "depth", 5, 1.0)
    live.arrival("/image", "image", 5, 1.001)
    assert live.as_dict()["end_to_end"] == {"count": 0}


def test_stages_coverage_and_interval():
    live = LiveStatistics()
    live.completed({"decode": 0.001, "complete": 0.02}, 0.9, 0.01, "fast")
    live.completed({"decode": 0.003, "complete": 0.04}, float("nan"), float("nan"))
    found = live.as_dict()
    assert found["model"] == "fast"
    assert list(found["stages"]) == ["decode", "complete"]
    assert found["stages"]["complete"]["mean_ms"] == pytest.approx(30.0)
    assert found["coverage"] == pytest.approx(0.9)
    assert found["interval_mean_ms"] == pytest.approx(10.0)


def test_topics_are_listed_inputs_first():
    live = LiveStatistics()
    for role in ("output", "depth", "input", "image"):
        live.arrival(f"/{role}", role, 0, 0.0)
    assert [row["role"] for row in live.as_dict()["topics"]] == ["image", "input", "depth", "output"]


def test_drops_are_the_newest_counters():
    live = LiveStatistics()
    live.drops({"late": 1})
    live.drops({"overwritten": 4, "late": 2})
    assert live.as_dict()["drops"] == {"late": 2, "overwritten": 4}


def test_nothing_seen_is_still_a_table():
    found = LiveStatistics().as_dict()
    assert found["share_completed"] is None
    assert json.loads(json.dumps(found)) == found


def test_memory_is_bounded():
    live = LiveStatistics()
    for index in range(SAMPLES + 10):
        live.arrival("/image", "image", index, index * 0.1)
    (row,) = live.as_dict()["topics"]
    assert row["count"] == SAMPLES + 10
    assert row["rate_hz"] == pytest.approx(10.0)


def test_feeding_and_reading_in_threads():
    live = LiveStatistics()

    def feed():
        for index in range(2000):
            live.arrival("/image", "image", index, index * 0.01)

    thread = threading.Thread(target=feed)
    thread.start()
    while thread.is_alive():
        live.as_dict()
    thread.join()
    assert live.as_dict()["images"] == 2000


def test_summary():
    found = summary([0.001, 0.002, 0.003])
    assert found["count"] == 3
    assert found["median_ms"] == pytest.approx(2.0)
    assert found["max_ms"] == pytest.approx(3.0)
    assert summary([]) == {"count": 0}
