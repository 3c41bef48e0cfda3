"""What consistency of virtual views is worth: variants trained alike, on the same frames in the same order.

    python -m training.geometry_study --frames .training/frames --seeds 0 1 2 --steps 3000 --out docs/geometry-study.md

Labels have a scale and shift of their own in each frame. Scored on held-out frames against the truth. Networks are
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

from depth_perception.geometry.virtual_views import PoseRange
from training import studies
from training.datasets.mixed_frames import MixedData
from training.losses.view_consistency import ViewConsistencyCriterion
from training.tasks.geometry import GeometryTask
from training.tasks.shape_scores import shape_scores

# by name: weights of the consistency, None without any, and the reach of the virtual camera; labels alone come first
VARIANTS: dict[str, dict[str, Any]] = {
    "labels alone": {"consistency": None},
    "all three terms": {"consistency": {}},
    "depth in the view": {"consistency": {"frame": 0.0, "image": 0.0}},
    "depth there and back": {"consistency": {"image": 0.0}},
    "without a turn": {"consistency": {}, "reach": {"yaw": 0.0, "pitch": 0.0, "roll": 0.0}},
}
FIGURES = {
    "abs_rel_scale": "AbsRel, scale fitted",
    "abs_rel_affine": "AbsRel, scale and shift fitted",
    "lsiv": "LSIV, scale fitted",
}


@dataclass(frozen=True)
class Plan:
    """What two runs must share to be comparable; ``weight`` multiplies all terms of the consistency."""

    steps: int = 3_000
    batch_size: int = 8
    weight: float = 1.0
    learning_rate: float = 5e-4
    scored: int = 96  # held-out frames
    config: dict[str, Any] = field(
        default_factory=lambda: {
            "widths": (16, 16, 32, 64, 128),
            "blocks": (1, 1, 1, 1),
            "decoder": (8, 16, 32, 48, 64),
            "height": 96,
            "width": 128,
        }
    )


def make_task(variant: str, plan: Plan) -> GeometryTask:
    """Return an untrained variant."""
    differs = VARIANTS[variant]
    consistency = None
    if differs["consistency"] is not None:
        weights = {"view": 0.5, "frame": 0.5, "image": 0.5} | differs["consistency"]
        consistency = ViewConsistencyCriterion(**{k: plan.weight * w for k, w in weights.items()})
    return GeometryTask(
        consistency=consistency,
        config=plan.config,
        reach=PoseRange(**differs.get("reach", {})),
        deviation=0.0,
        learning_rate=plan.learning_rate,
        warmup=max(1, plan.steps // 20),
        average=1 - 10 / (plan.steps + 10),
    )


def train(variant: str, frames: Path, plan: Plan, seed: int) -> GeometryTask:
    """Return a trained variant on the CPU; a GPU is used where there is one."""
    lightning.seed_everything(seed, verbose=False)
    task = make_task(variant, plan)
    lightning.seed_everything(seed, verbose=False)  # the same samples whatever a variant has drawn
    data = MixedData(str(frames), plan.config, None, plan.batch_size, 0, plan.steps * plan.batch_size)
    studies.fit(task, data, plan.steps, limit_val_batches=0)
    return task.cpu().eval()


@torch.inference_mode()
def score(task: GeometryTask, frames: Path, plan: Plan) -> dict[str, float]:
    """Return the figures of the averaged weights, means over held-out frames."""
    found: dict[str, list[float]] = {}
    for batch in MixedData(str(frames), plan.config, None, 1, 0, validation=plan.scored).val_dataloader():
        depth = task.averaged(batch["image"]).depth
        for name, value in shape_scores(depth, batch["depth"], batch["K"]).items():
            found.setdefault(name, []).append(float(value))
    return {name: float(np.mean(values)) for name, values in found.items()}


def study(frames: Path, seeds: Sequence[int], plan: Plan, runs: Path, variants: Sequence[str] = ()) -> dict:
    """Make the runs that are missing and return all of them by variant and seed (as text)."""

    def make(name: str, seed: int) -> dict:
        return {"scores": score(train(name, frames, plan, seed), frames, plan)}

    chosen = {name: VARIANTS[name] for name in variants or VARIANTS}
    return studies.complete(runs, "geometry-{variant}-{seed}.json", seeds, asdict(plan), chosen, FIGURES, make)


def table(results: dict, command: str) -> str:
    """Return a Markdown page: means and spreads over seeds, and in how many of them labels alone were beaten."""
    first = next(iter(results))
    plan = next(iter(results[first].values()))["plan"]
    lines = [
        "# What consistency of virtual views is worth",
        "",
        f"    {command}",
        "",
        f"Small networks, {plan['steps']} steps of {plan['batch_size']} frames of {plan['config']['width']}x"
        f"{plan['config']['height']} pixels each; {len(results[first])} seeds. All variants of a seed see the same",
        "frames in the same order, with the same labels: each of a scale and shift of its own. Held-out rendered",
        "frames; mean ± standard deviation over seeds, in brackets in how many of them it is better than",
        f"{first}. Smaller is better.",
        "",
        *studies.rows(results, FIGURES, lambda _, own, alone: own < alone),
        "",
    ]
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.geometry_study", description=__doc__)
    parser.add_argument("--frames", type=Path, default=Path(".training/frames"))
    studies.add_options(parser, Plan.steps, ".training/studies")
    parser.add_argument("--weight", type=float, default=Plan.weight, help="of all terms of the consistency")
    parser.add_argument("--variants", nargs="+", default=[], choices=list(VARIANTS), metavar="NAME")
    options = parser.parse_args(arguments)
    studies.prepare(options.threads)
    plan = Plan(options.steps, weight=options.weight)
    results = study(options.frames, options.seeds, plan, options.runs, options.variants)
    seeds = " ".join(map(str, options.seeds))
    command = (
        f"python -m training.geometry_study --frames {options.frames} --seeds {seeds} --steps {options.steps} "
        f"--weight {options.weight:g} --out {options.out}"
    )
    studies.publish(options.out, table(results, command), command, results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
