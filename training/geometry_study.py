"""What consistency of virtual views is worth: variants trained alike, on the same frames in the same order.

    python -m training.geometry_study --frames .training/frames --seeds 0 1 2 --steps 3000 --out docs/geometry-study.md

Labels have a scale and shift of their own in each frame. Scored on held-out frames against the truth. Networks are
small, so the figures say which way a part works, not how good the method is. Runs already in ``--runs`` are not
repeated; several processes may share it, each with its own seeds or variants.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

from depth_perception.geometry.virtual_views import PoseRange
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
    trainer = lightning.Trainer(
        max_steps=plan.steps,
        limit_val_batches=0,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loaders and logging
        trainer.fit(task, data)
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
    runs.mkdir(parents=True, exist_ok=True)
    same = json.loads(json.dumps({"plan": asdict(plan)}))
    results: dict[str, dict[str, dict]] = {name: {} for name in variants or VARIANTS}
    for seed in seeds:
        for name in results:
            file = runs / f"geometry-{name.replace(' ', '-')}-{seed}.json"
            wanted = same | {"variant": VARIANTS[name]}
            found = json.loads(file.read_text()) if file.is_file() else {}
            if {k: found.get(k) for k in wanted} != wanted:
                start = time.perf_counter()
                found = wanted | {"scores": score(train(name, frames, plan, seed), frames, plan)}
                found["seconds"] = round(time.perf_counter() - start, 1)
                temporary = file.with_suffix(".tmp")
                temporary.write_text(json.dumps(found, indent=1))
                temporary.replace(file)
                told = ", ".join(f"{FIGURES[k]} {v:.4f}" for k, v in found["scores"].items())
                print(f"{name}, seed {seed}: {told} ({found['seconds']} s)", flush=True)
            results[name][str(seed)] = found
    return results


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
        f"| variant | {' | '.join(FIGURES.values())} |",
        "|---|" + "---|" * len(FIGURES),
    ]
    for name, found in results.items():
        cells = []
        for key in FIGURES:
            values = [run["scores"][key] for run in found.values()]
            text = f"{np.mean(values):.4f}" + (f" ± {np.std(values, ddof=1):.4f}" if len(values) > 1 else "")
            both = [(found[s]["scores"][key], results[first][s]["scores"][key]) for s in found if s in results[first]]
            if name != first and both:
                text += f" ({sum(own < other for own, other in both)}/{len(both)})"
            cells.append(text)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.geometry_study", description=__doc__)
    parser.add_argument("--frames", type=Path, default=Path(".training/frames"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--weight", type=float, default=Plan.weight, help="of all terms of the consistency")
    parser.add_argument("--variants", nargs="+", default=[], choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path(".training/studies"), help="where single runs are kept")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file; the same figures as JSON beside it")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    plan = Plan(options.steps, weight=options.weight)
    results = study(options.frames, options.seeds, plan, options.runs, options.variants)
    seeds = " ".join(map(str, options.seeds))
    command = (
        f"python -m training.geometry_study --frames {options.frames} --seeds {seeds} --steps {options.steps} "
        f"--weight {options.weight:g} --out {options.out}"
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(table(results, command))
    options.out.with_suffix(".json").write_text(json.dumps({"command": command, "results": results}, indent=1))
    print(options.out.read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
