"""The shift and the focal length of a network that knows a room from everywhere, but for what is to be found."""

from __future__ import annotations

import math

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from depth_perception.frames import DepthPrediction  # noqa: E402
from depth_perception.geometry.virtual_views import PoseRange, inverse_pose  # noqa: E402
from depth_perception.geometry.warping import rays  # noqa: E402
from depth_perception.models import recovery  # noqa: E402
from depth_perception.models.recovery import (  # noqa: E402
    RecoveryConfig,
    SelfConsistency,
    deviations,
    guessed_intrinsics,
    network_of,
    recover,
    recover_focal,
    recover_shift,
    refine,
    with_focal,
)

HEIGHT, WIDTH = 30, 40
K = guessed_intrinsics(2, (HEIGHT, WIDTH), 65.0)
PLACES = torch.eye(4).repeat(2, 1, 1)
PLACES[1, :3, 3] = torch.tensor([0.6, 0.2, 0.8])
VIEWS = RecoveryConfig(views=2)
IMAGES = torch.stack([torch.full((3, HEIGHT, WIDTH), 0.25), torch.full((3, HEIGHT, WIDTH), 0.75)])


def place_of(image: torch.Tensor) -> torch.Tensor:
    """Where each picture was taken: the colour tells, seen from elsewhere too."""
    return PLACES[(image.mean((1, 2, 3)) > 0.5).long()]


class Room:
    """Inside of a box 5 x 3 x 6.5 m with a leaning wall, seen from two places; depths lack ``shift``."""

    def __init__(self, shift: float = 0.0, noise: float = 0.0):
        self.shift = shift
        self.noise = noise
        self.median = float(self.depth(PLACES).median())

    def depth(self, T_world_camera: torch.Tensor) -> torch.Tensor:
        directions = (T_world_camera[:, :3, :3] @ rays(K[:1], HEIGHT, WIDTH).flatten(2)).view(-1, 3, HEIGHT, WIDTH)
        origin = T_world_camera[:, :3, 3]
        depth = torch.full((len(origin), 1, HEIGHT, WIDTH), math.inf)
        for *normal, distance in ((1, 0, 0, 2.5), (-1, 0, 0.3, 2.6), (0, 1, 0, 1.2), (0, -1, 0, 1.8), (0, 0, 1, 5.0)):
            n = torch.tensor(normal, dtype=torch.float32)
            away = (distance - origin @ n).view(-1, 1, 1, 1)
            t = away / (directions * n.view(1, 3, 1, 1)).sum(1, keepdim=True)
            depth = torch.where(t > 0, torch.minimum(depth, t), depth)
        return depth

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        return self.depth(place_of(image)) - self.shift

    def in_view(self, image: torch.Tensor, T_view_frame: torch.Tensor) -> torch.Tensor:
        wave = torch.sin(torch.arange(WIDTH) * 0.7 + 40 * T_view_frame[:, 0, 2].view(-1, 1, 1, 1))
        return self.depth(place_of(image) @ inverse_pose(T_view_frame)) * (1 + self.noise * wave) - self.shift

    def consistency(self, config: RecoveryConfig = VIEWS) -> SelfConsistency:
        return SelfConsistency(self, IMAGES, config, self.in_view)


@pytest.mark.parametrize("share", [-0.2, 0.1, 0.3])
def test_the_shift_of_a_domain_is_found(share):
    shift = share * Room().median
    search = recover_shift(Room(shift).consistency(), K)
    assert search.best == pytest.approx(shift, abs=0.01 * Room().median)
    assert search.has_minimum
    assert search.error < 0.1 * max(e for e in search.errors if math.isfinite(e))
    assert list(search.tried) == sorted(search.tried)


@pytest.mark.parametrize("guess", [50.0, 65.0, 85.0])
def test_the_focal_length_is_found(guess):
    start = guessed_intrinsics(2, (HEIGHT, WIDTH), guess)
    search = recover_focal(Room().consistency(), start)
    assert search.best * float(start[0, 0, 0]) == pytest.approx(float(K[0, 0, 0]), rel=0.02)
    assert search.has_minimum


ONE_VIEW = RecoveryConfig(views=1)


def test_both_are_found_from_a_wrong_guess():
    shift = 0.15 * Room().median
    found = recover(Room(shift).consistency(ONE_VIEW), guessed_intrinsics(2, (HEIGHT, WIDTH), 50.0), rounds=2)
    assert found.shift == pytest.approx(shift, abs=0.03 * Room().median)
    assert float(found.K[0, 0, 0]) == pytest.approx(float(K[0, 0, 0]), rel=0.05)
    assert found.shift_search.has_minimum
    assert found.focal_search.has_minimum


def test_steps_of_both_leave_the_valley_in_which_turns_creep():
    room = Room(0.15 * Room().median)
    consistency = room.consistency(ONE_VIEW)
    consistency.aim(room.shift)
    start, off = with_focal(K, 0.8), 1.25 * room.shift
    alone = recover_shift(consistency, start).best  # the best for that focal length, and far off
    shift, log = refine(consistency, start, alone)
    assert abs(alone - room.shift) > 5 * abs(shift - room.shift)
    assert math.exp(log) == pytest.approx(1.25, rel=0.02)
    assert consistency(with_focal(start, math.exp(log)), shift) < 0.2 * consistency(start, off)


