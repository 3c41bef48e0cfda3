"""What the parts of GAM-Depth are worth: variants trained alike, on the same windows of video in the same order.

    python -m training.estimation_study --videos .training/sequences --seeds 0 1 2 --steps 2000 --out docs/gam-depth.md

Scored on held-out video after median scaling: AbsRel, delta1, the residual of true planes, F1 of edges. Networks are
small, so the figures say which way a part works, not how good the method is. Runs already in ``--runs`` are not
repeated; several processes may share it, each with its own seeds or variants.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from training import studies
from training.datasets.proxy_labels import RenderedLabels
from training.datasets.video_data import VideoData
from training.losses.gradient_mask import GradientMask
from training.losses.monocular import GamDepthCriterion
from training.tasks.monocular import MonocularTask
from training.tasks.monocular_scores import boundary_f1, depth_scores, plane_residual

# by name: what differs from the full method, the full method first; mask, criterion and task
VARIANTS: dict[str, dict[str, dict[str, Any]]] = {
    "gradient-aware mask": {},
    "averaging": {"mask": {"kind": "averaging"}},
    "key points": {"mask": {"kind": "keypoints"}},
    "no floor": {"mask": {"floor": 0.0}},
    "knee of the paper": {"mask": {"percentile": None}},
    "knee at 80 %": {"mask": {"percentile": 80.0}},
    "without auto-mask": {"criterion": {"auto_mask": False}},
    "without semantics": {"criterion": {"semantic": 0.0}},
    "without residual pose": {"task": {"residual": False}},
}
FIGURES = {"abs_rel": "AbsRel", "delta1": "δ1", "plane_residual": "plane residual", "boundary_f1": "boundary F1"}


@dataclass(frozen=True)
class Plan:
    """What two runs must share to be comparable; ``semantics``: share of all steps in which semantics teach.

    ``known_poses``: the video's own poses take the place of pose networks.
    """

    steps: int = 2_000
    batch_size: int = 8
    stride: int = 2
    offsets: tuple[int, ...] = (-1, 1)
    percentile: float = 97.0
    semantics: float = 0.3
    label_noise: float = 0.15
    learning_rate: float = 5e-4
    scored: int = 96  # held-out windows
    known_poses: bool = False
    config: dict[str, Any] = field(
        default_factory=lambda: {
            "widths": (16, 16, 32, 64, 128),
            "blocks": (1, 1, 1, 1),
            "decoder": (8, 16, 32, 48, 64),
            "height": 96,
            "width": 128,
            "nearest": 0.3,
            "farthest": 30.0,
        }
    )


def make_task(variant: str, plan: Plan) -> MonocularTask:
    """Return an untrained variant. An epoch is a tenth of the plan's steps."""
    differs = VARIANTS[variant]
    mask = GradientMask(**{"percentile": plan.percentile, **differs.get("mask", {})})
    settings = {"semantic_epochs": round(10 * plan.semantics), "deviation": 0.0, **differs.get("criterion", {})}
    return MonocularTask(
        GamDepthCriterion(mask, **settings),
        plan.config,
        plan.offsets,
        classes=RenderedLabels().classes,
        learning_rate=plan.learning_rate,
        warmup=max(1, plan.steps // 20),
        average=1 - 10 / (plan.steps + 10),
        known_poses=plan.known_poses,
        **differs.get("task", {}),
    )


def train(variant: str, videos: Path, plan: Plan, seed: int) -> MonocularTask:
    """Return a trained variant on the CPU; a GPU is used where there is one."""
    lightning.seed_everything(seed, verbose=False)
    task = make_task(variant, plan)
    lightning.seed_everything(seed, verbose=False)  # the same samples whatever a variant has drawn
    epoch = max(1, plan.steps // 10) * plan.batch_size
    labels = RenderedLabels(plan.label_noise)
    data = VideoData(str(videos), plan.config, plan.offsets, plan.stride, labels, False, plan.batch_size, 0, epoch)
    studies.fit(
        task, data, plan.steps, limit_val_batches=0, precision="bf16-mixed", reload_dataloaders_every_n_epochs=1
    )
    return task.cpu().eval()


@torch.inference_mode()
def score(task: MonocularTask, videos: Path, plan: Plan) -> dict[str, float]:
    """Return the figures of the averaged weights, means over held-out windows that have them."""
    data = VideoData(
        str(videos), plan.config, plan.offsets, plan.stride, batch_size=1, workers=0, validation=plan.scored
    )
    found: dict[str, list[float]] = {}
    for batch in data.val_dataloader():
        depth = task.averaged(batch["frames"][:, 0]).depth
        scores = depth_scores(depth, batch["depth"]) | boundary_f1(depth, batch["depth"])
        scores |= plane_residual(depth, batch["depth"], batch["K"], batch["segment"])
        for name, value in scores.items():
            found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def study(videos: Path, seeds: Sequence[int], plan: Plan, runs: Path, variants: Sequence[str] = ()) -> dict:
    """Make the runs that are missing and return all of them by variant and seed (as text)."""

    def make(name: str, seed: int) -> dict:
        task = train(name, videos, plan, seed)
        return {"scores": score(task, videos, plan), "knee": round(task.criterion.mask.knee(), 1)}

    chosen = {name: VARIANTS[name] for name in variants or VARIANTS}
    pattern = f"gam-{{variant}}-{'known' if plan.known_poses else 'learned'}-{{seed}}.json"
    return studies.complete(runs, pattern, seeds, asdict(plan), chosen, FIGURES, make)


def table(results: dict, command: str) -> str:
    """Return a Markdown page: means and spreads over seeds, and how often a variant is worse than the full method."""
    full = next(iter(results))
    plan = next(iter(results[full].values()))["plan"]
    lines = [
        "# What the parts of GAM-Depth are worth",
        "",
        f"    {command}",
        "",
        f"Small networks, {plan['steps']} steps of {plan['batch_size']} windows of {plan['config']['width']}x"
        f"{plan['config']['height']} pixels each; {len(results[full])} seeds. All variants of a seed see the same",
        "windows in the same order. Scored on held-out rendered video, each image scaled to the median of its truth;",
        "mean ± standard deviation over seeds, in brackets in how many of them the full method is better.",
        "Smaller is better but for δ1 and F1.",
        "",
        *studies.rows(results, FIGURES, _full_is_better),
        "",
    ]
    return "\n".join(lines)


def _full_is_better(figure: str, own: float, full: float) -> bool:
    return own > full if figure in ("abs_rel", "plane_residual") else own < full


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.estimation_study", description=__doc__)
    parser.add_argument("--videos", type=Path, default=Path(".training/sequences"))
    studies.add_options(parser, Plan.steps, ".training/studies")
    parser.add_argument("--known-poses", action="store_true", help="use the video's own poses, train no pose network")
    parser.add_argument("--variants", nargs="+", default=[], choices=list(VARIANTS), metavar="NAME")
    options = parser.parse_args(arguments)
    studies.prepare(options.threads)
    plan = Plan(options.steps, known_poses=options.known_poses)
    variants = options.variants or [v for v in VARIANTS if not (options.known_poses and "task" in VARIANTS[v])]
    results = study(options.videos, options.seeds, plan, options.runs, variants)
    seeds = " ".join(map(str, options.seeds))
    command = (
        f"python -m training.estimation_study --videos {options.videos} --seeds {seeds} --steps {options.steps} "
        f"{'--known-poses ' if plan.known_poses else ''}--out {options.out}"
    )
    studies.publish(options.out, table(results, command), command, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
