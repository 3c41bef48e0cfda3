from __future__ import annotations

import math

import pytest
import torch

from training.synthetic.scene import Lamp, SceneBuilder, Sun, Surroundings
from training.synthetic.shading import Surface, albedo, light_rays, shade, sky, surface_at
from training.synthetic.tracer import closest_hits

DARK = Surroundings(zenith=(0, 0, 0), horizon=(0, 0, 0), ground=(0, 0, 0), ambient=0.0)


def floor(lights, around=DARK, **material):
    b = SceneBuilder(0)
    b.box((0, 0, -0.5), (20, 20, 1), b.material(torch.full((8, 8, 3), 0.5), tile=0.0, **material))
    return b.build(lights, around)


def straight_down(scene, x=0.0, height=2.0):
    origin, direction = torch.tensor([[x, 0.0, height]]), torch.tensor([[0.0, 0.0, -1.0]])
    hits = closest_hits(scene, origin, direction)
    return surface_at(scene, origin, direction, hits.t, hits.primitive)


def radiance(scene, surface, visible=1.0, openness=1.0):
    lights = torch.full((1, len(scene.lights)), visible)
    return shade(scene, surface, albedo(scene, surface, 1e-3), lights, torch.full((1,), openness))[0]


def test_surface_point():
    surface = straight_down(floor(()), x=1.5)
    torch.testing.assert_close(surface.position, torch.tensor([[1.5, 0.0, 0.0]]), atol=1e-4, rtol=0)
    torch.testing.assert_close(surface.normal, torch.tensor([[0.0, 0.0, 1.0]]))
    assert float(surface.distance) == pytest.approx(2.0, abs=1e-4)


def test_lambert_under_the_sun():
    tilted = Sun((1.0, 0.0, 1.0), (math.pi, 2 * math.pi, 0.0))
    scene = floor((tilted,))
    expected = 0.5 * math.cos(math.radians(45)) * torch.tensor([1.0, 2.0, 0.0])
    surface = straight_down(scene)
    torch.testing.assert_close(radiance(scene, surface), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(radiance(scene, surface, visible=0.0), torch.zeros(3))


def test_lamp_falls_off_with_the_square():
    def under(height):
        scene = floor((Lamp((0.0, 0.0, height), (1.0, 1.0, 1.0), 0.0),))
        return float(radiance(scene, straight_down(scene))[0])

    assert under(2.0) == pytest.approx(4 * under(4.0), rel=1e-4)


def test_ambient_light_follows_openness_and_emission_does_not():
    around = Surroundings(zenith=(1, 1, 1), horizon=(1, 1, 1), ground=(0, 0, 0), ambient=1.0)
    scene = floor((), around)
    surface = straight_down(scene)
    assert float(radiance(scene, surface, openness=0.3)[0]) == pytest.approx(0.15, rel=1e-4)
    glowing = floor((), DARK, emission=2.0)
    assert float(radiance(glowing, straight_down(glowing), openness=0.0)[0]) == pytest.approx(1.0, rel=1e-4)


def test_highlight_is_seen_in_the_mirror_direction_only():
    scene = floor((Sun((0.0, 0.0, 1.0), (1.0, 1.0, 1.0)),), specular=1.0, shininess=200.0)
    plain = floor((Sun((0.0, 0.0, 1.0), (1.0, 1.0, 1.0)),))
    head_on = straight_down(scene)
    assert float(radiance(scene, head_on)[0]) > 5 * float(radiance(plain, straight_down(plain))[0])
    aside = head_on._replace(view=torch.nn.functional.normalize(torch.tensor([[1.0, 0.0, -1.0]]), dim=1))
    assert float(radiance(scene, aside)[0]) < 1.3 * float(radiance(plain, aside)[0])


def test_haze_hides_what_is_far():
    around = Surroundings(zenith=(0, 0, 0), horizon=(0.7, 0.8, 0.9), ground=(0, 0, 0), ambient=0.0, haze=0.5)
    scene = floor((), around)
    far = straight_down(scene, height=40.0)
    torch.testing.assert_close(radiance(scene, far), torch.tensor([0.7, 0.8, 0.9]), rtol=1e-3, atol=1e-3)


def test_light_rays_end_on_the_light():
    jitter = torch.tensor([[0.6, -0.8], [0.0, 0.0]])
    position = torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.0, 3.9]])
    toward, reach = light_rays(Lamp((0.0, 0.0, 4.0), (1, 1, 1), 0.25), position, jitter)
    ends = position + toward * reach[:, None]
    distance = (ends - torch.tensor([0.0, 0.0, 4.0])).norm(dim=1)
    torch.testing.assert_close(distance, torch.tensor([0.25, 0.0]), atol=1e-5, rtol=1e-4)
    toward, _ = light_rays(Sun((0.0, 1.0, 1.0), (1, 1, 1), 0.02), position, jitter)
    angle = torch.nn.functional.normalize(toward, dim=1) @ torch.nn.functional.normalize(
        torch.tensor([0.0, 1, 1]), dim=0
    )
    assert math.acos(float(angle[0])) == pytest.approx(0.02, rel=1e-2)


def test_sky_runs_from_horizon_to_zenith():
    scene = floor((), Surroundings(zenith=(0, 0, 1), horizon=(1, 1, 1), ground=(0, 1, 0)))
    colors = sky(scene, torch.tensor([[1.0, 0, 0.001], [0, 0, 1.0], [0.0, 0.6, -0.8]]))
    torch.testing.assert_close(colors[0], torch.ones(3), atol=0.01, rtol=0)
    assert colors[1, 2] > 0.99
    assert float(colors[1, 0]) < 0.1
    assert float(colors[2, 1]) > float(colors[2, 0])


def test_surface_fields_stay_in_step():
    surface = straight_down(floor(()))
    assert Surface._fields == ("primitive", "position", "normal", "view", "distance", "local", "local_normal")
    assert {len(field) for field in surface} == {1}
