import json
from dataclasses import asdict, replace

import numpy as np
import pytest

from depth_perception.models import families
from training import ablations
from training.ablation_tables import table
from training.ablations import STUDIES, Order, Plan, ablate, pool, split

SHAPE = (64, 80)
TINY = {"widths": (4, 8), "bottlenecks": (1, 1)}
PLAN = Plan(steps=2, batch_size=2, samples=4, crop=(32, 48), scored=2, settings=TINY)


@pytest.fixture(scope="module")
def frames(tmp_path_factory):
    """Frames 0 to 159, only every twentieth made: a stretch each."""
    folder = tmp_path_factory.mktemp("frames")
    rng = np.random.default_rng(0)
    depth = np.fromfunction(lambda y, x: 2 + 0.1 * x + 0.05 * y, SHAPE).astype(np.float32)
    depth[:, 40:] += 3
    for number in [*range(0, 160, 20), 141]:
        np.savez(
            folder / f"{number:08d}.npz",
            image=rng.integers(0, 255, (*SHAPE, 3), np.uint8),
            depth=depth,
            second_depth=depth,
            T_camera_second=np.eye(4),
            K=np.array([[70.0, 0, 39.5], [0, 70, 31.5], [0, 0, 1]]),
        )
    return folder


@pytest.mark.parametrize("name", STUDIES)
def test_each_variant_is_a_configuration_and_differs(name):
    study = STUDIES[name]
    configs = [families.configuration(study.family, {**study.base, **v}) for v in study.variants.values()]
    assert next(iter(study.variants)) == "full"
    assert len(set(configs)) == len(configs) >= 5


def test_whole_stretches_are_held_out(frames, tmp_path):
    trained, held = split(frames)
    assert [int(f.stem) for f in held] == [140, 141]
    assert not set(held) & set(trained)
    with pytest.raises(FileNotFoundError, match="160"):
        split(tmp_path)


def test_the_order_follows_from_the_seed_alone(monkeypatch):
    monkeypatch.setattr(ablations, "collate", list)

    def order(seed):
        return [i for batch in Order(range(5), Plan(steps=6, batch_size=2), seed) for i in batch]

    assert order(1) == order(1) != order(2)
    assert len(order(1)) == 12
    assert len(set(order(1)[:4])) == 4, "none comes twice before all others came"
    assert all(order(1).count(i) >= 2 for i in range(5))


def test_a_seed_has_one_pool(frames):
    method = families.method("jarrn", families.configuration("jarrn", TINY))
    trained, _ = split(frames)
    one, again, other = (pool(trained, method, PLAN, seed) for seed in (0, 0, 1))
    assert len(one) == 4
    assert all((a["inputs"][0] == b["inputs"][0]).all() for a, b in zip(one, again))
    assert not all((a["inputs"][0] == b["inputs"][0]).all() for a, b in zip(one, other))


def test_a_run_trains_and_scores(frames):
    study = STUDIES["jarrn"]
    trained, held = split(frames)
    method = families.method("jarrn", families.configuration("jarrn", TINY))
    found = ablations.run(study, "full", 0, PLAN, pool(trained, method, PLAN, 0), held)
    assert set(found["scores"]) == set(ablations.PATTERNS)
    assert all(np.isfinite(v) and v >= 0 for s in found["scores"].values() for v in s.values())
    assert found["config"] == {**study.base, **TINY}
    assert json.loads(json.dumps(found))["parameters"] > 1000


def test_runs_are_kept_and_not_repeated(frames, tmp_path, monkeypatch):
    made = []

    def run(study, variant, seed, plan, samples, held):
        made.append((variant, seed))
        config = {**study.base, **plan.settings, **study.variants[variant]}
        same = {"plan": asdict(plan), "config": config, "learning_rate": study.learning_rate}
        return {**same, "train_seconds": 0, "scores": {"x": len(samples)}}

    monkeypatch.setattr(ablations, "run", run)
    variants = ("full", "visual branch alone")
    first = ablate("jarrn", frames, [0], PLAN, tmp_path, variants)
    assert made == [("full", 0), ("visual branch alone", 0)]
    again = ablate("jarrn", frames, [0], PLAN, tmp_path, variants)
    assert json.loads(json.dumps(first)) == again
    assert len(made) == 2
    (tmp_path / "jarrn-full-0.json").write_text("{broken")
    ablate("jarrn", frames, [0], PLAN, tmp_path, variants)
    assert made[2:] == [("full", 0)]
    ablate("jarrn", frames, [0], replace(PLAN, steps=3), tmp_path, variants)
    assert made[3:] == [("full", 0), ("visual branch alone", 0)], "another plan is another run"


def scored(mae: float, smear: float = 0.1) -> dict:
    values = {"mae": mae, "rmse": 2 * mae, "abs_rel": 0.1, "smear": smear}
    return {
        "scores": {"a": values, "b": values},
        "plan": {"steps": 7, "batch_size": 2, "crop": [32, 48]},
        "parameters": 5e5,
    }


def test_the_table_compares_seed_by_seed():
    results = {
        "full": {"0": scored(1.0), "1": scored(2.0)},
        "less": {"0": scored(1.1), "1": scored(2.6)},
    }
    page = table("x", results, "python -m x")
    assert "python -m x" in page
    assert "| full | 0.50 M | 1.000 ± 0.000 |" in page
    assert "| less | 0.50 M | 1.200 ± 0.141 | 1.200 ± 0.141 | 0.100 ± 0.000 |" in page
    assert "| less | 1.850 ± 1.061 |" in page


def test_the_table_bears_unfinished_seeds():
    page = table("x", {"full": {"0": scored(1.0)}, "less": {"1": scored(2.0)}}, "x")
    assert "| less | 0.50 M | – | – | 0.100 |" in page
