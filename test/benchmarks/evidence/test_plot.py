import pytest

from benchmarks.evidence import plot
from benchmarks.evidence.rows import best_cells
from benchmarks.evidence.tables import Figures


def test_errors_are_geometric_means_over_real_cells(row, tmp_path):
    errors = {"a": {"fast": 0.5, "linear": 1.0, "guided": 2.0}, "b": {"fast": 2.0, "linear": 1.0},
              "worlds": {"fast": 99.0, "linear": 1.0}}  # fmt: skip
    cells = best_cells([row(m, recording=r, mae=e) for r, by_method in errors.items() for m, e in by_method.items()])
    figures = Figures(cells, {"fast": {"500": 5.0}, "linear": {"500": 20.0}})
    errors = plot.relative_errors(figures)
    assert errors == {"fast": pytest.approx(1.0), "linear": pytest.approx(1.0), "guided": pytest.approx(2.0)}
    plot.draw(figures, tmp_path / "plot.png")
    assert (tmp_path / "plot.png").read_bytes()[:4] == b"\x89PNG"
