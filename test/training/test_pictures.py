from __future__ import annotations

import types

import numpy as np
import pytest
import torch

from training import pictures
from training.losses.refiner import RefinerCriterion
from training.tasks.completion import CompletionTask

CONFIG = {"widths": [8, 8, 8, 8], "blocks": [1, 1, 1, 1], "hidden": 8}


class Board:
    """What TensorBoard's writer would have been given."""

    def __init__(self):
        self.shown = []

    def add_image(self, tag, picture, step, dataformats):
        self.shown.append((tag, picture, step, dataformats))


@pytest.fixture(scope="module")
def task():
    torch.manual_seed(0)
    return CompletionTask("refiner", RefinerCriterion(), CONFIG)


def trainer(folder, loggers, step=0):
    return types.SimpleNamespace(
        is_global_zero=True, datamodule=types.SimpleNamespace(folder=str(folder)), loggers=loggers, global_step=step
    )


def test_pictures_are_drawn_every_so_many_steps_and_at_the_end(rendered, task):
    board = Board()
    run = trainer(rendered, [types.SimpleNamespace(experiment=board)])
    callback = pictures.Pictures(every=10, count=3, width=60)
    callback.on_train_start(run, task)
    for step in range(1, 26):
        run.global_step = step
        callback.on_train_batch_end(run, task, None, None, step)
    callback.on_train_end(run, task)
    assert [(tag, step, order) for tag, _, step, order in board.shown] == [("held-out", n, "HWC") for n in (10, 20, 25)]
    picture = board.shown[0][1]
    assert picture.dtype == np.uint8
    assert picture.shape == (3 * (45 + 16), 7 * 60, 3)


def test_nothing_is_done_without_tensorboard_or_beside_the_first_process(rendered, task):
    callback = pictures.Pictures()
    run = trainer(rendered, [types.SimpleNamespace(experiment=object())])
    callback.on_train_start(run, task)
    assert not callback.views
    run = trainer(rendered, [types.SimpleNamespace(experiment=Board())])
    run.is_global_zero = False
    callback.on_train_start(run, task)
    assert not callback.views


def test_the_same_frames_and_points_every_time(rendered):
    first, again = pictures.choose(rendered, 6), pictures.choose(rendered, 6)
    assert [view.name for view in first] == list(pictures.SENSORS)
    assert all(np.array_equal(a.sparse, b.sparse) for a, b in zip(first, again))
    assert not np.array_equal(first[0].frame.image, first[-1].frame.image)


def test_drawing_leaves_the_network_as_it_was(rendered, task):
    task.train()
    before = {k: v.clone() for k, v in task.state_dict().items()}
    pictures.draw(pictures.choose(rendered, 2), pictures.completer_of(task), 40)
    assert task.averaged.training
    assert all(torch.equal(v, before[k]) for k, v in task.state_dict().items())


def test_a_better_answer_is_told_and_seen(rendered):
    view = pictures.choose(rendered, 1)[0]

    def answer(depth):
        from depth_perception.frames import DepthPrediction

        return types.SimpleNamespace(infer=lambda *_: DepthPrediction(depth, 0.1 * depth, np.zeros_like(depth)))

    truth = np.where(view.frame.depth > 0, view.frame.depth, 9).astype(np.float32)
    right, wrong = (pictures.draw([view], answer(truth * scale), 60).astype(int) for scale in (1.0, 1.5))
    error = slice(5 * 60, 6 * 60 - 1)
    assert right[16:, error].mean() < wrong[16:, error].mean() - 30  # dark is small
    assert np.array_equal(right[:, :120], wrong[:, :120])  # image and points
