"""How well a network's shift and the focal length are found from pictures alone, in worlds where both are known.

    python -m benchmarks.recovery [--frames 2] [--views 2] [--size 72x96] [--noise 0.0] [--docs]

The network is the truth plus a shift: asked for a frame, the depth that a ray tracer finds there; asked for a virtual
view, the depth that it finds from that place, of what the frame had seen. Each kind of world is one domain with its
own shift and its own wrong guess of the focal length. Three things are asked: the shift where the focal length is
known, the focal length where the depth is right, and both at once. With ``--noise`` its depth of each picture is also
off by a smooth random field of that share, as networks are that err anew in each picture.
"""

from __future__ import annotations

import argparse
import csv
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from depth_perception.frames import CameraModel
from depth_perception.geometry.virtual_views import inverse_pose
from depth_perception.geometry.warping import project, transform, unproject
from depth_perception.models.recovery import (
    RecoveryConfig,
    Search,
    SelfConsistency,
    guessed_intrinsics,
    recover,
    recover_focal,
    recover_shift,
)
from depth_perception.visualization import plots
from training.synthetic.draft import depth_of
from training.synthetic.frames import image_size
from training.synthetic.worlds import KINDS, World, build_world

ROOT = Path(__file__).resolve().parent.parent
FARTHEST = 80.0  # metres; what is beyond the network does not know
FIELD = (4, 5)  # knots of the random field, down and across
SAME = 0.03  # share of depth within which a surface is the one that the frame saw

# per domain: shift as a share of the median depth, the camera's field of view and the guessed one, degrees
CASES = {
    "indoor": (0.20, 70.0, 60.0),
    "corridor": (-0.15, 60.0, 75.0),
    "warehouse": (0.10, 55.0, 65.0),
    "street": (-0.10, 80.0, 60.0),
}
MARKS = {"shift": 3.0, "focal": 5.0}  # per cent


class WorldNetwork:
    """Truth, times 1 + a field of standard deviation ``noise``, plus ``shift`` in metres.

    Pictures say nothing to it, poses do. ``share``: the shift as one of the median depth.
    """

    def __init__(
        self,
        worlds: Sequence[World],
        poses: Sequence[np.ndarray],
        camera: CameraModel,
        share: float,
        noise: float = 0.0,
    ):
        self.worlds = worlds
        self.poses = [torch.from_numpy(pose) for pose in poses]
        self.camera = camera
        self.noise = noise
        self.K = torch.from_numpy(np.asarray(camera.K, np.float32)).expand(len(worlds), 3, 3)
        self.truth = self._traced(torch.eye(4).expand(len(worlds), 4, 4))
        self.median = float(self.truth[torch.isfinite(self.truth)].median())
        self.shift = share * self.median
        self._seen: dict[bytes, Tensor] = {}

    def __call__(self, image: Tensor) -> Tensor:
        """Return the depth of the frames."""
        return self._spoilt(self.truth, 0) + self.shift

    def in_view(self, image: Tensor, T_view_frame: Tensor) -> Tensor:
        """Return the depth from other places, NaN for what no frame saw: it is not in the picture either."""
        key = T_view_frame.numpy().tobytes()
        if key not in self._seen:
            depth = self._traced(T_view_frame)
            points = transform(unproject(depth.nan_to_num(1.0), self.K), inverse_pose(T_view_frame))
            pixels, z = project(points, self.K)
            height, width = self.camera.shape
            grid = torch.stack([2 * pixels[:, 0] / (width - 1) - 1, 2 * pixels[:, 1] / (height - 1) - 1], -1)
            there = F.grid_sample(self.truth.nan_to_num(0.0), grid, "nearest", "zeros", align_corners=True)
            seen = torch.where((z - there).abs() < SAME * z, depth, math.nan)
            self._seen[key] = self._spoilt(seen, 1 + len(self._seen))
        return self._seen[key] + self.shift

    def _spoilt(self, depth: Tensor, number: int) -> Tensor:
        generator = torch.Generator().manual_seed(number)
        coarse = torch.randn(len(depth), 1, *FIELD, generator=generator)
        field = F.interpolate(coarse, size=depth.shape[2:], mode="bicubic", align_corners=True)
        return depth * (1 + self.noise * field)

    def _traced(self, T_view_frame: Tensor) -> Tensor:
        places = [pose @ torch.linalg.inv(T.double()) for pose, T in zip(self.poses, T_view_frame)]
        depths = [depth_of(w.scene, [self.camera], place[None]) for w, place in zip(self.worlds, places)]
        depth = torch.cat(depths)[:, None]
        return torch.where(depth < FARTHEST, depth, math.nan)


