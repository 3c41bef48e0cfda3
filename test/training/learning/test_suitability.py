from __future__ import annotations

import dataclasses

import pytest

from training.learning.extraction import Extraction
from training.learning.frame_files import FrameEntry
from training.learning.suitability import UnsuitableError, check_points, check_video

FOUND = Extraction("bag", 100, 100, 40, 0, 0, 10.0, "odom", "/points", False, {})


def entries(count=60, parallax=0.02, corners=200, points=500, every_cut=0):
    def one(k):
        stretch = k // every_cut if every_cut else 0
        return FrameEntry(f"{k}", k, stretch, 0.03, parallax, corners, points, True, False, k, 0, 0, 0)

    return [one(k) for k in range(count)]


def found(**changes):
    return [dataclasses.replace(FOUND, **changes)]


def test_a_good_recording_passes():
    check_video(found(), [entries()], posed=True)
    check_points(found(), [entries()])


@pytest.mark.parametrize(
    ("changes", "made", "words"),
    [
        ({"still": 97}, {"count": 3}, ("too little motion", "97 of 100", "3 are left")),
        ({"blank": 80}, {"count": 10}, ("too little texture", "80 of 100")),
        ({}, {"corners": 12}, ("too little texture", "12 corners")),
        ({}, {"parallax": 0.001}, ("too little parallax", "0.10%", "0.4%", "59 pairs")),
        ({"cuts": 40}, {"every_cut": 1}, ("too fast", "40 times", "60 frames")),
        ({"considered": 8, "still": 0}, {"count": 8}, ("too few frames", "8 images", "8 are needed")),
        ({"considered": 0, "problems": {"x": (7, "no lens")}}, {"count": 0}, ("none of its 100 images", "7 x no lens")),
    ],
)
def test_video_that_teaches_nothing_is_refused_with_numbers(changes, made, words):
    listed = entries(**made)
    if made.get("parallax"):
        listed[0] = dataclasses.replace(listed[0], parallax=None)
    with pytest.raises(UnsuitableError) as refused:
        check_video(found(**changes), [listed], posed=False)
    for word in words:
        assert word in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "made", "words"),
    [
        ({"source": ""}, {}, ("no points",)),
        ({"still": 98}, {"count": 2}, ("too little motion", "98 of them", "4 are needed")),
        ({"considered": 3, "still": 0}, {"count": 3}, ("too few frames", "3 are left")),
        ({}, {"points": 9}, ("too few points", "9 in the usual image")),
    ],
)
def test_points_that_teach_nothing_are_refused_with_numbers(changes, made, words):
    with pytest.raises(UnsuitableError) as refused:
        check_points(found(**changes), [entries(**made)])
    for word in words:
        assert word in str(refused.value)
