from __future__ import annotations

import json

import torch

from training import geometry_study
from training.geometry_study import FIGURES, VARIANTS, Plan, make_task, study, table

TINY = {"widths": (4,) * 5, "blocks": (1,) * 4, "decoder": (4,) * 5, "height": 64, "width": 96}
PLAN = Plan(steps=3, batch_size=2, scored=3, config=TINY)


def test_every_variant_differs_in_what_it_says_and_starts_alike():
    made = {}
    for name in VARIANTS:
        torch.manual_seed(0)
        made[name] = make_task(name, Plan(config=TINY, weight=2.0))
    alone = made["labels alone"]
    assert alone.consistency is None
    for name, task in made.items():
        assert all(torch.equal(a, b) for a, b in zip(alone.network.parameters(), task.network.parameters())), name
    full = made["all three terms"].consistency
    assert (full.view, full.frame, full.image) == (1.0, 1.0, 1.0)
    assert made["depth in the view"].consistency.frame == 0
    assert made["depth there and back"].consistency.frame == 1
    assert made["depth there and back"].consistency.image == 0
    assert made["without a turn"].reach.yaw == 0 < made["all three terms"].reach.yaw


def test_runs_are_scored_kept_and_repeated_if_the_plan_changes(rendered, tmp_path, monkeypatch):
    trained = []
    train = geometry_study.train
    monkeypatch.setattr(geometry_study, "train", lambda *given: trained.append(given[0]) or train(*given))
    names = ["labels alone", "all three terms"]
    results = study(rendered, [0], PLAN, tmp_path, names)
    for name in names:
        assert set(results[name]["0"]["scores"]) == set(FIGURES)
    assert results[names[0]]["0"]["scores"] != results[names[1]]["0"]["scores"]
    assert trained == names
    assert study(rendered, [0], PLAN, tmp_path, names) == json.loads(json.dumps(results))
    assert trained == names
    study(rendered, [0], Plan(steps=1, batch_size=2, scored=3, config=TINY), tmp_path, names[:1])
    assert trained == [*names, names[0]]


def test_the_table_says_how_often_labels_alone_were_beaten():
    def run(scale, lsiv):
        scores = {"abs_rel_scale": scale, "abs_rel_affine": 0.1, "lsiv": lsiv}
        return {"plan": {"steps": 5, "batch_size": 2, "config": {"width": 96, "height": 64}}, "scores": scores}

    results = {
        "labels alone": {"0": run(0.3, 0.5), "1": run(0.2, 0.5)},
        "more": {"0": run(0.1, 0.6), "1": run(0.1, 0.4)},
    }
    text = table(results, "python -m x")
    row = next(line for line in text.splitlines() if line.startswith("| more"))
    assert row == "| more | 0.1000 ± 0.0000 (2/2) | 0.1000 ± 0.0000 (0/2) | 0.5000 ± 0.1414 (1/2) |"
    assert "| labels alone | 0.2500 ± 0.0707 |" in text
    assert "5 steps of 2 frames of 96x64" in text
