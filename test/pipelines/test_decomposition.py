import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import START, BallScene, KnowingFitter, ball_mesh, lifted, loop

from depth_perception.pipelines.decomposition import Decomposition, thinned_depth
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.key_frames import KeyFrameSettings
from depth_perception.pipelines.scene_files import SceneError

SMALL = {"steps": 5, "least_pixels": 5, "key_frames": KeyFrameSettings(distance=0.3, angle=25.0)}


def decomposition(scene, **settings):
    return Decomposition(
        DecompositionSettings(**{**SMALL, **settings}), lambda low, high: KnowingFitter(scene, low, high)
    )


def run(made, scene, poses, first=0):
    for index, pose in enumerate(poses, first):
        made.add(scene.frame(pose, START + index * 100_000_000, shuffle=index))
        while made.work(stop=lambda: False):
            pass


def area(mesh):
    a, b, c = (mesh.vertices[mesh.faces[:, i]] for i in range(3))
    return np.linalg.norm(np.cross(b - a, c - a), axis=1).sum() / 2


def centers(surfaces):
    return {surface.id: np.round(surface.box.center, 2).tolist() for surface in surfaces}


def test_objects_are_counted_and_keep_their_ids_through_a_loop():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(12)[:6])
    half = centers(made.surfaces())
    run(made, scene, loop(12)[6:] + loop(12), first=6)
    found = made.surfaces()
    assert len(found) == 3
    assert centers(found) == half
    assert sorted(half.values()) == sorted([round(v, 2) for v in ball[:3]] for ball in scene.balls.tolist())
    assert all(surface.first_seen == START for surface in found)
    assert all(0.5 < surface.confidence <= 1.0 for surface in found)


def test_a_camera_that_stays_gives_one_key_frame_and_work_ends():
    scene = BallScene()
    made = decomposition(scene)
    pose = loop(1)[0]
    assert [made.add(scene.frame(pose, START + i, shuffle=i)) for i in range(4)] == [True, False, False, False]
    assert made.pending == 5
    assert made.work() == 5
    assert made.work() == 0


def test_whether_a_frame_would_be_kept_needs_no_labels():
    scene = BallScene()
    made = decomposition(scene)
    bare = replace(scene.frame(loop(1)[0]), labels=None)
    assert made.would_keep(bare)
    made.add(scene.frame(loop(1)[0]))
    assert not made.would_keep(bare)
    assert made.would_keep(replace(bare, T_world_camera=loop(4)[1]))


def test_only_changed_objects_get_a_revision():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(8))
    before = {surface.id: surface for surface in made.surfaces()}
    run(made, scene, [lifted(pose, 0.31) for pose in loop(4)], first=8)
    for surface in made.surfaces():
        assert surface.revision == before[surface.id].revision
        assert surface.mesh is before[surface.id].mesh


def aisle():
    """Nine balls along a line of twelve metres, and the poses of a camera that goes along and back."""
    scene = BallScene([(x, 0.0, 0.15, 0.15) for x in np.arange(9) * 1.5])
    way = []
    for x in np.arange(0, 12.2, 0.6):
        way += [pose for pose in loop(1, center=(x, 0.0, 0.1))]
    return scene, way


def test_blocks_grow_are_put_aside_and_come_back_with_the_same_ids():
    scene, way = aisle()
    made = decomposition(scene, block_size=2.0, live_blocks=2, max_depth=3.0)
    run(made, scene, way)
    there = centers(made.surfaces())
    assert len(there) == 9
    status = made.status()
    assert status.live_blocks == 2
    assert status.parked_blocks >= 4
    run(made, scene, way[::-1], first=len(way))
    assert centers(made.surfaces()) == there


def test_blocks_without_fitters_come_back_with_the_same_ids():
    scene, way = aisle()
    made = decomposition(scene, block_size=2.0, live_blocks=2, max_depth=3.0, keep_fitters=False)
    run(made, scene, way)
    there = centers(made.surfaces())
    moved = [lifted(pose, 0.4) for pose in way[::-1]]  # so that there are key frames
    run(made, scene, moved, first=len(way))
    assert centers(made.surfaces()) == there


