"""The splatter against planes seen from elsewhere, against sums by hand, and against finite differences."""

from __future__ import annotations

import math

import pytest

torch = pytest.importorskip("torch")

from depth_perception.geometry import splatting  # noqa: E402
from depth_perception.geometry.splatting import discontinuities, fill_holes, masked_median, render, splat  # noqa: E402
from depth_perception.geometry.warping import rays, se3  # noqa: E402

HEIGHT, WIDTH = 48, 64
DEVICES = ["cpu", pytest.param("cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU"))]
K = torch.tensor([[[55.0, 0, 31.5], [0, 55, 23.5], [0, 0, 1]]])
STILL = torch.eye(4)[None]


def look_from(T: torch.Tensor) -> torch.Tensor:
    """Depth of a floor, a leaning wall and a box's front, seen from the camera at T (1, 4, 4) = T_camera_world."""
    back = torch.linalg.inv(T)
    directions = (back[:, :3, :3] @ rays(K, HEIGHT, WIDTH).flatten(2)).view(1, 3, HEIGHT, WIDTH)
    origin = back[0, :3, 3]

    def plane(*normal: float, distance: float) -> torch.Tensor:
        n = torch.tensor(normal)
        return (distance - (origin * n).sum()) / (directions * n.view(1, 3, 1, 1)).sum(1, keepdim=True)

    floor, wall = plane(0, 1, 0, distance=1.0), plane(0.3, 0, 1, distance=5.0)
    depth = torch.where((floor > 0) & (floor < wall), floor, wall)
    front = plane(0, 0, 1, distance=2.5)
    hit = origin.view(1, 3, 1, 1) + directions * front
    on = (hit[:, :1].abs() < 0.4) & (hit[:, 1:2].abs() < 0.5) & (front > 0)
    return torch.where(on, torch.minimum(front, depth), depth)


def turned(yaw: float, pitch: float, distance: float = 3.5) -> torch.Tensor:
    """A turn in degrees about a point on the axis, as T_target_source."""
    T = se3(torch.tensor([[math.radians(pitch), math.radians(yaw), 0.0]]), torch.zeros(1, 3))
    pivot = torch.tensor([[0.0, 0.0, distance]])
    T[:, :3, 3] = pivot - (T[:, :3, :3] @ pivot[..., None])[..., 0]
    return T


def single(x: float, y: float, z: float, color: float = 1.0):
    values = ([[[[x]], [[y]]]], [[[[z]]]], [[[[color]]]])
    return (*(torch.tensor(v) for v in values), torch.ones(1, 1, 1, 1, dtype=torch.bool))


def many(*points: tuple[float, float, float, float]):
    """Points (x, y, z, colour) as splat wants them, in one row."""
    x, y, z, c = torch.tensor(points).T
    return torch.stack([x, y])[None, :, None], z.view(1, 1, 1, -1), c.view(1, 1, 1, -1), torch.ones(1, 1, 1, len(x)) > 0


def test_a_point_between_pixels_is_known_only_where_most_of_it_falls():
    out = splat(*single(2.25, 1.1, 3.0, 7.0), size=(4, 5))
    assert out.mask[0, 0].nonzero().tolist() == [[1, 2]]  # 0.75 * 0.9; the others get less than a half
    assert out.image[0, 0, 1, 2].item() == pytest.approx(7)
    assert out.depth[0, 0, 1, 2].item() == pytest.approx(3)
    assert out.image[0, 0, 1, 3] == 0


def test_weights_by_hand():
    points = many((1.0, 1.0, 2.0, 10.0), (1.0, 1.25, 2.02, 20.0))
    out = splat(*points, size=(3, 3), alpha=50)
    near, far = 1.0, 0.75 * math.exp(-50 * 0.01)
    assert out.image[0, 0, 1, 1].item() == pytest.approx((10 * near + 20 * far) / (near + far), rel=1e-4)
    assert out.depth[0, 0, 1, 1].item() == pytest.approx((2 * near + 2.02 * far) / (near + far), rel=1e-5)


def test_what_is_hidden_does_not_shine_through():
    out = splat(*many((1.0, 1.0, 2.0, 10.0), (1.0, 1.0, 4.0, 99.0)), size=(3, 3))
    assert out.image[0, 0, 1, 1].item() == pytest.approx(10, abs=1e-6)


def test_the_rim_of_something_near_neither_empties_nor_stains_a_pixel():
    out = splat(*many((1.95, 1.0, 1.0, 99.0), (1.0, 1.0, 4.0, 10.0)), size=(3, 3))
    assert out.mask[0, 0, 1, 1]
    assert out.image[0, 0, 1, 1] == 10
    assert out.image[0, 0, 1, 2] == 99


