from __future__ import annotations

import types

import pytest
import torch
from torch.utils.data import default_collate

from training.datasets.proxy_labels import RenderedLabels
from training.datasets.video import RenderedVideo
from training.datasets.windows import VideoWindows
from training.export import read_checkpoint
from training.losses.gradient_mask import GradientMask
from training.losses.monocular import GamDepthCriterion
from training.losses.photometric import minimum_reprojection
from training.tasks.monocular import MonocularTask, falling

CONFIG = {
    "widths": [8, 8, 16, 16, 24],
    "blocks": [1, 1, 1, 1],
    "decoder": [8, 8, 12, 16, 16],
    "height": 64,
    "width": 96,
}


def task(criterion=None, **settings) -> MonocularTask:
    torch.manual_seed(0)
    criterion = criterion or GamDepthCriterion(GradientMask(percentile=80))
    made = MonocularTask(criterion, CONFIG, **{"offsets": (-1, 1), **settings})
    made.trainer = types.SimpleNamespace(
        estimated_stepping_batches=100, global_step=7, precision="32-true", world_size=1, current_epoch=0
    )
    made.log_dict = lambda values, **_: made.logged.update(values)
    made.logged = {}
    return made


@pytest.fixture(scope="module")
def batch(sequences):
    videos = [RenderedVideo(sequences / "00000001.npz")]
    windows = VideoWindows(videos, (64, 96), (-1, 1), 2, RenderedLabels(0.1), "true", seed=0)
    return default_collate([windows[k] for k in range(4)])


def test_a_few_steps_learn_one_video(batch):
    """What is left of the difference between frames falls by far, and so does it for the averaged weights."""
    made = task(learning_rate=1e-3, average=0.9, classes=RenderedLabels().classes)
    frames = batch["frames"]
    still = minimum_reprojection(frames[:, 0], [frames[:, 1], frames[:, 2]]).error.mean()
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 1e-3)
    found = []
    for index in range(20):
        optimizer.zero_grad()
        made.training_step(batch, index).backward()
        optimizer.step()
        made.on_before_zero_grad(optimizer)
        found.append({k: float(v) for k, v in made.logged.items()})
    assert found[-1]["train/photometric"] < 0.7 * found[0]["train/photometric"]
    assert found[-1]["train/photometric"] < 0.65 * still
    assert found[-1]["train/semantic"] < 0.8 * found[0]["train/semantic"]
    assert found[-1]["train/nll"] < found[0]["train/nll"] - 0.5
    made.eval()
    with torch.no_grad():
        made.validation_step(batch, 0)
    assert made.logged["val/photometric"] < 0.75 * found[0]["train/photometric"]
    assert 0 < made.logged["val/abs_rel"] < 1
    assert 0 < made.logged["val/plane_residual"] < 1
    assert made.samples == 20 * 4


def test_a_step_reaches_every_weight(batch):
    made = task(classes=RenderedLabels().classes)
    made.training_step(batch, 0).backward()
    for name, parameter in made.named_parameters():
        assert (parameter.grad is not None) == (not name.startswith("averaged.")), name
    assert made.logged["train/semantic"] > 0


def test_semantics_are_left_alone_once_they_have_ended(batch):
    made = task(GamDepthCriterion(semantic_epochs=2), classes=RenderedLabels().classes)
    made.trainer.current_epoch = 2
    made.training_step(batch, 0).backward()
    assert all(p.grad is None for p in made.semantic.parameters())
    assert "train/semantic" not in made.logged