def test_meshes_of_parked_blocks_go_to_disk_and_come_back_when_asked_for():
    scene, way = aisle()
    made = decomposition(scene, block_size=2.0, live_blocks=2, max_depth=3.0, parked_megabytes=0.0)
    run(made, scene, way)
    found = made.surfaces()
    bare = [surface for surface in found if not len(surface.mesh.faces)]
    assert len(found) == 9
    assert 4 <= len(bare) < 9
    assert all(surface.box.size.min() > 0.2 for surface in found)
    whole = made.get(bare[0].id)
    assert len(whole.mesh.faces) > 100
    assert np.ptp(whole.mesh.vertices, axis=0) == pytest.approx([0.3, 0.3, 0.3], abs=0.02)
    run(made, scene, way[::-1], first=len(way))
    assert centers(made.surfaces()) == centers(found)
    assert len(next(s for s in made.surfaces() if s.id == bare[0].id).mesh.faces) > 100


def test_an_object_across_a_border_is_one_without_double_triangles():
    scene = BallScene([(0.0, 0.0, 0.2, 0.2), (0.95, 0.0, 0.3, 0.3)])  # the border is at x = 1
    made = decomposition(scene, block_size=2.0, block_margin=0.2, max_depth=3.0)
    run(made, scene, loop(1) + loop(10, center=(0.9, 0.0, 0.1)))
    found = {surface.id: surface for surface in made.surfaces()}
    assert len(found) == 2
    big = max(found.values(), key=lambda surface: surface.box.size[0])
    assert big.box.size == pytest.approx([0.6, 0.6, 0.6], abs=0.03)
    assert area(big.mesh) == pytest.approx(area(ball_mesh(scene.balls[1])), rel=0.01)


def test_labels_of_a_view_are_the_ids_whatever_the_frame_calls_them():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(8))
    surfaces = made.surfaces()
    frame = scene.frame(loop(8)[3])
    for ids in (made.label_frame(frame), made.render_labels(frame.camera, frame.T_world_camera)):
        assert ids.shape == frame.depth.shape
        assert (ids[~np.isfinite(frame.depth)] == -1).all()
        assert (ids[frame.labels == 0] <= 0).mean() > 0.98  # but where balls touch the floor
        for ball, (x, y, z, _) in enumerate(scene.balls, 1):
            number = next(s.id for s in surfaces if np.allclose(s.box.center, (x, y, z), atol=0.02))
            assert (ids[frame.labels == ball] == number).mean() > 0.95


def test_the_model_labels_what_has_no_depth():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(8))
    made.surfaces()
    frame = scene.frame(loop(8)[3])
    holes = replace(frame, depth=np.where(np.arange(64) % 2, frame.depth, np.float32(np.nan)))
    assert (made.label_frame(holes)[:, ::2] == -1).all()
    ids = made.label_frame(frame)
    assert (made.label_view(holes) == ids)[ids >= 0].mean() > 0.99


def test_categories_come_from_the_class_map():
    scene = BallScene()
    made = decomposition(scene, categories={1: "ball", 3: "nut"})
    for index, pose in enumerate(loop(6)):
        made.add(scene.frame(pose, START + index))
        while made.work():
            pass
    found = {round(float(s.box.center[0]), 2): s.category for s in made.surfaces()}
    assert found == {0.35: "ball", -0.3: "", -0.1: "nut"}


def test_merged_objects_are_one_from_then_on():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(6))
    made.surfaces()
    made.merge(1, 3)
    assert [surface.id for surface in made.snapshot.objects] == [1, 2]
    assert made.snapshot.merged == {3: 1}
    assert made.get(3).id == 1
    run(made, scene, [lifted(pose, 0.4) for pose in loop(6)], first=6)
    assert [surface.id for surface in made.surfaces()] == [1, 2]
    with pytest.raises(KeyError, match="no object 7"):
        made.get(7)


