from __future__ import annotations

import pytest
import torch

from benchmarks import virtual_views
from depth_perception.geometry.splatting import Rendering

SIZE = (36, 48)


@pytest.fixture(scope="module")
def seen():
    return virtual_views.look(3, SIZE, 12.0, -5.0)


def test_the_rendered_depth_is_what_the_tracer_sees_from_there(seen):
    known, median, mean = virtual_views.errors(seen.there, seen.truth)
    assert known > 40
    assert median < 0.05
    assert abs(mean) < 0.3
    assert seen.back.mask.any()


def test_errors_by_hand():
    truth = torch.tensor([[[[2.0, 2.0, 2.0, torch.nan, 2.0]]]])
    depth = torch.tensor([[[[2.02, 1.98, 2.04, 5.0, 9.0]]]])
    mask = torch.tensor([[[[True, True, True, True, False]]]])
    known, median, mean = virtual_views.errors(Rendering(depth, depth, mask), truth)
    assert (known, median, mean) == pytest.approx((80, 1, 2 / 3), rel=1e-3)


def test_the_sheet_has_four_views_above_their_depths(seen):
    sheet = virtual_views.sheet(seen)
    assert sheet.shape == (2 * SIZE[0], 4 * SIZE[1], 3)
    hole = ~seen.there.mask[0, 0]
    assert (sheet[: SIZE[0], SIZE[1] : 2 * SIZE[1]][hole] == 0).all()
    assert sheet[: SIZE[0], 2 * SIZE[1] : 3 * SIZE[1]][hole].mean() > 20


def test_the_command_writes_a_picture(tmp_path, capsys):
    assert virtual_views.main(["--size", "24x32", "--out", str(tmp_path)]) == 0
    assert capsys.readouterr().out.count("% of pixels known") == 2
    assert (tmp_path / "virtual_view.jpg").read_bytes()[:2] == b"\xff\xd8"
