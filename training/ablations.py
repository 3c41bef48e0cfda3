"""What each part of a method is worth: variants trained alike, on the same samples in the same order, with some seeds.

    python -m training.ablations jarrn --frames .training/frames --seeds 0 1 2 --steps 600 --out docs/ablation-jarrn.md

Networks are tiny and trained for a minute or two of one core (a GPU is used where there is one), so the figures say
which way a part works, not how good the method is. Runs already in ``--runs`` are not repeated; several processes may
share it, each with its own seeds or variants.
"""

from __future__ import annotations

import argparse
import importlib
import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from torch import Tensor

from depth_perception.evaluation.boundaries import boundary_sums
from depth_perception.evaluation.sensors import Sensor, Spinning, Uniform
from depth_perception.models import families
from depth_perception.models.learned import Method
from training import studies
from training.ablation_tables import table
from training.datasets.jarrn_mix import JarrnMix
from training.datasets.rendered import Augmentation, RenderedFrames, collate
from training.tasks.completion import CompletionTask

Batch = dict[str, Tensor | tuple[Tensor, ...]]


@dataclass(frozen=True)
class Study:
    """``base``: the tiny configuration; ``variants``: what differs from it, by name, the full method first."""

    family: str
    criterion: str
    base: dict[str, Any]
    variants: dict[str, dict[str, Any]]
    learning_rate: float


STUDIES = {
    "jarrn": Study(
        "jarrn",
        "training.losses.jarrn.JarrnCriterion",
        {"widths": (16, 32, 48, 64), "bottlenecks": (1, 1, 1, 1)},
        {
            "full": {},
            "without offset f": {"use_offset": False},
            "without probability p": {"use_probability": False},
            "without scale s": {"use_scale": False},
            "visual branch alone": {"use_refine": False},
        },
        1.5e-3,  # at 3e-3 s and p saturate and nothing is learned any more
    ),
    "clude": Study(
        "clude",
        "training.losses.clude.CludeCriterion",
        {
            "widths": (8, 16, 32, 64, 64),
            "blocks": (0, 1, 1, 1, 1),
            "centres_count": 16,
            "channels": 32,
            "layers": 2,
            "decoder": (48, 32, 24),
        },
        {
            "full": {},
            "fixed log bins": {"centres": "log", "offsets": "none"},
            "fixed uniform bins": {"centres": "uniform", "offsets": "none"},
            "without offsets": {"offsets": "none"},
            "global offsets only": {"offsets": "global"},
            "without depth guidance": {"guidance": False},
            "without Laplace scores": {"laplace": False},
        },
        2e-3,
    ),
}

PATTERNS = {
    "10 % random": Sensor(Uniform(0.1 * 640 * 480)),
    "500 random": Sensor(Uniform(500)),
    "16 lines": Sensor(Spinning(16, per_rows=True)),
}
"""What held-out frames are scored with."""

BLOCK, HELD_OUT = 20, 8  # frames of one stretch of worlds; one stretch in so many is held out


@dataclass(frozen=True)
class Plan:
    """What two runs must share to be comparable."""

    steps: int = 600
    batch_size: int = 8
    samples: int = 2_400  # distinct ones a seed trains on
    crop: tuple[int, int] = (64, 96)  # many small ones teach more in a minute than few large ones
    mix: str = "sensors"
    scored: int = 48  # held-out frames
    settings: dict[str, Any] = field(default_factory=dict)  # over the study's base


