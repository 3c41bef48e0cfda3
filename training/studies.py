"""What studies of variants share: training in silence, runs kept in files, tables over seeds and the command line.

Results are dicts by variant, the one to compare with first, then by seed (as text). Each run is what its file holds:
``plan`` and ``variant`` (what it was made with), ``scores`` by name and ``seconds`` it took, and what else was stored.
"""

from __future__ import annotations

import argparse
import json
import logging
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch

Results = dict[str, dict[str, dict]]


def fit(task: lightning.LightningModule, samples: Any, steps: int, **settings: Any) -> None:
    """Train ``task`` in place on ``samples`` (batches, or a data module), writing nothing to disk or screen.

    ``settings``: what else the trainer is told. A GPU is used where there is one, and the task then stays on it.
    """
    trainer = lightning.Trainer(
        max_steps=steps,
        gradient_clip_val=1.0,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loaders and logging
        trainer.fit(task, samples)


def keep(file: Path, found: dict) -> None:
    """Write a run to ``file`` as JSON, in one move, so that another process never reads half of it."""
    temporary = file.with_suffix(".tmp")
    temporary.write_text(json.dumps(found, indent=1))
    temporary.replace(file)


def complete(
    runs: Path,
    pattern: str,
    seeds: Sequence[int],
    plan: dict[str, Any],
    variants: Mapping[str, dict],
    figures: Mapping[str, str],
    make: Callable[[str, int], dict],
) -> Results:
    """Make the runs that are missing in the folder ``runs`` and return all of them.

    ``pattern``: file name with places for {variant} and {seed}. A run is made again if its ``plan`` or what its
    variant differs in has changed. ``figures``: titles of the scores by name. ``make(variant, seed)`` trains, and
    returns ``scores`` and whatever else is to be stored.
    """
    runs.mkdir(parents=True, exist_ok=True)
    same = json.loads(json.dumps({"plan": plan}))
    results: Results = {name: {} for name in variants}
    for seed in seeds:
        for name, differs in variants.items():
            file = runs / pattern.format(variant=name.replace(" ", "-"), seed=seed)
            wanted = same | {"variant": differs}
            found = json.loads(file.read_text()) if file.is_file() else {}
            if {k: found.get(k) for k in wanted} != wanted:
                start = time.perf_counter()
                found = wanted | make(name, seed)
                found["seconds"] = round(time.perf_counter() - start, 1)
                keep(file, found)
                told = ", ".join(f"{figures[k]} {v:.4f}" for k, v in found["scores"].items())
                print(f"{name}, seed {seed}: {told} ({found['seconds']} s)", flush=True)
            results[name][str(seed)] = found
    return results


def mean_and_spread(values: Sequence[float], digits: int) -> str:
    """Return the mean, with the standard deviation if there are several values; a dash if there are none."""
    if not values:
        return "–"
    mean = f"{np.mean(values):.{digits}f}"
    return f"{mean} ± {np.std(values, ddof=1):.{digits}f}" if len(values) > 1 else mean


def rows(results: Results, figures: Mapping[str, str], counts: Callable[[str, float, float], bool]) -> list[str]:
    """Return the lines of a Markdown table: a row a variant, a column for each of ``figures`` (titles by name).

    In brackets, but for the first variant: for how many of the seeds that both have ``counts(figure, own, first's)``
    is true.
    """
    lines = [f"| variant | {' | '.join(figures.values())} |", "|---|" + "---|" * len(figures)]
    first = next(iter(results))
    for name, found in results.items():
        cells = []
        for key in figures:
            own = {seed: run["scores"][key] for seed, run in found.items() if key in run["scores"]}
            other = {seed: run["scores"][key] for seed, run in results[first].items() if key in run["scores"]}
            text = mean_and_spread(list(own.values()), 4)
            both = [seed for seed in own if seed in other]
            if name != first and both:
                text += f" ({sum(counts(key, own[seed], other[seed]) for seed in both)}/{len(both)})"
            cells.append(text)
        lines.append(f"| {name} | {' | '.join(cells)} |")
    return lines


def add_options(parser: argparse.ArgumentParser, steps: int, runs: str) -> None:
    """Add the options of every study; ``steps`` and ``runs`` (a folder) are defaults."""
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=steps)
    parser.add_argument("--runs", type=Path, default=Path(runs), help="where single runs are kept")
    parser.add_argument("--out", type=Path, required=True, help="Markdown file; the same figures as JSON beside it")
    parser.add_argument("--threads", type=int, default=1)


def prepare(threads: int) -> None:
    """Give PyTorch so many threads, and let Lightning speak of errors alone."""
    torch.set_num_threads(threads)
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def publish(out: Path, page: str, command: str, results: Results) -> None:
    """Write ``page`` to ``out`` and the results, with the command that made them, as JSON beside it; print the page."""
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(page)
    out.with_suffix(".json").write_text(json.dumps({"command": command, "results": results}, indent=1))
    print(out.read_text())
