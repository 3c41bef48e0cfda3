"""What the parts of GAM-Depth are worth: variants trained alike, on the same windows of video in the same order.

    python -m training.estimation_study --videos .training/sequences --seeds 0 1 2 --steps 2000 --out docs/gam-depth.md

Scored on held-out video after median scaling: AbsRel, delta1, the residual of true planes, F1 of edges. Networks are
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
    trainer = lightning.Trainer(
        max_steps=plan.steps,
        limit_val_batches=0,
        precision="bf16-mixed",
        gradient_clip_val=1.0,
        reload_dataloaders_every_n_epochs=1,
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
    runs.mkdir(parents=True, exist_ok=True)
    same = json.loads(json.dumps({"plan": asdict(plan)}))
    results: dict[str, dict[str, dict]] = {name: {} for name in variants or VARIANTS}
    for seed in seeds:
        for name in results:
            poses = "known" if plan.known_poses else "learned"
            file = runs / f"gam-{name.replace(' ', '-')}-{poses}-{seed}.json"
            wanted = same | {"variant": VARIANTS[name]}
            found = json.loads(file.read_text()) if file.is_file() else {}
            if {k: found.get(k) for k in wanted} != wanted:
                start = time.perf_counter()
                task = train(name, videos, plan, seed)
                found = wanted | {"scores": score(task, videos, plan), "knee": round(task.criterion.mask.knee(), 1)}
                found["seconds"] = round(time.perf_counter() - start, 1)
                temporary = file.with_suffix(".tmp")
                temporary.write_text(json.dumps(found, indent=1))
                temporary.replace(file)
                told = ", ".join(f"{FIGURES[k]} {v:.4f}" for k, v in found["scores"].items())
                print(f"{name}, seed {seed}: {told} ({found['seconds']} s)", flush=True)
            results[name][str(seed)] = found
    return results


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
        f"| variant | {' | '.join(FIGURES.values())} |",
        "|---|" + "---|" * len(FIGURES),
    ]
    for name, found in results.items():
        cells = [_cell(found, results[full], key, name != full) for key in FIGURES]
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _cell(found: dict, full: dict, key: str, compare: bool) -> str:
    values = [run["scores"][key] for run in found.values() if key in run["scores"]]
    if not values:
        return "–"
    text = f"{np.mean(values):.4f}"
    if len(values) > 1:
        text += f" ± {np.std(values, ddof=1):.4f}"
    both = [(found[s]["scores"][key], full[s]["scores"][key]) for s in found if s in full and key in full[s]["scores"]]
    if not compare or not both:
        return text
    better = sum((own > other) == (key in ("abs_rel", "plane_residual")) for own, other in both if own != other)
    return f"{text} ({better}/{len(both)})"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.estimation_study", description=__doc__)
    parser.add_argument("--videos", type=Path, default=Path(".training/sequences"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=Plan.steps)
    parser.add_argument("--known-poses", action="store_true", help="use the video's own poses, train no pose network")
    parser.add_argument("--variants", nargs="+", default=[], choices=list(VARIANTS), metavar="NAME")
    parser.add_argument("--runs", type=Path, default=Path(".training/studies"), help="where single runs are kept")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file; the same figures as JSON beside it")
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args(arguments)
    torch.set_num_threads(options.threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)
    plan = Plan(options.steps, known_poses=options.known_poses)
    variants = options.variants or [v for v in VARIANTS if not (options.known_poses and "task" in VARIANTS[v])]
    results = study(options.videos, options.seeds, plan, options.runs, variants)
    seeds = " ".join(map(str, options.seeds))
    command = (
        f"python -m training.estimation_study --videos {options.videos} --seeds {seeds} --steps {options.steps} "
        f"{'--known-poses ' if plan.known_poses else ''}--out {options.out}"
    )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(table(results, command))
    options.out.with_suffix(".json").write_text(json.dumps({"command": command, "results": results}, indent=1))
    print(options.out.read_text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
