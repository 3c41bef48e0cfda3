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
    frame, file = BallScene().frame(loop(1)[0]), tmp_path / "scene.rrd"
    log = SceneLog.open(file, "x")
    log.view(frame)
    empty = file.stat().st_size if file.exists() else 0
    log.objects([surface])
    log.found(frame.stamp, np.where(frame.labels == 1, np.int32(3), np.int32(-1)))
    log.close()
    content = file.read_bytes()
    assert len(content) > empty + mesh.vertices.nbytes // 2
    for path in (b"/world/camera/image/labels", b"/world/camera/image/objects", b"/world/objects/3/surface"):
        assert path in content
    assert b"/world/objects/3/box" in content