def test_points_outside_or_not_usable_leave_nothing():
    points = many((-3.0, 1.0, 2.0, 5.0), (1.0, 99.0, 2.0, 5.0), (1e9, -1e9, 2.0, 5.0), (1.0, 1.0, 2.0, 5.0))
    points[3][..., 3] = False
    out = splat(*points, size=(3, 3))
    assert not out.mask.any()
    assert out.image.abs().max() == 0


@pytest.mark.parametrize("device", DEVICES)
def test_no_motion_gives_the_picture_back_but_for_edges(device):
    image, depth = torch.rand(1, 3, HEIGHT, WIDTH), look_from(STILL)
    out = render(*(x.to(device) for x in (image, depth, K, STILL)))
    assert torch.equal(out.mask.cpu(), ~discontinuities(depth))
    assert 0.9 < out.mask.float().mean() < 1
    assert ((out.image.cpu() - image) * out.mask.cpu()).abs().max() < 1e-3
    assert ((out.depth.cpu() - depth) * out.mask.cpu()).abs().max() < 1e-4


@pytest.mark.parametrize(("yaw", "pitch"), [(12.0, 0.0), (0.0, -7.0), (-15.0, 8.0)])
def test_the_depth_rendered_from_elsewhere_is_the_true_one(yaw, pitch):
    T = turned(yaw, pitch)
    out, truth = render(torch.rand(1, 3, HEIGHT, WIDTH), look_from(STILL), K, T), look_from(T)
    error = ((out.depth - truth) / truth)[out.mask]
    assert out.mask.float().mean() > 0.6
    assert error.abs().median() < 1e-5
    assert (error.abs() > 0.01).float().mean() < 0.03  # the rim of the box, of which one pixel was dropped


def test_discs_that_face_the_camera_make_slanted_surfaces_too_near():
    r = rays(K, HEIGHT, WIDTH)
    floor = (0.5 / (0.15 * r[:, 2:] + r[:, 1:2])).clamp(max=90)
    depth = torch.where((floor > 0) & (floor < 9), floor, math.nan)
    T = turned(3.0, 2.0, 2.0)
    bias = {}
    for slanted in (True, False):
        out = render(depth.nan_to_num(1.0), depth, K, T, slanted=slanted)
        back = torch.linalg.inv(T)
        directions = (back[:, :3, :3] @ r.flatten(2)).view_as(r)
        down = 0.15 * directions[:, 2:] + directions[:, 1:2]
        truth = (0.5 - 0.15 * back[0, 2, 3] - back[0, 1, 3]) / down
        bias[slanted] = ((out.depth - truth) / truth)[out.mask & (down > 0)].mean().item()
    assert abs(bias[True]) < 1e-3
    assert bias[False] < -2e-3


def test_a_plane_seen_from_elsewhere_gets_its_colours_at_the_right_places():
    columns = torch.arange(WIDTH, dtype=torch.float32).expand(1, 1, HEIGHT, WIDTH)
    T = se3(torch.zeros(1, 3), torch.tensor([[0.1, 0.0, 0.0]]))  # 55 * 0.1 / 2.2 = 2.5 pixels to the right
    out = render(columns, torch.full((1, 1, HEIGHT, WIDTH), 2.2), K, T)
    assert out.image[0, 0, 20, 4:60].tolist() == pytest.approx([x - 2.5 for x in range(4, 60)], abs=1e-3)
    assert not out.mask[..., :2].any()


def test_each_picture_of_a_batch_is_its_own():
    depth = torch.cat([look_from(STILL), 1.5 * look_from(STILL) + 0.5])
    image, T = torch.rand(2, 3, HEIGHT, WIDTH), torch.cat([turned(5, 2), turned(-9, 1)])
    together = render(image, depth, K.expand(2, 3, 3), T)
    for i in range(2):
        alone = render(image[i : i + 1], depth[i : i + 1], K, T[i : i + 1])
        for a, b in zip(alone, together):
            assert torch.allclose(a.float(), b[i : i + 1].float(), atol=1e-5)


def test_scale_changes_the_depth_and_nothing_else():
    image, T = torch.rand(1, 3, HEIGHT, WIDTH), turned(8, 3)
    far = T.clone()
    far[:, :3, 3] *= 100
    small, large = render(image, look_from(STILL), K, T), render(image, 100 * look_from(STILL), K, far)
    same = small.mask & large.mask
    assert (small.mask != large.mask).float().mean() < 0.002
    assert ((small.image - large.image) * same).abs().max() < 2e-3
    assert ((100 * small.depth - large.depth) * same).abs().max() < 2e-2


