"""Removal of hidden points against scenes whose truth is known by casting rays from the camera."""

from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import CameraModel, PointCloud, SparseDepth
from depth_perception.geometry import occlusion, projection

CAMERA = CameraModel.pinhole(520.0, 520.0, 319.5, 239.5, 640, 480)
FLOOR, WALL = ((0, 1, 0), 1.2), ((0, 0, 1), 6.0)
BOX = ((-0.8, -0.5, 2.0), (0.1, 1.2, 2.5))
POLE = ((0.8, -1.0, 2.2), (0.83, 1.2, 2.23))
SLOPE = ((0.6, 0.5, 1.0), 2.5)  # one plane slanted both ways


def cast(origin, directions, planes, boxes):
    """Distance to the first surface along rays (n, 3)."""
    nearest = np.full(len(directions), np.inf)
    with np.errstate(all="ignore"):
        for normal, distance in planes:
            t = (distance - origin @ np.array(normal)) / (directions @ np.array(normal, float))
            nearest = np.minimum(nearest, np.where(t > 1e-6, t, np.inf))
        for low, high in boxes:
            t0, t1 = (np.array(low) - origin) / directions, (np.array(high) - origin) / directions
            enter, leave = np.minimum(t0, t1).max(axis=1), np.maximum(t0, t1).min(axis=1)
            nearest = np.minimum(nearest, np.where((leave >= enter) & (enter > 1e-6), enter, np.inf))
    return nearest


def scan(origin, planes, boxes, rings=0, scattered=0, noise=0.005):
    """A LiDAR at ``origin`` in the camera's frame, turned alike; returns T, sparse, truth, points."""
    rng = np.random.default_rng(rings + scattered)
    if rings:
        up, side = np.meshgrid(np.radians(np.linspace(-24, 26, rings)), np.radians(np.arange(-36, 36, 0.2)))
        rays = np.stack([np.tan(side), np.tan(up) / np.cos(side), np.ones_like(side)], -1).reshape(-1, 3)
        rays += rng.normal(0, 2e-4, rays.shape)
    else:
        rays = np.c_[rng.uniform([-0.7, -0.5], [0.7, 0.5], (scattered, 2)), np.ones(scattered)]
    rays /= np.linalg.norm(rays, axis=1, keepdims=True)
    origin = np.array(origin, float)
    reach = cast(origin, rays, planes, boxes) + rng.normal(0, noise, len(rays))
    rays, reach = rays[np.isfinite(reach)], reach[np.isfinite(reach)]
    T = np.eye(4)
    T[:3, 3] = origin
    sparse = projection.project_cloud(PointCloud(0, "lidar", (rays * reach[:, None]).astype(np.float32)), T, CAMERA)
    points = (origin + rays * reach[:, None])[sparse.source]
    away = np.linalg.norm(points, axis=1)
    seen = cast(np.zeros(3), points / away[:, None], planes, boxes)
    return T, sparse, seen < away * 0.93, points


PATTERNS = [{"rings": n} for n in (64, 32, 16, 8)] + [{"scattered": n} for n in (20_000, 2000)]
MOUNTS = [(0.0, -0.25, -0.2), (0.3, -0.1, 0.0), (-0.2, 0.2, -0.4)]


@pytest.mark.parametrize("mounted", [True, False])
@pytest.mark.parametrize("pattern", PATTERNS, ids=str)
@pytest.mark.parametrize("mount", MOUNTS, ids=str)
def test_what_is_removed_is_hidden(mount, pattern, mounted):
    T, sparse, truth, _ = scan(mount, [FLOOR, WALL], [BOX, POLE], **pattern)
    assert truth.sum() > 10
    found = occlusion.hidden_points(sparse, 0.05, *((CAMERA, T) if mounted else ()))
    wrong = (found & ~truth).sum()
    assert wrong <= 0.002 * len(sparse)
    assert wrong <= 0.1 * found.sum() + 1
    # ever fewer can be told from points alone as these get sparse: they must straddle what hides them
    dense = pattern.get("rings", 0) >= 32 or pattern.get("scattered", 0) > 10_000
    share = (found & truth).sum() / truth.sum()
    assert share > ((0.55 if dense else 0.15) if mounted else (0.4 if dense else 0.03))


@pytest.mark.parametrize("pattern", [*PATTERNS, {"rings": 4}, {"rings": 128}, {"scattered": 150}], ids=str)
@pytest.mark.parametrize("mounted", [True, False])
def test_slanted_planes_lose_nothing(pattern, mounted):
    for planes in ([FLOOR], [SLOPE], [((1, 0, 0.05), 1.0)]):
        T, sparse, _, _ = scan((0.1, -0.3, -0.2), planes, [], **pattern)
        assert not occlusion.hidden_points(sparse, 0.05, *((CAMERA, T) if mounted else ())).any()


@pytest.mark.parametrize("rings", [64, 32, 16])
def test_thin_things_survive_and_so_does_what_is_seen_beside_them(rings):
    T, sparse, truth, points = scan((0.0, -0.2, -0.2), [FLOOR, WALL], [POLE], rings=rings)
    on_pole = points[:, 2] < 2.4
    on_pole &= (np.abs(points[:, 0] - 0.815) < 0.03) & (points[:, 1] < 1.1)
    assert on_pole.sum() >= 10
    found = occlusion.hidden_points(sparse, 0.05, CAMERA, T)
    assert not found[on_pole].any()
    beside = ~truth & (np.abs(points[:, 0] / points[:, 2] - 0.37) < 0.1) & (points[:, 2] > 5.0)
    assert beside.sum() > 50
    assert found[beside].mean() < 0.03


