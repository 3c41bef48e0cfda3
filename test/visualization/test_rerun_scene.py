import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import BallScene, ball_mesh, loop

from depth_perception.frames import ObjectSurface
from depth_perception.pipelines.object_shapes import oriented_box
from depth_perception.visualization.rerun_scene import SceneLog


def test_without_rerun_there_is_no_log(monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, "rerun", None)
    assert SceneLog.open(tmp_path / "scene.rrd", "x") is None


def test_views_and_objects_land_in_the_file(tmp_path):
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rerun-sdk: {error}")
    mesh = ball_mesh(np.array([0, 0, 0, 0.2]))
    surface = ObjectSurface(3, mesh, oriented_box(mesh.vertices), 0.9, 1, 2, "ball", 1)
    log = SceneLog.open(tmp_path / "scene.rrd", "x")
    log.view(BallScene().frame(loop(1)[0]))
    empty = (tmp_path / "scene.rrd").stat().st_size if (tmp_path / "scene.rrd").exists() else 0
    log.objects([surface])
    log.close()
    assert (tmp_path / "scene.rrd").stat().st_size > empty + mesh.vertices.nbytes // 2