@pytest.mark.parametrize("device", DEVICES)
def test_bad_depths_are_holes_with_finite_gradients(device):
    depth = look_from(STILL).to(device)
    depth[..., 3, 3], depth[..., 5, 5], depth[..., 7, 7], depth[..., 9, 9] = math.nan, math.inf, 0.0, -2.0
    depth[..., 40, 40] = 1e-3  # nearer than anything can be
    depth.requires_grad_()
    image = torch.rand(1, 3, HEIGHT, WIDTH, device=device, requires_grad=True)
    keep = torch.ones(1, 1, HEIGHT, WIDTH, dtype=torch.bool, device=device)
    keep[..., 11, 11] = False
    out = render(image, depth, K.to(device), STILL.to(device), keep)
    (out.image.sum() + out.depth.sum()).backward()
    for at in (3, 5, 7, 9, 11, 40):
        assert not out.mask[0, 0, at, at]
    assert all(x.isfinite().all() for x in (out.image, out.depth, image.grad, depth.grad))
    assert (depth.grad[0, 0, 30, 50:] != 0).all()


def test_half_precision_around_it_costs_no_pixels():
    image, depth, T = torch.rand(1, 3, HEIGHT, WIDTH), look_from(STILL), turned(8, 3)
    exact = render(image, depth, K, T)
    with torch.autocast("cpu", torch.bfloat16):
        same = render(image, depth, K, T)
        colours = render(image.bfloat16(), depth, K, T)
        coarse = render(image, torch.full_like(depth, 2.5).bfloat16(), K, T)
    assert torch.equal(same.mask, exact.mask)
    assert torch.allclose(same.image, exact.image, atol=1e-5)
    assert torch.allclose(colours.image, exact.image, atol=5e-3)
    assert torch.allclose(coarse.depth, render(image, torch.full_like(depth, 2.5), K, T).depth, atol=1e-5)


def test_nothing_to_render_is_all_holes():
    out = render(torch.rand(1, 3, 4, 4), torch.zeros(1, 1, 4, 4), K, STILL)
    assert not out.mask.any()


def small_splat(dtype=torch.float64):
    """A bumpy grid of 5 x 6 points, magnified by 0.9 and none near a border between pixels, on 7 x 7 pixels."""
    torch.manual_seed(3)
    v, u = torch.meshgrid(torch.arange(5, dtype=dtype), torch.arange(6, dtype=dtype), indexing="ij")
    pixels = 0.9 * torch.stack([u, v])[None] + 0.63 + 0.06 * torch.rand(1, 2, 5, 6, dtype=dtype)
    fraction = pixels - pixels.round()
    pixels = torch.where(fraction.abs() < 0.02, pixels + 0.05, pixels)
    z = 2 + 0.05 * torch.rand(1, 1, 5, 6, dtype=dtype)
    colors = torch.rand(1, 2, 5, 6, dtype=dtype)
    slope = 0.01 * torch.randn(1, 2, 5, 6, dtype=dtype)
    return pixels, z, colors, torch.ones(1, 1, 5, 6, dtype=torch.bool), slope


@pytest.mark.parametrize("with_slope", [False, True])
@pytest.mark.parametrize("which", ["positions", "depths", "colours"])
def test_gradients_are_those_of_finite_differences(which, with_slope):
    pixels, z, colors, usable, slope = small_splat()
    chosen = slope if with_slope else None
    falls = splatting._falls(
        pixels.flatten(2), z.flatten(2), usable.flatten(2), (7, 7), None if chosen is None else chosen.flatten(2)
    )
    front = splatting.first_surfaces(falls, (7, 7))  # held still: the pass before has no gradient
    assert splat(pixels, z, colors, usable, (7, 7), 50, chosen).mask.sum() > 12

    def picture(values):
        given = {"positions": (values, z, colors), "depths": (pixels, values, colors), "colours": (pixels, z, values)}
        out = splat(*given[which], usable, (7, 7), 50, chosen, front)
        return out.image, out.depth

    values = {"positions": pixels, "depths": z, "colours": colors}[which].clone().requires_grad_()
    assert torch.autograd.gradcheck(picture, (values,), eps=1e-7, atol=1e-5)


def test_gradients_hold_for_the_whole_way_from_depth_and_pose():
    """All at once, by a directional difference small enough that no point changes its pixel."""
    torch.manual_seed(0)
    k = torch.tensor([[[20.0, 0, 5.5], [0, 20, 4.5], [0, 0, 1]]], dtype=torch.float64)
    depth = 2 + 0.02 * torch.rand(1, 1, 10, 12, dtype=torch.float64)
    image = torch.rand(1, 3, 10, 12, dtype=torch.float64)
    w = torch.tensor([[0.013, 0.051, 0.007]], dtype=torch.float64)
    t = torch.tensor([[-0.093, 0.031, 0.011]], dtype=torch.float64)
    start = [x.clone().requires_grad_() for x in (image, depth, w, t)]
    direction = [torch.randn_like(x) for x in start]
    out = render(start[0], start[1], k, se3(start[2], start[3]), slanted=False)
    part = torch.rand_like(out.image)

    def value(step: float) -> float:
        moved = [x.detach() + step * d for x, d in zip(start, direction)]
        seen = render(moved[0], moved[1], k, se3(moved[2], moved[3]), slanted=False)
        assert torch.equal(seen.mask, out.mask)
        return float((seen.image * part).sum() + seen.depth.sum())

    ((out.image * part).sum() + out.depth.sum()).backward()
    along = sum(float((x.grad * d).sum()) for x, d in zip(start, direction))
    step = 1e-7
    assert (value(step) - value(-step)) / (2 * step) == pytest.approx(along, rel=2e-2)


