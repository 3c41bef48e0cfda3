"""Score depth of one image, in whatever unit, against measured depth, after each of four alignments.

``none``: as it is, for methods that claim metres. ``median``: one factor, so that the medians agree. ``scale``: the
factor that makes AbsRel least. ``affine``: the factor and the shift that do. What ``scale`` is worse than ``affine`` is
the bent shape that a wrong shift makes. The other figures need no such choice: the shape's error LSIV has its own
factor, residuals of planes and edges are relative. Edges are compared in pictures ``EDGE_WIDTH`` pixels wide, where
they may lie a pixel apart; where little is measured there are none.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch

from benchmarks.estimation_evidence import planes
from benchmarks.estimation_evidence.rows import ALIGNMENTS, ERRORS
from depth_perception.evaluation.metrics import depth_sums
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.frames import FloatImage
from depth_perception.geometry.camera import rays
from depth_perception.geometry.virtual_views import relative_scale
from training.tasks import monocular_scores
from training.tasks.shape_scores import relative_affine

EDGE_WIDTH = 160
FITTED = 40_000  # pixels that alignments are fitted to, spread evenly; more tell no more


def score(
    depth: FloatImage, frame: RealFrame, plane: np.ndarray, is_metric: bool, given: np.ndarray | None = None
) -> dict[str, float]:
    """Return the figures of ``rows.Row`` for ``depth`` (H, W), NaN where there is none.

    ``plane`` numbers large planes of the truth; pixels that were ``given`` are not scored. Where ``depth`` claims
    nothing its median is taken, for nobody shall gain by silence.
    """
    known = np.isfinite(depth) & (depth > 0)
    depth = np.where(known, depth, np.median(depth[known]) if known.any() else 1).astype(np.float32)
    truth = frame.truth if given is None else np.where(given, np.float32(0), frame.truth)
    measured = truth > 0
    own, right = depth[measured], truth[measured]
    figures = {}
    for name, aligned in zip(ALIGNMENTS, alignments(own, right)):
        found = depth_sums(aligned, right).compute()
        for error in ERRORS:
            figures[f"{error}_{name}"] = found[error] if is_metric or name != "none" else np.nan
    image, true_image = (torch.from_numpy(np.ascontiguousarray(x))[None, None] for x in (depth, truth))
    more = {}
    if measured.mean() > planes.DENSE:
        more = monocular_scores.boundary_f1(_narrow(depth), _narrow(truth))
    if frame.camera is not None:
        K = torch.from_numpy(frame.camera.K)[None]
        number = torch.from_numpy(np.where(measured, plane, 0).astype(np.int64))[None]
        more |= monocular_scores.plane_residual(image, true_image, K, number)
        figures["lsiv"] = shape_error(own, right, rays(frame.camera)[measured])
    for name in ("plane_residual", "boundary_f1"):
        figures[name] = float(more[name]) if name in more else np.nan
    return {"lsiv": np.nan, **figures}


def alignments(own: np.ndarray, truth: np.ndarray) -> list[np.ndarray]:
    """Return depth (n,) after each of ``ALIGNMENTS`` to ``truth`` (n,) > 0; what falls behind the camera is near."""
    step = -(-len(own) // FITTED)
    a, b = (torch.from_numpy(np.ascontiguousarray(x[::step], np.float32)).view(1, 1, 1, -1) for x in (own, truth))
    valid = b > 0
    scaled = own * float(relative_scale(a, b, valid))
    shifted = relative_affine(a, b, valid).view(-1).double().numpy()
    # what it did to the pixels it was fitted to is what it does to all
    slope, shift = np.polyfit(a.view(-1).double().numpy(), shifted, 1) if np.ptp(a.numpy()) else (0.0, shifted[0])
    affine = np.maximum(slope * own + shift, 1e-3 * np.median(truth))
    return [own, own * (np.median(truth) / np.median(own)), scaled, affine]


def shape_error(own: np.ndarray, truth: np.ndarray, ray: np.ndarray) -> float:
    """Return LSIV of depth (n,) along ``ray`` (n, 3): see the tables for its definition.

    The root mean square distance of points from the true ones, after the factor that makes it least, as a share of the
    root mean square distance of the true points from the camera (after Yin et al., LeReS, CVPR 2021, in metres there).
    """
    length = (ray.astype(np.float64) ** 2).sum(1)
    own, truth = own.astype(np.float64), truth.astype(np.float64)
    factor = (length * own * truth).sum() / (length * own**2).sum()
    return float(np.sqrt((length * (factor * own - truth) ** 2).sum() / (length * truth**2).sum()))


def _narrow(depth: FloatImage) -> torch.Tensor:
    """Return depth (1, 1, h, EDGE_WIDTH) of every so many pixels; means would put depth between two surfaces."""
    size = EDGE_WIDTH, max(1, round(EDGE_WIDTH * depth.shape[0] / depth.shape[1]))
    return torch.from_numpy(cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST))[None, None]
