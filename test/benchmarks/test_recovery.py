from __future__ import annotations

import math

import pytest
import torch

from benchmarks import recovery
from depth_perception.geometry.virtual_views import pose_about

SIZE = (24, 32)
STILL = torch.eye(4)[None]


@pytest.fixture(scope="module")
def network():
    return recovery.frames_of("indoor", 1, recovery.camera_of(70.0, SIZE), 0.2)


def test_the_network_is_the_truth_plus_a_shift(network):
    assert network.shift == pytest.approx(0.2 * network.median)
    seen = network(torch.zeros(1, 3, *SIZE))
    assert seen.shape == (1, 1, *SIZE)
    known = torch.isfinite(seen)
    assert torch.allclose(seen[known] - network.shift, network.truth[known])
    again = network.in_view(torch.zeros(1, 3, *SIZE), STILL)
    assert torch.allclose(again[known], seen[known], atol=1e-4)


def test_from_elsewhere_it_knows_only_what_the_frame_saw(network):
    image = torch.zeros(1, 3, *SIZE)
    right = pose_about(torch.tensor([0.0]), torch.tensor([[-25.0, 0, 0]]), torch.zeros(1, 3))
    known = torch.isfinite(network.in_view(image, right))[0, 0]
    assert known[:, :8].float().mean() > 0.5  # what was on the right is now on the left
    assert not known[:, -8:].any()
    behind = pose_about(torch.tensor([0.0]), torch.tensor([[180.0, 0, 0]]), torch.zeros(1, 3))
    assert not torch.isfinite(network.in_view(image, behind)).any()


def test_noise_is_new_in_each_picture_and_stays_as_it_is():
    clean, noisy = (recovery.frames_of("indoor", 1, recovery.camera_of(70.0, SIZE), 0.0, noise=n) for n in (0.0, 0.05))
    image = torch.zeros(1, 3, *SIZE)
    turned = pose_about(torch.tensor([2.0]), torch.tensor([[3.0, 0, 0]]), torch.zeros(1, 3))
    fields = []
    for T in (STILL, turned, STILL):
        known = torch.isfinite(clean.in_view(image, T))
        fields.append((noisy.in_view(image, T) / clean.in_view(image, T) - 1)[known])
    assert torch.equal(fields[0], fields[2])
    assert 0.01 < fields[0].std() < 0.1
    assert abs(fields[0].mean() - fields[1].mean()) > 1e-3


def test_a_camera_is_as_wide_as_asked():
    camera = recovery.camera_of(90.0, (48, 64))
    assert camera.K[0, 0] == pytest.approx(32)
    assert camera.shape == (48, 64)


def result(**values) -> recovery.Result:
    names = [name for name in recovery.Result._fields if name.endswith(("_error", "_deviation"))]
    errors = dict.fromkeys(names, 0.0) | values
    return recovery.Result("indoor", 1, 20.0, -10.0, one_minimum=True, seconds=1.0, **errors)


def test_marks_hold_for_every_domain_and_sign():
    assert recovery.passes([result(shift_error=-2.9), result(both_focal_error=4.9)])
    assert not recovery.passes([result(), result(shift_error=-3.1)])
    assert not recovery.passes([result(both_shift_error=3.1)])
    assert not recovery.passes([result(focal_error=-5.1)])
    assert not recovery.passes([result(both_focal_error=5.1)])
    assert not recovery.passes([result(both_focal_error=math.nan)])


def test_the_command_measures_draws_and_judges(tmp_path, capsys):
    words = ["--kind", "indoor", "--frames", "1", "--views", "1", "--size", "24x32", "--out", str(tmp_path)]
    status = recovery.main(words)
    printed = capsys.readouterr().out
    row = next(line for line in printed.splitlines() if line.startswith("| indoor"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[1:3] == ["1", "+20 %"]
    assert abs(float(cells[3].split()[0])) < 3
    assert abs(float(cells[5].split()[0])) < 5
    assert ("MISSED" in printed) == (status == 1)
    assert (tmp_path / "recovery.png").read_bytes()[:4] == b"\x89PNG"
    assert (tmp_path / "recovery.csv").read_text().count("\n") == 2
