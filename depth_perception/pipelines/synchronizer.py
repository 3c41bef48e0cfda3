"""Pairs images with the range data nearest in time. The image leads; nothing here knows ROS or a wall clock.

Stock ``message_filters`` takes the first set inside its bound, calls back under its lock and does not survive a
looped recording; so live nodes and the offline evaluator both use this instead. Rules:

- The stamp of the range data ("other") plus ``offset`` is its corrected time. An image pairs with the other nearest
  in corrected time, not farther than ``max_interval``; of two equally near the later one.
- An image is decided as soon as an other at or after it has come, as then the nearest is known, or when it has waited
  for ``timeout``, or at ``flush``. Images leave in stamp order, so one that ran out of time takes older ones along.
- One other may serve several images. An other that serves none is no loss and not counted.
- Messages older than what has been passed on come too late. A stamp far behind the newest of its own input means that
  time has started again: everything held is dropped.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

POLICIES = ("nearest", "exact")


@dataclass(frozen=True)
class SyncSettings:
    """How images and range data are paired; times in seconds. Raises ValueError naming field and value.

    ``policy`` is nearest, or exact (equal corrected stamps only). ``publish_partial`` passes an image on without
    range data when none is in bound, instead of dropping it. ``backward_jump`` is how far a stamp must lie behind
    the newest of its input to mean that time has started again.
    """

    policy: str = "nearest"
    max_interval: float = 0.06
    queue_size: int = 10
    offset: float = 0.0
    timeout: float = 0.2
    publish_partial: bool = False
    backward_jump: float = 1.0

    def __post_init__(self):
        if self.policy not in POLICIES:
            raise ValueError(f"sync.policy {self.policy!r} is not one of {', '.join(POLICIES)}")
        if self.queue_size < 1:
            raise ValueError(f"sync.queue_size must be at least 1, got {self.queue_size}")
        for name in ("max_interval", "timeout", "backward_jump"):
            if not getattr(self, name) >= 0.0:
                raise ValueError(f"sync.{name} must be 0 s or more, got {getattr(self, name)}")
        if not math.isfinite(self.offset):
            raise ValueError(f"sync.offset must be finite, got {self.offset}")

    @classmethod
    def from_parameters(cls, values: Mapping[str, Any]) -> SyncSettings:
        """Read ``sync.*`` and ``time_jump.backward`` of a parameter table's values."""
        names = ("policy", "max_interval", "queue_size", "offset", "timeout", "publish_partial")
        return cls(**{name: values[f"sync.{name}"] for name in names}, backward_jump=values["time_jump.backward"])


@dataclass(frozen=True)
class SyncedSet:
    """An image and the range data it was paired with.

    ``other_stamp`` is the corrected one, offset included: when the range data truly was taken. ``interval`` is
    ``other_stamp - image_stamp`` in seconds, negative for older range data. All three are None in a ``partial`` set.
    """

    image_stamp: int
    image: Any
    other_stamp: int | None
    other: Any | None
    interval: float | None
    partial: bool


@dataclass(frozen=True)
class SyncStatistics:
    """Counts since the start: sets passed on with and without range data, messages lost by cause, distances in s.

    Causes: ``no_partner`` (nothing in bound), ``queue_full`` (nothing in bound and no room to wait), ``late``
    (behind what was passed on, images and range data alike), ``duplicate`` (image stamp seen twice),
    ``time_jump``, and the reasons given to reset. ``missed`` is the distance from the last image without a
    partner to the range data nearest to it, positive where that is the later; None if there was none to choose from.
    """

    pairs: int = 0
    partials: int = 0
    drops: dict[str, int] = field(default_factory=dict)
    interval_mean: float = 0.0
    interval_max: float = 0.0
    missed: float | None = None


