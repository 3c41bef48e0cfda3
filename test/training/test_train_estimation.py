"""The whole way by the command line: train on rendered video, go on, and use what was learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.models import backends, families
from depth_perception.models.estimator import LearnedEstimator
from training import train_estimation
from training.datasets.video import rendered_videos
from training.export import read_checkpoint


def command(repository, videos, folder, epochs):
    settings = {
        "data.folder": videos,
        "data.epoch": 8,
        "data.batch_size": 2,
        "data.validation": 2,
        "threads": 1,
        "trainer.max_epochs": epochs,
        "trainer.log_every_n_steps": 1,
        "trainer.default_root_dir": folder,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "trainer.logger": "false",
        "trainer.callbacks.init_args.dirpath": folder,
    }
    config = repository / "training" / "configs" / "estimation-tiny.yaml"
    return ["fit", "--config", str(config), *(f"--{k}={v}" for k, v in settings.items())]


@pytest.fixture(scope="module")
def trained(repository, sequences, tmp_path_factory):
    """A run of one epoch, taken on for another."""
    folder = tmp_path_factory.mktemp("run")
    train_estimation.main(command(repository, sequences, folder, 1))
    before = torch.load(folder / "last.ckpt", weights_only=False)
    train_estimation.main([*command(repository, sequences, folder, 2), "--ckpt_path", str(folder / "last.ckpt")])
    return folder, before


def test_a_run_goes_on_where_it_was(trained):
    folder, before = trained
    after = torch.load(folder / "last.ckpt", weights_only=False)
    assert (before["global_step"], after["global_step"]) == (4, 8)
    assert (before["made"]["samples"], after["made"]["samples"]) == (8, 16)
    assert after["made"]["command"].startswith("python -m training.train_estimation fit --config")
    assert "--ckpt_path" not in after["made"]["command"]
    seen = [c["state_dict"]["criterion.mask.histogram"].sum().item() for c in (before, after)]
    assert seen == pytest.approx([4, 8], rel=0.01)  # the knee goes on, too
    assert before["state_dict"]["semantic.last.bias"].shape == (9,)  # 8 clusters and unknown


def test_what_was_learned_runs_as_an_estimator(trained, sequences):
    folder, _ = trained
    weights = read_checkpoint(folder / "last.ckpt", "estimation-tiny", "1")
    run = backends.make_runner(weights, "torch", "cpu")
    estimator = LearnedEstimator("x", "1", families.method(weights.family, weights.config), run)
    frame = rendered_videos(sequences, True)[0][0]
    found = estimator.infer(frame.image, frame.camera)
    assert found.depth.shape == frame.image.shape[:2]
    assert np.isfinite(found.depth).all()
    assert (found.standard_deviation > 0).all()
    assert np.isnan(found.inlier).all()
