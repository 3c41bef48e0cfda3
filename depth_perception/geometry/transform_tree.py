"""A tree of coordinate frames over time, with the look-up rules of tf2 and no ROS in it.

The offline evaluator has no tf2, and neither has a machine with only the PyPI wheels; this is what they use. Stamps
are integer nanoseconds. One deliberate difference to tf2: a second transform with the stamp of an earlier one
replaces it, where tf2 keeps both; at that stamp both answer with the newer one.
"""

from __future__ import annotations

import threading
from bisect import bisect_left, bisect_right
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from depth_perception.geometry import transforms
from depth_perception.geometry.transforms import Matrix, Pose

_IDENTITY: Pose = (0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0)


class TransformError(LookupError):
    """A transform cannot be given; the text names the frames and the time asked for, and what is known."""


class UnknownFrameError(TransformError):
    """No transform ever named this frame."""


class DisconnectedError(TransformError):
    """Both frames are known but no chain of transforms joins them."""


class ExtrapolationError(TransformError):
    """A transform on the way is not known at that time, only earlier or later."""


class TransformSource(Protocol):
    """Whatever answers where frames are: a TransformTree, or a live buffer that may wait up to a bound."""

    def lookup(self, target: str, source: str, stamp: int | None) -> Matrix:
        """Return T_target_source at ``stamp``; None asks for the newest time known to all links between them."""

    def lookup_full(
        self, target: str, target_stamp: int | None, source: str, source_stamp: int | None, fixed: str
    ) -> Matrix:
        """Return the transform from ``source`` at its stamp to ``target`` at its own, standing still in ``fixed``."""

    def newest(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which ``lookup`` answers, or None if all links between them are static."""


class _Link:
    """What is known of one child frame: its parent and pose over time, oldest first."""

    __slots__ = ("entries", "stamps", "static")

    def __init__(self, static: bool):
        self.static = static
        self.stamps: list[int] = []
        self.entries: list[tuple[str, Pose]] = []

    def insert(self, stamp: int, parent: str, pose: Pose, cache_time: int | None) -> bool:
        if self.static:
            self.stamps, self.entries = [stamp], [(parent, pose)]
            return True
        stamps = self.stamps
        if not stamps or stamp > stamps[-1]:
            stamps.append(stamp)
            self.entries.append((parent, pose))
        else:
            if cache_time is not None and stamp < stamps[-1] - cache_time:
                return False
            place = bisect_left(stamps, stamp)
            if stamps[place] == stamp:
                self.entries[place] = (parent, pose)
            else:
                stamps.insert(place, stamp)
                self.entries.insert(place, (parent, pose))
        if cache_time is not None and stamps[0] < stamps[-1] - cache_time:
            stale = bisect_left(stamps, stamps[-1] - cache_time)
            del stamps[:stale], self.entries[:stale]
        return True

    def at(self, stamp: int) -> tuple[str, Pose] | None:
        """Parent and pose at a stamp, or None outside the known range."""
        if self.static:
            return self.entries[0]
        stamps = self.stamps
        if not stamps[0] <= stamp <= stamps[-1]:
            return None
        place = bisect_right(stamps, stamp) - 1
        older = self.entries[place]
        if stamps[place] == stamp:
            return older
        newer = self.entries[place + 1]
        if newer[0] != older[0]:  # the frame changed its parent between the two: nothing to interpolate
            return older
        alpha = (stamp - stamps[place]) / (stamps[place + 1] - stamps[place])
        return older[0], transforms.interpolate_poses(older[1], newer[1], alpha)


class TransformTree:
    """Frames joined by rigid transforms, fixed or moving; safe to use from several threads.

    ``cache_time_s`` bounds how much of the past is kept behind the newest transform of each frame (tf2's default is
    10 s); None keeps everything, which is what reading a recording wants. Names may start with '/', which is
    dropped as tf2 does on insertion.
    """

    def __init__(self, cache_time_s: float | None = 10.0):
        if cache_time_s is not None and not cache_time_s > 0.0:
            raise ValueError(f"cache_time_s must be positive or None, got {cache_time_s}")
        self._cache_time = None if cache_time_s is None else round(cache_time_s * 1e9)
        self._links: dict[str, _Link] = {}
        self._named: set[str] = set()  # every frame heard of, also those that are only parents
        self._lock = threading.Lock()

    def insert(self, parent: str, child: str, stamp: int, T: ArrayLike, static: bool = False) -> bool:
        """Store ``T`` = T_parent_child (4, 4) at ``stamp``.

        A static transform holds for all times and the last one wins. Another parent than before moves the child
        from that time on. Returns False for a transform older than the cache keeps. Raises ValueError naming both
        frames if a name is empty, a frame is its own parent or ``T`` is no finite rigid transform.
        """
        parent, child = _name(parent), _name(child)
        if not parent or not child:
            raise ValueError(f"transform from {child!r} to {parent!r}: a frame name is empty")
        if parent == child:
            raise ValueError(f"transform of {child!r} to itself: a frame cannot be its own parent")
        try:
            pose = transforms.matrix_to_pose(transforms.check_transform(T))
        except ValueError as error:
            raise ValueError(f"transform from {child!r} to {parent!r}: {error}") from None
        with self._lock:
            self._named.update((parent, child))
            link = self._links.get(child)
            if link is None or link.static != static:
                link = self._links[child] = _Link(static)
            return link.insert(int(stamp), parent, pose, self._cache_time)

    def lookup(self, target: str, source: str, stamp: int | None) -> Matrix:
        """Return T_target_source (4, 4) at ``stamp``; None takes the newest time all links between them know.

        Moving links are interpolated between the two nearest stamps (linear and slerp), never extrapolated. Raises
        UnknownFrameError, DisconnectedError or ExtrapolationError, all of them TransformError. A frame in itself is the
        identity even if it is unknown, as in tf2: sensors that share one frame need no transforms at all.
        """
        target, source = _name(target), _name(source)
        if target == source:
            return np.eye(4)
        with self._lock:
            if stamp is None:
                self._require(target, source)
                stamp = self._newest(target, source)
            return transforms.pose_to_matrix(self._pose(target, source, 0 if stamp is None else stamp))

    def lookup_full(
        self, target: str, target_stamp: int | None, source: str, source_stamp: int | None, fixed: str
    ) -> Matrix:
        """Return the transform that takes points of ``source`` at ``source_stamp`` to ``target`` at ``target_stamp``.

        ``fixed`` is the frame in which the world stands still between the two, usually odom or map.
        """
        return self.lookup(target, fixed, target_stamp) @ self.lookup(fixed, source, source_stamp)

    def newest(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which ``lookup`` works, or None if only static links lie between them."""
        target, source = _name(target), _name(source)
        if target == source:
            return None
        with self._lock:
            self._require(target, source)
            return self._newest(target, source)

    def frames(self) -> dict[str, str | None]:
        """Return every known frame, in alphabetical order, with its newest parent; None for a root."""
        with self._lock:
            links = self._links
            return {name: links[name].entries[-1][0] if name in links else None for name in sorted(self._named)}

    def clear(self) -> None:
        """Forget all moving transforms, as after a jump back in time; static ones are kept."""
        with self._lock:
            self._links = {name: link for name, link in self._links.items() if link.static}
            self._named = self._links.keys() | {link.entries[-1][0] for link in self._links.values()}

    def _require(self, *names: str) -> None:
        for name in names:
            if name not in self._named:
                known = ", ".join(sorted(self._named)) or "none, no transform yet"
                raise UnknownFrameError(f"frame {name!r} is unknown: no transform has named it; known: {known}")

    def _newest(self, target: str, source: str) -> int | None:
        """Newest common stamp of the links between two known frames, by their newest parents."""
        stamps: dict[str, int | None] = {}
        common: int | None = None
        frame = source
        while frame not in stamps:
            stamps[frame] = common
            link = self._links.get(frame)
            if link is None or frame == target:
                break
            common, frame = _earlier(common, link), link.entries[-1][0]
        common, frame, seen = None, target, set()
        while frame not in stamps:
            link = self._links.get(frame)
            if frame in seen:
                raise self._loop(target, source, frame)
            if link is None:
                raise self._refusal(target, source, 0, frame)
            seen.add(frame)
            common, frame = _earlier(common, link), link.entries[-1][0]
        other = stamps[frame]
        return min((stamp for stamp in (common, other) if stamp is not None), default=None)

    def _pose(self, target: str, source: str, stamp: int) -> Pose:
        links = self._links
        # from the source up to the root, or to where knowledge at this stamp ends
        poses: dict[str, Pose] = {}
        pose, frame, gap = _IDENTITY, source, None
        while True:
            poses[frame] = pose
            link = links.get(frame)
            if link is None or frame == target:
                break
            step = link.at(stamp)
            if step is None:
                gap = frame
                break
            pose, frame = transforms.compose_poses(step[1], pose), step[0]
            if frame in poses:
                raise self._loop(target, source, frame)
        # from the target up to where that chain is met
        back, frame, seen = _IDENTITY, target, {target}
        while frame not in poses:
            link = links.get(frame)
            step = None if link is None else link.at(stamp)
            if step is None:
                raise self._refusal(target, source, stamp, gap or frame)
            back, frame = transforms.compose_poses(step[1], back), step[0]
            if frame in seen:
                raise self._loop(target, source, frame)
            seen.add(frame)
        return transforms.compose_poses(_inverse(back), poses[frame])

    def _refusal(self, target: str, source: str, stamp: int, failed: str) -> TransformError:
        """Why there is no transform at that time: an error to raise. ``failed`` is where the walk up ended."""
        self._require(target, source)
        down, up = self._chain(source), self._chain(target)
        ancestor = next((frame for frame in down if frame in up), None)
        if ancestor is None:
            return DisconnectedError(
                f"no transform from {source!r} to {target!r}: they are in separate trees, "
                f"{source!r} under {down[-1]!r} and {target!r} under {up[-1]!r}"
            )
        # the walk goes as high as it can, so what stopped it may lie above where both chains meet: name what matters
        path = down[: down.index(ancestor)] + up[: up.index(ancestor)]
        missing = [frame for frame in path if self._links[frame].at(stamp) is None]
        if not missing and failed not in self._links:
            return DisconnectedError(f"no transform from {source!r} to {target!r}: not joined at {_seconds(stamp)}")
        frame = missing[0] if missing else failed
        link = self._links[frame]
        first, last = link.stamps[0], link.stamps[-1]
        parent = link.entries[-1][0]
        if stamp > last:
            miss = f"{(stamp - last) * 1e-9:.3f} s newer than the newest known"
        else:
            miss = f"{(first - stamp) * 1e-9:.3f} s older than the oldest known"
        known = f"only at {_seconds(first)}" if first == last else f"from {_seconds(first)} to {_seconds(last)}"
        return ExtrapolationError(
            f"no transform from {source!r} to {target!r} at {_seconds(stamp)}: "
            f"{frame!r} to {parent!r} is known {known}, so this is {miss}"
        )

    def _loop(self, target: str, source: str, frame: str) -> TransformError:
        return TransformError(f"no transform from {source!r} to {target!r}: the parents of {frame!r} form a loop")

    def _chain(self, frame: str) -> list[str]:
        """The frame and all above it, by the newest parents."""
        chain = [frame]
        while frame in self._links:
            frame = self._links[frame].entries[-1][0]
            if frame in chain:
                break
            chain.append(frame)
        return chain


def _earlier(stamp: int | None, link: _Link) -> int | None:
    if link.static:
        return stamp
    return link.stamps[-1] if stamp is None else min(stamp, link.stamps[-1])


def _inverse(pose: Pose) -> Pose:
    x, y, z, qx, qy, qz, qw = pose
    inverse = (-qx, -qy, -qz, qw)
    turned = transforms.compose_poses((0.0, 0.0, 0.0, *inverse), (x, y, z, 0.0, 0.0, 0.0, 1.0))
    return (-turned[0], -turned[1], -turned[2], *inverse)


def _name(frame: str) -> str:
    return frame[1:] if frame.startswith("/") else frame


def _seconds(stamp: int) -> str:
    whole, rest = divmod(stamp, 1_000_000_000)
    return f"{whole}.{rest:09d} s"
