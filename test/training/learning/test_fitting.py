from __future__ import annotations

from pathlib import Path

import pytest

from depth_perception.models import weights
from training.learning.fitting import (
    LEAST_STEPS,
    PASSES,
    Machine,
    Plan,
    completion_config,
    estimation_config,
    steps_made,
    steps_within,
    with_settings,
)

CPU = Machine("cpu", 2)


def plan(**changes):
    return Plan(Path("frames"), Path("work"), 0.2, 4, **changes)


def test_what_teaches_is_in_the_configuration(estimator_file):
    start = weights.read(estimator_file)
    taught = estimation_config(start, "s", plan(posed=True, points=True, ends=(0.3, 30.0)), CPU)
    assert taught["model"]["known_poses"]
    assert taught["model"]["config"]["farthest"] == 30
    assert taught["model"]["config"]["widths"] == [8, 8, 8, 16, 16]
    assert taught["model"]["criterion"]["init_args"]["known"] > 0
    assert taught["model"]["settle"] == 0
    alone = estimation_config(start, "s", plan(), CPU)
    assert "known" not in alone["model"]["criterion"]["init_args"]
    assert alone["model"]["settle"] > 0  # pose networks learn first
    assert estimation_config(start, "x.ckpt", plan(), CPU)["model"]["settle"] == 0  # it has some


@pytest.mark.parametrize("shape", [(480, 640), (375, 1242), (120, 160)])
def test_samples_are_cut_at_the_step_the_robot_will_use(completer_file, shape):
    start = weights.read(completer_file)
    data = completion_config(start, "s", plan(), CPU, shape)["data"]
    step = data["overrides"]["step"]
    assert (step - 1) ** 2 * start.config.cells < shape[0] * shape[1] <= step**2 * start.config.cells
    assert all(cut <= side and cut % (2 * step) == 0 for cut, side in zip(data["crop"], shape))


def test_too_small_images_are_refused(completer_file):
    with pytest.raises(ValueError, match="too small"):
        completion_config(weights.read(completer_file), "s", plan(), CPU, (1, 64))


def test_a_gpu_takes_more_at_once():
    gpu = Machine("cuda", 16)
    assert gpu.batch > CPU.batch
    assert gpu.workers > CPU.workers
    assert (Machine("cpu", 1).workers, Machine("cpu", 1).threads) == (0, 1)


def test_settings_go_where_they_belong():
    config = {"model": {"learning_rate": 1.0}, "threads": 1}
    found = with_settings(config, ["model.learning_rate=1e-4", "data.workers=0", "--threads=3", "model.names=[a, b]"])
    assert found["model"]["names"] == ["a", "b"]
    assert found["model"]["learning_rate"] == 1e-4
    assert found["data"] == {"workers": 0}
    assert found["threads"] == 3
    assert config["threads"] == 1
    for text in ("model", "threads.more=1"):
        with pytest.raises(ValueError, match="expected OPTION=VALUE"):
            with_settings(config, [text])


def test_steps_fit_the_time_and_the_frames():
    assert steps_within(60, 0.5, 1000, 8) == 120
    assert steps_within(600, 0.01, 10, 8) == PASSES * 10 // 8
    assert steps_within(1, 0.5, 1000, 8) == LEAST_STEPS


def test_without_a_checkpoint_no_step_was_made(tmp_path):
    assert steps_made(tmp_path / "last.ckpt") == 0