class Result(NamedTuple):
    """Of one domain. Errors in per cent: of the median depth for shifts, of the true one for focal lengths.

    Deviations are what ``recover`` says of its own error.
    """

    kind: str
    frames: int
    shift_percent: float
    guess_percent: float
    shift_error: float
    focal_error: float
    both_shift_error: float
    both_shift_deviation: float
    both_focal_error: float
    both_focal_deviation: float
    one_minimum: bool
    seconds: float


class Curves(NamedTuple):
    """The two searches of a domain, from the truth: shifts as shares of the median depth, focal lengths as factors."""

    shift: Search
    focal: Search


def camera_of(degrees: float, size: tuple[int, int]) -> CameraModel:
    """Return a pinhole camera so wide across."""
    K = guessed_intrinsics(1, size, degrees)[0].numpy()
    return CameraModel.pinhole(float(K[0, 0]), float(K[1, 1]), float(K[0, 2]), float(K[1, 2]), size[1], size[0])


def frames_of(
    kind: str, count: int, camera: CameraModel, share: float, seed: int = 0, noise: float = 0.0
) -> WorldNetwork:
    """Return the network of ``count`` worlds of a kind, one frame in each."""
    worlds = [build_world(seed + k, kind) for k in range(count)]
    poses = [world.camera_poses(np.random.default_rng((seed, k)), 1)[0] for k, world in enumerate(worlds)]
    return WorldNetwork(worlds, poses, camera, share, noise)


def measure(
    kind: str, frames: int, views: int, size: tuple[int, int], seed: int = 0, noise: float = 0.0
) -> tuple[Result, Curves]:
    """Return what is found in one kind of world, and the curves."""
    start = time.process_time()
    share, degrees, guessed = CASES[kind]
    camera = camera_of(degrees, size)
    network = frames_of(kind, frames, camera, share, seed, noise)
    images = torch.zeros(frames, 3, *size)
    config = RecoveryConfig(views=views, seed=seed, batch=frames)
    truth = float(camera.K[0, 0])
    guess = guessed_intrinsics(frames, size, guessed)
    factor = float(guess[0, 0, 0]) / truth

    consistency = SelfConsistency(network, images, config, network.in_view)
    shift = recover_shift(consistency, network.K)
    consistency.aim(-network.shift)
    focal = recover_focal(consistency, guess, -network.shift)
    both = recover(SelfConsistency(network, images, config, network.in_view), guess)

    def shift_error(found: float) -> float:
        return 100 * (found + network.shift) / network.median

    result = Result(
        kind,
        frames,
        100 * share,
        100 * (factor - 1),
        shift_error(shift.best),
        100 * (focal.best * factor - 1),
        shift_error(both.shift),
        100 * both.shift_deviation / network.median,
        100 * (float(both.K[0, 0, 0]) / truth - 1),
        100 * both.focal_deviation,
        shift.has_minimum and focal.has_minimum,
        time.process_time() - start,
    )
    tried = tuple((x + network.shift) / network.median for x in shift.tried)
    focals = tuple(x * factor for x in focal.tried)
    return result, Curves(shift._replace(tried=tried), focal._replace(tried=focals))


def passes(results: Sequence[Result]) -> bool:
    """Say whether every domain is within the marks, one thing at a time and both."""
    shifts = [abs(e) for r in results for e in (r.shift_error, r.both_shift_error)]
    focals = [abs(e) for r in results for e in (r.focal_error, r.both_focal_error)]
    return all(e <= MARKS["shift"] for e in shifts) and all(e <= MARKS["focal"] for e in focals)


