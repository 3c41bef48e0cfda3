"""The synchroniser against a slow and plain model, and against message_filters."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception import available
from depth_perception.pipelines.synchronizer import Synchronizer, SyncSettings

MS = 1_000_000
START = 1000 * MS


class Model:
    """The same rules from the whole history, with nothing incremental but what the rules themselves forget."""

    def __init__(self, s: SyncSettings):
        self.s, self.out, self.drops = s, [], {}
        self.clear()

    def clear(self):
        self.images, self.clouds, self.newest, self.last = {}, {}, {}, None

    def drop(self, cause, n=1):
        if n:
            self.drops[cause] = self.drops.get(cause, 0) + n

    def step(self, kind, stamp, now):
        s = self.s
        if kind == "poll":
            return self.decide(now)
        if kind in self.newest and stamp < self.newest[kind] - s.backward_jump * 1e9:
            self.drop("time_jump", len(self.images))
            self.clear()
        self.newest[kind] = max(stamp, self.newest.get(kind, stamp))
        if kind == "image":
            if self.last is not None and stamp < self.last:
                self.drop("late")
            elif stamp == self.last or stamp in self.images:
                self.drop("duplicate")
            else:
                self.images[stamp] = now
        else:
            stamp += round(s.offset * 1e9)
            if stamp not in self.clouds and any(stamp < c and c <= (self.last or -1) for c in self.clouds):
                self.drop("late")
            else:
                self.clouds[stamp] = True
        self.decide(now)
        while len(self.images) > s.queue_size:
            self.choose(min(self.images), "queue_full")
        while len(self.clouds) > s.queue_size:
            del self.clouds[min(self.clouds)]
        if self.last is not None:
            past = [c for c in self.clouds if c <= self.last]
            for c in past:
                if c != max(past):
                    del self.clouds[c]

    def decide(self, now):
        s = self.s
        for stamp in sorted(self.images):
            waited_out = any(
                now is None or now - arrived >= s.timeout * 1e9 for t, arrived in self.images.items() if t >= stamp
            )
            if not waited_out and not any(c >= stamp for c in self.clouds):
                break
            self.choose(stamp, "no_partner")

    def choose(self, stamp, cause):
        s = self.s
        bound = 0 if s.policy == "exact" else s.max_interval * 1e9
        near = [c for c in self.clouds if abs(c - stamp) <= bound]
        best = min(near, key=lambda c: (abs(c - stamp), -c), default=None)
        del self.images[stamp]
        if best is None and not s.publish_partial:
            self.drop(cause)
            return
        self.last = stamp
        self.out.append((stamp, best))


steps = st.lists(
    st.tuples(st.sampled_from(["image", "other", "poll"]), st.integers(-30, 60), st.integers(0, 30)), max_size=60
)
rules = st.builds(
    SyncSettings,
    policy=st.sampled_from(["nearest", "nearest", "exact"]),
    max_interval=st.sampled_from([0.0, 0.01, 0.03]),
    queue_size=st.integers(1, 5),
    offset=st.sampled_from([0.0, 0.007, -0.01]),
    timeout=st.sampled_from([0.0, 0.02, 0.1]),
    publish_partial=st.booleans(),
    backward_jump=st.sampled_from([0.02, 0.05, 1.0]),
)


@settings(max_examples=400, deadline=None)
@given(rules, steps)
def test_agrees_with_the_model(s, sequence):
    out = []
    sync, model = Synchronizer(s, out.append), Model(s)
    now = START
    for kind, ahead, passes in sequence:
        now += passes * MS
        stamp = now + ahead * MS // 10 * 5
        if kind == "image":
            sync.add_image(stamp, stamp, now)
        elif kind == "other":
            sync.add_other(stamp, stamp, now)
        else:
            sync.poll(now)
        model.step(kind, stamp, now)
        assert [(o.image_stamp, o.other_stamp) for o in out] == model.out
        assert sync.statistics().drops == model.drops
        assert len(sync._images) <= s.queue_size
        assert len(sync._others) <= s.queue_size
    sync.flush()
    model.decide(None)
    assert [(o.image_stamp, o.other_stamp) for o in out] == model.out
    given_images = sum(kind == "image" for kind, *_ in sequence)
    counts = sync.statistics()
    assert counts.pairs == sum(not o.partial for o in out)
    assert counts.partials == sum(o.partial for o in out)
    lost_images = sum(n for cause, n in counts.drops.items() if cause != "late")
    assert len(out) + lost_images <= given_images <= len(out) + sum(counts.drops.values())
    for o in out:
        assert o.image == o.image_stamp
        assert o.partial == (o.other is None) == (o.interval is None)
        if not o.partial:
            assert o.other_stamp == o.other + round(s.offset * 1e9)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(st.integers(-20, 20), st.integers(-20, 20), st.booleans()), min_size=2, max_size=20))
def test_agrees_with_message_filters_where_both_are_sure(jitters):
    """Same rates, jitter far below half a period, bound in between: only one sensible answer exists."""
    message_filters = available.optional("message_filters")
    if message_filters is None:
        pytest.skip("message_filters is not installed")
    from rclpy.time import Time

    theirs, ours = [], []
    inputs = [message_filters.SimpleFilter(), message_filters.SimpleFilter()]
    stock = message_filters.ApproximateTimeSynchronizer(inputs, 10, 0.045)
    stock.registerCallback(lambda a, b: theirs.append((a.stamp, b.stamp)))
    sync = Synchronizer(SyncSettings(max_interval=0.045), lambda s: ours.append((s.image_stamp, s.other_stamp)))

    def message(stamp):
        return SimpleNamespace(stamp=stamp, header=SimpleNamespace(stamp=Time(nanoseconds=stamp).to_msg()))

    for k, (a, b, image_first) in enumerate(jitters):
        stamps = [START + (100 * k + a) * MS, START + (100 * k + b) * MS]
        for which in (0, 1) if image_first else (1, 0):
            inputs[which].signalMessage(message(stamps[which]))
            (sync.add_image, sync.add_other)[which](stamps[which], None, max(stamps))
    sync.flush()
    assert ours == theirs
    assert len(ours) == len(jitters)
