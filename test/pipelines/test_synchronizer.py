"""The synchroniser: its rules one by one."""

from __future__ import annotations

import threading

import pytest

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.synchronizer import Synchronizer, SyncSettings

MS = 1_000_000
START = 1000 * MS


def build(**values):
    """A synchroniser in milliseconds that records what it passes on as (image, other, interval in ms)."""
    out = []

    def note(s):
        assert s.image == f"i{(s.image_stamp - START) // MS}"
        out.append(((s.image_stamp - START) // MS, s.other, None if s.interval is None else round(s.interval * 1e3, 6)))

    sync = Synchronizer(SyncSettings(**values), note)
    return sync, out


def image(sync, t, now=None):
    sync.add_image(START + t * MS, f"i{t}", START + (t if now is None else now) * MS)


def cloud(sync, t, now=None):
    sync.add_other(START + t * MS, f"c{t}", START + (t if now is None else now) * MS)


def test_the_nearest_is_taken_not_the_first():
    sync, out = build(max_interval=0.06)
    cloud(sync, 60)
    image(sync, 100)
    assert out == []  # 40 ms off is in bound, but the next may be nearer
    cloud(sync, 101)
    assert out == [(100, "c101", 1.0)]
    image(sync, 130)
    cloud(sync, 199)
    assert out[1:] == [(130, "c101", -29.0)]
    assert sync.statistics().pairs == 2
    assert sync.statistics().drops == {}
    assert sync.statistics().interval_mean == pytest.approx(0.015)
    assert sync.statistics().interval_max == pytest.approx(0.029)


def test_an_image_whose_nearest_is_known_leaves_at_once():
    sync, out = build()
    for t in (0, 100):
        cloud(sync, t)
    image(sync, 40, now=120)
    image(sync, 100, now=121)
    assert out == [(40, "c0", -40.0), (100, "c100", 0.0)]


def test_one_cloud_serves_several_images():
    sync, out = build(max_interval=0.06)
    for t in range(0, 400, 33):
        if t // 100 != (t - 33) // 100:
            cloud(sync, t // 100 * 100)
        image(sync, t)
    cloud(sync, 400)
    assert [i for i, *_ in out] == list(range(0, 400, 33))
    assert all(abs(d) <= 50 for *_, d in out)
    assert sync.statistics().drops == {}


def test_clouds_that_nobody_needs_are_not_drops():
    sync, out = build()
    for t in range(1000):
        cloud(sync, t)
        if t % 200 == 50:
            image(sync, t - 3, now=t)
    assert [(i, c) for i, c, _ in out] == [(t, f"c{t}") for t in (47, 247, 447, 647, 847)]
    assert sync.statistics().drops == {}


def test_the_timeout_takes_what_is_there():
    sync, out = build(timeout=0.2)
    cloud(sync, 60)
    image(sync, 100, now=110)
    sync.poll(START + 309 * MS)
    assert out == []
    sync.poll(START + 310 * MS)
    assert out == [(100, "c60", -40.0)]


def test_time_also_passes_with_other_messages():
    sync, out = build(timeout=0.05, max_interval=0.06, publish_partial=True)
    image(sync, 0)
    image(sync, 50)
    assert out == [(0, None, None)]


@pytest.mark.parametrize("partial", [False, True])
def test_no_partner(partial):
    sync, out = build(max_interval=0.01, publish_partial=partial)
    cloud(sync, 0)
    image(sync, 50)
    cloud(sync, 100)  # now it is known that nothing will come
    image(sync, 150)
    sync.poll(START + 1000 * MS)
    statistics = sync.statistics()
    if partial:
        assert out == [(50, None, None), (150, None, None)]
        assert (statistics.partials, statistics.pairs, statistics.drops) == (2, 0, {})
    else:
        assert out == []
        assert statistics.drops == {"no_partner": 2}


def test_an_image_without_a_partner_tells_how_far_the_nearest_was():
    sync, out = build(max_interval=0.06)
    image(sync, 100)
    sync.poll(START + 400 * MS)
    assert sync.statistics().missed is None  # there was nothing at all
    cloud(sync, 420)
    image(sync, 500)
    cloud(sync, 570)
    assert sync.statistics().missed == pytest.approx(0.07)
    image(sync, 640)
    cloud(sync, 720)
    assert sync.statistics().missed == pytest.approx(-0.07)
    assert out == []


def test_exact_pairs_only_equal_stamps():
    sync, out = build(policy="exact", offset=0.005)
    cloud(sync, 5)
    image(sync, 10)
    cloud(sync, 16)
    image(sync, 20)
    cloud(sync, 30)
    assert out == [(10, "c5", 0.0)]
    assert sync.statistics().drops == {"no_partner": 1}


def test_the_offset_is_added_to_the_range_data():
    out = []
    sync = Synchronizer(SyncSettings(offset=-0.02), out.append)
    cloud(sync, 100)
    cloud(sync, 130)
    image(sync, 85)
    assert (out[0].other, out[0].other_stamp) == ("c100", START + 80 * MS)
    assert out[0].interval == pytest.approx(-0.005)
    assert not out[0].partial


def test_images_leave_in_stamp_order():
    sync, out = build(timeout=0.1)
    image(sync, 66, now=70)
    image(sync, 33, now=90)  # overtaken on its way
    sync.poll(START + 170 * MS)  # the newer one runs out of time and takes the older along
    assert out == []
    assert sync.statistics().drops == {"no_partner": 2}
    image(sync, 133)
    image(sync, 100)
    cloud(sync, 140)
    assert [i for i, *_ in out] == [100, 133]


def test_late_and_duplicate_messages():
    sync, out = build()
    cloud(sync, 100)
    image(sync, 100)
    image(sync, 100)
    image(sync, 67)
    cloud(sync, 90)  # c100 is nearer to every image still to come
    assert len(out) == 1
    assert sync.statistics().drops == {"duplicate": 1, "late": 2}
    image(sync, 120)
    image(sync, 120)
    assert sync.statistics().drops == {"duplicate": 2, "late": 2}


def test_queues_are_bounded():
    sync, out = build(queue_size=3, timeout=10.0)
    for t in range(0, 500, 100):
        image(sync, t)
    assert sync.statistics().drops == {"queue_full": 2}
    cloud(sync, 450)
    assert [i for i, *_ in out] == [400]
    for t in range(460, 1000):
        cloud(sync, t)
    assert len(sync._others) <= 3
    image(sync, 998, now=1000)
    assert out[-1] == (998, "c998", 0.0)


def test_time_starting_again_clears_everything():
    sync, out = build(backward_jump=1.0)
    for t in (5000, 5100):
        cloud(sync, t)
        image(sync, t)
    image(sync, 5130)
    cloud(sync, 0)  # the recording begins anew; its first cloud must not be lost when the first image follows
    image(sync, 10, now=10)
    cloud(sync, 100)
    assert out[2:] == [(10, "c0", -10.0)]
    assert sync.statistics().drops == {"time_jump": 1}


def test_a_small_step_back_is_no_jump():
    sync, out = build(backward_jump=1.0)
    image(sync, 900)
    image(sync, 100, now=901)
    cloud(sync, 950)
    assert [i for i, *_ in out] == [900]
    assert sync.statistics().drops == {"no_partner": 1}


def test_reset_names_its_reason():
    sync, out = build()
    image(sync, 0)
    image(sync, 30)
    sync.reset("deactivated")
    cloud(sync, 40)
    sync.flush()
    assert out == []
    assert sync.statistics().drops == {"deactivated": 2}


def test_flush_pairs_what_can_be_paired():
    sync, out = build(timeout=100.0)
    cloud(sync, 0)
    image(sync, 20)
    image(sync, 500)
    sync.flush()
    assert out == [(20, "c0", -20.0)]
    assert sync.statistics().drops == {"no_partner": 1}


def test_an_error_in_the_callback_reaches_the_caller_and_breaks_nothing():
    seen = []

    def fail(s):
        seen.append(s.image)
        if len(seen) == 1:
            raise RuntimeError("no luck")

    sync = Synchronizer(SyncSettings(), fail)
    image(sync, 0)
    image(sync, 10)
    with pytest.raises(RuntimeError, match="no luck"):
        cloud(sync, 20)
    assert seen == ["i0", "i10"]  # the second was not lost with the first
    image(sync, 30)
    cloud(sync, 30)
    assert seen == ["i0", "i10", "i30"]


def test_the_callback_may_call_back_and_reset():
    seen = []

    def call(s):
        seen.append(s.image)
        sync.add_image(s.image_stamp + MS, "again", s.image_stamp)
        sync.statistics()
        if len(seen) == 1:
            sync.reset("enough")

    sync = Synchronizer(SyncSettings(), call)
    image(sync, 0)
    image(sync, 10)
    cloud(sync, 20)
    assert seen == ["i0"]
    assert sync.statistics().drops == {"late": 1, "enough": 1}  # what it added; what was decided behind it
    assert sync.statistics().pairs == 1


def test_the_callback_runs_outside_the_lock():
    inside, go_on, added = threading.Event(), threading.Event(), threading.Event()
    seen = []

    def slow(s):
        seen.append(s.image)
        if len(seen) == 1:
            inside.set()
            assert go_on.wait(10)

    sync = Synchronizer(SyncSettings(), slow)
    image(sync, 0)
    worker = threading.Thread(target=lambda: cloud(sync, 1))
    worker.start()
    assert inside.wait(10)

    def add():
        image(sync, 30)
        cloud(sync, 30)
        added.set()

    other = threading.Thread(target=add)
    other.start()
    assert added.wait(10), "adding blocked while the callback ran"
    assert seen == ["i0"]  # one call at a time, in order: the running thread passes the second on
    go_on.set()
    worker.join(10)
    other.join(10)
    assert seen == ["i0", "i30"]


def test_a_full_queue_takes_the_partner_it_has_instead_of_dropping():
    sync, out = build(queue_size=2, timeout=10.0, max_interval=0.05)
    cloud(sync, 0)
    for t in (10, 20, 30, 40, 90, 100, 110):  # a fast camera, and the next cloud far away
        image(sync, t)
    assert out == [(10, "c0", -10.0), (20, "c0", -20.0), (30, "c0", -30.0), (40, "c0", -40.0)]
    assert sync.statistics().drops == {"queue_full": 1}
    assert sync.statistics().missed == pytest.approx(-0.09)


def test_settings_change_at_run_time():
    sync, out = build(max_interval=0.001, offset=0.0, queue_size=5)
    cloud(sync, 100)
    image(sync, 130)
    sync.settings = SyncSettings(max_interval=0.001, offset=0.03, queue_size=5)
    assert sync.settings.offset == 0.03
    sync.poll(START + 131 * MS)
    assert out == [(130, "c100", 0.0)]
    for t in (200, 201, 202):
        image(sync, t)
    sync.settings = SyncSettings(queue_size=1)
    assert sync.statistics().drops == {"queue_full": 2}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"policy": "approximate"}, "sync.policy 'approximate' is not one of nearest, exact"),
        ({"max_interval": -0.1}, "sync.max_interval"),
        ({"timeout": float("nan")}, "sync.timeout"),
        ({"queue_size": 0}, "sync.queue_size"),
        ({"offset": float("inf")}, "sync.offset"),
        ({"backward_jump": -1.0}, "sync.backward_jump"),
    ],
)
def test_settings_name_field_and_value(values, message):
    with pytest.raises(ValueError, match=message):
        SyncSettings(**values)


def test_settings_come_from_the_parameter_table():
    values = COMPLETION_PARAMETERS.defaults() | {"sync.offset": 0.25}
    assert SyncSettings.from_parameters(values) == SyncSettings(offset=0.25)
