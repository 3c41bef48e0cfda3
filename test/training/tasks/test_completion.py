from __future__ import annotations

import importlib
import itertools
import types

import pytest
import torch

from depth_perception.models import weights
from training.ablations import STUDIES
from training.datasets.data import RenderedData
from training.losses.refiner import RefinerCriterion
from training.tasks.completion import CompletionTask

CONFIG = {"widths": [8, 8, 8, 8], "blocks": [1, 1, 1, 1], "hidden": 8}
DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


def task(**settings) -> CompletionTask:
    torch.manual_seed(0)
    made = CompletionTask("refiner", RefinerCriterion(), CONFIG, **settings)
    made.trainer = types.SimpleNamespace(
        estimated_stepping_batches=100, global_step=7, precision="bf16-mixed", world_size=2
    )
    return made


@pytest.fixture(scope="module")
def batch(rendered):
    data = RenderedData(str(rendered), "refiner", CONFIG, {"step": 2, "dense": 0}, (64, 96), 2, 0, 4)
    return next(iter(data.train_dataloader()))


def test_the_average_follows_weights_and_statistics():
    made = task(average=0.75)
    weight, averaged = next(made.network.parameters()), next(made.averaged.module.parameters())
    norm, averaged_norm = (
        next(m for m in n.modules() if isinstance(m, torch.nn.BatchNorm2d)) for n in (made.network, made.averaged)
    )
    with torch.no_grad():
        weight.fill_(1)
        made.on_before_zero_grad(None)  # the first one is taken as it is
        assert torch.all(averaged == 1)
        norm.running_mean.fill_(4)
        weight.fill_(2)
        made.averaged.n_averaged.fill_(1_000)  # long under way
        made.on_before_zero_grad(None)
    assert torch.allclose(averaged, torch.tensor(1.25))
    assert torch.allclose(averaged_norm.running_mean, torch.tensor(1.0))
    assert torch.all(weight == 2)


def test_the_average_soon_forgets_where_it_began():
    made = task(average=0.999)
    weight, averaged = next(made.network.parameters()), next(made.averaged.module.parameters())
    with torch.no_grad():
        weight.fill_(5)
        made.on_before_zero_grad(None)
        weight.fill_(1)
        for _ in range(20):
            made.on_before_zero_grad(None)
    assert float(averaged.max()) < 1.01  # with 0.999 from the start it would be 4.9


def test_scalars_and_biases_do_not_decay():
    made = task(weight_decay=0.3)
    groups = made.configure_optimizers()["optimizer"].param_groups
    decay = {id(p): group["weight_decay"] for group in groups for p in group["params"]}
    for name, parameter in made.network.named_parameters():
        assert decay.pop(id(parameter)) == (0.3 if parameter.ndim > 1 else 0), name
    assert not decay  # and nothing else is optimised


def test_the_rate_warms_up_and_falls_to_zero():
    made = task(warmup=10, learning_rate=0.5)
    setup = made.configure_optimizers()
    schedule = setup["lr_scheduler"]["scheduler"]
    rates = []
    for _ in range(101):
        rates.append(schedule.get_last_lr()[0])
        setup["optimizer"].step()
        schedule.step()
    assert setup["lr_scheduler"]["interval"] == "step"
    assert rates[0] == pytest.approx(0.05)
    assert rates[10] == pytest.approx(0.5)
    assert rates[55] == pytest.approx(0.25)
    assert rates[100] == pytest.approx(0, abs=1e-9)
    assert all(a <= b for a, b in itertools.pairwise(rates[:11]))


def test_a_checkpoint_says_what_it_is_and_counting_goes_on():
    made = task(learning_rate=0.01)
    made.samples, made.command = 640, "python -m training.train fit"
    made._before = 100.0
    made.on_train_start()
    checkpoint = {}
    made.on_save_checkpoint(checkpoint)
    assert checkpoint["network"]["family"] == "refiner"
    assert checkpoint["network"]["config"]["widths"] == (8, 8, 8, 8)
    told = checkpoint["made"]
    assert told["samples"] == 640
    assert 100 <= told["seconds"] < 110
    assert told["steps"] == 7
    assert told["precision"] == "bf16-mixed"
    assert told["command"] == "python -m training.train fit"
    assert "core" in told["machine"]
    later = task()
    later.on_load_checkpoint(checkpoint)
    again = {}
    later.on_save_checkpoint(again)
    assert again["made"]["samples"] == 640
    assert again["made"]["seconds"] >= 100


