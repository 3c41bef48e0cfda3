"""Tables of ablations: mean and spread over seeds, and each variant against the full method with the same seed."""

from __future__ import annotations

import numpy as np

from training.studies import Results, mean_and_spread


def table(name: str, results: Results, command: str) -> str:
    """Return a Markdown page: one table over all patterns, then one per pattern.

    ``results``: what ``training.ablations.run`` returns, the full method first.

    Means over patterns of ratios to the full method are geometric, so that no pattern rules. Spreads are standard
    deviations over seeds.
    """
    full = next(iter(results))
    first = next(iter(results[full].values()))
    patterns, plan, seeds = list(first["scores"]), first["plan"], len(results[full])
    height, width = plan["crop"]
    lines = [
        f"# Ablation of {name}",
        "",
        f"    {command}",
        "",
        f"Tiny networks, {plan['steps']} steps of {plan['batch_size']} crops of {width}x{height} pixels each; {seeds}",
        "seeds. All variants of a seed see the same samples in the same order. Scored on held-out worlds; mean ±",
        "standard deviation over seeds. *Against full*: MAE over that of the full method of the same seed, geometric",
        "mean over patterns. Smear rate: share of the pixels around depth edges that lie on no surface.",
        "",
        "## All patterns",
        "",
        f"| variant | parameters | MAE against {full} | RMSE against {full} | smear rate |",
        "|---|---|---|---|---|",
    ]
    for variant, runs in results.items():
        both = [seed for seed in runs if seed in results[full]]
        cells = [
            mean_and_spread([_ratio(runs[s], results[full][s], key, patterns) for s in both], 3)
            for key in ("mae", "rmse")
        ]
        smear = [float(np.mean([run["scores"][p]["smear"] for p in patterns])) for run in runs.values()]
        count = next(iter(runs.values()))["parameters"]
        lines.append(f"| {variant} | {count / 1e6:.2f} M | {' | '.join(cells)} | {mean_and_spread(smear, 3)} |")
    for pattern in patterns:
        lines += [
            *("", f"## {pattern}", ""),
            "| variant | MAE [m] | RMSE [m] | AbsRel | smear rate | MAE against full |",
            "|---|---|---|---|---|---|",
        ]
        for variant, runs in results.items():
            cells = [
                mean_and_spread([run["scores"][pattern][key] for run in runs.values()], 3)
                for key in ("mae", "rmse", "abs_rel", "smear")
            ]
            both = [seed for seed in runs if seed in results[full]]
            cells.append(mean_and_spread([_ratio(runs[s], results[full][s], "mae", [pattern]) for s in both], 3))
            lines.append(f"| {variant} | {' | '.join(cells)} |")
    return "\n".join([*lines, ""])


def _ratio(run: dict, full: dict, key: str, patterns: list[str]) -> float:
    """Return the geometric mean over ``patterns`` of one run's figure over that of the full method."""
    return float(np.exp(np.mean([np.log(run["scores"][p][key] / full["scores"][p][key]) for p in patterns])))
