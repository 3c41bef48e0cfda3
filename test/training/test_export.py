from __future__ import annotations

import re

import numpy as np
import pytest
import torch

from depth_perception.models import weights, zoo
from depth_perception.models.weights import WeightError
from training import export
from training.losses.refiner import RefinerCriterion
from training.tasks.completion import CompletionTask

CONFIG = {"widths": [8, 8, 8, 8], "blocks": [1, 1, 1, 1], "hidden": 8}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    """A checkpoint whose averaged weights differ from the current ones; returns the file and the task."""
    torch.manual_seed(0)
    task = CompletionTask("refiner", RefinerCriterion(), CONFIG)
    with torch.no_grad():
        for parameter in task.averaged.module.parameters():
            parameter.add_(0.01 * torch.randn_like(parameter))
    content = {
        "state_dict": task.state_dict(),
        "network": {"family": "refiner", "config": {**CONFIG, "widths": (8, 8, 8, 8)}},
        "made": {"seconds": 60, "samples": 640, "steps": 40, "command": "python -m training.train fit"},
    }
    file = tmp_path_factory.mktemp("checkpoint") / "last.ckpt"
    torch.save(content, file)
    return file, task


@pytest.fixture(scope="module")
def exported(checkpoint, rendered, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "completion-small.safetensors"
    arguments = [str(checkpoint[0]), "completion-small", "--frames", str(rendered), "--out", str(file)]
    assert export.main([*arguments, "--version", "1.5", "--count", "6", "--worlds", "2"]) == 0
    return file


def test_the_averaged_weights_are_written(checkpoint, exported):
    found = weights.read(exported)
    expected = checkpoint[1].averaged.module.state_dict()
    assert set(found.tensors) == {k for k in expected if not k.endswith("num_batches_tracked")}
    for name, tensor in found.tensors.items():
        assert np.allclose(tensor, expected[name].numpy(), rtol=1e-3, atol=1e-4), name
    name, current = next(checkpoint[1].network.named_parameters())
    assert not np.allclose(found.tensors[name], current.detach().numpy(), rtol=1e-3, atol=1e-4)


def test_the_header_says_what_made_it(exported):
    found = weights.inspect(exported, "refiner")
    assert (found.name, found.version) == ("completion-small", "1.5")
    assert found.config.widths == (8, 8, 8, 8)
    assert found.training["samples"] == 640
    assert found.training["command"] == "python -m training.train fit"
    assert found.training["torch"] == torch.__version__
    assert found.training["frames"] == 32
    calibrated = found.training["calibration"]
    assert calibrated["frames"] == 6 + 2
    assert 0 < calibrated["within_68"] < calibrated["within_95"] <= 1
    assert found.calibration.wide > 1


def test_the_file_can_be_used(exported):
    completer = zoo.load("completion-small", backend="torch", device="cpu", file=exported)
    sparse = np.zeros((50, 70), np.float32)
    sparse[::7, ::9] = np.linspace(2, 5, 8, dtype=np.float32)
    prediction = completer.infer(np.full((50, 70, 3), 90, np.uint8), sparse)
    assert prediction.depth.shape == (50, 70)
    assert np.isfinite(prediction.depth).all()
    assert (prediction.standard_deviation > 0).all()
    assert completer.version == "1.5"


def test_calibrated_is_what_ships(checkpoint):
    stored = export.as_stored(export.read_checkpoint(checkpoint[0], "completion-small", "1"))
    for name, tensor in stored.tensors.items():
        if tensor.ndim > 1:
            assert np.array_equal(tensor, tensor.astype(np.float16).astype(np.float32)), name


def test_weights_that_do_not_fit_are_refused(checkpoint):
    found = export.read_checkpoint(checkpoint[0], "completion-small", "1")
    name = next(iter(found.tensors))
    del found.tensors[name]
    with pytest.raises(WeightError, match=re.escape(name)):
        export.in_torch(found)


def test_a_checkpoint_of_something_else_is_refused(tmp_path):
    torch.save({"state_dict": {}}, tmp_path / "other.ckpt")
    with pytest.raises(KeyError, match="network"):
        export.read_checkpoint(tmp_path / "other.ckpt", "completion-small", "1")