def table(results: Sequence[Result]) -> str:
    """Return the results in Markdown."""
    lines = [
        "| world | frames | shift | shift found, f known | f guessed | f found, shift known "
        "| both: shift | both: f | one minimum | CPU, s |",
        "| --- |" + " ---: |" * 9,
    ]
    lines += [
        f"| {r.kind} | {r.frames} | {r.shift_percent:+.0f} % | {r.shift_error:+.2f} % | {r.guess_percent:+.0f} % "
        f"| {r.focal_error:+.2f} % | {r.both_shift_error:+.2f} ± {r.both_shift_deviation:.2f} % "
        f"| {r.both_focal_error:+.2f} ± {r.both_focal_deviation:.2f} % "
        f"| {'yes' if r.one_minimum else 'no'} | {r.seconds:.1f} |"
        for r in results
    ]
    return "\n".join(lines)


def draw(results: Sequence[Result], curves: Sequence[Curves]) -> bytes:
    """Return the search curves as PNG: disagreement against the error of the shift, and of the focal length."""
    with plots.figure(8.4, 3.0) as made:
        left, right = made.subplots(1, 2)
        for index, (result, curve) in enumerate(zip(results, curves)):
            color = plots.SERIES_COLORS[index]
            for axes, search, unit in ((left, curve.shift, 100.0), (right, curve.focal, 1.0)):
                axes.plot(
                    [unit * x for x in search.tried],
                    [100 * e for e in search.errors],
                    color=color,
                    marker="o",
                    markersize=3,
                    label=result.kind,
                )
        left.axvline(0, color="#57606a", linestyle=":")
        right.axvline(1, color="#57606a", linestyle=":")
        left.set(xlabel="shift tried - true shift [% of median depth]", ylabel="disagreement [% of depth]")
        right.set(xlabel="focal length tried / true", xscale="log")
        right.set_xticks([0.5, 0.7, 1.0, 1.4, 2.0], ["0.5", "0.7", "1", "1.4", "2"])
        right.minorticks_off()
        for axes in (left, right):
            axes.set_ylim(0)
        left.legend(loc="upper right")
        return plots.png_bytes(made)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return 1 if a mark was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.recovery", description=__doc__.split("\n")[0])
    parser.add_argument("--kind", nargs="+", choices=[k for k in KINDS if k in CASES], default=list(CASES))
    parser.add_argument("--frames", type=int, default=2, help="of each kind of world (default: %(default)s)")
    parser.add_argument("--views", type=int, default=2, help="of each frame (default: %(default)s)")
    parser.add_argument("--size", type=image_size, default=(72, 96), help="HEIGHTxWIDTH in pixels (default: 72x96)")
    parser.add_argument("--noise", type=float, default=0.0, help="share of depth (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=Path("out/recovery"))
    parser.add_argument("--docs", action="store_true", help="keep picture and figures for docs/geometry.md, too")
    options = parser.parse_args(arguments)
    torch.set_num_threads(1)
    setting = (options.frames, options.views, options.size, options.seed, options.noise)
    measured = [measure(kind, *setting) for kind in options.kind]
    results, curves = [m[0] for m in measured], [m[1] for m in measured]
    places = [(options.out / "recovery.png", options.out / "recovery.csv")]
    if options.docs:
        places.append((ROOT / "docs" / "images" / "recovery.png", ROOT / "docs" / "figures" / "recovery.csv"))
    picture = draw(results, curves)
    for image, figures in places:
        for path in (image, figures):
            path.parent.mkdir(parents=True, exist_ok=True)
        image.write_bytes(picture)
        with figures.open("w", newline="") as file:
            csv.writer(file).writerows([Result._fields, *results])
    good = passes(results)
    print(table(results))
    print(f"\nMarks: shift within {MARKS['shift']:.0f} % of median depth, focal length within {MARKS['focal']:.0f} %: "
          f"{'met' if good else 'MISSED'}.")  # fmt: skip
    return 0 if good else 1


if __name__ == "__main__":
    raise SystemExit(main())
