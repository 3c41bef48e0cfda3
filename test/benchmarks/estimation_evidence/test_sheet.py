from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from benchmarks.estimation_evidence.sheet import Shown, draw, panels


def test_the_estimate_is_aligned_before_it_is_compared(small_frame):
    found = panels(Shown(small_frame, 7 * small_frame.truth, "estimation-small"))
    assert [picture.shape for _, picture in found] == [(48, 64, 3)] * 4
    assert "AbsRel 0 %" in found[3][0]
    assert np.array_equal(found[1][1], found[2][1]), "depth and truth share a scale"


def test_sparse_truth_is_drawn_larger(small_frame):
    truth = np.zeros_like(small_frame.truth)
    truth[::8, ::8] = small_frame.truth[::8, ::8]
    found = panels(Shown(replace(small_frame, truth=truth), 1.2 * small_frame.truth, "e"))
    for _, picture in (found[1], found[3]):
        unknown = np.all(picture == picture[44, 60], -1)
        assert unknown.mean() < 0.75


def test_rows_may_differ_in_size(small_frame):
    wide = replace(small_frame, image=small_frame.image[:20], truth=small_frame.truth[:20])
    shown = [Shown(small_frame, small_frame.truth, "e"), Shown(wide, wide.truth, "e")]
    drawn = cv2.imdecode(np.frombuffer(draw(shown), np.uint8), cv2.IMREAD_COLOR)
    assert drawn.shape[1] == 1200
    assert drawn.std() > 10
