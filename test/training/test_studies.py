from __future__ import annotations

import json

import pytest

from training.studies import complete, keep, mean_and_spread, publish, rows


def runs_made(folder, plan, made, variants):
    def make(name, seed):
        made.append((name, seed))
        return {"scores": {"miss": seed + 0.5}, "extra": 1}

    return complete(folder, "x-{variant}-{seed}.json", [0, 1], plan, variants, {"miss": "Miss"}, make)


def test_only_runs_that_are_missing_or_were_made_otherwise_are_made(tmp_path, capsys):
    variants = {"all of it": {}, "less": {"part": False}}
    folder = tmp_path / "runs"
    made: list[tuple[str, int]] = []
    results = runs_made(folder, {"sizes": (1, 2)}, made, variants)
    assert made == [("all of it", 0), ("less", 0), ("all of it", 1), ("less", 1)], "a seed's variants come together"
    assert "less, seed 1: Miss 1.5000" in capsys.readouterr().out
    names = ["x-all-of-it-0.json", "x-all-of-it-1.json", "x-less-0.json", "x-less-1.json"]
    assert sorted(f.name for f in folder.iterdir()) == names
    stored = json.loads((folder / "x-less-1.json").read_text())
    assert list(stored) == ["plan", "variant", "scores", "extra", "seconds"]
    assert stored == results["less"]["1"]
    assert runs_made(folder, {"sizes": (1, 2)}, made, variants) == results
    assert len(made) == 4
    runs_made(folder, {"sizes": (1, 2)}, made, variants | {"less": {"part": 0.5}})
    assert made[4:] == [("less", 0), ("less", 1)]
    runs_made(folder, {"sizes": (1, 3)}, made, {"all of it": {}})
    assert made[6:] == [("all of it", 0), ("all of it", 1)]


def test_a_run_replaces_the_one_before(tmp_path):
    file = tmp_path / "run.json"
    for number in (1, 2):
        keep(file, {"number": number})
    assert json.loads(file.read_text()) == {"number": 2}
    assert list(tmp_path.iterdir()) == [file]


@pytest.mark.parametrize(("values", "text"), [([], "–"), ([0.25], "0.250"), ([0.1, 0.3], "0.200 ± 0.141")])
def test_a_spread_needs_several_values(values, text):
    assert mean_and_spread(values, 3) == text


def test_rows_count_over_the_seeds_and_scores_that_both_have():
    def run(**scores):
        return {"scores": scores}

    results = {
        "first": {"0": run(a=1.0, b=1.0), "1": run(a=1.0)},
        "other": {"0": run(a=0.5, b=2.0), "1": run(a=1.0, b=2.0), "2": run(a=0.0)},
        "absent": {"3": run(a=2.0)},
    }
    assert rows(results, {"a": "A", "b": "B"}, lambda key, own, first: key == "b" or own < first) == [
        "| variant | A | B |",
        "|---|---|---|",
        "| first | 1.0000 ± 0.0000 | 1.0000 |",
        "| other | 0.5000 ± 0.5000 (1/2) | 2.0000 ± 0.0000 (1/1) |",
        "| absent | 2.0000 | – |",
    ]


def test_a_page_comes_with_its_figures(tmp_path, capsys):
    out = tmp_path / "new" / "page.md"
    publish(out, "# Page\n", "python -m x", {"first": {}})
    assert out.read_text() == "# Page\n"
    assert json.loads(out.with_suffix(".json").read_text()) == {"command": "python -m x", "results": {"first": {}}}
    assert "# Page" in capsys.readouterr().out
