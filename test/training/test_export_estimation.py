from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.frames import ScaleKind
from depth_perception.models import weights, zoo
from training import export_estimation
from training.datasets.video import rendered_videos
from training.losses.monocular import GamDepthCriterion
from training.tasks.monocular import MonocularTask

CONFIG = {
    "widths": [8, 8, 8, 8, 8],
    "blocks": [1, 1, 1, 1],
    "decoder": [8, 8, 8, 8, 8],
    "height": 64,
    "width": 96,
}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    torch.manual_seed(0)
    task = MonocularTask(GamDepthCriterion(), CONFIG, (-1, 1), classes=4)
    content = {
        "state_dict": task.state_dict(),
        "network": {"family": "monocular", "config": CONFIG},
        "made": {"samples": 64, "command": "python -m training.train_estimation fit"},
    }
    file = tmp_path_factory.mktemp("checkpoint") / "last.ckpt"
    torch.save(content, file)
    return file


@pytest.fixture(scope="module")
def exported(checkpoint, sequences, tmp_path_factory):
    file = tmp_path_factory.mktemp("weights") / "estimation-small.safetensors"
    arguments = [str(checkpoint), "estimation-small", "--videos", str(sequences), "--out", str(file), "--count", "8"]
    assert export_estimation.main(arguments) == 0
    return file


def test_the_file_holds_the_depth_network_alone(exported):
    found = weights.inspect(exported, "monocular")
    assert {name.split(".")[0] for name in found.shapes} == {"encoder", "decoder", "disparity", "deviation"}
    assert found.training["scale"] == "up_to_scale"
    assert found.training["videos"] == 3
    assert found.training["calibration"]["frames"] == 8
    assert found.calibration is not None
    assert list(exported.parent.glob("monocular-*.onnx"))


@pytest.mark.parametrize("backend", ["torch", "onnx"])
def test_it_estimates_at_any_size(exported, sequences, backend):
    estimator = zoo.load_estimator("estimation-small", backend, "cpu", exported)
    assert estimator.scale == ScaleKind.UP_TO_SCALE
    frame = rendered_videos(sequences, False)[0][2]
    found = estimator.infer(frame.image, frame.camera)
    assert found.depth.shape == found.standard_deviation.shape == (72, 96)
    assert np.isfinite(found.depth).all()
    assert (found.standard_deviation > 0).all()
    assert estimator.infer(np.zeros((90, 200, 3), np.uint8)).depth.shape == (90, 200)


def test_calibration_may_be_left_out(checkpoint, tmp_path):
    file = tmp_path / "raw.safetensors"
    assert export_estimation.main([str(checkpoint), "raw", "--uncalibrated", "--out", str(file)]) == 0
    assert weights.inspect(file).calibration is None
    with pytest.raises(SystemExit):
        export_estimation.main([str(checkpoint), "raw"])


def test_depth_is_metric_if_motion_was_known_and_somebody_says_so(checkpoint, tmp_path, capsys):
    file = tmp_path / "raw.safetensors"
    words = ["raw", "--uncalibrated", "--out", str(file)]
    with pytest.raises(SystemExit):
        export_estimation.main([str(checkpoint), *words, "--metric"])
    assert "not trained with known poses" in capsys.readouterr().err
    content = torch.load(checkpoint, weights_only=False)
    content["made"]["known_poses"] = True
    torch.save(content, tmp_path / "known.ckpt")
    export_estimation.main([str(tmp_path / "known.ckpt"), *words])
    assert weights.inspect(file).training["scale"] == "up_to_scale"  # another camera may run it
    export_estimation.main([str(tmp_path / "known.ckpt"), *words, "--metric"])
    assert weights.inspect(file).training["scale"] == "metric"
