"""When to publish what: playback of a recording as a schedule, with no clock, thread or ROS of its own.

Whoever owns a steady clock asks ``take(now)`` again and again (and sleeps until ``due`` in between),
publishes ``clock`` of what comes back on /clock, and then the message.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace

from depth_perception.recordings.qos import QosProfile
from depth_perception.recordings.reader import RawRecorded, Recording, RecordingError, TopicInfo

NANOSECONDS = 1_000_000_000
_MOST_LATCHED = 1000  # as many latched messages a topic are kept for late subscribers


@dataclass(frozen=True)
class Emission:
    """One message to publish: tick /clock with ``clock`` first, then publish ``message``.

    ``due`` is steady time and ``clock`` recording time, both in nanoseconds; ``loop`` counts passes
    from 0; ``latched`` marks a message from before the start offset or from the pass before, which
    is given to the nodes although its time has gone by.
    """

    due: int
    clock: int
    message: RawRecorded
    loop: int
    latched: bool = False


class Player:
    """Plays ``recording`` once or, with ``loop``, for ever.

    ``rate`` scales speed (2.0 is twice as fast); ``start_offset`` in seconds skips the beginning, but
    latched messages (transient local: /tf_static) recorded before it come first all the same.
    ``topics`` limits what is played (default: all that ROS 2 can publish). When the caller falls
    behind by more than ``max_lag`` seconds, playback slows down instead of sending a burst.

    On a loop the clock really jumps back; the latched messages of the passes before come first,
    since nodes may have forgotten them in the jump. Times passed in must come from one steady clock
    in nanoseconds. Not thread-safe. Raises ValueError for a bad argument, RecordingError if nothing
    can be played.
    """

    def __init__(
        self,
        recording: Recording,
        rate: float = 1.0,
        loop: bool = False,
        start_offset: float = 0.0,
        paused: bool = False,
        topics: Collection[str] | None = None,
        max_lag: float = 0.5,
    ):
        _check_rate(rate)
        length = (recording.end - recording.start) / NANOSECONDS
        if start_offset < 0 or (recording.count and start_offset > length):
            raise ValueError(f"start offset: {start_offset:g} s is outside the recording, which is {length:.3f} s long")
        self.skipped: dict[str, str] = {}
        self._recording = recording
        self._topics = self._playable(topics)
        self._begin = recording.start + round(start_offset * NANOSECONDS)
        self._max_lag = round(max_lag * NANOSECONDS)
        self._rate = rate
        self._loop = loop
        self._paused = paused
        self._steps = 0
        self._pass = 0
        self._anchor: int | None = None  # steady time at which recording time _anchor_clock is due
        self._anchor_clock = self._begin
        self._clock = self._begin
        self._latched: list[RawRecorded] = []
        self._source = self._first_pass()
        self._next: tuple[RawRecorded, bool] | None = next(self._source, None)
        self._emitted = False  # anything at all in this pass

    @property
    def topics(self) -> dict[str, TopicInfo]:
        """What is played, by name, with the QoS to publish in: latched topics keep all their messages."""
        return {name: replace(info, qos=publisher_qos(info)) for name, info in self._topics.items()}

    @property
    def rate(self) -> float:
        """Playback speed."""
        return self._rate

    @property
    def paused(self) -> bool:
        """True while only ``step`` lets messages out."""
        return self._paused

    @property
    def finished(self) -> bool:
        """True when every message was taken and nothing loops."""
        return self._next is None

    @property
    def due(self) -> int | None:
        """Steady time of the next message; None if finished, paused, or not started by ``take``."""
        if self._next is None or (self._paused and not self._steps) or self._anchor is None:
            return None
        return self._due_of(*self._next)

    def take(self, now: int) -> Emission | None:
        """Return the next message if it is due at steady time ``now``, else None."""
        if self._next is None:
            return None
        if self._anchor is None:
            self._anchor = now
        stepping = self._paused and self._steps > 0
        if self._paused and not stepping:
            return None
        message, latched = self._next
        due = self._due_of(message, latched)
        if stepping:
            due = now
            if not latched:  # a step counts messages of the recording, not what is sent ahead of them
                self._steps -= 1
        elif due > now:
            return None
        elif now - due > self._max_lag:
            self._anchor += now - due
            due = now
        self._clock = self._begin if latched else max(message.log_time, self._clock)
        emission = Emission(due, self._clock, message, self._pass, latched)
        if stepping:
            self._set_anchor(now, self._clock)
        self._emitted = True
        self._advance(due)
        return emission

    def clock(self, now: int) -> int:
        """Return recording time at steady ``now``, for ticking /clock between messages.

        It never runs ahead of a message not yet taken, nor backwards within one pass.
        """
        if self._paused or self._anchor is None or self._next is None:
            return self._clock
        time = self._anchor_clock + int((now - self._anchor) * self._rate)
        message, latched = self._next
        limit = self._begin if latched else message.log_time
        self._clock = max(self._clock, min(time, limit))
        return self._clock

    def pause(self, now: int) -> None:
        """Hold playback; the clock stops at the recording time reached."""
        if not self._paused:
            self.clock(now)
            self._paused = True
            self._steps = 0

    def resume(self, now: int) -> None:
        """Go on from where ``pause`` stopped."""
        if self._paused:
            self._paused = False
            self._steps = 0
            if self._anchor is not None:
                self._set_anchor(now, self._clock)

    def step(self, count: int = 1) -> None:
        """While paused, let the next ``count`` messages out as fast as they are taken."""
        if count < 1:
            raise ValueError(f"step: {count} messages; give 1 or more")
        if self._paused:
            self._steps += count

    def set_rate(self, rate: float, now: int) -> None:
        """Change the speed from steady time ``now`` on."""
        _check_rate(rate)
        if self._anchor is not None and not self._paused:
            self._set_anchor(now, self.clock(now))
        self._rate = rate

    def _set_anchor(self, now: int, clock: int) -> None:
        self._anchor, self._anchor_clock = now, clock

    def _due_of(self, message: RawRecorded, latched: bool) -> int:
        assert self._anchor is not None
        time = self._begin if latched else message.log_time
        return self._anchor + int((time - self._anchor_clock) / self._rate)

    def _advance(self, due: int) -> None:
        """Fetch the next message, from the next pass if this one is over."""
        self._next = next(self._source, None)
        if self._next is None and self._loop and self._emitted:
            self._pass += 1
            self._emitted = False
            self._clock = self._begin
            self._set_anchor(due, self._begin)
            self._source = self._next_pass()
            self._next = next(self._source, None)

    def _first_pass(self) -> Iterator[tuple[RawRecorded, bool]]:
        latched_topics = [name for name, info in self._topics.items() if info.qos.latched]
        if latched_topics and self._begin > self._recording.start:
            for message in self._recording.raw_messages(latched_topics, stop=self._begin):
                self._remember(message)
                yield message, True
        yield from self._from_begin()

    def _next_pass(self) -> Iterator[tuple[RawRecorded, bool]]:
        for message in list(self._latched):
            yield message, True
        yield from self._from_begin()

    def _from_begin(self) -> Iterator[tuple[RawRecorded, bool]]:
        if not self._topics:
            return
        for message in self._recording.raw_messages(list(self._topics), start=self._begin):
            if self._topics[message.topic].qos.latched and self._pass == 0:
                self._remember(message)
            yield message, False

    def _remember(self, message: RawRecorded) -> None:
        if len(self._latched) < _MOST_LATCHED:
            self._latched.append(message)

    def _playable(self, wanted: Collection[str] | None) -> dict[str, TopicInfo]:
        topics, refused = self._recording.topics(), self._recording.unpublishable()
        for name in wanted or ():
            if name not in topics:
                raise RecordingError(f"{self._recording.path}: no topic {name}; recorded are {', '.join(topics)}")
            if name in refused:
                raise RecordingError(f"{self._recording.path}: topic {name} cannot be played: {refused[name]}")
        self.skipped = {} if wanted is not None else refused
        chosen = {n: info for n, info in topics.items() if n not in refused and (wanted is None or n in wanted)}
        # The player makes /clock itself; a recorded one would fight with it.
        if wanted is None and "/clock" in chosen:
            self.skipped = {**self.skipped, "/clock": "the player publishes its own"}
            del chosen["/clock"]
        return chosen


def publisher_qos(info: TopicInfo) -> QosProfile:
    """Return the QoS to publish a topic in: what was recorded, with room for every latched message.

    Several recorded publishers of /tf_static, each keeping its last message, become one here, which
    has to keep them all for nodes that start late.
    """
    if not info.qos.latched or info.qos.history == "keep_all":
        return info.qos
    return replace(info.qos, depth=max(info.qos.depth, min(info.count, _MOST_LATCHED)))


def _check_rate(rate: float) -> None:
    if not 0.0 < rate < float("inf"):
        raise ValueError(f"rate: {rate!r} is not a positive number")
