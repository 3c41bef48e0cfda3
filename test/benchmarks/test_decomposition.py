from __future__ import annotations

import numpy as np
import pytest

from benchmarks import decomposition
from benchmarks.evidence import object_methods, object_rows, object_scenes
from benchmarks.evidence.object_pictures import color_of, draw_surfaces, sheet
from depth_perception.evaluation.decomposition.decomposed import Decomposed
from depth_perception.evaluation.decomposition.surface_scores import TrueSurface
from depth_perception.frames import CameraModel, PosedDepth, TriangleMesh


def plate_scene():
    """Two frames of a square plate 1 m ahead, thing 4, before a wall at 2 m."""
    camera = CameraModel.pinhole(40, 40, 19.5, 14.5, 40, 30)
    depth, labels = np.full((30, 40), 2.0, np.float32), np.zeros((30, 40), np.int32)
    depth[10:20, 15:25], labels[10:20, 15:25] = 1.0, 4
    frames = [PosedDepth(k, "c", np.zeros((30, 40, 3), np.uint8), camera, depth, np.eye(4), labels) for k in (0, 1)]
    points = np.random.default_rng(0).uniform(-0.125, 0.125, (3000, 3)) * (1, 1, 0) + (0, 0, 1)
    return object_scenes.LabelledScene("plate", frames, {4: TrueSurface(points, points)})


def square():
    corners = np.array([[-1, -1, 8], [1, -1, 8], [1, 1, 8], [-1, 1, 8]], np.float32) / 8
    return TriangleMesh(corners, np.array([[0, 2, 1], [0, 3, 2]], np.int32))


class Right:
    asked = 0

    def decompose(self, frames):
        Right.asked += 1
        return Decomposed([np.where(frames[0].labels > 0, 1, 0).astype(np.int32)] * 2, {1: square()})


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(object_scenes, "load_scene", lambda name, cache: plate_scene())
    monkeypatch.setattr(object_methods, "EVERY", {"ours": {"": Right}})
    Right.asked = 0


def test_a_run_keeps_scores_and_goes_on_where_it_was(small, tmp_path):
    jobs = [decomposition.Job("plate", corruption, "ours", "") for corruption in ("shuffled", "light")]
    decomposition.run(jobs[:1], object_rows.store(tmp_path / "results.csv"), tmp_path)
    store = object_rows.store(tmp_path / "results.csv")
    assert len(store.rows) == 1
    decomposition.run(jobs, store, tmp_path)
    assert Right.asked == 2
    first = store.rows["plate", "shuffled", "ours", "", object_methods.VERSION]
    assert first.pq == 1.0
    assert first.chamfer < 0.005
    assert first.seconds >= 0
    assert (tmp_path / "plate-light.png").is_file()


def test_plans_name_every_variant():
    jobs = decomposition.plan(["table-3"], ["usual", "strong"], ["voting", "given"])
    assert len(jobs) == 2 * (len(object_methods.METHODS["voting"]) + 1)
    assert jobs[0].scene == "table-3"


def test_peers_that_learn_get_fewer_draws():
    jobs = decomposition.plan(["table-3"], ["usual"], ["ours", "label-field"], 3)
    assert [j.corruption for j in jobs if j.method == "ours"] == ["usual", "usual#1", "usual#2"]
    assert [j.corruption for j in jobs if j.method == "label-field"] == ["usual"]


def test_spoiled_labels_are_the_same_every_time():
    scene = plate_scene()
    one, two = (object_scenes.spoiled(scene, "usual") for _ in range(2))
    for a, b in zip(one, two):
        np.testing.assert_array_equal(a.labels, b.labels)
    assert not np.array_equal(object_scenes.spoiled(scene, "usual#1")[0].labels, one[0].labels)
    assert not np.array_equal(object_scenes.spoiled(scene, "shuffled")[0].labels, scene.frames[0].labels)


def test_scenes_survive_the_disk(tmp_path):
    scene = plate_scene()
    object_scenes._write(tmp_path / "a" / "x.npz", scene.frames, scene.surfaces)
    frames, surfaces = object_scenes._read(tmp_path / "a" / "x.npz")
    np.testing.assert_array_equal(frames[1].labels, scene.frames[1].labels)
    np.testing.assert_array_equal(frames[0].camera.K, scene.frames[0].camera.K)
    np.testing.assert_array_equal(surfaces[4].seen, scene.surfaces[4].seen)
    with pytest.raises(ValueError, match="'attic'"):
        object_scenes.load_scene("attic", tmp_path)


def test_every_method_can_be_made():
    for variants in object_methods.EVERY.values():
        for make in variants.values():
            assert callable(make().decompose)


def test_surfaces_are_drawn_where_they_are_in_the_color_of_their_label():
    scene = plate_scene()
    picture = draw_surfaces({7: square()}, scene.frames[0], scale=1)
    drawn = (picture != 245).any(-1)
    assert drawn[12:18, 17:23].all()
    assert not drawn[:8].any()
    expected = color_of(np.array([7]))[0]
    shown = picture[15, 20].astype(float)
    assert np.abs(shown / shown.max() - expected / expected.max()).max() < 0.05
    assert sheet(scene.frames, scene.frames, Right().decompose(scene.frames), 2).shape == (120, 320, 3)


def test_colors_tell_background_and_nothing_apart():
    colors = color_of(np.array([[-1, 0, 1, 2, 3]]))[0]
    assert len({tuple(c) for c in colors.tolist()}) == 5
    assert colors[0].max() == 0


@pytest.mark.real_data
def test_the_real_shelf():
    if object_scenes.SHELF not in object_scenes.names():
        pytest.skip("the recording is not here")
    frames = object_scenes.real_shelf(4)
    assert len(frames) == 15
    assert set(np.unique(frames[0].labels)) == {0, 48, 132}
    assert 0.3 < np.nanmedian(frames[0].depth) < 1.5
    assert np.isfinite(frames[0].depth).mean() > 0.25
