from __future__ import annotations

import json

import pytest
import torch

from training import estimation_study
from training.estimation_study import FIGURES, VARIANTS, Plan, make_task, study, table

TINY = {"widths": (4,) * 5, "blocks": (1,) * 4, "decoder": (4,) * 5, "height": 64, "width": 96}
PLAN = Plan(steps=2, batch_size=2, stride=1, scored=3, config=TINY)


def test_every_variant_differs_in_what_it_says_and_starts_alike():
    made = {}
    for name in VARIANTS:
        torch.manual_seed(0)
        made[name] = make_task(name, PLAN)
    full = made["gradient-aware mask"]
    assert full.criterion.mask.percentile == 97
    assert full.residual
    assert full.criterion.wants_semantics(0)
    assert not full.criterion.wants_semantics(3)
    for name, task in made.items():
        assert all(torch.equal(a, b) for a, b in zip(full.network.parameters(), task.network.parameters())), name
    assert made["averaging"].criterion.mask.kind == "averaging"
    assert made["key points"].criterion.mask.kind == "keypoints"
    assert made["no floor"].criterion.mask.floor == 0
    assert made["knee of the paper"].criterion.mask.knee() == pytest.approx(400)
    assert not made["without semantics"].criterion.wants_semantics(0)
    assert not made["without residual pose"].residual
    assert not made["without auto-mask"].criterion.auto_mask


def test_runs_are_scored_kept_and_repeated_if_the_plan_changes(sequences, tmp_path, monkeypatch):
    seen = []
    windows = estimation_study.VideoData.train_dataloader

    def witness(self):
        loader = windows(self)
        seen.append(loader.dataset[0]["frames"].sum().item())
        return loader

    monkeypatch.setattr(estimation_study.VideoData, "train_dataloader", witness)
    names = ["gradient-aware mask", "averaging"]
    results = study(sequences, [0], PLAN, tmp_path, names)
    assert seen[0] == seen[2], "variants see other samples"
    for name in names:
        scores = results[name]["0"]["scores"]
        assert set(scores) <= set(FIGURES)
        assert 0 < scores["abs_rel"] < 2
    assert results[names[0]]["0"]["scores"] != results[names[1]]["0"]["scores"]
    count = len(seen)
    assert study(sequences, [0], PLAN, tmp_path, names) == json.loads(json.dumps(results))
    assert len(seen) == count
    study(sequences, [0], Plan(steps=1, batch_size=2, stride=1, scored=3, config=TINY), tmp_path, names[:1])
    assert len(seen) > count


def test_known_poses_leave_pose_networks_out(sequences, tmp_path, monkeypatch, capsys):
    plans = []
    monkeypatch.setattr(estimation_study, "study", lambda v, s, plan, r, names: plans.append((plan, names)) or {})
    monkeypatch.setattr(estimation_study, "table", lambda results, command: command)
    words = ["--videos", str(sequences), "--steps", "7", "--out", str(tmp_path / "x.md")]
    assert estimation_study.main([*words, "--known-poses"]) == 0
    assert estimation_study.main(words) == 0
    (known, fewer), (learned, every) = plans
    assert known.known_poses
    assert make_task(fewer[0], known).known_poses
    assert not learned.known_poses
    assert set(every) - set(fewer) == {"without residual pose"}
    assert "--known-poses" in capsys.readouterr().out


def test_the_table_says_how_often_the_full_method_is_better():
    def run(abs_rel, f1):
        return {"plan": {"steps": 5, "batch_size": 2, "config": {"width": 96, "height": 64}}} | {
            "scores": {"abs_rel": abs_rel, "boundary_f1": f1}
        }

    results = {
        "full": {"0": run(0.1, 0.5), "1": run(0.2, 0.5)},
        "less": {"0": run(0.3, 0.6), "1": run(0.1, 0.4)},
    }
    text = table(results, "python -m x")
    row = next(line for line in text.splitlines() if line.startswith("| less"))
    assert row == "| less | 0.2000 ± 0.1414 (1/2) | – | – | 0.5000 ± 0.1414 (1/2) |"
    assert "| full | 0.1500 ± 0.0707 |" in text
    assert "5 steps of 2 windows of 96x64" in text
