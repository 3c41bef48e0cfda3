"""The whole way by the command line: train on labels of any scale and shift, go on, and use what was learned."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.models import backends, families
from depth_perception.models.estimator import LearnedEstimator
from training import train_geometry
from training.datasets.rendered import frame_files, load_frame
from training.export import read_checkpoint


def command(repository, frames, folder, epochs):
    settings = {
        "data.folder": frames,
        "data.epoch": 8,
        "data.batch_size": 2,
        "data.validation": 2,
        "model.consistency.init_args.start": 0.0,
        "trainer.max_epochs": epochs,
        "trainer.log_every_n_steps": 1,
        "trainer.default_root_dir": folder,
        "trainer.enable_progress_bar": "false",
        "trainer.enable_model_summary": "false",
        "trainer.logger": "false",
        "trainer.callbacks.init_args.dirpath": folder,
    }
    config = repository / "training" / "configs" / "geometry" / "tiny.yaml"
    return ["fit", "--config", str(config), *(f"--{k}={v}" for k, v in settings.items())]


@pytest.fixture(scope="module")
def trained(repository, rendered, tmp_path_factory):
    """A run of one epoch, taken on for another."""
    folder = tmp_path_factory.mktemp("run")
    train_geometry.main(command(repository, rendered, folder, 1))
    before = torch.load(folder / "last.ckpt", weights_only=False)
    train_geometry.main([*command(repository, rendered, folder, 2), "--ckpt_path", str(folder / "last.ckpt")])
    return folder, before


def test_a_run_goes_on_where_it_was(trained):
    folder, before = trained
    after = torch.load(folder / "last.ckpt", weights_only=False)
    assert (before["global_step"], after["global_step"]) == (4, 8)
    assert (before["made"]["samples"], after["made"]["samples"]) == (8, 16)
    assert after["made"]["command"].startswith("python -m training.train_geometry fit --config")


def test_what_was_learned_runs_as_an_estimator(trained, rendered):
    folder, _ = trained
    weights = read_checkpoint(folder / "last.ckpt", "geometry-tiny", "1")
    run = backends.make_runner(weights, "torch", "cpu")
    estimator = LearnedEstimator("x", "1", families.method(weights.family, weights.config), run)
    frame = load_frame(frame_files(rendered, True)[0])
    found = estimator.infer(frame.image, frame.camera)
    assert found.depth.shape == frame.image.shape[:2]
    assert np.isfinite(found.depth).all()
    assert (found.standard_deviation > 0).all()
