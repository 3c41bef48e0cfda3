import dataclasses
import threading

import pytest

from depth_perception.models import onnx_graphs
from depth_perception.models.onnx_graphs import GraphError

from .conftest import random_weights

pytest.importorskip("torch")
pytest.importorskip("onnx")


@pytest.fixture
def made(monkeypatch):
    """Names of the weights that a graph was really made for."""
    made = []
    real = onnx_graphs.to_onnx

    def noting(weights, embed=True):
        made.append(weights.name)
        return real(weights, embed)

    monkeypatch.setattr(onnx_graphs, "to_onnx", noting)
    return made


def test_a_graph_is_made_once_and_serves_all_weights_of_the_configuration(tiny, made):
    first = onnx_graphs.obtain(random_weights("tiny", seed=0))
    assert onnx_graphs.obtain(random_weights("tiny", seed=1, name="other")) == first
    assert made == ["test"]
    onnx_graphs.obtain(random_weights("tiny", {"widths": [3, 3]}))
    assert len(made) == 2
    assert len(list(tiny.cache.iterdir())) == 2


def test_threads_share_the_work(tiny, made):
    weights, graphs = random_weights("tiny"), []
    threads = [threading.Thread(target=lambda: graphs.append(onnx_graphs.obtain(weights))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(graphs) == 4
    assert len(set(graphs)) == 1
    assert len(made) == 1


def test_the_cache_follows_the_xdg_specification(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "x"))
    assert onnx_graphs.cache_folder() == tmp_path / "x" / "depth_perception"
    monkeypatch.setenv("HOME", str(tmp_path))
    for meaningless in ("", "relative/path"):
        monkeypatch.setenv("XDG_CACHE_HOME", meaningless)
        assert onnx_graphs.cache_folder() == tmp_path / ".cache" / "depth_perception"


def test_a_home_that_cannot_be_written_costs_time_only(tiny, made, monkeypatch, tmp_path, caplog):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    weights = random_weights("tiny")
    assert onnx_graphs.obtain(weights) == onnx_graphs.obtain(weights)
    assert len(made) == 2
    assert "cannot keep the ONNX graph" in caplog.text


def test_a_graph_beside_the_weights_is_found(tiny, tmp_path, without):
    weights = random_weights("tiny")
    onnx_graphs.export(weights, tmp_path / "robot")
    without("torch", "onnx")
    with pytest.raises(GraphError, match=r"pip install torch onnx.*depth_perception export test --graph-only"):
        onnx_graphs.obtain(weights)
    assert onnx_graphs.obtain(dataclasses.replace(weights, file=tmp_path / "robot" / "own.safetensors"))


def test_after_a_change_of_the_network_a_new_graph_takes_the_place_of_the_old(tiny, monkeypatch, made):
    weights = random_weights("tiny")
    old = onnx_graphs.export(weights, tiny.shipped)
    monkeypatch.setattr(onnx_graphs, "source_digest", lambda family: "changed")
    assert onnx_graphs.find(weights) is None
    new = onnx_graphs.export(weights, tiny.shipped)
    assert new != old
    assert list(tiny.shipped.iterdir()) == [new]


def test_without_torch_what_is_shipped_is_taken_whatever_a_comment_says(tiny, monkeypatch, made, without):
    """Sources and graph are shipped together, so they differ only while somebody works on them."""
    weights = random_weights("tiny")
    onnx_graphs.export(weights, tiny.shipped)
    monkeypatch.setattr(onnx_graphs, "source_digest", lambda family: "changed")
    without("torch")
    assert onnx_graphs.obtain(weights)
    assert len(made) == 1


def test_the_digest_covers_what_a_network_imports(monkeypatch, tmp_path):
    monkeypatch.setattr(onnx_graphs, "_SOURCES", tmp_path)
    digest = onnx_graphs.source_digest.__wrapped__
    (tmp_path / "big.py").write_text("from depth_perception.models.networks.part import Part\n")
    (tmp_path / "part.py").write_text("class Part: pass\n")
    (tmp_path / "other.py").write_text("1\n")
    before = digest("big")
    (tmp_path / "other.py").write_text("2\n")
    assert digest("big") == before
    (tmp_path / "part.py").write_text("class Part: size = 2\n")
    assert digest("big") != before


def test_examples_are_the_same_each_time(tiny_weights):
    names, one = onnx_graphs.example_inputs(tiny_weights)
    assert names == ("colour", "points")
    assert [a.tobytes() for a in one] == [a.tobytes() for a in onnx_graphs.example_inputs(tiny_weights)[1]]
