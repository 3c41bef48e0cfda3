"""Pictures and meshes of the reference path's network."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.frames import CameraModel, TriangleMesh
from depth_perception.models.decomposition.meshing import keep_used, march
from depth_perception.models.decomposition.network import gradient
from depth_perception.models.decomposition.ray_image import sees, unit_rays
from depth_perception.models.decomposition.reference import ReferenceScene
from depth_perception.models.decomposition.rendering import RayValues

_RAYS = 1024  # at once
_POINTS = 65536
_LEAST = 0.5  # opacity below which a ray has met nothing


def render_network(
    scene: ReferenceScene, camera: CameraModel, T: NDArray[np.float64], stride: int
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float32], NDArray[np.uint8]]:
    """Return channels, confidence, depth z and colour of each ``stride``-th pixel; -1, 0, NaN and black unseen."""
    chosen = np.zeros(camera.shape, bool)
    chosen[::stride, ::stride] = True
    shape = chosen[::stride, ::stride].shape
    directions, along = unit_rays(camera, T, chosen)
    start = torch.from_numpy(T[:3, 3].astype(np.float32)).to(scene.device)
    parts: list[RayValues] = []
    for part in torch.from_numpy(directions).to(scene.device).split(_RAYS):
        with torch.enable_grad():  # normals need it
            seen = scene.cast(start.expand_as(part), part, None)
        parts.append(RayValues(*(value.detach() for value in seen)))
    opacity = torch.cat([part.opacity for part in parts])
    most, channel = opacity.max(1)
    met = (most >= _LEAST).cpu().numpy()
    confidence = (most / opacity.sum(1).clamp_min(1e-6)).cpu().numpy()
    depth = torch.cat([part.length for part in parts]).cpu().numpy() * scene.unit * along
    color = (torch.cat([part.color for part in parts]) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
    return (
        np.where(met, channel.cpu().numpy(), -1).astype(np.int32).reshape(shape),
        np.where(met, confidence, 0).astype(np.float32).reshape(shape),
        np.where(met, depth, np.nan).astype(np.float32).reshape(shape),
        np.where(met[:, None], color, 0).astype(np.uint8).reshape(*shape, 3),
    )


def network_meshes(scene: ReferenceScene, cell: float) -> dict[int, TriangleMesh]:
    """Return the part of each channel's surface that some key frame saw, from nodes ``cell`` metres apart."""
    counts = np.ceil((scene.high - scene.low) / cell).astype(int) + 1
    nodes = np.stack(np.meshgrid(*(np.arange(n) for n in counts), indexing="ij"), -1).reshape(-1, 3)
    points = torch.from_numpy((scene.low + cell * nodes).astype(np.float32)).to(scene.device)
    with torch.no_grad():
        parts = [scene.network.distances(scene.normalize(part)).cpu() for part in points.split(_POINTS)]
    volume = torch.cat(parts).numpy().reshape(*counts, -1)
    out = {}
    for channel in range(scene.config.channels):
        marched = march(volume[..., channel], scene.low, cell)
        if marched is None:
            continue
        vertices, faces = marched
        seen = np.zeros(len(vertices), bool)
        for frame in scene.frames.values():
            seen |= sees(frame, vertices, 2 * cell)
        faces = faces[seen[faces].all(1)]
        if len(faces):
            vertices, faces = keep_used(vertices, faces)
            out[channel] = TriangleMesh(vertices.astype(np.float32), faces.astype(np.int32), _colors(scene, vertices))
    return out


def _colors(scene: ReferenceScene, vertices: NDArray) -> NDArray[np.uint8]:
    """Return the colours (n, 3) of vertices seen head-on."""
    given = scene.normalize(torch.from_numpy(vertices.astype(np.float32)).to(scene.device))
    colors = []
    for part in given.split(_POINTS):
        with torch.enable_grad():
            points = part.clone().requires_grad_(True)
            distances, features = scene.network(points)
            slope = gradient(distances.amin(1), points)
        with torch.no_grad():
            facing = -torch.nn.functional.normalize(slope.detach(), dim=1)
            colors.append(scene.network.color(part, facing, slope.detach(), features))
    return (torch.cat(colors) * 255).round().clamp(0, 255).to(torch.uint8).cpu().numpy()
