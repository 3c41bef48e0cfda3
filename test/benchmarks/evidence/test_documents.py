from benchmarks.evidence import documents
from benchmarks.evidence.rows import best_cells
from benchmarks.evidence.tables import Figures


def test_what_is_published_makes_the_same_tables(tmp_path, row):
    rows = [row(m, recording=r, pattern=p, mae=e) for m, e in (("fast", 0.25), ("linear", 0.5))
            for r in ("kitchen", "nyu", "worlds") for p in ("64", "500", "500+outliers")]  # fmt: skip
    figures = Figures(best_cells(rows), {"fast": {"500": 7.5, "64": 8.0}, "linear": {"500": 20.0}}, "How it was made.")
    documents.publish(figures, tmp_path / "figures", tmp_path / "picture.png")
    again = documents.published(tmp_path / "figures")
    assert documents.report(again) == documents.report(figures)
    assert again.how == "How it was made."
    assert (tmp_path / "picture.png").stat().st_size > 1000


def test_before_anything_is_published_the_documents_say_so(tmp_path):
    assert documents.published(tmp_path / "none").how == "Not measured yet."
    assert "Not measured yet." in documents.report(documents.published(tmp_path / "none"))
