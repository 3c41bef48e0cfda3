import sys
import time

import numpy as np
import pytest

from depth_perception import available
from depth_perception.models import onnx_graphs, weights, zoo
from depth_perception.models.completer import Completer
from depth_perception.models.weights import WeightError

from .conftest import random_weights, scene


@pytest.fixture
def shipped(tiny, tmp_path, monkeypatch):
    """A package that ships completion-large and clude, both of the tiny family."""
    monkeypatch.setattr(zoo, "FOLDER", tiny.shipped)
    for name, (_, summary) in zoo.LEARNED.items():
        monkeypatch.setitem(zoo.LEARNED, name, ("tiny", summary))
    for seed, name in enumerate(("clude", "completion-large")):
        weights.write(random_weights("tiny", seed=seed, name=name), zoo.weight_file(name))
    yield tiny
    available.optional.cache_clear()


def test_every_name_loads_a_completer_of_that_name():
    assert zoo.names()[0] == zoo.DEFAULT
    assert {"diffusion", "fast"} <= set(zoo.names())
    for name in zoo.names():
        completer = zoo.load(name)
        assert isinstance(completer, Completer)
        assert completer.name == name
        assert completer.version
        about = zoo.describe(name)
        assert (about.name, about.version, about.scale) == (name, completer.version, "metric")
        assert about.summary


def test_an_unknown_name_lists_the_known_ones():
    for act in (zoo.load, zoo.describe, zoo.read_weights):
        with pytest.raises(ValueError, match=r"'depthnet'.*diffusion, "):
            act("depthnet")


def test_the_default_comes_first_and_then_what_is_shipped_in_a_fixed_order(shipped):
    assert zoo.names() == ("diffusion", "completion-large", "clude", "fast")


def test_shipped_weights_answer(shipped):
    image, sparse = scene()
    depths = []
    for name in ("completion-large", "clude"):
        model = zoo.load(name)
        assert isinstance(model, Completer)
        assert (model.name, model.version) == (name, "0.1")
        depths.append(model.infer(image, sparse).depth)
        np.testing.assert_allclose(
            zoo.load(name, backend="torch", device="cpu").infer(image, sparse).depth, depths[-1], rtol=1e-4
        )
    assert np.abs(depths[0] - depths[1]).max() > 0.01, "the weights are not the same"


def test_weights_that_are_not_shipped_are_said_so(shipped):
    with pytest.raises(WeightError, match=r"no weights of 'jarrn' are shipped.*make weights"):
        zoo.load("jarrn")


def test_a_file_of_ones_own_is_used(shipped, tmp_path):
    own = tmp_path / "mine.safetensors"
    weights.write(random_weights("tiny", {"steep": 0.01}), own)
    depth = zoo.load("jarrn", file=own).infer(*scene()).depth
    assert np.ptp(depth) < 0.2
    assert zoo.describe("jarrn", own).config.steep == 0.01
    assert zoo.load("jarrn", file=str(own)).version == "0.1"


def test_a_file_of_another_family_is_refused(shipped, tmp_path, monkeypatch):
    monkeypatch.setitem(zoo.LEARNED, "jarrn", ("jarrn", "of another family"))
    with pytest.raises(WeightError, match=r"field 'family' is 'tiny', expected 'jarrn'"):
        zoo.load("jarrn", file=zoo.weight_file("clude"))
    with pytest.raises(ValueError, match="fast has no weights"):
        zoo.load("fast", file=zoo.weight_file("clude"))
    with pytest.raises(FileNotFoundError, match="gone"):
        zoo.load("jarrn", file=tmp_path / "gone.safetensors")


def test_wrong_wishes_are_errors_also_where_they_mean_nothing():
    with pytest.raises(ValueError, match="'openvino'"):
        zoo.load("fast", backend="openvino")
    with pytest.raises(ValueError, match="'tpu'"):
        zoo.load("fast", device="tpu")


def test_description_tells_what_it_is(shipped):
    about = zoo.describe("clude")
    assert about.family == "tiny"
    assert about.parameters == weights.inspect(about.file).parameters > 0
    assert about.size == about.file.stat().st_size
    assert about.training == {"steps": 0}


def test_describing_and_listing_load_nothing(shipped, monkeypatch):
    monkeypatch.setattr(weights, "read", lambda *arguments: pytest.fail("tensors were read"))
    started = time.perf_counter()
    for _ in range(10):
        zoo.names()
        zoo.describe("clude")
    assert time.perf_counter() - started < 2


def test_without_torch_and_onnx_runtime_it_says_what_to_install(shipped, monkeypatch):
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "torch,onnxruntime")
    available.optional.cache_clear()
    with pytest.raises(ImportError, match=r"clude\.safetensors.*pip install onnxruntime, or: pip install torch"):
        zoo.load("clude")


def test_a_robot_without_torch_runs_what_is_shipped(shipped, monkeypatch):
    expected = zoo.load("clude", backend="torch").infer(*scene()).depth
    onnx_graphs.export(zoo.read_weights("clude"), shipped.shipped)
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "torch,onnx")
    available.optional.cache_clear()
    monkeypatch.setitem(sys.modules, "torch", None)
    np.testing.assert_allclose(zoo.load("clude").infer(*scene()).depth, expected, rtol=1e-4)
    assert not shipped.cache.exists()


def test_each_shipped_file_is_small_named_well_and_has_its_graph():
    files = sorted(zoo.FOLDER.glob("*.safetensors"))
    assert {file.stem for file in files} <= {*zoo.LEARNED, *zoo.ESTIMATORS}
    purposes = set()
    for file in files:
        loaded = zoo.read_weights(file.stem)
        assert loaded.name == file.stem
        assert file.stat().st_size < 16e6
        assert loaded.calibration is not None
        purposes.add(onnx_graphs.file_name(loaded).rpartition("-")[0])
    graphs = sorted(zoo.FOLDER.glob("*.onnx"))
    assert sorted(file.stem.rpartition("-")[0] for file in graphs) == sorted(purposes), (
        "type: depth_perception export NAME depth_perception/weights --graph-only"
    )


@pytest.mark.parametrize("name", [name for name in zoo.names() if name in zoo.LEARNED])
def test_a_shipped_graph_computes_what_the_network_does(name):
    """To a millimetre, in metres, at two resolutions."""
    pytest.importorskip("torch")
    pytest.importorskip("onnxruntime")
    models = [zoo.load(name, backend=backend, device="cpu") for backend in ("torch", "onnx")]
    for shape, share in (((96, 128), 0.01), ((93, 170), 0.003)):
        one, two = (model.infer(*scene(shape, share)).depth for model in models)
        assert np.abs(one - two).max() < 1e-3