def test_fitting_a_turn_by_the_gradient_of_the_picture():
    u, v = torch.meshgrid(torch.arange(WIDTH) / 6.0, torch.arange(HEIGHT) / 6.0, indexing="xy")
    image = torch.stack([torch.sin(u), torch.cos(v), torch.sin(u + v)])[None]
    depth = look_from(STILL)
    goal = render(image, depth, K, se3(torch.tensor([[0.02, -0.03, 0.01]]), torch.zeros(1, 3)))
    w = torch.zeros(1, 3, requires_grad=True)
    optimizer = torch.optim.Adam([w], lr=0.004)
    for _ in range(25):
        seen = render(image, depth, K, se3(w, torch.zeros(1, 3)))
        loss = (seen.image - goal.image)[(seen.mask & goal.mask).expand(-1, 3, -1, -1)].abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert w[0].tolist() == pytest.approx([0.02, -0.03, 0.01], abs=0.004)


def test_jumps_are_found_and_slant_is_not_one():
    depth = look_from(STILL)
    edges = discontinuities(depth)[0, 0]
    assert edges[23, 22]  # the left side of the box
    assert edges[23, 23]
    assert not edges[23, 25:38].any()  # its face
    assert not edges[40:, :18].any()  # the floor, in steps of up to 6 % of its depth
    step = depth[0, 0, 36, 2] - depth[0, 0, 37, 2]
    assert step / depth[0, 0, 37, 2] > 0.05
    thin = torch.full((1, 1, 5, 9), 4.0)
    thin[..., 4] = 2.0
    assert discontinuities(thin)[0, 0, 2].tolist() == [False] * 3 + [True] * 3 + [False] * 3
    assert not discontinuities(torch.tensor([[[[2.0, 2.09, 2.0]]]])).any()
    assert discontinuities(torch.tensor([[[[2.0, 2.0, 2.11, 2.11]]]])).tolist() == [[[[False, True, True, False]]]]
    assert not discontinuities(torch.tensor([[[[2.0, 2.0, 0.0, math.nan, 4.0]]]])).any()


def test_holes_get_the_nearest_colour():
    torch.manual_seed(0)
    mask = torch.rand(2, 1, 20, 33) < 0.03
    image = torch.rand(2, 3, 20, 33)
    out = fill_holes(image, mask)
    y, x = torch.meshgrid(torch.arange(20), torch.arange(33), indexing="ij")
    for b in range(2):
        rows, columns = mask[b, 0].nonzero().T
        away = (y[..., None] - rows) ** 2 + (x[..., None] - columns) ** 2
        shown = (out[b, :, :, :, None] == image[b][:, rows, columns][:, None, None]).all(0)
        distance = torch.where(shown, away, 10_000).amin(-1)
        assert (distance == away.amin(-1)).float().mean() > 0.99
        assert (distance.sqrt() - away.amin(-1).sqrt()).max() < 1
    assert torch.equal(out[mask.expand_as(out)], image[mask.expand_as(out)])


def test_filling_without_anything_known_or_with_everything_changes_nothing():
    image = torch.rand(1, 3, 5, 7)
    assert torch.equal(fill_holes(image, torch.zeros(1, 1, 5, 7) > 0), image)
    assert torch.equal(fill_holes(image, torch.ones(1, 1, 5, 7) > 0), image)


def test_filled_colours_pass_their_gradient_on():
    image = torch.rand(1, 1, 1, 4, requires_grad=True)
    mask = torch.tensor([[[[True, False, False, True]]]])
    (fill_holes(image, mask) * torch.tensor([1.0, 10, 100, 1000])).sum().backward()
    assert image.grad.flatten().tolist() == [11, 0, 0, 1100]


def test_median_of_valid_pixels():
    values = torch.tensor([[[[5.0, 1, 9, 2, 7]]], [[[1.0, 1, 1, 1, 1]]]])
    valid = torch.tensor([[[[True, True, False, True, False]]], [[[False] * 5]]])
    assert masked_median(values, valid).flatten().tolist() == [2, 0]
