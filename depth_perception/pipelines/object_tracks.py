"""Which channel of which block is which object: ids that stay when a block is fitted again or visited again.

A block's channels are matched to the surfaces that it gave before by their overlap in space, one to one and as well as
possible in sum (Kuhn 1955); what is left over looks for its continuation in neighbouring blocks, where both overlap.
Only then is it a new object, with a number never given before. Sides of a thing that no view had shown together are
objects of their own until one surface covers them: it goes by the oldest of their numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from depth_perception.frames import TriangleMesh
from depth_perception.pipelines.object_shapes import Points, agreement, shares_near, surface_sample, within

BlockKey = tuple[int, int, int]
SAME_CHANNEL = 0.35  # what staying in its channel is worth; overlap counts from 0 to 1
COARSE = 4  # reaches: a surface that stays in its channel may have grown or shrunk by so much
PATIENCE = 10  # how often a block may be fitted without a surface before it forgets where that was
ABSORBED = 0.6  # share of a surface that another one must cover to have taken it in
SUBSTANTIAL = 0.25  # share of the surface that took in others, which the one whose number it keeps must have had
LEAST_SHARED = 6  # cells of both surfaces in what two blocks share, to say that they are the same


@dataclass(frozen=True)
class TrackSettings:
    """``cell`` [m]: how finely surfaces are compared; ``match``, ``join``: least overlap to be the same object.

    ``match`` holds within a block and ``join`` across blocks. ``change``: a surface of which a larger share is new
    or gone is a new revision.
    """

    cell: float = 0.02
    match: float = 0.3
    join: float = 0.5
    change: float = 0.1

    @property
    def reach(self) -> float:
        """How near two cells must be to be of the same surface, in metres."""
        return 1.5 * self.cell


@dataclass(eq=False)
class Piece:
    """What one channel of a block holds of an object. ``mesh`` None: it was there, and is not now; or lies on disk."""

    sample: Points
    mesh: TriangleMesh | None
    missing: int = 0  # fits without it since it was seen last
    on_disk: bool = False


@dataclass(frozen=True)
class Evidence:
    """What the key frames of a block tell of an object.

    ``agreement`` is the mean over its views of the share of the segment that fell into the object's channel, times
    how sure the model is of that; ``categories`` counts the names that segments had.
    """

    views: int = 0
    agreement: float = 0.0
    categories: Mapping[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Track:
    """One object: its pieces by block and channel, and what was seen of it, by block."""

    id: int
    pieces: dict[tuple[BlockKey, int], Piece] = field(default_factory=dict)
    evidence: dict[BlockKey, Evidence] = field(default_factory=dict)
    revision: int = 0
    first_seen: int = 0
    last_seen: int = 0

    @property
    def category(self) -> str:
        """The category named most often, empty if none was."""
        votes: Counter[str] = Counter()
        for told in self.evidence.values():
            votes.update(told.categories)
        return max(votes, key=lambda name: (votes[name], name)) if votes else ""

    @property
    def confidence(self) -> float:
        """How sure it is that this is one object: agreement of its views, less for few of them."""
        views = sum(told.views for told in self.evidence.values())
        total = sum(told.views * told.agreement for told in self.evidence.values())
        return float(total / views * (1.0 - 0.5**views)) if views else 0.0

    @property
    def is_present(self) -> bool:
        """True while it has any surface."""
        return any(piece.mesh is not None or piece.on_disk for piece in self.pieces.values())

    def saw(self, stamp: int) -> None:
        """Note that it was seen at ``stamp``."""
        self.first_seen = min(self.first_seen or stamp, stamp)
        self.last_seen = max(self.last_seen, stamp)


class ObjectTracks:
    """All objects of a scene by id."""

    def __init__(self, settings: TrackSettings | None = None):
        """Begin without objects."""
        self.settings = settings or TrackSettings()
        self.tracks: dict[int, Track] = {}
        self.merged: dict[int, int] = {}  # id that is gone -> id it went into
        self.next_id = 1

    def current(self, number: int) -> int:
        """Return the id that an id, perhaps merged since, goes by now."""
        while number in self.merged:
            number = self.merged[number]
        return number

    def channels(self, block: BlockKey) -> dict[int, int]:
        """Return channel -> id of a block."""
        return {channel: track.id for track in self.tracks.values() for key, channel in track.pieces if key == block}

    def update(
        self,
        block: BlockKey,
        meshes: Mapping[int, TriangleMesh],
        shared: Mapping[BlockKey, tuple[NDArray, NDArray]],
    ) -> dict[int, int]:
        """Take the surfaces of a block by channel; return channel -> id.

        ``shared``: the box (low, high) that the block has in common with each neighbour. An object of which more than
        ``change`` is new or gone gets another revision; the others keep the mesh that they had.
        """
        settings = self.settings
        samples = {channel: surface_sample(mesh.vertices, settings.cell) for channel, mesh in meshes.items()}
        samples = {channel: sample for channel, sample in samples.items() if len(sample)}
        found = self._match(block, samples)
        for channel, sample in samples.items():
            others = self._across(block, sample, shared)
            if channel not in found:
                found[channel] = next(iter(others), 0) or self._begin()
            for other in others:
                if self.current(other) != self.current(found[channel]):
                    self.merge(*sorted((self.current(other), self.current(found[channel]))))
        found = {channel: self.current(number) for channel, number in found.items()}
        self._replace(block, found, samples, meshes)
        return found

    def merge(self, kept: int, gone: int) -> None:
        """Let object ``gone`` be part of ``kept`` for ever; raises KeyError for unknown ids, ValueError for one id."""
        kept, gone = self.current(kept), self.current(gone)
        for number in (kept, gone):
            if number not in self.tracks:
                raise KeyError(f"there is no object {number}")
        if kept == gone:
            raise ValueError(f"{kept} and {gone} are one object already")
        into, track = self.tracks[kept], self.tracks.pop(gone)
        self.merged[gone] = kept
        into.pieces.update(track.pieces)
        for block, told in track.evidence.items():
            into.evidence[block] = _sum(into.evidence.get(block, Evidence()), told)
        for stamp in (track.first_seen, track.last_seen):
            if stamp:
                into.saw(stamp)
        into.revision = max(into.revision, track.revision) + 1

    def forget_block(self, block: BlockKey) -> None:
        """Drop all surfaces of a block; objects without any are gone."""
        for track in list(self.tracks.values()):
            track.pieces = {key: piece for key, piece in track.pieces.items() if key[0] != block}
            if not track.pieces:
                del self.tracks[track.id]

    def present(self) -> Iterable[Track]:
        """Return the objects that have a surface, by id."""
        return (self.tracks[number] for number in sorted(self.tracks) if self.tracks[number].is_present)

    def _begin(self) -> int:
        number, self.next_id = self.next_id, self.next_id + 1
        self.tracks[number] = Track(number)
        return number

    def _match(self, block: BlockKey, samples: Mapping[int, Points]) -> dict[int, int]:
        """Return channel -> id for the surfaces that were in this block before."""
        old = [
            (track.id, key[1], piece)
            for track in self.tracks.values()
            for key, piece in track.pieces.items()
            if key[0] == block
        ]
        if not old or not samples:
            return {}
        settings, channels = self.settings, list(samples)
        score = np.zeros((len(channels), len(old)))
        for row, channel in enumerate(channels):
            for column, (_, was, piece) in enumerate(old):
                score[row, column] = agreement(samples[channel], piece.sample, settings.reach)
                if was == channel and agreement(samples[channel], piece.sample, COARSE * settings.reach) > 0.5:
                    score[row, column] += SAME_CHANNEL
        rows, columns = linear_sum_assignment(-score)
        matched = {
            channels[row]: old[column] for row, column in zip(rows, columns) if score[row, column] >= settings.match
        }
        found = {channel: number for channel, (number, _, _) in matched.items()}
        for number, _, piece in sorted(old, key=lambda entry: entry[0]):
            holder = next((channel for channel, entry in matched.items() if entry[2] is piece), None)
            if holder is not None and self._took_in(samples[holder], piece):
                continue
            takers = [c for c, sample in samples.items() if c != holder and self._took_in(sample, piece, SUBSTANTIAL)]
            taker = max(takers, key=lambda c: len(samples[c]), default=None)
            if taker is None or found.get(taker, number + 1) <= number:
                continue
            given_up = found.get(taker)
            found[taker] = number
            if holder is not None and found[holder] == number:  # what is left of it goes by another number
                found[holder] = given_up if given_up is not None else self._begin()
        return found

    def _took_in(self, sample: Points, piece: Piece, substantial: float = 0.0) -> bool:
        """Return True if ``sample`` covers what ``piece`` was, and that was no less than ``substantial`` of it."""
        covered, share = shares_near(piece.sample, sample, self.settings.reach)
        return covered >= ABSORBED and share >= substantial

    def _across(self, block: BlockKey, sample: Points, shared: Mapping[BlockKey, tuple[NDArray, NDArray]]) -> list[int]:
        """Return the ids that continue a surface in neighbouring blocks, the best first."""
        found = []
        for neighbour, (low, high) in shared.items():
            own = sample[within(sample, low, high)]
            if len(own) < LEAST_SHARED:
                continue
            for track in self.tracks.values():
                for (key, _), piece in track.pieces.items():
                    if key != neighbour or piece.missing:
                        continue
                    other = piece.sample[within(piece.sample, low, high)]
                    if len(other) < LEAST_SHARED:
                        continue
                    score = agreement(own, other, self.settings.reach)
                    if score >= self.settings.join:
                        found.append((score, track.id))
        return list(dict.fromkeys(number for _, number in sorted(found, reverse=True)))

    def _replace(
        self,
        block: BlockKey,
        found: Mapping[int, int],
        samples: Mapping[int, Points],
        meshes: Mapping[int, TriangleMesh],
    ) -> None:
        """Put the new pieces in place of the old ones of this block."""
        settings = self.settings
        for track in list(self.tracks.values()):
            old = {key: piece for key, piece in track.pieces.items() if key[0] == block}
            new = [channel for channel, number in found.items() if number == track.id]
            before = [piece.sample for piece in old.values() if not piece.missing]
            after = [samples[channel] for channel in new]
            if not old and not new:
                continue
            if not new:
                self._miss(track, old)
                continue
            same = bool(before) and (
                agreement(np.concatenate(after), np.concatenate(before), settings.reach) >= 1.0 - settings.change / 2
            )
            if same and len(old) == len(new):
                kept = list(old.values())
            else:
                kept = [Piece(samples[channel], meshes[channel]) for channel in new]
                track.revision += 1
            for key in old:
                del track.pieces[key]
            track.pieces.update({(block, channel): piece for channel, piece in zip(new, kept)})
            for piece in kept:
                piece.missing = 0

    def _miss(self, track: Track, pieces: Mapping[tuple[BlockKey, int], Piece]) -> None:
        """Note that a block has no surface of this object any more, but remember for a while where it was."""
        for key, piece in pieces.items():
            track.revision += piece.missing == 0
            piece.mesh, piece.on_disk = None, False
            piece.missing += 1
            if piece.missing > PATIENCE:
                del track.pieces[key]
        if track.pieces:
            return
        into = self._heir(track, pieces)
        if into is None:
            del self.tracks[track.id]
        else:
            self.merge(into.id, track.id)

    def _heir(self, track: Track, pieces: Mapping[tuple[BlockKey, int], Piece]) -> Track | None:
        """Return the object that covers where an object was, None if nothing does."""
        for other in self.tracks.values():
            for (block, _), own in other.pieces.items():
                is_here = other is not track and not own.missing and any(key[0] == block for key in pieces)
                if is_here and any(self._took_in(own.sample, piece) for piece in pieces.values()):
                    return other
        return None


def _sum(first: Evidence, second: Evidence) -> Evidence:
    views = first.views + second.views
    total = first.agreement * first.views + second.agreement * second.views
    return Evidence(views, total / max(views, 1), Counter(first.categories) + Counter(second.categories))