def test_final_poses_are_first_times_residual_and_warp_the_sources_themselves(batch):
    """Pose networks that always say the same let the composition be followed by hand."""
    made = task()
    motions = {False: torch.eye(4).repeat(4, 1, 1), True: torch.eye(4).repeat(4, 1, 1)}
    motions[False][:, 0, 3], motions[True][:, 2, 3] = 0.02, 0.01
    asked = []

    def motion(earlier, later, residual=False):
        asked.append((residual, earlier, later))
        return motions[residual].repeat(len(earlier) // 4, 1, 1)

    made.pose.forward = motion
    with torch.no_grad():
        views = made.look(batch, made.network, False)
    past, future = views.poses
    expected = motions[False] @ motions[True]
    assert torch.allclose(future, expected)  # T_later_target is first times residual
    assert torch.allclose(past, torch.linalg.inv(motions[False]) @ torch.linalg.inv(motions[True]), atol=1e-6)
    from depth_perception.geometry.warping import warp

    direct, _ = warp(batch["frames"][:, 2], views.output.depth, batch["K"], expected)
    assert torch.allclose(views.warped[1], direct)
    (_, _, _), (residual, earlier, later) = asked
    assert residual
    first, _ = warp(batch["shown"][:, 2], views.output.depth, batch["K"], motions[False])
    assert torch.allclose(later[4:], first), "the second step sees the warped source"
    assert torch.equal(earlier[4:], batch["shown"][:, 0]), "in the order of time"


def test_one_pose_step_may_do(batch):
    made = task(residual=False)
    made.training_step(batch, 0).backward()
    trained = {n for n, p in made.named_parameters() if p.grad is not None}
    assert not any(n.startswith("pose.residual") for n in trained)
    assert any(n.startswith("pose.pose") for n in trained)


def test_known_poses_teach_depth_in_metres(batch):
    made = task(known_poses=True, learning_rate=2e-3, average=0.8)
    optimizer = torch.optim.Adam([p for p in made.parameters() if p.requires_grad], 2e-3)
    found = []
    for index in range(20):
        optimizer.zero_grad()
        made.training_step(batch, index).backward()
        optimizer.step()
        made.on_before_zero_grad(optimizer)
        if index % 19 == 0:
            made.eval()
            with torch.no_grad():
                made.validation_step(batch, 0)
                depth = made.averaged(batch["frames"][:, 0]).depth
            found.append((made.logged["val/abs_rel"], (depth.median() / batch["depth"].median()).item()))
            made.train()
    assert found[1][0] < 0.85 * found[0][0]
    assert 0.5 < found[1][1] < 2, "not in metres"
    assert all(p.grad is None for p in made.pose.parameters())
    checkpoint = {}
    made.on_save_checkpoint(checkpoint)
    assert checkpoint["made"]["known_poses"]
    with pytest.raises(ValueError, match="here is one without"):
        made.training_step({**batch, "poses": 0 * batch["poses"]}, 0)


def test_depth_starts_in_the_middle_of_its_range(batch):
    for settings, depth in (({}, 1.0), ({"release_start": True}, 0.2)):
        made = task(**settings)
        with torch.no_grad():
            found = made.network(batch["frames"][:, 0]).depth.median()
        assert found.item() == pytest.approx(depth, rel=0.35), settings


def test_networks_see_changed_colours_and_losses_the_true_ones(batch):
    made = task(GamDepthCriterion(auto_mask=False)).eval()
    dark = {**batch, "shown": 0 * batch["shown"]}
    with torch.no_grad():
        views = made.look(dark, made.network, False)
    assert views.output.depth.flatten(1).std(1).max() < views.output.depth.mean()
    assert max(w.max() for w in views.warped) > 0.5


def test_a_checkpoint_ships_what_runs_and_nothing_else(batch, tmp_path):
    made = task(classes=5)
    checkpoint = {"state_dict": made.state_dict()}
    made.on_save_checkpoint(checkpoint)
    torch.save(checkpoint, tmp_path / "last.ckpt")
    found = read_checkpoint(tmp_path / "last.ckpt", "estimation-small", "1")
    assert found.family == "monocular"
    assert not [name for name in found.tensors if name.startswith(("pose", "semantic"))]
    assert set(found.tensors) == {n for n, v in made.network.state_dict().items() if v.is_floating_point()}
    assert found.config == made.config
    assert found.training["offsets"] == [-1, 1]
    assert found.training["knee"] == pytest.approx(400)


def test_depth_stays_as_it_is_until_poses_have_settled(batch):
    made = task(settle=8)  # the trainer stands at step 7
    before = {k: v.clone() for k, v in made.network.state_dict().items()}
    made.training_step(batch, 0).backward()
    assert all(p.grad is None for p in made.network.parameters())
    assert all(torch.equal(v, before[k]) for k, v in made.network.state_dict().items()), "statistics moved"
    assert all(p.grad is not None for p in made.pose.parameters())
    made.trainer.global_step = 8
    made.training_step(batch, 1).backward()
    assert all(p.grad is not None for p in made.network.parameters())


def test_a_run_may_go_on_from_a_checkpoint_with_all_that_fits(tmp_path):
    first = task(classes=5)
    with torch.no_grad():
        for parameter in first.parameters():
            parameter.add_(0.1)
        for parameter in first.averaged.module.parameters():
            parameter.add_(0.1)
    first.criterion.mask.histogram[3] = 1
    torch.save({"state_dict": first.state_dict()}, tmp_path / "last.ckpt")
    later = task(classes=7, start_from=str(tmp_path / "last.ckpt"))
    for own, other in zip(later.network.parameters(), first.averaged.module.parameters()):
        assert torch.equal(own, other)
    assert all(torch.equal(a, b) for a, b in zip(later.pose.parameters(), first.pose.parameters()))
    assert later.criterion.mask.knee() == first.criterion.mask.knee() != pytest.approx(400)
    assert later.semantic.last.weight.shape[0] == 7  # other classes: starts anew
    assert int(later.averaged.n_averaged) == 0
    checkpoint = {}
    later.on_save_checkpoint(checkpoint)
    assert checkpoint["made"]["started_from"].endswith("last.ckpt")


@pytest.mark.parametrize(("known", "count"), [(False, 3), (True, 2)])
def test_what_a_step_calls_is_what_may_be_compiled(batch, monkeypatch, known, count):
    made, called, translated = task(compiled=True, known_poses=known), [], []
    monkeypatch.setattr(torch.nn.Module, "compile", lambda self, dynamic: translated.append(self))
    made.on_train_start()
    for part in translated:
        part.register_forward_hook(lambda module, inputs, output: called.append(module))
    made.training_step(batch, 0)
    assert len(translated) == count
    assert set(map(id, called)) == set(map(id, translated))


def test_the_rate_rises_and_falls_in_steps():
    rates = [falling(step, 10, [52, 72]) for step in (0, 9, 51, 52, 71, 72)]
    assert rates == pytest.approx([0.1, 1, 1, 0.1, 0.1, 0.01])
    assert falling(0, 0, []) == 1
