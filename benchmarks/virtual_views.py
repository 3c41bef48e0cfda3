"""One rendered frame seen from a virtual place and back, with the truth beside it.

    python -m benchmarks.virtual_views [--world 3] [--yaw 15] [--pitch -6] [--docs]

The depth is the true one, so what is drawn shows the renderer alone. Prints how far the rendered depth is from what
the ray tracer sees from there, for points that lie in their surface and for points that face the camera.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from depth_perception.geometry.splatting import Rendering, fill_holes, masked_median, render
from depth_perception.geometry.virtual_views import inverse_pose, pose_about
from depth_perception.visualization.colormap import colorize, depth_range
from training.synthetic.camera_sensor import CameraSensor, develop, metered
from training.synthetic.draft import depth_of, render_draft
from training.synthetic.frames import image_size
from training.synthetic.viewpoints import random_camera
from training.synthetic.worlds import build_world

ROOT = Path(__file__).resolve().parent.parent


class Look(NamedTuple):
    """``image`` (1, 3, H, W) and ``depth`` of a frame, and what is seen of it from the virtual place.

    ``there`` rendered with slanted points, ``flat`` with points that face the camera, ``truth`` (1, 1, H, W) as the
    tracer sees it, ``back``: ``there`` rendered from the first place.
    """

    image: Tensor
    depth: Tensor
    there: Rendering
    flat: Rendering
    truth: Tensor
    back: Rendering


def look(world: int, size: tuple[int, int], yaw: float, pitch: float) -> Look:
    """Return a frame of a world and its views from a camera turned by so many degrees."""
    built, rng = build_world(world), np.random.default_rng(world)
    camera, pose = random_camera(rng, *size), torch.from_numpy(built.camera_poses(rng, 1))
    view = render_draft(built.scene, [camera], pose)
    pixels = develop(view.radiance, CameraSensor(exposure=metered(view.radiance, 0.3)), torch.Generator())
    image = pixels.permute(0, 3, 1, 2).float() / 255
    depth = view.depth[:, None].float()
    K = torch.from_numpy(np.asarray(camera.K, np.float32))[None]
    middle = masked_median(depth, torch.isfinite(depth)).view(1)
    T = pose_about(middle, torch.tensor([[yaw, pitch, 0.0]]), torch.zeros(1, 3))
    there, flat = (render(image, depth, K, T, slanted=slanted) for slanted in (True, False))
    truth = depth_of(built.scene, [camera], pose @ torch.linalg.inv(T.double()))[:, None]
    filled = fill_holes(there.image, there.mask)
    back = render(filled, there.depth, K, inverse_pose(T), there.mask)
    return Look(image, depth, there, flat, truth, back)


def errors(rendered: Rendering, truth: Tensor) -> tuple[float, float, float]:
    """Return per cent of pixels known, median and mean error of depth in per cent where both see the same surface."""
    miss = ((rendered.depth - truth) / truth)[rendered.mask & torch.isfinite(truth)]
    same = miss[miss.abs() < 0.1]
    return 100 * float(rendered.mask.float().mean()), 100 * float(same.abs().median()), 100 * float(same.mean())


def sheet(seen: Look) -> np.ndarray:
    """Return RGB uint8 (2 H, 4 W, 3): above frame, virtual view, holes filled, rendered back; below depths.

    Those are of the frame, rendered, true from the virtual place, rendered back; holes are black.
    """

    def colours(image: Tensor) -> np.ndarray:
        return (255 * image[0].permute(1, 2, 0).clamp(0, 1)).round().byte().numpy()

    low, high = depth_range(np.nan_to_num(seen.depth[0, 0].numpy())) or (1.0, 2.0)

    def depths(depth: Tensor) -> np.ndarray:
        return colorize(np.nan_to_num(depth[0, 0].numpy()), low, high)

    filled = fill_holes(seen.there.image, seen.there.mask)
    above = [colours(x) for x in (seen.image, seen.there.image, filled, seen.back.image)]
    below = [depths(x) for x in (seen.depth, seen.there.depth, seen.truth, seen.back.depth)]
    return np.concatenate([np.concatenate(above, 1), np.concatenate(below, 1)])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.virtual_views", description=__doc__.split("\n")[0])
    parser.add_argument("--world", type=int, default=3)
    parser.add_argument("--yaw", type=float, default=15.0, help="degrees (default: %(default)s)")
    parser.add_argument("--pitch", type=float, default=-6.0, help="degrees (default: %(default)s)")
    parser.add_argument("--size", type=image_size, default=(180, 240), help="HEIGHTxWIDTH (default: 180x240)")
    parser.add_argument("--out", type=Path, default=Path("out/virtual_views"))
    parser.add_argument("--docs", action="store_true", help="keep the picture for docs/geometry.md, too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    seen = look(options.world, options.size, options.yaw, options.pitch)
    for name, rendered in (("in their surface", seen.there), ("facing the camera", seen.flat)):
        known, median, mean = errors(rendered, seen.truth)
        print(
            f"points {name}: {known:.1f} % of pixels known, depth off by {median:.3f} % (median), {mean:+.3f} % (mean)"
        )
    data = cv2.imencode(".jpg", sheet(seen)[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()
    for folder in (options.out, *([ROOT / "docs" / "images"] if options.docs else [])):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "virtual_view.jpg").write_bytes(data)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
