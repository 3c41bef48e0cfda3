"""Random virtual cameras, and the way there and back with networks whose answer is known."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from depth_perception.geometry.splatting import masked_median  # noqa: E402
from depth_perception.geometry.virtual_views import (  # noqa: E402
    PoseRange,
    inverse_pose,
    pose_about,
    random_poses,
    relative_scale,
    round_trip,
    scale_free,
)
from depth_perception.geometry.warping import rays  # noqa: E402

HEIGHT, WIDTH = 36, 48
K = torch.tensor([[[42.0, 0, 23.5], [0, 42, 17.5], [0, 0, 1]]])
EVERY = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def wall(normal: tuple[float, float, float] = (0.3, 0.2, 1.0), distance: float = 4.0) -> torch.Tensor:
    return distance / (torch.tensor(normal).view(1, 3, 1, 1) * rays(K, HEIGHT, WIDTH)).sum(1, keepdim=True)


def angles_of(T: torch.Tensor) -> list[float]:
    """Yaw, pitch, roll in degrees of R = roll @ pitch @ yaw, with R[2] = pitch and yaw alone."""
    R = T[:3, :3].double()
    pitch = math.asin(float(R[2, 1]))
    yaw = math.atan2(-float(R[2, 0]), float(R[2, 2]))
    roll = math.atan2(-float(R[0, 1]), float(R[1, 1]))
    return [math.degrees(a) for a in (yaw, pitch, roll)]


def test_turns_are_done_as_they_are_called():
    T = pose_about(torch.tensor([3.0]), torch.tensor([[10.0, -5.0, 2.0]]), torch.zeros(1, 3))[0]
    assert angles_of(T) == pytest.approx([10, -5, 2], abs=1e-4)
    right = pose_about(torch.tensor([0.0]), torch.tensor([[90.0, 0, 0]]), torch.zeros(1, 3))[0]
    assert right[:3, 2].tolist() == pytest.approx([1, 0, 0], abs=1e-6)  # what was ahead is now on the right


def test_the_pivot_stays_but_for_the_step():
    T = pose_about(torch.tensor([3.0]), torch.tensor([[10.0, -5.0, 2.0]]), torch.tensor([[0.1, 0.2, -0.3]]))[0]
    assert (T @ torch.tensor([0, 0, 3.0, 1]))[:3].tolist() == pytest.approx([0.1, 0.2, 2.7], abs=1e-5)


def test_poses_stay_in_their_range_and_fill_it():
    depth = torch.full((400, 1, 2, 2), 2.0)
    T = random_poses(depth, seeded())
    angles = torch.tensor([angles_of(t) for t in T])
    for column, limit in zip(angles.T, (15, 8, 2)):
        assert limit * 0.95 < column.abs().max() < limit + 1e-3
        assert abs(column.mean()) < 0.1 * limit
    step = (T @ torch.tensor([0, 0, 2.0, 1]))[:, :3] - torch.tensor([0, 0, 2.0])
    length = step.norm(dim=1) / 2
    assert length.min() > 0.05 - 1e-5
    assert length.max() < 0.10 + 1e-5
    assert (step.mean(0).abs() < 0.02).all()


def test_no_yaw_is_smaller_than_asked():
    T = random_poses(torch.ones(100, 1, 2, 2), seeded(), PoseRange(yaw=10, narrowest=0.5))
    yaw = torch.tensor([angles_of(t)[0] for t in T])
    assert yaw.abs().min() > 5 - 1e-3
    assert yaw.min() < -5 < 5 < yaw.max()


def test_a_seed_means_the_same_views_and_they_scale_with_the_scene():
    depth = wall()
    first, again, other = (random_poses(depth, seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    far = random_poses(10 * depth, seeded(1))
    assert torch.allclose(far[:, :3, :3], first[:, :3, :3])
    assert torch.allclose(far[:, :3, 3], 10 * first[:, :3, 3], rtol=1e-4, atol=1e-5)


def test_the_median_is_over_what_is_valid():
    depth = torch.tensor([[[[2.0, 2.0, 50.0, 50.0, 50.0, math.nan, 0.0]]]])
    valid = depth == 2
    reach = PoseRange(0, 0, 0, 0.1, 0.1)
    assert random_poses(depth, seeded(), reach, valid)[0, :3, 3].norm().item() == pytest.approx(0.2, rel=1e-4)
    assert random_poses(depth, seeded(), reach)[0, :3, 3].norm().item() == pytest.approx(5.0, rel=1e-4)


def test_inverse():
    T = random_poses(torch.full((3, 1, 2, 2), 2.0), seeded())
    assert torch.allclose(T @ inverse_pose(T), torch.eye(4).expand(3, 4, 4), atol=1e-6)


def test_half_precision_around_it_does_not_bend_poses():
    turns, step = torch.tensor([[9.0, -7.0, 1.3]]), torch.tensor([[0.1, 0.2, 0.3]])
    exact = pose_about(torch.tensor([3.3]), turns, step)
    with torch.autocast("cpu", torch.bfloat16):
        inside = pose_about(torch.tensor([3.3]), turns, step)
        back = inverse_pose(inside)
    assert torch.equal(inside, exact)
    assert torch.allclose(back, inverse_pose(exact))


def test_relative_scale_makes_the_relative_error_least():
    torch.manual_seed(0)
    target = 1 + 4 * torch.rand(1, 1, 6, 7)
    values = target * (0.4 + 0.2 * torch.rand(1, 1, 6, 7))
    valid = torch.rand(1, 1, 6, 7) > 0.2
    found = relative_scale(values, target, valid)

    def error(a: float) -> float:
        return float((((a * values - target) / target).abs())[valid].mean())

    assert error(float(found)) <= min(error(float(found) * (1 + x / 500)) for x in range(-100, 100)) + 1e-7


def test_relative_scale_shrugs_off_outliers_and_nonsense():
    target = torch.full((1, 1, 4, 5), 6.0)
    values = torch.full((1, 1, 4, 5), 2.0)
    values[0, 0, 0, :3] = torch.tensor([9.0, math.nan, -1.0])
    every = torch.ones_like(target) > 0
    assert relative_scale(values, target, every).item() == pytest.approx(3)
    assert relative_scale(values, target, ~every).item() == 1
    assert relative_scale(values.expand(2, 1, 4, 5), torch.cat([target, 2 * target]), every).flatten().tolist() == [
        3,
        6,
    ]


class Plane:
    """A network that knows the wall and where it is looked at from: truth, scaled and shifted."""

    def __init__(self, T: torch.Tensor, scale: float = 1.0, shift: float = 0.0):
        n, d = torch.tensor([[0.3, 0.2, 1.0]]), 4.0
        turned = (T[:, :3, :3] @ n[..., None])[..., 0]
        away = d + (turned * T[:, :3, 3]).sum(1)
        depth = away / (turned.view(-1, 3, 1, 1) * rays(K, HEIGHT, WIDTH)).sum(1, keepdim=True)
        self.answer = scale * depth + shift
        self.got: torch.Tensor | None = None

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        self.got = image
        return self.answer


def test_true_depth_agrees_with_itself_there_and_back():
    image, T = torch.rand(1, 3, HEIGHT, WIDTH), random_poses(wall(), seeded(4))
    network = Plane(T, scale=0.25)
    trip = round_trip(image, wall(), K, T, network)
    assert torch.equal(trip.shown, network.got)
    assert trip.scale.item() == pytest.approx(4, rel=1e-4)
    there, back = trip.there, trip.back
    assert there.mask.float().mean() > 0.7
    assert ((4 * trip.estimate - there.depth).abs() / there.depth)[there.mask].max() < 1e-3
    assert torch.allclose(trip.scaled, trip.scale * trip.estimate, rtol=1e-4)
    assert back.mask.float().mean() > 0.6
    assert ((back.depth - wall()).abs() / wall())[back.mask].max() < 2e-3
    assert torch.equal(trip.T_view_frame, T)


def test_shifted_depth_does_not():
    T = pose_about(masked_median(wall(), EVERY).view(1), torch.tensor([[12.0, 4, 0]]), torch.zeros(1, 3))
    error = {}
    for shift in (-0.8, 0.0, 0.8):
        trip = round_trip(torch.rand(1, 3, HEIGHT, WIDTH), wall() + shift, K, T, Plane(T, shift=shift))
        miss = (trip.scale * trip.estimate - trip.there.depth).abs() / trip.there.depth
        error[shift] = float(miss[trip.there.mask].mean())
    assert error[0.0] < 1e-4
    assert min(error[-0.8], error[0.8]) > 5e-3


def test_the_network_never_sees_a_hole_and_holes_are_not_lifted():
    depth = wall()
    keep = EVERY.clone()
    keep[..., 10:20, 15:25] = False
    T = pose_about(torch.tensor([4.0]), torch.tensor([[1.0, 0, 0]]), torch.zeros(1, 3))
    network = Plane(T)
    trip = round_trip(torch.rand(1, 3, HEIGHT, WIDTH) + 0.5, depth, K, T, network, keep)
    assert not trip.there.mask[..., 12:18, 17:23].any()
    assert not trip.back.mask[..., 12:18, 17:23].any()
    assert network.got.min() >= 0.5


def test_a_scale_is_taken_out_and_a_shift_stays():
    values = wall()
    free = scale_free(values, EVERY)
    assert torch.allclose(scale_free(5 * values, EVERY), free, rtol=1e-4)
    assert torch.allclose(scale_free(values + 3, EVERY) - free, (3 * free / values), rtol=1e-3)
    assert torch.equal(scale_free(torch.full_like(values, 2.0), EVERY), torch.full_like(values, 50.0))
    half = EVERY.clone()
    half[..., : WIDTH // 2] = False
    inside = values[half]
    assert (free != scale_free(values, half)).any()
    assert scale_free(values, half)[half].tolist() == pytest.approx(
        (inside / (inside - inside.mean()).abs().mean()).tolist()
    )


def test_gradients_reach_the_first_depth_and_the_second_pass_but_not_the_scale():
    depth = wall().requires_grad_()
    gain, shift = torch.ones(1, requires_grad=True), torch.zeros(1, requires_grad=True)
    T = random_poses(wall(), seeded(4))
    plane = Plane(T)
    trip = round_trip(torch.rand(1, 3, HEIGHT, WIDTH), depth, K, T, lambda image: gain * plane(image) + shift)
    assert not trip.scale.requires_grad
    (there,) = torch.autograd.grad(trip.there.depth.sum(), depth, retain_graph=True)
    scaled, shifted = torch.autograd.grad(trip.back.depth.sum(), (gain, shift), retain_graph=True)
    (colours,) = torch.autograd.grad(trip.back.image.square().sum(), depth)
    assert (there != 0).float().mean() > 0.6
    assert shifted.item() > 100
    assert abs(scaled.item()) < 1e-3 * shifted.item()
    assert (colours != 0).any()
