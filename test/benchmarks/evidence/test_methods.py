from types import SimpleNamespace

import pytest

from benchmarks.evidence import methods
from depth_perception.evaluation import peers
from depth_perception.models import zoo


def test_everything_is_all_of_the_zoo_and_all_peers():
    assert methods.everything() == [*zoo.names(), *peers.families()]


@pytest.mark.usefixtures("learned")
def test_a_learned_model_brings_its_version_and_its_95_per_cent():
    entry = methods.load(["completion-small"])[0]
    assert entry.version.startswith("7")
    assert entry.wide == 3.0
    assert methods.load(["fast"])[0].wide == 1.96


def test_families_come_with_all_options_and_single_peers_alone():
    assert [e.variant for e in methods.load(["linear"])] == ["linear:z", "linear:1/z"]
    assert [(e.method, e.variant) for e in methods.load(["linear:z"])] == [("linear", "linear:z")]
    with pytest.raises(ValueError, match="magic"):
        methods.load(["magic"])


def test_ours_are_ours_even_without_their_weights():
    assert methods.ours(["clude", "fast", "linear", "nearest"]) == ["clude", "fast"]


@pytest.mark.usefixtures("learned")
def test_weights_from_a_file_are_another_method_with_another_version(tmp_path):
    versions = []
    for content in (b"one", b"two"):
        (tmp_path / "seed1.safetensors").write_bytes(content)
        entry = methods.load([f"completion-small@{tmp_path}/seed1.safetensors"])[0]
        assert entry.method == "completion-small@seed1"
        versions.append(entry.version)
    assert versions[0] != versions[1]
    assert methods.ours([entry.method]) == methods.learned([entry.method]) == [entry.method]


@pytest.mark.usefixtures("learned")
def test_backends_that_are_not_there_are_left_out(monkeypatch):
    monkeypatch.setattr(methods.backends, "why_not", lambda name: "missing" if name == "onnx" else None)
    assert list(methods.by_backend("completion-small")) == ["torch", "compiled"]


@pytest.mark.parametrize("problem", [None, "no compiler"])
def test_what_is_compiled_is_waited_for_and_a_failure_is_told(monkeypatch, problem):
    done = []
    runner = SimpleNamespace(wait=lambda: done.append("waited"), problem=problem)
    made = SimpleNamespace(version="1", run=runner, infer=lambda *given: (*given, len(done)))
    monkeypatch.setattr(methods.zoo, "load", lambda *given, **choices: made)
    infer = methods.by_backend("completion-small")["compiled"].infer
    if problem:
        with pytest.raises(RuntimeError, match=problem):
            infer(1, 2, 3)
    else:
        assert infer(1, 2, 3) == (1, 2, 3, 0)
    assert done == ["waited"]
