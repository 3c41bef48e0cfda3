"""A scene of objects as one self-contained page, with a turntable picture of every object beside it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation.decompose_result import DecomposeResult
from depth_perception.evaluation.machine import machine
from depth_perception.evaluation.report import TEMPLATES, data_uri, picture_uri
from depth_perception.frames import CameraModel, ObjectSurface
from depth_perception.pipelines.decomposition import SceneStatus
from depth_perception.pipelines.object_colors import id_color, id_colors
from depth_perception.pipelines.object_shapes import thinned
from depth_perception.visualization.mesh_view import draw_meshes, look_from, turntable

MOST_TRIANGLES = 30000  # of one object in a picture
OVERVIEWS = ((-60.0, 35.0), (30.0, 35.0), (120.0, 35.0), (0.0, 80.0))  # azimuth, elevation in degrees


class ScenePicture(NamedTuple):
    """One frame for the page: its number and image, the labels that it came with, the ids found."""

    number: int
    image: NDArray[np.uint8]
    labels: NDArray[np.int32] | None
    ids: NDArray[np.int32]


def id_overlay(image: NDArray[np.uint8], ids: NDArray[np.int32]) -> NDArray[np.uint8]:
    """Return RGB (height, width, 3): the picture in grey with the objects in the colours of their ids."""
    grey = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2).astype(np.float32)
    mixed = np.where((ids > 0)[..., None], 0.35 * grey + 0.65 * id_colors(ids), 0.6 * grey + 60)
    return np.clip(mixed, 0, 255).astype(np.uint8)


def overview(surfaces: list[ObjectSurface], azimuth: float, elevation: float, by_id: bool) -> NDArray[np.uint8]:
    """Return a picture of all objects together, in their own colours or in those of their ids."""
    points = np.concatenate([surface.mesh.vertices for surface in surfaces])
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    radius = max(float(np.linalg.norm(high - low)) / 2, 0.05)
    camera = CameraModel.pinhole(1500.0, 1500.0, 639.5, 479.5, 1280, 960)
    pose = look_from((low + high) / 2, radius * 3.4, azimuth, elevation)
    drawn = [(thinned(s.mesh, MOST_TRIANGLES), id_color(s.id) if by_id else None) for s in surfaces]
    large = draw_meshes(drawn, camera, pose)
    return np.asarray(cv2.resize(large, (640, 480), interpolation=cv2.INTER_AREA), np.uint8)


def sheet(surfaces: list[ObjectSurface], shown: list[ScenePicture]) -> NDArray[np.uint8] | None:
    """Return one picture that says it all, RGB (720, w, 3); None without a frame.

    From the left: three frames from first to last, the labels that came with them, the objects found, and all surfaces
    in their own colours and in those of the objects.
    """
    if not shown:
        return None
    chosen = [shown[round(at)] for at in np.linspace(0, len(shown) - 1, 3)]
    columns = [[picture.image for picture in chosen]]
    if all(picture.labels is not None for picture in chosen):
        columns.append([id_overlay(picture.image, picture.labels) for picture in chosen if picture.labels is not None])
    columns.append([id_overlay(picture.image, picture.ids) for picture in chosen])
    if surfaces:
        columns.append([overview(surfaces, -60.0, 35.0, by_id) for by_id in (False, True)])
    return np.hstack([_stacked(column, 720) for column in columns])


def _stacked(pictures: list[NDArray[np.uint8]], height: int) -> NDArray[np.uint8]:
    """Return pictures of one shape above each other, ``height`` pixels in all."""
    part = height // len(pictures)
    width = round(part * pictures[0].shape[1] / pictures[0].shape[0])
    sized = [cv2.resize(picture, (width, part), interpolation=cv2.INTER_AREA) for picture in pictures]
    return np.asarray(np.vstack(sized), np.uint8)


def write_scene_report(
    out: Path,
    name: str,
    result: DecomposeResult,
    surfaces: list[ObjectSurface],
    shown: list[ScenePicture],
    status: SceneStatus,
) -> Path:
    """Write ``report.html``, ``scene.png`` and ``turntable/<id>.png`` into ``out``; return the page."""
    import jinja2

    tables = out / "turntable"
    tables.mkdir(parents=True, exist_ok=True)
    for old in tables.glob("*.png"):
        old.unlink()
    if (large := sheet(surfaces, shown)) is not None:
        cv2.imwrite(str(out / "scene.png"), large[:, :, ::-1])
    objects = []
    for surface in sorted(surfaces, key=lambda s: -float(np.prod(s.box.size))):
        strip = turntable(thinned(surface.mesh, MOST_TRIANGLES))
        file = tables / f"{surface.id:06d}.png"
        cv2.imwrite(str(file), strip[:, :, ::-1])
        objects.append(_row(surface, data_uri(file.read_bytes())))
    scenes = [
        {
            "title": f"from {azimuth:g}° and {elevation:g}° above",
            "own": picture_uri(own, False),
            "ids": picture_uri(ids, False),
        }
        for azimuth, elevation in (OVERVIEWS if surfaces else ())
        for own, ids in [[overview(surfaces, azimuth, elevation, by_id) for by_id in (False, True)]]
    ]
    frames = [
        {
            "title": f"Frame {picture.number}",
            "image": picture_uri(picture.image, True),
            "labels": None if picture.labels is None else picture_uri(id_overlay(picture.image, picture.labels), True),
            "ids": picture_uri(id_overlay(picture.image, picture.ids), True),
        }
        for picture in shown
    ]
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    page = environment.get_template("scene.html.j2").render(
        name=name,
        result=result,
        objects=objects,
        scenes=scenes,
        frames=frames,
        status=status,
        machine=machine(),
    )
    path = out / "report.html"
    path.write_text(page, encoding="utf-8")
    return path


def _row(surface: ObjectSurface, strip: str) -> dict[str, Any]:
    red, green, blue = id_color(surface.id)
    return {
        "id": surface.id,
        "color": f"rgb({red},{green},{blue})",
        "category": surface.category or "–",
        "confidence": f"{surface.confidence:.2f}",
        "size": " × ".join(f"{100 * side:.0f}" for side in surface.box.size),
        "center": ", ".join(f"{value:.2f}" for value in surface.box.center),
        "triangles": f"{len(surface.mesh.faces):,}".replace(",", " "),
        "revision": surface.revision,
        "strip": strip,
    }
