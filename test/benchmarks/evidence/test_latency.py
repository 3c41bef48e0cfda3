import time

import numpy as np

from benchmarks.evidence import latency
from benchmarks.evidence.methods import Entry
from benchmarks.evidence.rows import best_cells


def test_the_variant_that_won_most_often_is_timed(row):
    entries = [Entry("g", f"g:{i}", "1", None) for i in range(3)] + [Entry("f", "f", "1", None)]
    cells = best_cells([row("g", f"g:{v}", recording=r) for r, v in (("a", 1), ("b", 2), ("c", 2))])
    assert [e.variant for e in latency.favourite(entries, cells)] == ["g:2", "f"]
    assert [e.variant for e in latency.favourite(entries, {})] == ["g:0", "f"]


def test_times_are_medians_without_the_first_call(small_frame):
    calls = []

    def infer(image, sparse, camera):
        time.sleep(0.05 if len(calls) % 4 == 0 else 0.002)
        calls.append(np.count_nonzero(sparse))

    times = latency.measure([Entry("a", "a", "1", infer)], small_frame, repeats=3)
    assert set(times["a"]) == {"500", "64"}
    assert times["a"]["500"] < 30
    assert len(calls) == 8
    assert calls[0] == 500


def test_a_method_that_fails_has_no_time(small_frame, capsys):
    def broken(image, sparse, camera):
        raise RuntimeError("no compiler")

    entries = [Entry("b", "b", "1", broken), Entry("a", "a", "1", lambda i, s, c: s)]
    assert set(latency.measure(entries, small_frame, repeats=1)) == {"a"}
    assert "no time of b: no compiler" in capsys.readouterr().out


def test_times_survive_a_file(tmp_path):
    latency.write({"a": {"500": 3.25, "64": 10.0}}, tmp_path / "times.csv")
    assert latency.read(tmp_path / "times.csv") == {"a": {"500": 3.2, "64": 10.0}}
    assert latency.read(tmp_path / "none.csv") == {}


def test_the_stand_in_has_the_size_of_the_claim():
    frame = latency.stand_in()
    assert frame.image.shape == (480, 640, 3)
    assert (frame.truth > 0).all()
    assert frame.camera.shape == frame.truth.shape