@pytest.mark.parametrize("rings", [64, 16])
def test_gaps_that_are_open_in_both_views_stay_open(rings):
    """Through a fence the wall behind is seen, if only the mount is known."""
    fence = [((x, -1.0, 2.0), (x + 0.03, 1.2, 2.02)) for x in np.arange(-1.2, 1.2, 0.09)]
    T, sparse, truth, points = scan((0.0, -0.02, -0.02), [FLOOR, WALL], fence, rings=rings)
    behind = ~truth & (points[:, 2] > 5.0)
    assert behind.sum() > 100
    assert occlusion.hidden_points(sparse, 0.05, CAMERA, T)[behind].mean() < 0.03


def test_one_viewpoint_hides_nothing():
    T, sparse, _, _ = scan((0.0, 0.0, 0.0), [FLOOR, WALL], [BOX, POLE], rings=64)
    assert not occlusion.hidden_points(sparse, 0.05, CAMERA, T).any()
    assert occlusion.remove_hidden(sparse, 0.05, CAMERA, T) is sparse


def test_remove_hidden_keeps_the_rest_in_order():
    T, sparse, _, _ = scan(MOUNTS[0], [FLOOR, WALL], [BOX], rings=32)
    found = occlusion.hidden_points(sparse, 0.05, CAMERA, T)
    left = projection.remove_hidden(sparse, 0.05, CAMERA, T)
    assert 0 < found.sum() < len(sparse)
    np.testing.assert_array_equal(left.source, sparse.source[~found])
    again = occlusion.hidden_points(sparse.select(np.arange(len(sparse))[::-1]), 0.05, CAMERA, T)
    np.testing.assert_array_equal(again[::-1], found)  # order of the points does not matter


@pytest.mark.parametrize(("rings", "height"), [(64, 480 / 64), (16, 480 / 16), (8, 480 / 8), (4, 480 / 4)])
def test_cells_take_the_shape_of_the_pattern(rings, height):
    _, sparse, _, _ = scan((0, 0, 0), [WALL], [], rings=rings)
    width_found, height_found = occlusion.cell_size(sparse)
    assert height / 1.8 < height_found < height * 1.8
    assert width_found < 6
    _, scattered, _, _ = scan((0, 0, 0), [WALL], [], scattered=1000)
    width_found, height_found = occlusion.cell_size(scattered)
    assert width_found == pytest.approx(height_found)
    assert width_found == pytest.approx(np.sqrt(640 * 480 / len(scattered)), rel=0.3)


@pytest.mark.parametrize("n", [0, 1, 3, 4, 5])
def test_few_points_and_points_in_one_place(n):
    columns = np.arange(n, dtype=np.int32)
    depth = np.linspace(1, 2, n, dtype=np.float32)
    sparse = SparseDepth((480, 640), np.zeros(n, np.int32), columns, depth, columns)
    assert not occlusion.hidden_points(sparse, 0.05, CAMERA, np.eye(4)).any()
    with pytest.raises(ValueError, match="tolerance"):
        occlusion.hidden_points(sparse, 0.0)


@pytest.mark.parametrize("frame", ["000001", "000005", "000008"])
def test_streets_keep_their_structure(real_data, frame):
    """Real scans: few points go, each covered by nearer ones, and none of them is the nearest thing around."""
    folder = real_data / "kitti_object"
    numbers = {
        line.split(":")[0]: np.array(line.split(":")[1].split(), float)
        for line in (folder / "calib" / f"{frame}.txt").read_text().splitlines()
        if ":" in line
    }
    P = numbers["P2"].reshape(3, 4)
    rectify, velo, shift = np.eye(4), np.eye(4), np.eye(4)
    rectify[:3, :3], velo[:3] = numbers["R0_rect"].reshape(3, 3), numbers["Tr_velo_to_cam"].reshape(3, 4)
    shift[:3, 3] = np.linalg.solve(P[:, :3], P[:, 3])
    T = shift @ rectify @ velo
    camera = CameraModel(1242, 375, P[:, :3])
    points = np.fromfile(folder / "velodyne" / f"{frame}.bin", np.float32).reshape(-1, 4)[:, :3]
    sparse = projection.project_cloud(PointCloud(0, "velo", points), T, camera)
    found = occlusion.hidden_points(sparse, 0.05, camera, T)
    assert 0.001 < found.mean() < 0.04
    for index in np.flatnonzero(found):
        near = (np.abs(sparse.rows - sparse.rows[index]) < 18) & (np.abs(sparse.columns - sparse.columns[index]) < 12)
        nearer = near & (sparse.depth < 0.95 * sparse.depth[index])
        assert nearer.sum() >= 2
    # the same scan seen from the LiDAR's own place has nothing to hide
    at_lidar = T.copy()
    at_lidar[:3, 3] = 0.0
    own = projection.project_cloud(PointCloud(0, "velo", points), at_lidar, camera)
    assert not occlusion.hidden_points(own, 0.05, camera, at_lidar).any()
