import dataclasses
import threading
import time

import numpy as np
import pytest

from depth_perception.models import backends, families
from depth_perception.models.weights import WeightError

from .conftest import completer, scene

torch = pytest.importorskip("torch")


def test_it_computes_what_the_network_does(tiny_weights):
    """Folding normalisations and channels last change nothing."""
    from depth_perception.models.torch_runner import load_network

    network = load_network(tiny_weights)
    prepared = families.method("tiny", tiny_weights.config).prepare(*scene(), None)
    plain = network(*(torch.from_numpy(x) for x in prepared.inputs))
    for a, b in zip(plain, backends.make_runner(tiny_weights, "torch", "cpu")(prepared.inputs)):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


def test_normalisations_are_folded(tiny_weights):
    from torch import nn

    from depth_perception.models.torch_runner import fold_batch_norm, load_network

    kinds = {type(module) for module in fold_batch_norm(load_network(tiny_weights)).modules()}
    assert nn.BatchNorm2d not in kinds


def test_half_precision_is_close_and_asked_for(tiny_weights):
    image, sparse = scene()
    full = completer(tiny_weights, "torch").infer(image, sparse).depth
    half = completer(tiny_weights, "auto", precision="bfloat16")
    assert half.run.backend == "torch"
    depth = half.infer(image, sparse).depth
    assert depth.dtype == np.float32
    assert 0 < np.abs(depth / full - 1).max() < 0.05
    with pytest.raises(ValueError, match="float32"):
        completer(tiny_weights, "onnx", precision="bfloat16")
    with pytest.raises(ValueError, match="float64"):
        completer(tiny_weights, "torch", precision="float64")


def test_compiling_does_not_hold_up_the_first_frames(tiny_weights, monkeypatch):
    """With a compiler that takes its time, answers come at once; with the one that is done, they are its own."""
    release, calls = threading.Event(), []

    def compiler(network, dynamic):
        release.wait(10)

        def compiled(*inputs):
            calls.append(inputs[0].shape)
            return network(*inputs)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    model = completer(tiny_weights, "compiled")
    image, sparse = scene()
    started = time.monotonic()
    first = [model.infer(image, sparse).depth for _ in range(3)]
    assert time.monotonic() - started < 5
    assert not calls
    release.set()
    model.run.wait()
    warm = len(calls)
    np.testing.assert_allclose(model.infer(image, sparse).depth, first[0], rtol=1e-6)
    assert len(calls) == warm + 1


def test_a_compiler_that_fails_is_done_without(tiny_weights, monkeypatch, caplog):
    def broken(network, dynamic):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", broken)
    model = completer(tiny_weights, "compiled")
    image, sparse = scene()
    before = model.infer(image, sparse).depth
    model.run.wait()
    np.testing.assert_array_equal(model.infer(image, sparse).depth, before)
    assert "no C++ compiler" in model.run.problem
    assert "no C++ compiler" in caplog.text


def test_wrong_tensors_are_named(tiny_weights):
    tensors = dict(tiny_weights.tensors)
    tensors["up.bias"] = np.zeros(4, np.float32)
    for backend in ("torch", "onnx"):
        with pytest.raises(WeightError, match=r"tensor 'up\.bias' is \(4,\), expected \(3,\)"):
            backends.make_runner(dataclasses.replace(tiny_weights, tensors=tensors), backend)
