from __future__ import annotations

import pytest
import torch

from depth_perception.geometry.warping import se3
from depth_perception.models.networks.monocular_pose import PoseNetwork, compose, inverse


def world_poses(count=5, seed=0) -> list[torch.Tensor]:
    """T_world_camera (1, 4, 4) of a camera that turns and moves a lot."""
    generator = torch.Generator().manual_seed(seed)
    return [se3(*(0.7 * torch.randn(2, 1, 3, generator=generator, dtype=torch.float64))) for _ in range(count)]


@torch.autocast("cpu", enabled=False)
def between(poses, a, b):
    """T_a_b of cameras whose places in time are -2 to 2."""
    return torch.linalg.inv(poses[a + 2]) @ poses[b + 2]


class Oracle(PoseNetwork):
    """Knows the true motion between two images, which hold nothing but the number of their place."""

    def __init__(self, poses):
        super().__init__((4,) * 5, (1,) * 4, 4)
        self.poses = poses
        self.asked = []

    def forward(self, earlier, later, residual=False):
        places = [(int(a.mean().round()), int(b.mean().round())) for a, b in zip(earlier, later)]
        self.asked += places
        return torch.cat([between(self.poses, later, earlier) for earlier, later in places])


def test_neighbouring_motions_lead_to_every_source():
    poses = world_poses()
    frames = {place: torch.full((1, 3, 64, 64), float(place)) for place in (2, -1, 0, 1, -2)}
    oracle = Oracle(poses)
    found = oracle.to_sources(frames)
    assert oracle.asked == [(-2, -1), (-1, 0), (0, 1), (1, 2)]  # neighbours only, in the order of time
    assert sorted(found) == [-2, -1, 1, 2]
    for place, pose in found.items():
        assert torch.allclose(pose, between(poses, place, 0)), place


def test_sources_on_one_side_or_with_gaps_are_reached_too():
    poses = world_poses(seed=3)
    for places in ((-2, 0), (0, 1, 2), (-2, -1, 0), (-1, 0, 2)):
        frames = {place: torch.full((1, 3, 64, 64), float(place)) for place in places}
        found = Oracle(poses).to_sources(frames)
        assert sorted(found) == [p for p in places if p]
        assert all(torch.allclose(pose, between(poses, p, 0)) for p, pose in found.items())
    with pytest.raises(ValueError, match="no target"):
        Oracle(poses).to_sources({1: frames[0]})


def test_the_residual_pose_corrects_a_wrong_first_one():
    """A camera at the place the first pose wrongly thinks the target is: from there to the true target and on."""
    poses = world_poses(seed=1)
    wrong = {place: se3(*(0.1 * torch.randn(2, 1, 3, dtype=torch.float64))) for place in (-1, 1)}  # T_wrong_0

    class Residual(PoseNetwork):
        def forward(self, earlier, later, residual=False):
            assert residual
            # the target is full of zeros; each warped source holds its place
            found = []
            for a, b in zip(earlier.mean((1, 2, 3)), later.mean((1, 2, 3))):
                place = int((a + b).round())
                assert (a == 0) == (place > 0), "not in the order of time"
                found.append(wrong[place] if place > 0 else torch.linalg.inv(wrong[place]))  # T_later_earlier
            return torch.cat(found)

    first = {place: between(poses, place, 0) @ torch.linalg.inv(wrong[place]) for place in (-1, 1)}
    target = torch.zeros(1, 3, 64, 64)
    warped = {place: torch.full((1, 3, 64, 64), float(place)) for place in (-1, 1)}
    final = Residual((4,) * 5, (1,) * 4, 4).corrected(first, target, warped)
    for place in (-1, 1):
        assert torch.allclose(final[place], between(poses, place, 0), atol=1e-12), place


def test_compose_needs_every_pair_on_the_way():
    with pytest.raises(KeyError):
        compose({(0, 1): torch.eye(4)[None], (2, 3): torch.eye(4)[None]})


def test_the_inverse_of_a_motion():
    T = torch.cat(world_poses(3))
    assert torch.allclose(inverse(T) @ T, torch.eye(4, dtype=T.dtype).expand(3, 4, 4))


def test_two_decoders_share_one_encoder_and_say_little_at_first():
    torch.manual_seed(0)
    network = PoseNetwork((4, 6, 8, 8, 8), (1,) * 4, 8)
    a, b = torch.rand(2, 2, 3, 64, 64)
    first, second = network(a, b), network(a, b, residual=True)
    assert first.shape == (2, 4, 4)
    assert not torch.equal(first, second)
    assert (first - torch.eye(4)).abs().max() < 0.05
    assert not torch.equal(first, network(b, a))
    (first.sum() + second.sum()).backward()
    assert [n for n, p in network.named_parameters() if p.grad is None] == []


def test_poses_are_exact_under_autocast():
    """A turn rounded to 8 bits would be off by a pixel in 200."""
    poses = [pose.float() for pose in world_poses(seed=4)]
    frames = {place: torch.full((1, 3, 64, 64), float(place)) for place in (-2, -1, 0, 1, 2)}
    with torch.autocast("cpu", torch.bfloat16):
        found = Oracle(poses).to_sources(frames)
        assert (torch.eye(4, dtype=torch.float32) @ torch.eye(4)).dtype == torch.bfloat16  # what would happen
        network = PoseNetwork((4, 6, 8, 8, 8), (1,) * 4, 8)
        first = network.to_sources({k: torch.rand(1, 3, 64, 64) for k in (-1, 0, 1)})
        final = network.corrected(first, frames[0], {k: frames[k] for k in (-1, 1)})
    for place, pose in found.items():
        assert torch.allclose(pose, between(poses, place, 0), atol=1e-5), place
    assert {pose.dtype for pose in (*first.values(), *final.values())} == {torch.float32}


def test_translations_are_told_in_proportion_to_depth_and_turns_are_not():
    found = []
    for depth in (0.2, 1.0):
        torch.manual_seed(0)
        network = PoseNetwork((4, 6, 8, 8, 8), (1,) * 4, 8, depth).eval()
        found.append(network.pose(torch.rand(2, 8, 2, 3, generator=torch.Generator().manual_seed(1))))
    assert torch.equal(found[0][:, :3], found[1][:, :3])
    assert torch.allclose(5 * found[0][:, 3:], found[1][:, 3:])
