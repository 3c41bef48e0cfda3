import pytest

from depth_perception.evaluation.model_list import model_list
from depth_perception.models import zoo
from depth_perception.pipelines.model_selection import MODELS


def row(text, name):
    return next(line for line in text.splitlines() if line.startswith(f"{name} "))


def test_every_model_and_backend_has_a_line():
    text = model_list()
    for name in MODELS:
        assert "metric" in row(text, name)
    assert f"default: {zoo.names()[0]}" in text
    for backend in ("torch", "compiled", "onnx"):
        assert any(line.split()[:1] == [backend] for line in text.splitlines())


def test_models_with_weights_show_their_size(monkeypatch):
    about = zoo.Description("jarrn", "7", "Somebody's", family="jarrn", parameters=1_830_000, size=3_700_000)
    monkeypatch.setattr(zoo, "names", lambda: ("jarrn", "fast"))
    monkeypatch.setattr(zoo, "describe", lambda name, file=None: about)
    line = row(model_list(), "jarrn")
    assert line.split()[:6] == ["jarrn", "7", "metric", "1.8", "M", "3.7"]


@pytest.mark.parametrize("name", ["clude"])
def test_models_that_are_not_there_say_so(monkeypatch, name):
    monkeypatch.setattr(zoo, "names", lambda: ("diffusion", "fast"))
    assert "did not come with this installation" in row(model_list(), name)


def test_missing_packages_are_named(monkeypatch):
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "torch,onnxruntime")
    text = model_list()
    assert "pip install torch" in text
    assert "pip install onnxruntime" in text


def test_estimators_are_listed_with_what_their_depth_means(monkeypatch):
    about = zoo.Description("estimation-small", "3", "From video", "up_to_scale", "monocular", 2_000_000, 4_000_000)
    monkeypatch.setattr(zoo, "estimators", lambda: ("estimation-small",))
    monkeypatch.setattr(zoo, "describe", lambda name, file=None: about)
    text = model_list()
    assert row(text, "estimation-small").split()[:5] == ["estimation-small", "3", "up_to_scale", "2.0", "M"]
    assert "did not come with this installation" in row(text, "estimation-large")