def split(folder: Path | str) -> tuple[list[Path], list[Path]]:
    """Return the frames to train on and those held out, by number; raises FileNotFoundError if either is empty."""
    files = sorted(Path(folder).glob("*.npz"))
    held = [f for f in files if int(f.stem) // BLOCK % HELD_OUT == HELD_OUT - 1]
    trained = [f for f in files if int(f.stem) // BLOCK % HELD_OUT != HELD_OUT - 1]
    if not held or not trained:
        raise FileNotFoundError(
            f"{folder} holds {len(files)} rendered frames, too few: an ablation needs at least {BLOCK * HELD_OUT}; "
            "make some with python -m training.synthetic.frames"
        )
    return trained, held


def pool(files: Sequence[Path], method: Method, plan: Plan, seed: int) -> list[dict]:
    """Return the samples a seed trains on, the same for every variant whose inputs are the same."""
    rng = np.random.default_rng(seed)
    chosen = [files[i] for i in rng.integers(len(files), size=plan.samples)]
    scan = JarrnMix() if plan.mix == "jarrn" else None
    frames = RenderedFrames(chosen, method, plan.crop, Augmentation(), scan, seed=1_000 + seed)
    return [frames[i] for i in range(len(frames))]


class Order:
    """Batches of a pool, each sample once before any comes again; the order follows from the seed alone."""

    def __init__(self, samples: Sequence[dict], plan: Plan, seed: int):
        self.samples, self.plan, self.seed = samples, plan, seed

    def __len__(self) -> int:
        """Number of steps."""
        return self.plan.steps

    def __iter__(self) -> Iterator[Batch]:
        """Yield one batch a step."""
        rng = np.random.default_rng(self.seed)
        queue: list[int] = []
        for _ in range(self.plan.steps):
            if len(queue) < self.plan.batch_size:
                queue += rng.permutation(len(self.samples)).tolist()
            yield collate([self.samples[i] for i in queue[: self.plan.batch_size]])
            del queue[: self.plan.batch_size]


def train(study: Study, config: dict[str, Any], samples: Sequence[dict], plan: Plan, seed: int) -> torch.nn.Module:
    """Return a trained network (the average of its last steps), on the CPU and ready to be scored."""
    lightning.seed_everything(seed, verbose=False)
    module, _, name = study.criterion.rpartition(".")
    criterion = getattr(importlib.import_module(module), name)()
    warmup = max(1, min(50, plan.steps // 5))
    task = CompletionTask(
        study.family, criterion, config, study.learning_rate, warmup=warmup, average=1 - 10 / (plan.steps + 10)
    )
    studies.fit(task, Order(samples, plan, seed), plan.steps, precision="bf16-mixed")
    return task.averaged.cpu().eval()


def score(network: torch.nn.Module, method: Method, files: Sequence[Path], plan: Plan) -> dict[str, dict[str, float]]:
    """Return by pattern: MAE and RMSE in metres, AbsRel, each averaged over frames, and the smear rate."""
    chosen = [files[i] for i in np.unique(np.linspace(0, len(files) - 1, plan.scored).astype(int))]
    found = {}
    for name, sensor in PATTERNS.items():
        frames = RenderedFrames(chosen, method, plan.crop, None, sensor.scan, seed=7)
        rows, smeared, band = [], 0, 0
        for i in range(len(frames)):
            sample: dict[str, Any] = frames[i]
            with torch.inference_mode():
                output = network(*(x[None] for x in sample["inputs"]))
            depth = output.depth[0, 0].numpy() * float(sample["scale"])
            truth = sample["depth"][0].numpy()
            depth, known = depth[: truth.shape[0], : truth.shape[1]], truth > 0
            if not known.any():
                continue
            miss = np.abs(depth - truth)[known].astype(np.float64)
            rows.append((miss.mean(), np.sqrt(np.square(miss).mean()), (miss / truth[known]).mean()))
            sums = boundary_sums(depth, truth)
            smeared, band = smeared + sums.smeared, band + sums.count
        mae, rmse, relative = np.mean(rows, axis=0)
        found[name] = {"mae": mae, "rmse": rmse, "abs_rel": relative, "smear": smeared / max(band, 1)}
    return {n: {k: float(v) for k, v in values.items()} for n, values in found.items()}


def run(study: Study, variant: str, seed: int, plan: Plan, samples: Sequence[dict], held: Sequence[Path]) -> dict:
    """Train and score one variant with one seed; returns what is stored of it."""
    config = {**study.base, **plan.settings, **study.variants[variant]}
    method = families.method(study.family, families.configuration(study.family, config))
    start = time.perf_counter()
    network = train(study, config, samples, plan, seed)
    trained = time.perf_counter() - start
    return {
        "plan": asdict(plan),
        "config": config,
        "learning_rate": study.learning_rate,
        "seed": seed,
        "scores": score(network, method, held, plan),
        "parameters": sum(p.numel() for p in network.parameters()),
        "train_seconds": round(trained, 1),
        "score_seconds": round(time.perf_counter() - start - trained, 1),
    }


def stored(file: Path, study: Study, plan: Plan, config: dict[str, Any]) -> dict | None:
    """Return a run's results if ``file`` has them for the very same plan, learning rate and configuration."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    same = {"plan": asdict(plan), "config": config, "learning_rate": study.learning_rate}
    return found if json.loads(json.dumps(same)) == {k: found.get(k) for k in same} else None


def ablate(name: str, frames: Path, seeds: Sequence[int], plan: Plan, runs: Path, variants: Sequence[str] = ()) -> dict:
    """Make the runs that are missing and return all results by variant and seed (as text)."""
    study = STUDIES[name]
    trained, held = split(frames)
    results: dict[str, dict[str, dict]] = {v: {} for v in variants or study.variants}
    runs.mkdir(parents=True, exist_ok=True)
    for seed in seeds:
        samples: list[dict] | None = None
        for variant in results:
            config = {**study.base, **plan.settings, **study.variants[variant]}
            file = runs / f"{name}-{variant.replace(' ', '-')}-{seed}.json"
            found = stored(file, study, plan, config)
            if found is None:
                if samples is None:
                    base = families.configuration(study.family, {**study.base, **plan.settings})
                    samples = pool(trained, families.method(study.family, base), plan, seed)
                found = run(study, variant, seed, plan, samples, held)
                studies.keep(file, found)
                print(f"{name}, {variant}, seed {seed}: {found['train_seconds']} s", flush=True)
            results[variant][str(seed)] = found
    return results


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("method", choices=list(STUDIES))
    parser.add_argument("--frames", type=Path, default=Path(".training/frames"))
    studies.add_options(parser, Plan.steps, ".training/ablations")
    parser.add_argument("--samples", type=int, default=Plan.samples)
    parser.add_argument("--mix", choices=["sensors", "jarrn"], default=Plan.mix, help="what the networks learn from")
    parser.add_argument("--variants", nargs="+", default=[], metavar="NAME", help="only these (default: all)")
    options = parser.parse_args(arguments)
    wrong = sorted(set(options.variants) - set(STUDIES[options.method].variants))
    if wrong:
        parser.error(f"no variant {', '.join(wrong)}; there are: {', '.join(STUDIES[options.method].variants)}")
    studies.prepare(options.threads)
    plan = Plan(steps=options.steps, samples=options.samples, mix=options.mix)
    results = ablate(options.method, options.frames, options.seeds, plan, options.runs, options.variants)
    command = (
        f"python -m training.ablations {options.method} --frames {options.frames} --seeds "
        f"{' '.join(map(str, options.seeds))} --steps {plan.steps} --samples {plan.samples} --mix {plan.mix} --out "
        f"{options.out}"
    )
    studies.publish(options.out, table(options.method, results, command), command, results)


if __name__ == "__main__":
    main()
