from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from benchmarks.evidence import documents
from benchmarks.evidence.rows import Cell
from benchmarks.evidence.tables import WORLDS, Figures
from depth_perception.models import families, weights, zoo
from depth_perception.models.calibration import Calibration
from training import card

MADE = {
    "seconds": 7_500,
    "samples": 48_000,
    "steps": 3_000,
    "machine": "An Old Processor, 2 cores",
    "precision": "bf16-mixed",
    "command": "python -m training.train fit --config training/configs/completion-small.yaml",
    "torch": "9.9",
    "frames": 12_000,
    "calibration": {"frames": 240, "within_68": 0.6789, "within_95": 0.9512},
}


@pytest.fixture
def ships(monkeypatch, tmp_path):
    """Weights of completion-small that ship, and nothing measured of them."""
    config = families.configuration("refiner", {"widths": [8, 16, 24, 32]})
    tensors = {"a.weight": np.zeros((1_000, 3), np.float32), "a.running_mean": np.zeros(7, np.float32)}
    calibration = Calibration((0.0,), (0.0,), ((0.0,),), 2.34)
    made = weights.Weights("refiner", "completion-small", "3", config, tensors, calibration, MADE)
    file = tmp_path / "completion-small.safetensors"
    weights.write(made, file)
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    monkeypatch.setattr(documents, "published", lambda: Figures({}))
    return file


def measured(**figures) -> Cell:
    values = dict.fromkeys(Cell._fields, 0.1) | {"variant": "x", "frames": 3} | figures
    return Cell(**values)


def test_a_card_says_what_the_header_says(ships):
    text = card.card("completion-small")
    assert card.shipped() == ["completion-small"]
    for said in (
        "# completion-small",
        "| version | 3 |",
        "| parameters | 3,000 |",
        "widths (8, 16, 24, 32)",
        "12,000 frames",
        "48,000 samples",
        "3,000 steps in 2.1 hours",
        "An Old Processor, 2 cores",
        "torch 9.9",
        "2.34 deviations",
        "67.9%",
        "95.1%",
        "make weights WEIGHTS=completion-small",
        MADE["command"],
        "Apache-2.0",
        "Not measured yet.",
    ):
        assert said in text, said
    for limit in ("Sky", "Mirrors, glass", "Corner points", "rendered"):
        assert limit in text, limit
    assert f"{ships.stat().st_size / 1e6:.2f} MB" in text


def test_the_card_of_an_estimator_says_what_its_depth_means(monkeypatch, tmp_path):
    monkeypatch.setattr(zoo, "FOLDER", tmp_path)
    monkeypatch.setattr(documents, "published", lambda: Figures({}))
    told = {**MADE, "videos": 400, "scale": "up_to_scale", "offsets": [-1, 1]}
    tensors = {"a.weight": np.zeros((1_000, 3), np.float32)}
    made = weights.Weights(
        "monocular", "estimation-small", "1", families.configuration("monocular"), tensors, None, told
    )
    weights.write(made, tmp_path / "estimation-small.safetensors")
    assert card.shipped() == ["estimation-small"]
    text = card.card("estimation-small")
    for said in (
        "| scale | up to scale |",
        "400 videos of",
        "GAM-Depth",
        "training_estimation.md",
        "right up to one factor",
    ):
        assert said in text, said
    assert "LiDAR, ToF" not in text


def test_figures_are_those_that_the_benchmark_kept(ships, monkeypatch):
    cells = {
        ("completion-small", "kitchen", "500"): measured(mae=0.05, within_1=0.681),
        ("completion-small", "street", "500"): measured(mae=0.15, within_1=0.681),
        ("completion-small", WORLDS, "500"): measured(mae=0.0321),
        ("linear", "kitchen", "500"): measured(mae=0.1),
        ("linear", "street", "500"): measured(mae=0.2),
    }
    kept = Figures(cells, {"completion-small": {"500": 12.34}}, "Two frames of two recordings.")
    monkeypatch.setattr(documents, "published", lambda: kept)
    text = card.figures("completion-small")
    assert "python -m benchmarks.completion --docs" in text
    assert "Two frames of two recordings." in text
    # medians over the two recordings: 0.1 m, and half way between 0.5 and 0.75 of the peer's
    assert "| 500 | 0.1000 | 0.1000 | 10.0 % | 0.62 | 68.1 % | 10.0 % | 0.0321 |" in text
    assert "12.3 ms with `500`" in text


def test_what_was_written_by_hand_stays(ships, tmp_path):
    file = card.write("completion-small", tmp_path / "models")
    first = file.read_text()
    file.write_text("By hand before.\n" + first.replace("3,000 steps", "9 steps") + "By hand after.\n")
    card.write("completion-small", tmp_path / "models")
    assert file.read_text() == "By hand before.\n" + first + "By hand after.\n"


def test_weights_that_say_little_get_a_card_all_the_same(ships):
    bare = dataclasses.replace(weights.read(ships), training={}, calibration=None)
    weights.write(bare, ships)
    text = card.card("completion-small")
    assert "| deviation | not calibrated |" in text
    assert "| machine |" not in text


def test_names_that_do_not_ship_are_refused(ships, capsys):
    with pytest.raises(SystemExit):
        card.main(["enormous"])
    assert "there are completion-small" in capsys.readouterr().err


def test_every_weight_file_that_ships_has_a_card():
    missing = [name for name in card.shipped() if not (card.FOLDER / f"{name}.md").is_file()]
    assert not missing, "run: python -m training.card"


def test_the_documents_check_cards_for_freshness(ships, repository, monkeypatch, tmp_path):
    import importlib.util

    spec = importlib.util.spec_from_file_location("generate_docs", repository / "scripts" / "generate_docs.py")
    generator = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(generator)
    shutil.copytree(repository / "docs", tmp_path / "docs", ignore=shutil.ignore_patterns("*.png", "*.jpg", "models"))
    monkeypatch.setattr(generator, "REPOSITORY", tmp_path)
    (tmp_path / "README.md").write_text("")
    file = card.write("completion-small", tmp_path / "docs" / "models")
    assert file in generator.documents()
    assert generator.fill(file.read_text()) == file.read_text()
    stale = file.read_text().replace("3,000 steps", "9 steps")
    assert generator.fill(stale) == file.read_text()
