"""Whether a recording can be learned from; if not, why, in numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from training.datasets.recorded import part, stretches
from training.learning.extraction import Extraction
from training.learning.frame_files import FrameEntry

FEWEST_WINDOWS = 8  # frames with a neighbour on either side that video must show
FEWEST_PAIRS = 3  # of frames whose parallax says something
FEWEST_FRAMES = 4  # with points, for completion
FEWEST_POINTS = 50  # in the usual frame, for completion
LEAST_PARALLAX = 0.004  # share of the width: half a pixel of a network that sees 128
LEAST_MOTION = 0.3  # share of the images looked at that must be kept or lost for more than motion to be the matter
FEWEST_CORNERS = 30  # in the usual frame
MOST_CUTS = 0.4  # share of the chosen frames


class UnsuitableError(ValueError):
    """Nothing can be learned from a recording; the text says why, with numbers."""


def check_video(found: Sequence[Extraction], entries: Sequence[Sequence[FrameEntry]], posed: bool) -> None:
    """Raise UnsuitableError unless depth can be learned from how pictures change; one entry list for each recording."""
    _check_any(found)
    chosen = [entry for of in entries for entry in of]
    considered, still = sum(e.considered for e in found), sum(e.still for e in found)
    blank, cuts = sum(e.blank for e in found), sum(e.cuts for e in found)
    corners = float(np.median([e.corners for e in chosen])) if chosen else 0.0
    if blank > considered / 2 or (chosen and corners < FEWEST_CORNERS):
        raise UnsuitableError(
            f"too little texture: {blank} of {considered} images show nothing that could be followed, the others "
            f"{corners:.0f} corners (median; {FEWEST_CORNERS} are needed): record where there is more to see, or in "
            "better light"
        )
    parallax = [e.parallax for e in chosen if e.parallax is not None]
    usual = float(np.median(parallax)) if parallax else 0.0
    if len(parallax) >= FEWEST_PAIRS and usual < LEAST_PARALLAX:
        raise UnsuitableError(
            f"too little parallax: near things move by {usual:.2%} of the image's width besides what turning the "
            f"camera explains (median of {len(parallax)} pairs; {LEAST_PARALLAX:.1%} are needed), so nothing tells "
            "how far they are: move the camera sideways or forward"
        )
    windows = _windows(entries, posed)
    if windows < FEWEST_WINDOWS and still > (1 - LEAST_MOTION) * considered:
        raise UnsuitableError(
            f"too little motion: in {still} of {considered} images hardly anything had moved against the frame before, "
            f"and {len(chosen)} are left, {windows} of them with neighbours ({FEWEST_WINDOWS} are needed): move the "
            "camera, not only turn it, or record for longer"
        )
    if cuts > MOST_CUTS * max(len(chosen), 1):
        raise UnsuitableError(
            f"too fast: the view was lost {cuts} times between {len(chosen)} frames: move more slowly, or record more "
            "images a second"
        )
    if windows < FEWEST_WINDOWS:
        raise UnsuitableError(
            f"too few frames: of {considered} images {len(chosen)} were chosen, and {windows} for training have a "
            f"neighbour on either side ({FEWEST_WINDOWS} are needed): record for longer{_said(found)}"
        )


def check_points(found: Sequence[Extraction], entries: Sequence[Sequence[FrameEntry]]) -> None:
    """Raise UnsuitableError unless completion can be learned from the recordings' own points."""
    if not any(extraction.source for extraction in found):
        raise UnsuitableError(
            "no points: completion learns from measured depth, and the recording has neither a point cloud nor a "
            "depth image topic"
        )
    _check_any(found)
    chosen = [entry for of in entries for entry in of]
    considered, still = sum(e.considered for e in found), sum(e.still for e in found)
    if len(chosen) < FEWEST_FRAMES or any(len(of) < 3 for of in entries):
        why = "too little motion" if still > considered / 2 else "too few frames"
        raise UnsuitableError(
            f"{why}: {considered} images have points, in {still} of them nothing had moved, and {len(chosen)} are left "
            f"({FEWEST_FRAMES} are needed, and 3 of each recording){_said(found)}"
        )
    points = float(np.median([e.points for e in chosen]))
    if points < FEWEST_POINTS:
        raise UnsuitableError(
            f"too few points: {points:.0f} in the usual image ({FEWEST_POINTS} are needed) to give some and ask for "
            "the rest"
        )


def _windows(entries: Sequence[Sequence[FrameEntry]], posed: bool) -> int:
    total = 0
    for of in entries:
        learned = [of[i] for i in part(len(of), "train")]
        total += sum(max(len(stretch) - 2, 0) for stretch in stretches(learned, posed))
    return total


def _check_any(found: Sequence[Extraction]) -> None:
    for extraction in found:
        if not extraction.considered:
            raise UnsuitableError(
                f"{extraction.recording}: none of its {extraction.images} images could be used{_said([extraction])}"
            )


def _said(found: Sequence[Extraction]) -> str:
    """Return what could not be used, most often first."""
    problems = [(n, text) for extraction in found for n, text in extraction.problems.values()]
    return "".join(f"; {n} x {text}" for n, text in sorted(problems, reverse=True))