def test_a_run_may_go_on_from_weights(tmp_path):
    first = task()
    tensors = {k: v.numpy() + 0.5 for k, v in first.network.state_dict().items() if v.is_floating_point()}
    told = {"samples": 640, "seconds": 100}
    start = weights.Weights("refiner", "completion-small", "1", first.config, tensors, None, told)
    weights.write(start, tmp_path / "start.safetensors", half=False)
    later = task(start_from=str(tmp_path / "start.safetensors"))
    for state in (later.network.state_dict(), later.averaged.module.state_dict()):
        assert all(torch.allclose(state[k], torch.from_numpy(v)) for k, v in tensors.items())
    checkpoint = {}
    later.on_save_checkpoint(checkpoint)
    assert checkpoint["made"]["samples"] == 640  # new samples come after those already seen
    assert checkpoint["made"]["seconds"] >= 100
    assert checkpoint["made"]["started_from"].endswith("start.safetensors")
    with pytest.raises(weights.WeightError, match="expected"):
        CompletionTask(
            "refiner", RefinerCriterion(), {**CONFIG, "hidden": 16}, start_from=tmp_path / "start.safetensors"
        )


def test_a_checkpoint_of_before_these_counts_can_be_read():
    made = task()
    made.on_load_checkpoint({})
    assert made.samples == 0


@pytest.mark.parametrize("device", DEVICES)
def test_a_step_reaches_every_weight(batch, device):
    made = task().to(device)
    logged = {}
    made.log_dict = lambda values, **_: logged.update(values)
    moved = {k: v.to(device) if k != "inputs" else tuple(x.to(device) for x in v) for k, v in batch.items()}
    loss = made.training_step(moved, 0)
    loss.backward()
    assert float(logged["train/loss"]) == pytest.approx(loss.item())
    assert made.samples == 2 * 2  # both processes' batches
    # on several GPUs a weight without a gradient stops the run
    for name, parameter in made.named_parameters():
        trained = name.startswith("network.")
        assert (parameter.grad is not None) == trained, name
        assert parameter.requires_grad == trained, name


@pytest.mark.parametrize("family", list(STUDIES))
def test_every_family_trains(rendered, family):
    study = STUDIES[family]
    module, _, criterion = study.criterion.rpartition(".")
    torch.manual_seed(0)
    made = CompletionTask(family, getattr(importlib.import_module(module), criterion)(), study.base)
    made.trainer = types.SimpleNamespace(world_size=1)
    made.log_dict = lambda values, **_: None
    data = RenderedData(str(rendered), family, study.base, {}, (64, 96), 2, 0, 4)
    made.training_step(next(iter(data.train_dataloader())), 0).backward()
    assert [name for name, p in made.network.named_parameters() if p.grad is None] == []
    made.on_before_zero_grad(None)


@pytest.mark.parametrize("device", DEVICES)
def test_validation_judges_the_average_in_metres(batch, device):
    made = task().to(device).eval()
    logged = {}
    made.log_dict = lambda values, **_: logged.update(values)
    moved = {k: v.to(device) if k != "inputs" else tuple(x.to(device) for x in v) for k, v in batch.items()}
    with torch.no_grad():
        made.validation_step(moved, 0)
        depth = made.averaged(*moved["inputs"]).depth.repeat_interleave(2, 2).repeat_interleave(2, 3) * moved["scale"]
    known = moved["depth"] > 0
    errors = [float((depth[i] - moved["depth"][i]).abs()[known[i]].mean()) for i in range(len(depth))]
    assert float(logged["val/mae"]) == pytest.approx(sum(errors) / len(errors), rel=1e-4)
    before = float(logged["val/mae"])
    with torch.no_grad():
        for parameter in made.network.parameters():
            parameter.add_(1)  # not averaged yet
        made.validation_step(moved, 0)
        assert float(logged["val/mae"]) == pytest.approx(before)