def test_a_saved_scene_comes_back_bit_for_bit_and_goes_on(tmp_path):
    scene, way = aisle()
    settings = {"block_size": 2.0, "live_blocks": 2, "max_depth": 3.0, "parked_megabytes": 0.0}
    made = decomposition(scene, **settings)
    run(made, scene, way)
    made.merge(1, 2)
    assert made.save(tmp_path / "scene") == 8
    other = decomposition(scene, **{**settings, "parked_megabytes": 64.0})
    run(other, scene, way[:3])
    assert other.load(tmp_path / "scene") == 8
    for before in made.surfaces():
        whole, after = made.get(before.id), other.get(before.id)
        for name in ("id", "revision", "first_seen", "last_seen", "confidence", "category"):
            assert getattr(after, name) == getattr(whole, name), name
        assert after.mesh.vertices.tobytes() == whole.mesh.vertices.tobytes()
        assert after.mesh.faces.tobytes() == whole.mesh.faces.tobytes()
        assert after.mesh.colors.tobytes() == whole.mesh.colors.tobytes()
        assert after.box.center.tobytes() == whole.box.center.tobytes()
    there = centers(made.surfaces())
    run(other, scene, way[::-1], first=len(way))
    assert centers(other.surfaces()) == there
    scene.balls = np.concatenate([scene.balls, [[6.0, 0.6, 0.2, 0.2]]])
    run(other, scene, [lifted(pose, 0.4) for pose in way], first=99)
    assert max(centers(other.surfaces())) == 10  # 2 was merged away, and no number is used twice


def test_a_scene_that_cannot_be_loaded_leaves_things_as_they_are(tmp_path):
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(6))
    there = centers(made.surfaces())
    made.save(tmp_path / "scene")
    block = next((tmp_path / "scene").rglob("block_*.npz"))
    block.write_bytes(b"x" + block.read_bytes()[1:])
    with pytest.raises(SceneError, match=r"block_.*SHA-256"):
        made.load(tmp_path / "scene")
    assert centers(made.surfaces()) == there


def test_reset_begins_another_world():
    scene = BallScene()
    made = decomposition(scene)
    run(made, scene, loop(6))
    before = made.snapshot.world
    made.reset()
    assert made.surfaces() == []
    assert made.snapshot.world != before
    run(made, scene, loop(6))
    assert [surface.id for surface in made.surfaces()] == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"labels": np.zeros((10, 12), np.int32)}, "labels: 12x10 pixels, expected 64x48"),
        ({"labels": None}, "labels: None"),
        ({"depth": np.zeros((48, 60), np.float32)}, "depth: 60x48 pixels"),
        ({"T_world_camera": np.full((4, 4), np.nan)}, "not finite"),
    ],
)
def test_frames_that_cannot_be_used_are_refused(change, text):
    scene = BallScene()
    with pytest.raises(ValueError, match=text):
        decomposition(scene).add(replace(scene.frame(loop(1)[0]), **change))


def test_wide_images_are_thinned_with_their_camera():
    scene = BallScene()
    thin = decomposition(scene, max_width=32).prepared(scene.frame(loop(1)[0]))
    assert thin.camera.shape == thin.depth.shape == thin.labels.shape == thin.image.shape[:2] == (24, 32)
    assert thin.camera.K[0, 0] == 27.5
    assert thin.camera.K[0, 2] == 15.75  # pixel 31.5 of every second one


def test_thinning_keeps_depth_that_lies_between_the_pixels_kept():
    nan = np.nan
    depth = np.array([[1.0, 9.0, nan, 3.0, nan], [0.5, nan, 2.0, nan, nan], [nan, nan, nan, nan, 4.0]], np.float32)
    labels = np.zeros(depth.shape, np.int32)
    np.testing.assert_array_equal(thinned_depth(depth, labels, 2), [[1.0, 2.0, nan], [nan, nan, 4.0]])
    labels[1, 2] = 5
    np.testing.assert_array_equal(thinned_depth(depth, labels, 2)[0], [1.0, 3.0, nan], "not over a border")
    np.testing.assert_array_equal(thinned_depth(depth, labels, 1), depth)
