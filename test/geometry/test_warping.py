"""Warping against a plane whose picture from any pose is known, and against finite differences."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from depth_perception.geometry.warping import project, rays, se3, transform, unproject, warp  # noqa: E402

HEIGHT, WIDTH = 24, 32


def camera(batch: int = 1, focal: float = 28.0, dtype=torch.float64) -> torch.Tensor:
    k = [[focal, 0, (WIDTH - 1) / 2 + 0.7], [0, focal * 1.03, (HEIGHT - 1) / 2 - 0.4], [0, 0, 1]]
    return torch.tensor(k, dtype=dtype).expand(batch, 3, 3)


def numbers(*values: float) -> torch.Tensor:
    return torch.tensor([values], dtype=torch.float64)


def plane_depth(k: torch.Tensor, normal: torch.Tensor, distance: float) -> torch.Tensor:
    """Depth (1, 1, H, W) of the plane normal . x = distance."""
    return distance / (normal.view(1, 3, 1, 1) * rays(k, HEIGHT, WIDTH)).sum(1, keepdim=True)


def paint(points: torch.Tensor) -> torch.Tensor:
    """A smooth colour of a place in space."""
    x, y, z = points[:, :1], points[:, 1:2], points[:, 2:]
    return torch.cat([torch.sin(x + 0.3 * z), torch.cos(0.8 * y), 0.2 * x + 0.1 * y * z], 1)


def test_a_pixel_by_hand():
    k = torch.tensor([[[100.0, 0, 3], [0, 50, 2], [0, 0, 1]]])
    points = unproject(torch.full((1, 1, 5, 7), 4.0), k)
    assert points[0, :, 4, 5].tolist() == pytest.approx([4 * 2 / 100, 4 * 2 / 50, 4])
    assert points[0, :, 2, 3].tolist() == [0, 0, 4]


def test_skew_is_heeded_both_ways():
    k = camera().clone()
    k[0, 0, 1] = 5.0
    points = unproject(torch.full((1, 1, HEIGHT, WIDTH), 2.0, dtype=torch.float64), k)
    pixels, _ = project(points, k)
    assert pixels[0, :, 7, 9].tolist() == pytest.approx([9, 7])
    assert points[0, 0, 7, 9] != unproject(torch.full((1, 1, HEIGHT, WIDTH), 2.0).double(), camera())[0, 0, 7, 9]


def test_unproject_then_project_is_the_pixel_grid():
    depth = 1 + torch.rand(2, 1, HEIGHT, WIDTH, dtype=torch.float64)
    pixels, z = project(unproject(depth, camera(2)), camera(2))
    assert torch.allclose(z, depth)
    assert torch.allclose(pixels[1, 0, 5], torch.arange(WIDTH, dtype=torch.float64))
    assert torch.allclose(pixels[0, 1, :, 3], torch.arange(HEIGHT, dtype=torch.float64))


def test_transform_is_the_matrix_product():
    T = se3(numbers(0.2, -0.4, 0.1), numbers(1, 2, 3))
    points = torch.rand(1, 3, 2, 2, dtype=torch.float64)
    column = torch.cat([points[0, :, 1, 0], torch.ones(1, dtype=torch.float64)])
    assert torch.allclose(transform(points, T)[0, :, 1, 0], (T[0] @ column)[:3])


@pytest.mark.parametrize("angles", [(0.0, 0.0, 0.0), (0.02, -0.01, 0.0), (0.0, 0.0, 0.1), (0.5, -1.2, 0.3), (0, 3, 0)])
def test_se3_is_the_matrix_exponential(angles):
    x, y, z = angles
    cross = torch.tensor([[0, -z, y], [z, 0, -x], [-y, x, 0]], dtype=torch.float64)
    T = se3(numbers(*angles), numbers(4, 5, 6))[0]
    assert torch.allclose(T[:3, :3], torch.linalg.matrix_exp(cross), atol=1e-9)
    assert T[:, 3].tolist() == [4, 5, 6, 1]
    assert T[3].tolist() == [0, 0, 0, 1]


def test_a_right_turn_about_y_sends_forward_to_right():
    T = se3(numbers(0, math.pi / 2, 0), numbers(0, 0, 0))[0]
    assert torch.allclose(T[:3, 2], numbers(1, 0, 0)[0], atol=1e-12)


@pytest.mark.parametrize("size", [0.0, 1e-4, 0.0999, 0.1001, 1.0])
def test_gradients_of_se3_hold_at_zero_and_across_the_series(size):
    w = (size * numbers(0.48, -0.6, 0.64)).requires_grad_()
    t = numbers(1, -2, 0.5).requires_grad_()
    assert torch.autograd.gradcheck(se3, (w, t), eps=1e-6, atol=1e-6)


def test_warp_shows_a_slanted_plane_as_the_target_sees_it():
    k, normal = camera(), numbers(0.3, -0.1, 1.0)
    T_source_target = se3(numbers(0.03, -0.06, 0.02), numbers(0.1, -0.05, 0.08))
    target_depth = plane_depth(k, normal, 3.0)
    target_points = unproject(target_depth, k)
    # the same plane in the frame of the source: normal' = R n, distance' = d + normal' . t
    turned = (T_source_target[0, :3, :3] @ normal[0])[None]
    source_depth = plane_depth(k, turned, 3.0 + float((turned[0] * T_source_target[0, :3, 3]).sum()))
    source_points = transform(unproject(source_depth, k), torch.linalg.inv(T_source_target))
    image, valid = warp(paint(source_points), target_depth, k, T_source_target)
    assert 0.7 < valid.double().mean() < 1
    error = (image - paint(target_points)).abs().amax(1, keepdim=True)
    assert error[valid].max() < 2e-3  # what bilinear interpolation costs; half a pixel would be 0.03
    assert error[~valid].max() > 0.02  # the border is only repeated


def test_no_motion_gives_the_image_back():
    image = torch.rand(1, 5, HEIGHT, WIDTH, dtype=torch.float64)
    inside = torch.full((1, 1, HEIGHT, WIDTH), 2.0, dtype=torch.float64)
    out, _ = warp(image, inside, camera(), torch.eye(4, dtype=torch.float64)[None])
    assert torch.allclose(out, image, atol=1e-9)


def test_one_pixel_to_the_left_by_hand():
    k = torch.tensor([[[10.0, 0, 3], [0, 10, 1], [0, 0, 1]]])
    image = torch.arange(8.0).view(1, 1, 1, 8).expand(1, 1, 3, 8)
    depth = torch.full((1, 1, 3, 8), 2.0)
    T = se3(torch.zeros(1, 3), torch.tensor([[0.2, 0, 0]]))  # 10 * 0.2 / 2 = 1 pixel to the right in the source
    out, valid = warp(image, depth, k, T)
    assert out[0, 0, 1].tolist() == pytest.approx([1, 2, 3, 4, 5, 6, 7, 7])
    assert valid[0, 0, 1].tolist() == [True] * 7 + [False]
    zeros, _ = warp(image, depth, k, T, padding="zeros")
    assert zeros[0, 0, 1, 7].item() == pytest.approx(0, abs=1e-5)


def test_what_lies_behind_or_has_no_depth_is_not_valid_and_stays_finite():
    depth = torch.full((1, 1, HEIGHT, WIDTH), 2.0)
    depth[..., 3, 4], depth[..., 5, 6], depth[..., 7, 8], depth[..., 9, 10] = math.nan, 0.0, math.inf, 0.5
    depth.requires_grad_()
    T = se3(torch.zeros(1, 3), torch.tensor([[0, 0, -1.0]]))
    image, valid = warp(torch.rand(1, 3, HEIGHT, WIDTH), depth, camera(dtype=torch.float32), T)
    image.sum().backward()
    assert image.isfinite().all()
    assert depth.grad.isfinite().all()
    for row, column in ((3, 4), (5, 6), (7, 8), (9, 10)):
        assert not valid[0, 0, row, column]
    assert valid[0, 0, 12, 16]


def test_gradients_reach_image_depth_and_pose():
    torch.manual_seed(1)
    k = torch.tensor([[[6.0, 0, 2.5], [0, 6, 2.5], [0, 0, 1]]], dtype=torch.float64)
    image = torch.rand(1, 2, 6, 6, dtype=torch.float64, requires_grad=True)
    depth = (2 + torch.rand(1, 1, 6, 6, dtype=torch.float64)).requires_grad_()
    w = numbers(0.02, 0.03, -0.01).requires_grad_()
    t = numbers(0.113, -0.071, 0.05).requires_grad_()

    def seen(image, depth, w, t):
        return warp(image, depth, k, se3(w, t))[0]

    assert torch.autograd.gradcheck(seen, (image, depth, w, t), eps=1e-7, atol=1e-5)


def test_half_precision_around_it_costs_no_pixels():
    T = se3(torch.tensor([[0.01, 0.02, 0.0]]), torch.tensor([[0.05, 0, 0.02]]))
    depth, k = torch.full((1, 1, 20, 400), 3.0), torch.tensor([[[300.0, 0, 199.5], [0, 300, 9.5], [0, 0, 1]]])
    image = torch.linspace(0, 1, 400).expand(1, 1, 20, 400)
    exact, _ = warp(image, depth, k, T)
    with torch.autocast("cpu", torch.bfloat16):
        out, _ = warp(image, depth, k, T)
        from_half, _ = warp(image.bfloat16(), depth, k, T)
    assert torch.allclose(out, exact, atol=1e-6)
    assert torch.allclose(from_half.float(), exact, atol=5e-3)


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match="K"):
        unproject(torch.ones(2, 1, 4, 4), torch.eye(3)[None])
    with pytest.raises(ValueError, match="images"):
        warp(torch.ones(1, 3, 4, 4), torch.ones(2, 1, 4, 4), torch.eye(3).expand(2, 3, 3), torch.eye(4).expand(2, 4, 4))
    with pytest.raises(ValueError, match="twice"):
        se3(torch.zeros(1, 4), torch.zeros(1, 4))
