from __future__ import annotations

import pytest
import torch

from training.synthetic.camera_sensor import CameraSensor, develop, metered

PLAIN = CameraSensor(blur=0.0, vignette=0.0)


def test_brighter_light_gives_brighter_pixels_that_never_wrap():
    ramp = torch.linspace(0.0, 50.0, 64).view(1, 1, 64, 1).expand(1, 4, 64, 3)
    picture = develop(ramp, PLAIN)
    assert picture.dtype == torch.uint8
    assert bool((picture[0, 0, 1:].int() >= picture[0, 0, :-1].int()).all())
    assert (int(picture[0, 0, 0, 0]), int(picture[0, 0, -1, 0])) == (0, 255)


def test_metering_puts_any_light_at_the_same_tone():
    dim, bright = torch.full((1, 8, 8, 3), 0.02), torch.full((1, 8, 8, 3), 20.0)
    tones = [develop(r, CameraSensor(metered(r, 0.4), 0.0, 0.0)) for r in (dim, bright)]
    assert torch.equal(*tones)


def test_noise_is_seeded_and_as_strong_as_said():
    grey = torch.full((1, 64, 64, 3), 0.5)
    sensor = CameraSensor(blur=0.0, vignette=0.0, shot=0.0, read=4.0)
    one, same, other = (develop(grey, sensor, torch.Generator().manual_seed(s)).float() for s in (1, 1, 2))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert float(one.std()) == pytest.approx(4.0, rel=0.05)
    assert float(develop(grey, sensor).float().std()) == 0.0


def test_corners_are_darker_and_points_are_spread():
    flat = develop(torch.full((1, 33, 33, 3), 0.5), CameraSensor(blur=0.0, vignette=0.5))
    assert int(flat[0, 0, 0, 0]) < int(flat[0, 16, 16, 0])
    star = torch.zeros(1, 9, 9, 3)
    star[0, 4, 4] = 1.0
    assert int(develop(star, CameraSensor(blur=0.8, vignette=0.0))[0, 4, 5, 0]) > 0
    assert int(develop(star, PLAIN)[0, 4, 5, 0]) == 0
