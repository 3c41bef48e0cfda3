import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import START, BallScene, KnowingFitter, loop

from depth_perception.pipelines import scene_store
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.object_tracks import TrackSettings
from depth_perception.pipelines.scene_files import SceneError
from depth_perception.pipelines.scene_store import read_scene

trimesh = pytest.importorskip("trimesh")


def small_scene():
    scene = BallScene()
    made = Decomposition(
        DecompositionSettings(steps=2, least_pixels=5), lambda low, high: KnowingFitter(scene, low, high)
    )
    for index, pose in enumerate(loop(3)):
        made.add(scene.frame(pose, START + index, shuffle=index))
        made.work()
    made.surfaces()
    return made


@pytest.fixture
def made():
    return small_scene()


def ids(folder):
    return sorted(read_scene(folder, TrackSettings()).tracks.tracks)


def test_files_for_people(made, tmp_path):
    made.save(tmp_path)
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert [item["id"] for item in manifest["objects"]] == [1, 2, 3]
    item, surface = manifest["objects"][0], made.get(1)
    assert item["box"]["size"] == surface.box.size.tolist()
    assert item["color"] == [100, 100, 100]
    for kind in ("glb", "ply"):
        loaded = trimesh.load(tmp_path / item[kind], force="mesh", process=False)
        assert len(loaded.faces) == len(surface.mesh.faces)
        assert np.sort(loaded.bounds, axis=0) == pytest.approx(np.array([item["low"], item["high"]]), abs=1e-5)
        assert loaded.visual.vertex_colors[0, :3].tolist() == [100, 100, 100]


def test_a_new_save_takes_the_place_of_the_old_one(made, tmp_path):
    made.save(tmp_path)
    made.merge(1, 2)
    (tmp_path / ".scene-9.1.part").mkdir()  # left by somebody who was killed
    made.save(tmp_path)
    assert ids(tmp_path) == [1, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["manifest.json", "scene-2"]


@pytest.mark.parametrize("place", ["_write_object", "_sync_files", "_describe", "write_bytes"])
def test_a_save_that_fails_leaves_the_old_scene(made, tmp_path, monkeypatch, place):
    made.save(tmp_path)
    made.merge(1, 2)

    def fail(*arguments):
        raise OSError("no space left")

    monkeypatch.setattr(scene_store, place, fail)
    with pytest.raises(OSError, match="no space left"):
        made.save(tmp_path)
    assert ids(tmp_path) == [1, 2, 3]
    monkeypatch.undo()
    made.save(tmp_path)
    assert ids(tmp_path) == [1, 3]


@pytest.mark.parametrize("place", ["_write_object", "_describe", "write_bytes"])
def test_a_kill_during_a_save_loses_nothing_already_saved(tmp_path, place):
    program = f"""
import os, signal, sys
sys.path[:0] = {sys.path!r}
import test_scene_store as own
from depth_perception.pipelines import scene_store
made = own.small_scene()
made.save({str(tmp_path)!r})
made.merge(1, 2)
setattr(scene_store, {place!r}, lambda *arguments: os.kill(os.getpid(), signal.SIGKILL))
made.save({str(tmp_path)!r})
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert ids(tmp_path) == [1, 2, 3]


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (lambda told: told.update(format="x"), "format is not"),
        (lambda told: told.update(version=7), "version 7, this software reads 1"),
        (lambda told: told.pop("lattice"), "broken: KeyError: 'lattice'"),
        (lambda told: told["objects"][0].pop("pieces"), "broken: KeyError: 'pieces'"),
        (lambda told: told["objects"][1].update(id=1), "id 1 is used twice"),
        (lambda told: told.update(next_id=2), "not below next_id 2"),
        (lambda told: told["sha256"].update({"objects/000009.glb": "0"}), r"000009\.glb: no such file"),
        (lambda told: told["sha256"].update({"objects/000001.glb": "0"}), r"000001\.glb: is not what"),
        (lambda told: told.update(folder="../elsewhere"), "no such file"),
    ],
)
def test_a_broken_manifest_is_refused(made, tmp_path, change, text):
    made.save(tmp_path)
    path = tmp_path / "manifest.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))
    with pytest.raises(SceneError, match=text):
        read_scene(tmp_path, TrackSettings())


def test_what_is_no_scene_is_named(tmp_path):
    with pytest.raises(SceneError, match=r"manifest\.json: no such file; .* is no saved scene"):
        read_scene(tmp_path, TrackSettings())
    (tmp_path / "manifest.json").write_text('{"cut')
    with pytest.raises(SceneError, match="cannot be read"):
        read_scene(tmp_path, TrackSettings())


def test_a_folder_of_somebody_else_is_not_written_into(made, tmp_path):
    (tmp_path / "thesis.txt").write_text("only copy")
    with pytest.raises(SceneError, match=r"holds thesis\.txt"):
        made.save(tmp_path)