def test_it_says_how_sure_it_is():
    told, off = [], []
    for noise in (0.0, 0.01):
        room = Room(0.3, noise)
        consistency = room.consistency(RecoveryConfig(views=4))
        consistency.aim(room.shift)
        shift, log = refine(consistency, K, room.shift)
        told.append(deviations(consistency, with_focal(K, math.exp(log)), shift))
        off.append((abs(shift - room.shift), abs(log)))
    assert told[0][0] < 0.01 * Room().median
    assert told[1][0] > 3 * told[0][0]
    assert told[1][1] > 3 * told[0][1]
    for own, true in zip(told[1], off[1]):
        assert true < 4 * own


def test_too_few_views_tell_no_deviation():
    assert deviations(Room(0.3).consistency(ONE_VIEW), K, 0.3) == (math.inf, math.inf)


def test_a_step_of_least_absolute_differences_ignores_what_is_far_off():
    torch.manual_seed(0)
    slopes = torch.randn(4, 50, 2)
    differences = -(slopes @ torch.tensor([0.3, -0.2]))
    differences[:, :5] = 9.0
    differences[:, 6] = math.nan
    step = recovery._least_absolute(differences, slopes, 0.2)
    assert step.tolist() == pytest.approx([0.3, -0.2], abs=1e-3)
    assert recovery._least_absolute(differences, slopes[..., :1].expand(-1, -1, 2), 0.2) is None
    assert recovery._least_absolute(torch.full((1, 9), math.nan), torch.ones(1, 9, 2), 0.2) is None


def test_noise_does_not_push_the_shift_up():
    """Divided by the shifted depth, noise alone would ask for a shift without end."""
    shift = 0.1 * Room().median
    search = recover_shift(Room(shift, noise=0.02).consistency(RecoveryConfig(views=4)), K)
    assert search.best == pytest.approx(shift, abs=0.05 * Room().median)


def test_without_a_turn_no_shift_is_found():
    still = RecoveryConfig(views=2, reach=PoseRange(0, 0, 0, 0.05, 0.05))
    turned, flat = (recover_shift(Room(0.5).consistency(c), K) for c in (VIEWS, still))

    def contrast(search):
        values = [e for e in search.errors if math.isfinite(e)]
        return max(values) - min(values)

    assert contrast(flat) < 0.35 * contrast(turned)


def test_the_scale_makes_no_difference():
    """A network that sees all three times as large has three times the shift, and as good a curve."""
    room = Room(0.4)

    def far(image, T):
        T = T.clone()
        T[:, :3, 3] /= 3
        return 3 * room.in_view(image, T)

    large = recover_shift(SelfConsistency(lambda image: 3 * room(image), IMAGES, VIEWS, far), K)
    small = recover_shift(room.consistency(), K)
    assert large.best == pytest.approx(3 * small.best, rel=0.02)
    assert large.error == pytest.approx(small.error, abs=1e-3)


def test_the_frozen_network_is_given_pictures_without_holes():
    shown = []

    def network(image):
        shown.append(image)
        return Room()(image)

    SelfConsistency(network, torch.rand(2, 3, HEIGHT, WIDTH) + 0.5, RecoveryConfig(views=1))(K)
    assert len(shown) == 2
    assert min(float(image.min()) for image in shown) >= 0.5


def test_images_in_parts_give_the_same():
    parts = Room().consistency(RecoveryConfig(views=2, batch=1))
    assert parts(K, 0.3) == pytest.approx(Room().consistency()(K, 0.3), rel=1e-4)


def test_nonsense_is_refused():
    images = torch.rand(2, 3, HEIGHT, WIDTH)
    with pytest.raises(ValueError, match="knows no depth"):
        SelfConsistency(lambda image: torch.full((2, 1, HEIGHT, WIDTH), math.nan), images)
    with pytest.raises(ValueError, match="wanted"):
        SelfConsistency(lambda image: torch.ones(2, HEIGHT, WIDTH), images)
    with pytest.raises(ValueError, match="round"):
        recover(Room().consistency(), K, 0)


def test_a_shift_that_turns_the_scene_inside_out_is_none():
    assert math.isinf(Room().consistency()(K, -0.95 * Room().median))


class GreyEstimator:
    """Depth is how bright the picture is."""

    name, version, scale = "grey", "1", None

    def infer(self, image, camera=None):
        assert image.dtype == np.uint8
        assert camera is None
        return DepthPrediction(image.mean(2).astype(np.float32) / 51, np.ones(image.shape[:2], np.float32))


def test_an_estimator_is_asked_image_by_image():
    images = torch.rand(3, 3, 5, 7)
    depth = network_of(GreyEstimator())(images)
    assert depth.shape == (3, 1, 5, 7)
    assert torch.allclose(depth, 5 * images.mean(1, keepdim=True), atol=0.02)


def test_intrinsics():
    guess = guessed_intrinsics(1, (480, 640), 90.0)[0]
    assert guess[0].tolist() == pytest.approx([320, 0, 319.5])
    assert guess[1].tolist() == pytest.approx([0, 320, 239.5])
    assert with_focal(guess[None], 2.0)[0].tolist() == [[640, 0, 319.5], [0, 640, 239.5], [0, 0, 1]]


def test_the_defaults_cover_what_is_common():
    assert recovery.FOCAL_FACTORS[0] == pytest.approx(0.5)
    assert recovery.FOCAL_FACTORS[-1] == pytest.approx(2)
    assert 0.0 in recovery.SHIFT_SHARES
