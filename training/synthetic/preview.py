"""One picture of generated worlds: ``python -m training.synthetic.preview OUT.png [--worlds 24] [--width 304]``.

Without ``--worlds`` a row for each world of the demo: what the camera sees, the LiDAR's points in it, and the true
depth. With it a contact sheet of that many random worlds, as training sees them: image and true depth side by side.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from depth_perception.frames import PointCloud
from depth_perception.geometry.projection import deskew, project_cloud
from depth_perception.geometry.transforms import invert
from depth_perception.visualization.colormap import colorize, depth_range
from depth_perception.visualization.overlay import overlay_points
from training.synthetic.frames import FRAMES_PER_WORLD, render_frame
from training.synthetic.recording import LIDAR_FRAME, NANOSECONDS, Settings, Studio
from training.synthetic.robots import WORLDS
from training.synthetic.worlds import build_world


def row(studio: Studio, stamp: float) -> NDArray[np.uint8]:
    """Return RGB uint8 (H, 3 W, 3): image, points on it, true depth, at ``stamp`` seconds."""
    image, depth = studio.image(0, stamp)
    start = stamp - studio.world.lidar.period / 2
    sweep = studio.sweep(0, start)
    began, ring, time = round(start * NANOSECONDS), sweep.ring.astype(np.int32), sweep.time.astype(np.float64)
    cloud = PointCloud(began, LIDAR_FRAME, sweep.points, sweep.intensity, ring, time)

    def sensor_at(nanoseconds: int, mount: NDArray[np.float64]) -> NDArray[np.float64]:
        return studio.path.poses(np.array([nanoseconds / NANOSECONDS]))[0] @ mount

    world, now = studio.world, round(stamp * NANOSECONDS)
    still = deskew(cloud, lambda t: sensor_at(t, world.T_base_lidar), now)
    sparse = project_cloud(still, invert(world.T_base_camera) @ world.T_base_lidar, studio.settings.camera)
    low, high = depth_range(depth) or (1.0, 2.0)
    return np.concatenate([image, overlay_points(image, sparse, low, high), colorize(depth, low, high)], 1)


def contact_sheet(count: int, seed: int, width: int, columns: int = 4) -> NDArray[np.uint8]:
    """Return RGB uint8 of ``count`` random worlds from number ``seed`` on, each as an image and its depth."""
    tiles = []
    for index in range(seed, seed + count):
        number = index * FRAMES_PER_WORLD
        arrays = render_frame(build_world(index), number, (240, 320))
        depth = np.nan_to_num(arrays["depth"])
        low, high = depth_range(depth) or (1.0, 2.0)
        pair = np.concatenate([arrays["image"], colorize(depth, low, high)], 1)
        tiles.append(cv2.resize(pair, (2 * width, width * 3 // 4), interpolation=cv2.INTER_AREA))
    tiles += [np.zeros_like(tiles[0])] * (-count % columns)
    rows = [np.concatenate(tiles[k : k + columns], 1) for k in range(0, len(tiles), columns)]
    return np.concatenate(rows)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.synthetic.preview", description=__doc__)
    parser.add_argument("out", type=Path, help="PNG or JPEG file to write")
    parser.add_argument("--worlds", type=int, default=0, help="draw a contact sheet of so many random worlds")
    parser.add_argument("--scene", choices=list(WORLDS), action="append", help="may be given twice (default: all)")
    parser.add_argument("--width", type=int, default=304, help="of one of the three pictures")
    parser.add_argument("--at", type=float, default=1.2, help="seconds into the recording")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args(arguments)
    if options.worlds > 0:
        sheet = contact_sheet(options.worlds, options.seed, options.width)
    else:
        rows = []
        for name in options.scene or WORLDS:
            settings = Settings(name, seed=options.seed)
            picture = row(Studio(settings, "cuda" if torch.cuda.is_available() else "cpu"), options.at)
            scale = options.width / settings.width
            rows.append(cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA))
        sheet = np.concatenate(rows)
    jpeg = options.out.suffix.lower() in (".jpg", ".jpeg")
    quality = [cv2.IMWRITE_JPEG_QUALITY, 85] if jpeg else [cv2.IMWRITE_PNG_COMPRESSION, 9]
    data = cv2.imencode(".jpg" if jpeg else ".png", np.ascontiguousarray(sheet[..., ::-1]), quality)[1]
    try:
        options.out.parent.mkdir(parents=True, exist_ok=True)
        options.out.write_bytes(data.tobytes())
    except OSError as error:
        print(f"preview: cannot write {options.out}: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
