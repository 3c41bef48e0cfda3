"""A scene of objects in Rerun: views on the recording's time line, surfaces and boxes in the world."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import ObjectSurface, PosedDepth
from depth_perception.geometry.transforms import matrix_to_quaternion
from depth_perception.pipelines.object_colors import id_color
from depth_perception.visualization.rerun_log import RerunLog, ViewerError

FOUND = "world/camera/image/objects"


class SceneLog(RerunLog):
    """Logs to an .rrd file; see ``RerunLog``."""

    @classmethod
    def open(cls, path: Path, name: str) -> SceneLog | None:
        """Return a log that writes ``path``, None where rerun-sdk is not installed."""
        try:
            return cls(name, path)
        except ViewerError:
            return None

    def view(self, frame: PosedDepth) -> None:
        """Log where the camera is, its image, its depth and the labels that it came with."""
        rr, camera = self._rr, frame.camera
        self._at(frame.stamp)
        pose = np.asarray(frame.T_world_camera)
        self._log("world/camera", rr.Transform3D(translation=pose[:3, 3], mat3x3=pose[:3, :3]))
        if self._camera_logged is not camera:
            K = np.asarray(camera.K)
            self._log("world/camera/image", rr.Pinhole(image_from_camera=K, resolution=[camera.width, camera.height]))
            self._camera_logged = camera
        self._log("world/camera/image/color", rr.Image(frame.image).compress(jpeg_quality=90))
        self._log("world/camera/image/depth", rr.DepthImage(np.nan_to_num(frame.depth, nan=0.0), meter=1.0))
        if frame.labels is not None:
            labels = np.clip(frame.labels, 0, 65535).astype(np.uint16)
            self._log("world/camera/image/labels", rr.SegmentationImage(labels))

    def found(self, stamp: int, ids: NDArray[np.int32]) -> None:
        """Log the ids (height, width) of the objects that a view shows, in the colours that ``objects`` gives them."""
        self._at(stamp)
        self._log(FOUND, self._rr.SegmentationImage(np.clip(ids, 0, 65535).astype(np.uint16)))

    def objects(self, surfaces: Iterable[ObjectSurface]) -> None:
        """Log the surfaces of all objects, and their boxes with ids."""
        rr = self._rr
        surfaces = list(surfaces)
        names = [(surface.id, f"{surface.category} {surface.id}".strip(), id_color(surface.id)) for surface in surfaces]
        self._log(FOUND, rr.AnnotationContext([(0, "background", (0, 0, 0, 0)), *names]), static=True)
        for surface in surfaces:
            name, mesh, box = f"world/objects/{surface.id}", surface.mesh, surface.box
            colors = mesh.colors
            if colors is None:
                colors = np.tile(np.array(id_color(surface.id), np.uint8), (len(mesh.vertices), 1))
            made = rr.Mesh3D(vertex_positions=mesh.vertices, triangle_indices=mesh.faces, vertex_colors=colors)
            self._log(f"{name}/surface", made, static=True)
            turn = rr.Quaternion(xyzw=np.asarray(matrix_to_quaternion(box.axes)))
            label = f"{surface.category} {surface.id}".strip()
            boxes = rr.Boxes3D(
                centers=[box.center],
                half_sizes=[box.size / 2],
                quaternions=[turn],
                labels=[label],
                colors=[id_color(surface.id)],
            )
            self._log(f"{name}/box", boxes, static=True)
