from __future__ import annotations

import json
import sys

import numpy as np
import pytest

from depth_perception.frames import CameraFrame, CameraModel, DepthEstimate, ScaleKind, SparseDepth
from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.visualization.rerun_log import RerunLog, ViewerError, private_configuration

STAMP = 1_700_000_000_000_000_000


def need_rerun():
    """Skip where rerun-sdk is missing or does not fit the other packages (it needs NumPy 2)."""
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rerun-sdk: {error}")


def test_missing_package_says_what_to_type(monkeypatch):
    monkeypatch.setitem(sys.modules, "rerun", None)
    with pytest.raises(ViewerError, match="pip install rerun-sdk"):
        RerunLog("x", "out.rrd")


def test_without_a_screen_saving_is_suggested(monkeypatch):
    need_rerun()
    if sys.platform != "linux":
        pytest.skip("other systems always have a screen")
    monkeypatch.delenv("DISPLAY", raising=False)
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    with pytest.raises(ViewerError, match="--save"):
        RerunLog("x")


def test_everything_lands_in_the_file(tmp_path):
    need_rerun()
    camera = CameraModel.pinhole(30, 30, 15.5, 11.5, 32, 24)
    depth = np.full((24, 32), 4.0, np.float32)
    depth[0] = np.nan
    frame = CameraFrame(STAMP, "camera", np.full((24, 32, 3), 80, np.uint8), camera)
    sparse = SparseDepth.from_image(np.where(np.eye(24, 32) > 0, depth, 0).astype(np.float32))
    estimate = DepthEstimate(
        STAMP, "camera", camera, depth, 0.1 * depth, ScaleKind.METRIC, "fast", "1", (0.3, 80.0), 0.1, {"complete": 0.01}
    )
    tree = TransformTree(None)
    tree.insert("base", "camera", 0, np.eye(4), static=True)
    tree.insert("base", "lidar", 0, np.eye(4), static=True)
    file = tmp_path / "deep" / "out.rrd"
    with RerunLog("test", file) as log:
        log.input(frame, sparse)
        log.transforms(tree, "camera", STAMP)
        log.transforms(tree, "unknown", STAMP)
        log.estimate(estimate, frame)
        log.problem(STAMP, "something is missing")
    content = file.read_bytes()
    assert content.startswith(b"RRF")
    for path in (b"/world/camera/image/depth", b"/world/camera/cloud", b"/world/tf/lidar", b"/latency_ms/complete"):
        assert path in content


def test_viewer_is_configured_without_usage_statistics(tmp_path):
    need_rerun()
    environment = private_configuration(tmp_path)
    found = json.loads((tmp_path / "rerun" / "analytics.json").read_text())
    assert found["analytics_enabled"] is False
    assert environment["XDG_CONFIG_HOME"] == str(tmp_path)
