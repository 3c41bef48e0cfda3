from __future__ import annotations

from benchmarks.evidence import object_documents as documents
from benchmarks.evidence import object_methods as methods
from benchmarks.evidence.object_rows import ObjectRow, best_rows, read_rows, write_rows


def row(method, scene="table-8", corruption="usual", variant="", **changes):
    made = ObjectRow(
        scene, corruption, method, variant, methods.VERSION, 0.8, 0.9, 0.89, 0.85, 2, 7, 1, 1, 0.004, 0.003, 0.9,
        0.8, 0.9, 1.0, 20.0, 60.0, 2e8,
    )  # fmt: skip
    return made._replace(**changes)


def line_of(text, start):
    return next(line for line in text.splitlines() if line.startswith(f"| {start}"))


def test_the_best_variant_counts_cell_by_cell():
    rows = [row("voting", variant="union", pq=0.5), row("voting", variant="cover", pq=0.6)]
    assert best_rows(rows)["voting", "table-8", "usual"].variant == "cover"
    assert "60.0" in documents.quality(rows)


def test_marks_tell_met_from_missed():
    rows = [
        row("ours"), row("voting", pq=0.6), row("label-field", pq=0.85, seconds=90.0), row("split-sdf", chamfer=0.01),
        row("ours", "table-5", pq=0.9), row("ours", "table-50", pq=0.7), row("voting", "table-5", pq=0.8),
    ]  # fmt: skip
    text = documents.marks(rows)
    assert "+15 on average of 2 draws, +10 to +20" in line_of(text, "PQ over voxel voting")
    assert line_of(text, "PQ over voxel voting").endswith("| yes |")
    assert line_of(text, "PQ over label-field").endswith("| **no** |")
    assert "0.22" in line_of(text, "time over that of label-field")
    assert line_of(text, "PQ points lost from 5 to 50").endswith("| 20.0 | 12 | **no** |")
    assert line_of(text, "Chamfer against one SDF").endswith("| -60 % | -25 % | yes |")
    assert line_of(text, "8 objects on one core").endswith("| yes |")
    assert line_of(text, "on a data-centre GPU").endswith("| not measured |")


def test_labels_that_are_only_shuffled_do_not_count_for_the_mark():
    rows = [row("ours", corruption="shuffled", pq=1.0), row("voting", corruption="shuffled", pq=0.1)]
    assert "PQ over voxel voting" not in documents.marks(rows)
    assert "table-8, shuffled" in documents.quality(rows)


def test_draws_are_averaged_and_the_least_is_told():
    rows = [row("ours", pq=0.9), row("ours", corruption="usual#1", pq=0.7, matched=8), row("voting", pq=0.6)]
    assert "| 80.0 (70.0) |" in documents.quality(rows)
    assert "7.5 / 1 / 1" in documents.details(rows)
    assert "| 60.0 |" in documents.quality(rows)


def test_the_readme_gets_a_line_for_each_method():
    rows = [row("ours"), row("ours", corruption="strong", pq=0.6), row("voting", pq=0.5), row("ours", "real-shelf")]
    text = documents.short(rows)
    assert line_of(text, "ours") == "| ours | 80.0 | 60.0 | 80.0 | 4.0 | 20.0 |"
    assert line_of(text, "voting") == "| voting | 50.0 | – | – | 4.0 | 20.0 |"
    assert documents.short([row("voting")]) == documents.NOTHING


def test_the_ablation_stands_apart():
    rows = [row("ours"), row("without one_hot", pq=0.33)]
    assert "33.0" in documents.ablation(rows)
    assert "one_hot" not in documents.quality(rows)
    assert documents.ablation([row("ours")]) == documents.NOTHING


def test_every_term_must_be_missed():
    rows = [row("self-organised", "table-5", miou=0.5), row("without one_hot", "table-5", miou=0.4)]
    assert line_of(documents.marks(rows), "mIoU without").endswith("| -10.0 without one_hot | all below 0 | yes |")
    rows.append(row("without regularization", "table-5", miou=0.6))
    assert line_of(documents.marks(rows), "mIoU without").endswith("| **no** |")


def test_nothing_measured_is_said():
    assert documents.quality([]) == documents.details([]) == documents.NOTHING


def test_rows_survive_the_disk(tmp_path):
    rows = [row("ours", chamfer=float("nan")), row("voting", pq=0.123456)]
    write_rows(rows, tmp_path / "figures" / "rows.csv")
    again = read_rows(tmp_path / "figures" / "rows.csv")
    assert again[1].pq == 0.1235
    assert again[0].switches == 2
    assert again[0].chamfer != again[0].chamfer
    assert read_rows(tmp_path / "none.csv") == []


def test_publishing_keeps_figures_and_pictures(tmp_path):
    (tmp_path / "table-8-usual.png").write_bytes(b"picture")
    documents.publish([row("ours")], tmp_path, tmp_path / "kept.csv", tmp_path / "images")
    assert (tmp_path / "images" / "decomposition-table.png").read_bytes() == b"picture"
    assert len(read_rows(tmp_path / "kept.csv")) == 1