class Synchronizer:
    """Feed it messages and now and then the time; it calls ``on_set`` with each set, in stamp order of the images.

    ``now`` is the caller's clock in nanoseconds: the node's live, the recording's offline. ``on_set`` runs in the
    thread that calls in, never under the lock, one call at a time; it may call back into this object. If
    it raises, the sets already decided are still passed on before the first error goes to the caller.
    """

    def __init__(self, settings: SyncSettings, on_set: Callable[[SyncedSet], None]):
        self._on_set = on_set
        self._lock = threading.Lock()
        self._settings = settings
        self._images: list[tuple[int, int, Any]] = []  # stamp, arrival, payload; by stamp
        self._image_stamps: list[int] = []
        self._others: list[Any] = []  # payloads; by corrected time
        self._other_stamps: list[int] = []  # corrected
        self._ready: deque[SyncedSet] = deque()
        self._passing_on = False
        self._pairs = self._partials = 0
        self._interval_sum = self._interval_max = 0.0
        self._missed: float | None = None
        self._drops: dict[str, int] = {}
        self._start_again()

    @property
    def settings(self) -> SyncSettings:
        """The rules in force; setting them applies to what is waiting too."""
        return self._settings

    @settings.setter
    def settings(self, settings: SyncSettings) -> None:
        with self._lock:
            move = _nanoseconds(settings.offset) - _nanoseconds(self._settings.offset)
            self._settings = settings
            self._other_stamps = [stamp + move for stamp in self._other_stamps]
            self._limit_queues()
        self._pass_on()

    def add_image(self, stamp: int, payload: Any, now: int) -> None:
        """Take an image; ``stamp`` and ``now`` in nanoseconds."""
        with self._lock:
            if self._jumped_back("image", stamp):
                self._clear("time_jump")
            self._newest["image"] = max(stamp, self._newest.get("image", stamp))
            place = bisect_left(self._image_stamps, stamp)
            if self._last is not None and stamp <= self._last:
                self._drop("duplicate" if stamp == self._last else "late")
            elif place < len(self._images) and self._image_stamps[place] == stamp:
                self._drop("duplicate")
            else:
                self._image_stamps.insert(place, stamp)
                self._images.insert(place, (stamp, now, payload))
            self._decide(now)
            self._limit_queues()
        self._pass_on()

    def add_other(self, stamp: int, payload: Any, now: int) -> None:
        """Take range data; ``stamp`` is its own, without the offset."""
        with self._lock:
            if self._jumped_back("other", stamp):
                self._clear("time_jump")
            self._newest["other"] = max(stamp, self._newest.get("other", stamp))
            corrected = stamp + _nanoseconds(self._settings.offset)
            place = bisect_left(self._other_stamps, corrected)
            if place < len(self._others) and self._other_stamps[place] == corrected:
                self._others[place] = payload
            elif place < len(self._others) and self._last is not None and self._other_stamps[place] <= self._last:
                self._drop("late")  # a nearer one is known for every image still to come
            else:
                self._other_stamps.insert(place, corrected)
                self._others.insert(place, payload)
            self._decide(now)
            self._limit_queues()
        self._pass_on()

    def poll(self, now: int) -> None:
        """Let time pass: images that have waited for the timeout are decided."""
        with self._lock:
            self._decide(now)
        self._pass_on()

    def flush(self) -> None:
        """Decide all waiting images with what is there, as at the end of a recording."""
        with self._lock:
            self._decide(None)
        self._pass_on()

    def reset(self, reason: str) -> None:
        """Drop everything held; waiting images are counted under ``reason``. Any stamp is accepted afterwards."""
        with self._lock:
            self._clear(reason)

    def statistics(self) -> SyncStatistics:
        """Return the counts so far; they outlive resets."""
        with self._lock:
            mean = self._interval_sum / self._pairs if self._pairs else 0.0
            return SyncStatistics(
                self._pairs, self._partials, dict(self._drops), mean, self._interval_max, self._missed
            )

    # everything below but _pass_on runs under the lock

    def _start_again(self) -> None:
        self._images, self._image_stamps = [], []
        self._others, self._other_stamps = [], []
        self._newest: dict[str, int] = {}  # newest stamp by input
        self._last: int | None = None  # image stamp of the last set

    def _clear(self, reason: str) -> None:
        self._drop(reason, len(self._images) + len(self._ready))
        for decided in self._ready:  # decided but not passed on: they count as dropped, not as sets
            self._count(decided, -1)
        self._ready.clear()
        self._start_again()

    def _jumped_back(self, name: str, stamp: int) -> bool:
        newest = self._newest.get(name)
        return newest is not None and stamp < newest - _nanoseconds(self._settings.backward_jump)

    def _drop(self, cause: str, count: int = 1) -> None:
        if count:
            self._drops[cause] = self._drops.get(cause, 0) + count

    def _limit_queues(self) -> None:
        size = self._settings.queue_size
        excess = max(len(self._images) - size, 0)
        for stamp, _, payload in self._images[:excess]:  # no room to wait for a nearer partner: take what is there
            self._choose(stamp, payload, "queue_full")
        del self._images[:excess], self._image_stamps[:excess]
        # of the others at or before the last set only the newest can still be the nearest of an image to come
        useless = 0 if self._last is None else bisect_right(self._other_stamps, self._last) - 1
        useless = max(useless, len(self._others) - size)
        if useless > 0:
            del self._others[:useless], self._other_stamps[:useless]

    def _decide(self, now: int | None) -> None:
        """Take out the images that can be decided: all if ``now`` is None."""
        if not self._images:
            return
        count = len(self._images)
        if now is not None:
            newest = self._other_stamps[-1] if self._other_stamps else None
            count = 0 if newest is None else bisect_right(self._image_stamps, newest)
            timeout = _nanoseconds(self._settings.timeout)
            for index in range(len(self._images) - 1, count - 1, -1):
                if now - self._images[index][1] >= timeout:
                    count = index + 1
                    break
        for stamp, _, payload in self._images[:count]:
            self._choose(stamp, payload)
        del self._images[:count], self._image_stamps[:count]

    def _choose(self, stamp: int, payload: Any, cause: str = "no_partner") -> None:
        settings, stamps = self._settings, self._other_stamps
        bound = 0 if settings.policy == "exact" else _nanoseconds(settings.max_interval)
        after = bisect_left(stamps, stamp)
        nearest = after
        if after == len(stamps) or (after > 0 and stamp - stamps[after - 1] < stamps[after] - stamp):
            nearest = after - 1
        if nearest >= 0 and abs(stamps[nearest] - stamp) <= bound:
            other_stamp = stamps[nearest]
            interval = (other_stamp - stamp) * 1e-9
            decided = SyncedSet(stamp, payload, other_stamp, self._others[nearest], interval, False)
        else:
            self._missed = (stamps[nearest] - stamp) * 1e-9 if nearest >= 0 else None
            if not settings.publish_partial:
                self._drop(cause)
                return
            decided = SyncedSet(stamp, payload, None, None, None, True)
        self._last = stamp
        self._count(decided, 1)
        self._ready.append(decided)

    def _count(self, decided: SyncedSet, by: int) -> None:
        if decided.interval is None:
            self._partials += by
            return
        self._pairs += by
        distance = abs(decided.interval)
        self._interval_sum += by * distance
        self._interval_max = max(self._interval_max, distance)

    def _pass_on(self) -> None:
        """Call back with what is ready, unless somebody (perhaps we, further up the stack) is at it already."""
        failure: Exception | None = None
        while True:
            with self._lock:
                if self._passing_on or not self._ready:
                    break
                decided = self._ready.popleft()
                self._passing_on = True
            try:
                self._on_set(decided)
            except Exception as error:  # the others must not be lost with it; raised below
                failure = failure or error
            finally:
                self._passing_on = False
        if failure is not None:
            raise failure


def _nanoseconds(seconds: float) -> int:
    return round(min(seconds, 1e9) * 1e9)
