from __future__ import annotations

import numpy as np
import pytest

from depth_perception.frames import DepthPrediction
from depth_perception.models import backends, zoo
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import (
    LEARNED,
    MODELS,
    EstimatorChoice,
    ModelChoice,
    warm_up,
    warm_up_estimator,
)


@pytest.fixture
def shipped(monkeypatch):
    """All weights ship and everything is installed; returns what a test may hide."""
    missing = set()
    monkeypatch.setattr(zoo, "names", lambda: MODELS)
    monkeypatch.setattr(zoo, "describe", lambda name, file: None)
    monkeypatch.setattr(backends.available, "installed", lambda name: name not in missing)
    return missing


def test_a_model_without_weights_forgets_what_it_does_not_need():
    assert ModelChoice("fast", "onnx", "cuda", "my.safetensors") == ModelChoice("fast")
    assert ModelChoice("jarrn", "onnx") != ModelChoice("jarrn")
    assert str(ModelChoice("jarrn", "onnx", "cpu")) == "jarrn (onnx, cpu)"
    assert str(ModelChoice("jarrn")) == "jarrn"


@pytest.mark.parametrize(
    ("given", "word"), [(("best",), "diffusion"), (("fast", "caffe"), "onnx"), (("jarrn", "auto", "tpu"), "cuda:1")]
)
def test_what_there_is_not_is_refused_with_what_there_is(given, word):
    with pytest.raises(ValueError, match=f"{given[-1]}.*{word}"):
        ModelChoice(*given)


def test_the_choice_comes_from_the_parameters_and_a_file_is_for_its_model_only():
    values = COMPLETION_PARAMETERS.resolve({"model": "clude", "backend": "torch", "device": "cpu", "model_file": "w"})
    assert ModelChoice.from_parameters(values) == ModelChoice("clude", "torch", "cpu", "w")
    assert ModelChoice.from_parameters(values, "jarrn") == ModelChoice("jarrn", "torch", "cpu")


@pytest.mark.parametrize("name", MODELS)
def test_nothing_speaks_against_a_model_that_ships(shipped, name):
    assert ModelChoice(name).problem() == ""


def test_missing_weights_name_what_there_is(monkeypatch):
    monkeypatch.setattr(zoo, "names", lambda: ("diffusion", "fast"))
    for name in LEARNED:
        problem = ModelChoice(name).problem()
        assert name in problem
        assert "make weights" in problem
        assert "diffusion, fast" in problem
        with pytest.raises(ValueError, match=f"no weights of {name}"):
            ModelChoice(name).load()


def test_a_file_that_is_missing_or_no_weights_is_named(tmp_path):
    pytest.importorskip("safetensors")
    file = tmp_path / "mine.safetensors"
    assert str(file) in ModelChoice("clude", file=str(file)).problem()
    file.write_text("no weights at all")
    assert str(file) in ModelChoice("clude", file=str(file)).problem()


def test_missing_libraries_say_what_to_install(shipped):
    shipped.add("torch")
    assert "pip install torch" in ModelChoice("clude", "torch").problem()
    assert "pip install torch" in ModelChoice("clude", "compiled").problem()
    assert ModelChoice("clude").problem() == ModelChoice("clude", "onnx").problem() == ""
    shipped.add("onnxruntime")
    assert "pip install onnxruntime" in ModelChoice("clude").problem()
    assert ModelChoice("fast").problem() == ""


def test_loading_passes_on_everything_that_was_asked_for(shipped, monkeypatch, tmp_path):
    seen = []
    monkeypatch.setattr(zoo, "load", lambda name, **given: seen.append((name, given)))
    file = tmp_path / "mine.safetensors"
    file.touch()
    ModelChoice("clude", "torch", "cpu", str(file)).load()
    ModelChoice("clude").load()
    assert seen == [
        ("clude", {"backend": "torch", "device": "cpu", "file": str(file)}),
        ("clude", {"backend": "auto", "device": "auto", "file": None}),
    ]


def test_warming_up_shows_the_size_with_few_and_with_many_points():
    seen = []

    class Model:
        name, version = "fake", "1"

        def infer(self, image, sparse, camera=None):
            seen.append((image.shape, sparse.shape, camera.shape, int(np.count_nonzero(sparse))))
            return DepthPrediction(sparse, sparse)

    warm_up(Model(), (30, 40))
    assert {entry[:3] for entry in seen} == {((30, 40, 3), (30, 40), (30, 40))}
    counts = [entry[3] for entry in seen]
    assert 1 <= min(counts) < 20
    assert max(counts) > 200


def test_estimators_are_chosen_as_completers_are(shipped, monkeypatch):
    monkeypatch.setattr(zoo, "estimators", lambda: ("estimation-small",))
    assert EstimatorChoice("estimation-small").problem() == ""
    problem = EstimatorChoice("estimation-large").problem()
    assert "no weights of estimation-large" in problem
    assert "docs/training_estimation.md" in problem
    assert problem.endswith("choose one of estimation-small")
    with pytest.raises(ValueError, match="no weights of estimation-large"):
        EstimatorChoice("estimation-large").load()
    with pytest.raises(ValueError, match=r"unknown estimation model 'fast'; known: estimation-small"):
        EstimatorChoice("fast")
    shipped.update({"onnxruntime", "torch"})
    assert "nothing that is installed can run it" in EstimatorChoice("estimation-small").problem()


def test_no_estimator_can_always_be_had():
    none = EstimatorChoice("none", "torch", "cpu", "my.safetensors")
    assert (none.backend, none.file, none.problem()) == ("auto", "", "")
    assert np.isnan(none.load().infer(np.zeros((4, 5, 3), np.uint8)).depth).all()


def test_warming_up_an_estimator_shows_the_size():
    seen = []

    class Model:
        def infer(self, image, camera=None):
            seen.append(image.shape)

    warm_up_estimator(Model(), (30, 40))
    assert set(seen) == {(30, 40, 3)}
