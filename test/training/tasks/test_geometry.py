from __future__ import annotations

import types

import pytest
import torch
from torch.utils.data import default_collate

from depth_perception.geometry.warping import rays
from training.datasets.mixed_frames import MixedFrames
from training.datasets.rendered import frame_files
from training.losses.view_consistency import ViewConsistencyCriterion
from training.tasks.geometry import GeometryTask
from training.tasks.shape_scores import relative_affine, shape_scores

CONFIG = {
    "widths": [8, 8, 16, 16, 24],
    "blocks": [1, 1, 1, 1],
    "decoder": [8, 8, 12, 16, 16],
    "height": 64,
    "width": 96,
}


def task(step: int = 90, **settings) -> GeometryTask:
    torch.manual_seed(0)
    made = GeometryTask(config=CONFIG, **settings)
    made.trainer = types.SimpleNamespace(
        estimated_stepping_batches=100, global_step=step, precision="32-true", world_size=1, current_epoch=0
    )
    made.logged = {}
    made.log_dict = lambda values, **_: made.logged.update(values)
    return made


@pytest.fixture(scope="module")
def batch(rendered):
    frames = MixedFrames(frame_files(rendered, False), (64, 96), seed=0)
    return default_collate([frames[k] for k in range(4)])


def test_a_step_reaches_every_weight(batch):
    made = task(consistency=ViewConsistencyCriterion())
    made.training_step(batch, 0).backward()
    assert {"train/label_level", "train/again_view", "train/again_frame", "train/again_image"} <= set(made.logged)
    for name, parameter in made.network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all(), name


def test_views_are_not_rendered_before_they_count(batch, monkeypatch):
    made = task(step=10, consistency=ViewConsistencyCriterion(start=0.25))
    monkeypatch.setattr("training.tasks.geometry.round_trip", None)
    made.training_step(batch, 0)
    assert "train/again_view" not in made.logged
    alone = task(step=90)
    alone.training_step(batch, 0)
    assert "train/again_view" not in alone.logged


def test_the_share_of_a_batch_that_is_looked_at_again(batch):
    counts = []
    for looked in (0.5, 1.0):
        made = task(consistency=ViewConsistencyCriterion(), looked=looked)
        made.network.register_forward_hook(lambda _, given, __: counts.append(len(given[0])))
        made.training_step(batch, 0)
    assert counts == [4, 2, 4, 4]
    with pytest.raises(ValueError, match="share"):
        GeometryTask(config=CONFIG, looked=0.0)


class Leaning(torch.nn.Module):
    """A wall with waves, at a scale that can be learned."""

    def __init__(self):
        super().__init__()
        self.log_scale = torch.nn.Parameter(torch.tensor(0.3))

    def forward(self, image):
        column = torch.linspace(0, 1, image.shape[3])
        depth = (2 + column + 0.1 * torch.sin(30 * column) * image.mean()).expand(len(image), 1, *image.shape[2:])
        return types.SimpleNamespace(depth=depth * torch.exp(self.log_scale))


@pytest.mark.parametrize("step", [90, 91])
def test_nothing_pulls_on_the_scale(batch, step):
    made = task(step, consistency=ViewConsistencyCriterion(image=0.0))
    made.network = Leaning()
    torch.manual_seed(1)
    parts = made._consistency(batch["shown"], made.network(batch["shown"]).depth, batch["K"], 0.9)
    (pull,) = torch.autograd.grad(parts["loss"], made.network.log_scale, retain_graph=True)
    assert parts["view"] > 0.003
    assert abs(pull.item()) < 0.05 * parts["loss"].item()


def test_labels_in_any_scale_and_shift_teach_the_same(batch):
    other = batch | {"label": torch.where(batch["label"] > 0, 3 * batch["label"] + 2, 0.0)}
    first, second = (task(deviation=0.0).training_step(b, 0).item() for b in (batch, other))
    assert first == pytest.approx(second, rel=1e-3)


def test_a_few_steps_learn_one_batch(batch):
    made = task(consistency=ViewConsistencyCriterion(), learning_rate=3e-3)
    optimizer = torch.optim.Adam(made.parameters(), lr=3e-3)
    losses = []
    for _ in range(12):
        optimizer.zero_grad()
        loss = made.training_step(batch, 0)
        loss.backward()
        optimizer.step()
        losses.append(float(made.logged["train/label_level"]))
    assert losses[-1] < 0.85 * losses[0]


def test_validation_judges_against_the_truth(batch):
    made = task()
    made.validation_step(batch, 0)
    assert set(made.logged) == {"val/abs_rel_scale", "val/abs_rel_affine", "val/lsiv"}
    again = task()
    again.validation_step(batch | {"label": torch.zeros_like(batch["label"])}, 0)
    assert all(torch.equal(made.logged[k], again.logged[k]) for k in made.logged)


K = torch.tensor([[[30.0, 0, 15.5], [0, 30, 11.5], [0, 0, 1]]])


def room() -> torch.Tensor:
    leaning = 4.0 / (torch.tensor([0.4, 0.2, 1.0]).view(1, 3, 1, 1) * rays(K, 24, 32)).sum(1, keepdim=True)
    return leaning


def test_scores_are_blind_to_scale_and_not_to_shift():
    truth = room()
    right, scaled, shifted = (shape_scores(d, truth, K) for d in (truth, 7 * truth, truth + 1))
    for name in right:
        assert right[name].item() == pytest.approx(0, abs=1e-3), name
        assert scaled[name].item() == pytest.approx(0, abs=1e-3), name
    assert shifted["abs_rel_scale"] > 0.02
    assert shifted["lsiv"] > 0.02
    assert shifted["abs_rel_affine"].item() == pytest.approx(0, abs=1e-4)


def test_a_shift_more_to_fit_never_costs():
    torch.manual_seed(0)
    truth = torch.where(torch.rand(3, 1, 24, 32) < 0.2, 60.0, 1 + 3 * torch.rand(3, 1, 24, 32))  # much of it far
    depth = (truth.sqrt() + 0.3 * torch.rand_like(truth)).contiguous()
    scores = shape_scores(depth, truth, K.expand(3, 3, 3))
    assert scores["abs_rel_affine"] < scores["abs_rel_scale"]
    best = relative_affine(depth, truth, truth > 0)

    def error(d):
        return float(((d - truth).abs() / truth).mean())

    slope, shift = 0.02 * best.mean(), 0.02 * best.mean()
    assert error(best) <= min(error(best + slope * (depth - 1)), error(best - shift), error(best + shift)) + 1e-4


def test_depth_upside_down_is_not_turned_over():
    truth = room()
    scores = shape_scores(10 - truth, truth, K)
    assert scores["abs_rel_affine"].item() == pytest.approx(scores["abs_rel_scale"].item())
    assert scores["abs_rel_scale"] > 0.1


def test_scores_by_hand():
    truth = torch.tensor([[[[2.0, 4.0, 0.0]]]])
    depth = torch.tensor([[[[1.0, 1.0, 50.0]]]])
    flat = torch.tensor([[[1e6, 0, 1.0], [0, 1e6, 0], [0, 0, 1]]])  # all rays along the axis
    scores = shape_scores(depth, truth, flat)
    assert scores["abs_rel_scale"].item() == pytest.approx(0.25)  # scaled by 2: 0 and 2 / 4
    assert scores["lsiv"].item() == pytest.approx((1 / 10) ** 0.5, rel=1e-3)  # by 3: both 1 off, of 4 and 16
    assert shape_scores(depth, torch.zeros_like(truth), flat) == {}
