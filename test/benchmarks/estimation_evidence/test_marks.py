from __future__ import annotations

import json

import pytest

from benchmarks.estimation_evidence.marks import markdown, marks


def study(path, **variants):
    """Keep a study whose variants have these scores, one dict per seed."""
    results = {
        name.replace("_", " "): {str(seed): {"scores": scores} for seed, scores in enumerate(seeds)}
        for name, seeds in variants.items()
    }
    path.write_text(json.dumps({"command": "python -m study", "results": results}))


def named(found, start):
    return next(mark for mark in found if mark.name.startswith(start))


def test_without_figures_nothing_is_met(tmp_path):
    found = marks(tmp_path)
    assert len(found) == 12
    assert {mark.met for mark in found} == {None}
    assert markdown(found).count("not measured") == 12


@pytest.mark.parametrize(
    ("others", "met"),
    [((0.3, 0.3, 0.3), True), ((0.3, 0.1, 0.1), False), ((0.1, 0.1, 0.9), False), ((0.3, 0.3), False)],
)
def test_better_is_the_mean_and_most_of_three_seeds(tmp_path, others, met):
    rows = [{"plane_residual": value} for value in others]
    study(tmp_path / "gam-depth.json", averaging=rows, **{"gradient-aware mask": 3 * [{"plane_residual": 0.2}]})
    mark = named(marks(tmp_path), "mask below averaging, plane residual")
    assert mark.met is met
    assert mark.command == "python -m study"


def test_semantics_are_to_raise_a_figure(tmp_path):
    study(
        tmp_path / "gam-depth.json",
        without_semantics=3 * [{"boundary_f1": 0.5}],
        **{"gradient-aware mask": 3 * [{"boundary_f1": 0.6}]},
    )
    mark = named(marks(tmp_path), "semantics")
    assert mark.met
    assert "+20.0%" in mark.value


def test_what_shall_stay_may_rise_a_little(tmp_path):
    for rise, met in ((1.02, True), (1.10, False)):
        study(
            tmp_path / "geometry-study.json",
            all_three_terms=3 * [{"abs_rel_affine": 0.1 * rise}],
            labels_alone=3 * [{"abs_rel_affine": 0.1}],
        )
        assert named(marks(tmp_path), "consistency, AbsRel (scale and shift)").met is met


def test_recovery_and_curves_are_read_from_their_benchmarks(tmp_path):
    folder = tmp_path / "figures"
    folder.mkdir()
    (folder / "recovery.csv").write_text(
        "shift_error,both_shift_error,focal_error,both_focal_error\n1.0,-2.5,0.1,0.2\n0.1,0.2,0.1,-6.0\n"
    )
    (folder / "recovery_real.csv").write_text("recording,one_minimum\nkitchen,True\nnyu,False\n")
    found = marks(tmp_path)
    assert named(found, "shift found").met is True
    assert named(found, "focal length within").met is False
    curve = named(found, "search curve")
    assert (curve.met, curve.value) == (False, "1 of 2 recordings")


@pytest.mark.parametrize(("after", "met"), [(0.20, True), (0.27, False)])
def test_fine_tuning_is_shown_beside_another_recording(tmp_path, after, met):
    def scores(value):
        return {"figures": {"median of each image": {"abs_rel": value}}}

    found = [
        {"recording": "kitchen", "part": "the later part", "before": scores(0.3), "after": scores(after)},
        {"recording": "nyu", "part": "another recording", "before": scores(0.2), "after": scores(0.25)},
        {"recording": "dark", "part": "another recording", "before": {"figures": {}}, "after": {"figures": {}}},
    ]
    (tmp_path / "figures").mkdir()
    (tmp_path / "figures" / "fine_tuning.json").write_text(json.dumps({"comparisons": found}))
    mark = named(marks(tmp_path), "fine-tuning")
    assert mark.met is met
    assert "nyu, another recording: 0.200 to 0.250 (+25 %)" in mark.value
