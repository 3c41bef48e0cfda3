"""The whole way on frames of a few thousand pixels: train, be killed, go on, export, use."""

from __future__ import annotations

import os
import subprocess
import sys
import time

import numpy as np
import pytest
import torch

from depth_perception.models import zoo
from training import export, train
from training.datasets.data import Stream
from training.datasets.rendered import frame_files, load_frame

STEPS, BATCH, EVERY = 48, 4, 4  # steps of a run, samples of a step, steps between checkpoints


def command(repository, frames, folder) -> list[str]:
    """The shipped tiny configuration with less of everything."""
    settings = {
        "data.folder": frames,
        "data.crop": "[64,64]",
        "data.batch_size": BATCH,
        "data.workers": 0,
        "data.epoch": 16 * BATCH,
        "threads": 1,
        "model.average": 0.8,
        "model.warmup": 5,
        "trainer.max_epochs": STEPS // 16,
        "trainer.log_every_n_steps": 1,
        "trainer.default_root_dir": folder,
        "trainer.enable_progress_bar": "false",
        "trainer.callbacks.init_args.dirpath": folder,
        "trainer.callbacks.init_args.every_n_train_steps": EVERY,
    }
    config = repository / "training" / "configs" / "tiny.yaml"
    return ["fit", "--config", str(config), *(f"--{k}={v}" for k, v in settings.items())]


def checkpoint(folder):
    return torch.load(folder / "last.ckpt", map_location="cpu", weights_only=False)


def curve(folder, tag) -> list[float]:
    """What TensorBoard shows of ``tag``, all runs in ``folder`` one after the other."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for run in sorted(folder.glob("lightning_logs/version_*")):
        events = EventAccumulator(str(run)).Reload()
        if tag in events.Tags()["scalars"]:
            found |= {event.step: event.value for event in events.Scalars(tag)}
    return [found[step] for step in sorted(found)]


@pytest.fixture(scope="module")
def killed(repository, rendered, tmp_path_factory):
    """A folder with what is left of a run that was killed, started as a person starts it."""
    folder = tmp_path_factory.mktemp("run")
    words = [sys.executable, "-W", "error:LightningCLI", "-m", "training.train", *command(repository, rendered, folder)]
    variables = {**os.environ, "PYTHONPATH": str(repository), "OMP_NUM_THREADS": "1"}
    with (folder / "output.txt").open("w") as output:
        process = subprocess.Popen(words, cwd=folder, env=variables, stdout=output, stderr=subprocess.STDOUT)
        until = time.monotonic() + 150
        while not (folder / "last.ckpt").exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        process.kill()
        process.wait()
    assert (folder / "last.ckpt").exists(), (folder / "output.txt").read_text()[-3000:]
    return folder


@pytest.fixture(scope="module")
def resumed(repository, rendered, killed):
    """The same run taken to its end; returns folder, checkpoint before, checkpoint after, numbers of samples seen."""
    before, numbers = checkpoint(killed), []
    draw = Stream.__getitem__

    def witness(self, number):
        numbers.append(number)
        return draw(self, number)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stream, "__getitem__", witness)
        train.main([*command(repository, rendered, killed), "--ckpt_path", str(killed / "last.ckpt")])
    return killed, before, checkpoint(killed), numbers


def test_a_killed_run_goes_on_where_it_was(resumed):
    _, before, after, numbers = resumed
    steps = before["global_step"]
    assert 0 < steps < STEPS
    assert steps % EVERY == 0
    assert before["made"]["samples"] == steps * BATCH
    assert after["global_step"] == STEPS
    assert after["made"]["steps"] == STEPS
    assert after["made"]["samples"] == STEPS * BATCH
    assert after["made"]["seconds"] >= before["made"]["seconds"]
    # no sample twice and none left out
    assert numbers == list(range(steps * BATCH, STEPS * BATCH))
    assert after["optimizer_states"][0]["state"][0]["step"] == STEPS


def test_training_learns(resumed):
    folder, *_ = resumed
    # depth starts as the hand-made blend, so in so few steps it is the deviation that is learned
    for tag, share in (("val/loss", 0.95), ("val/nll", 0.9), ("val/log", 1.02), ("val/mae", 1.02)):
        found = curve(folder, tag)
        assert len(found) == STEPS // 16
        assert found[-1] < share * found[0], tag
    losses = curve(folder, "train/nll")
    assert len(losses) >= STEPS - EVERY  # what was not yet written when the run was killed is lost
    assert np.mean(losses[-8:]) < 0.8 * np.mean(losses[:8])


def test_tensorboard_shows_pictures(resumed):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    folder, *_ = resumed
    runs = [EventAccumulator(str(run)).Reload() for run in folder.glob("lightning_logs/version_*")]
    shown = [event for run in runs if "held-out" in run.Tags()["images"] for event in run.Images("held-out")]
    assert STEPS in [event.step for event in shown]


def test_mixed_precision_leaves_weights_in_float32(resumed):
    _, _, after, _ = resumed
    assert after["made"]["precision"] == "bf16-mixed"
    assert all(v.dtype == torch.float32 for v in after["state_dict"].values() if v.is_floating_point())


def test_a_finished_run_is_left_as_it_is(repository, rendered, resumed):
    folder, _, after, _ = resumed
    train.main([*command(repository, rendered, folder), "--ckpt_path", str(folder / "last.ckpt")])
    again = checkpoint(folder)
    assert again["global_step"] == STEPS
    assert all(torch.equal(again["state_dict"][k], v) for k, v in after["state_dict"].items())


def test_a_seed_repeats_a_run_bit_by_bit(repository, rendered, tmp_path):
    few = ["--trainer.max_epochs=1", f"--data.epoch={3 * BATCH}", "--trainer.limit_val_batches=0"]
    found = []
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        folder = tmp_path / name
        words = [*command(repository, rendered, folder), *few, f"--seed_everything={seed}", "--trainer.logger=false"]
        train.main(words)
        found.append(checkpoint(folder)["state_dict"])
    first, again, other = found
    assert all(torch.equal(first[k], again[k]) for k in first)
    assert not all(torch.equal(first[k], other[k]) for k in first)


def test_what_was_trained_can_be_used(resumed, rendered, tmp_path, capsys):
    folder, *_ = resumed
    file = tmp_path / "tiny.safetensors"
    arguments = [str(folder / "last.ckpt"), "completion-small", "--frames", str(rendered), "--out", str(file)]
    assert export.main(arguments) == 0
    assert "MB" in capsys.readouterr().out
    completer = zoo.load("completion-small", backend="torch", device="cpu", file=file)
    frame = load_frame(frame_files(rendered, True)[0])
    sparse = np.where(np.random.default_rng(0).random(frame.depth.shape) < 0.02, frame.depth, np.float32(0))
    prediction = completer.infer(frame.image, sparse, frame.camera)
    assert prediction.depth.shape == frame.depth.shape
    known = frame.depth > 0
    assert np.abs(prediction.depth - frame.depth)[known].mean() < 0.5
    assert (prediction.standard_deviation > 0).all()
    told = zoo.describe("completion-small", file).training
    assert told["samples"] == STEPS * BATCH
    assert "training/configs/tiny.yaml" in told["command"]


def test_the_command_does_not_say_where_a_run_was_interrupted():
    said = train.as_typed(["fit", "--config", "a b.yaml", "--ckpt_path", "x/last.ckpt", "--seed_everything", "3"])
    assert said == "python -m training.train fit --config 'a b.yaml' --seed_everything 3"
    assert train.as_typed(["fit", "--ckpt_path=last"]) == "python -m training.train fit"
