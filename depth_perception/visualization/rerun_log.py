"""Frames, measured points, estimates and transforms on one Rerun time line.

``rerun-sdk`` is optional and imported only here. Its viewer sends usage statistics unless told not
to; as it has no option for a single run, it is started with a configuration folder of its own in
which they are switched off. Writing an .rrd file starts no viewer and sends nothing.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

from depth_perception.frames import CameraFrame, DepthEstimate, SparseDepth
from depth_perception.geometry.camera import rays, unproject
from depth_perception.geometry.clouds import depth_to_points, flying_pixels
from depth_perception.geometry.transform_tree import TransformError, TransformTree
from depth_perception.visualization.colormap import depth_range
from depth_perception.visualization.overlay import point_colors

TIMELINE = "recording"


class ViewerError(RuntimeError):
    """Rerun is missing or its viewer cannot be started."""


def _rerun() -> ModuleType:
    try:
        import rerun
    except ImportError as error:
        raise ViewerError(
            f"viewing needs rerun-sdk ({error}); type: {sys.executable} -m pip install rerun-sdk"
        ) from error
    if not hasattr(rerun, "RecordingStream"):
        raise ViewerError("the installed package called rerun is not rerun-sdk; type: pip install rerun-sdk")
    return rerun


def private_configuration(folder: str | Path) -> dict[str, str]:
    """Write a Rerun configuration without usage statistics into ``folder``; return the environment for it."""
    environment = {"XDG_CONFIG_HOME": str(folder)}
    subprocess.run(
        [sys.executable, "-m", "rerun", "analytics", "disable"],
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=60,
        check=True,
    )
    return environment


class RerunLog:
    """Logs to a file or to a viewer; use it in a ``with`` statement.

    The world is the root of the TF tree that the camera hangs on: axes of every frame under
    ``world/tf``, the camera with image and depth under ``world/camera``, clouds beside it.
    """

    def __init__(self, name: str, save: str | Path | None = None):
        """Open the .rrd file ``save``, or the viewer. Raises ViewerError."""
        rr = self._rr = _rerun()
        self._folder: str | None = None
        self._stream = rr.RecordingStream(f"depth_perception: {name}")
        if save is not None:
            Path(save).parent.mkdir(parents=True, exist_ok=True)
            self._stream.save(str(save))
        else:
            if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
                raise ViewerError("no screen for the Rerun viewer (DISPLAY is not set); use --save FILE.rrd")
            self._folder = tempfile.mkdtemp(prefix="depth_perception_rerun_")
            # the viewer's program lies beside the interpreter, also when its environment is not activated
            os.environ["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
            try:
                os.environ.update(private_configuration(self._folder))
                self._stream.spawn()
            except (OSError, RuntimeError, subprocess.SubprocessError) as error:
                self.close()
                reason = str(error).strip().partition("\n")[0]
                raise ViewerError(f"cannot start the Rerun viewer: {reason}; use --save FILE.rrd instead") from error
        self._log("world", rr.ViewCoordinates.RIGHT_HAND_Z_UP, static=True)
        self._root: str | None = None
        self._camera_logged: Any = None

    def __enter__(self) -> RerunLog:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Write out what is buffered and let go of file or viewer."""
        self._stream.flush()
        self._stream.disconnect()
        if self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)

    def input(self, frame: CameraFrame, sparse: SparseDepth) -> None:
        """Log the image, the measured depth as image and as coloured points."""
        rr, camera = self._rr, frame.camera
        self._at(frame.stamp)
        if self._camera_logged is not camera:
            K = np.asarray(camera.K)
            self._log("world/camera/image", rr.Pinhole(image_from_camera=K, resolution=[camera.width, camera.height]))
            self._camera_logged = camera
        self._log("world/camera/image/color", rr.Image(frame.image).compress(jpeg_quality=90))
        self._log("world/camera/image/sparse_depth", rr.DepthImage(sparse.image(), meter=1.0))
        pixels = np.stack([sparse.columns, sparse.rows], axis=1).astype(np.float64)
        points = unproject(camera, pixels, sparse.depth)
        low, high = depth_range(sparse.depth) or (1.0, 10.0)
        self._log("world/camera/measured", rr.Points3D(points, colors=point_colors(sparse.depth, low, high)))

    def estimate(self, estimate: DepthEstimate, frame: CameraFrame) -> None:
        """Log dense depth, its standard deviation, the coloured cloud and the latency of each stage."""
        rr = self._rr
        self._at(estimate.stamp)
        depth = estimate.depth
        self._log("world/camera/image/depth", rr.DepthImage(np.nan_to_num(depth, nan=0.0), meter=1.0))
        deviation = np.nan_to_num(estimate.standard_deviation, nan=0.0)
        self._log("world/camera/image/standard_deviation", rr.DepthImage(deviation, meter=1.0))
        keep = estimate.mask & ~flying_pixels(depth, 0.05)
        points = depth_to_points(depth, rays(estimate.camera))[keep]
        self._log("world/camera/cloud", rr.Points3D(points, colors=frame.image[keep]))
        for stage, seconds in estimate.latency.items():
            self._log(f"latency_ms/{stage}", rr.Scalars(seconds * 1e3))

    def transforms(self, tree: TransformTree, camera_frame: str, stamp: int) -> None:
        """Log the pose of the camera and of every frame that is connected with it at ``stamp``."""
        rr, parents = self._rr, tree.frames()
        if camera_frame not in parents:
            return
        self._at(stamp)
        root = camera_frame
        while parents.get(root) is not None:
            root = str(parents[root])
        for name in parents:
            try:
                T = tree.lookup(root, name, stamp)
            except TransformError:
                continue  # not connected, or not known at this time
            pose = rr.Transform3D(translation=T[:3, 3], mat3x3=T[:3, :3])
            self._log(f"world/tf/{name}", pose, rr.TransformAxes3D(0.3))
            if name == camera_frame:
                self._log("world/camera", pose)

    def problem(self, stamp: int, text: str) -> None:
        """Log why a frame could not be completed."""
        self._at(stamp)
        self._log("log", self._rr.TextLog(text, level="WARN"))

    def _at(self, stamp: int) -> None:
        self._stream.set_time(TIMELINE, timestamp=np.datetime64(stamp, "ns"))

    def _log(self, path: str, *items: Any, static: bool = False) -> None:
        self._stream.log(path, *items, static=static)
