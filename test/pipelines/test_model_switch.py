from __future__ import annotations

import threading
import time

import pytest

from depth_perception.frames import DepthPrediction
from depth_perception.pipelines.model_selection import EstimatorChoice, ModelChoice
from depth_perception.pipelines.model_switch import USUAL_SHAPE, ModelSwitch

SMALL, LARGE, FAST, DIFFUSION = (ModelChoice(n) for n in ("completion-small", "completion-large", "fast", "diffusion"))
SHAPE = (24, 32)


class Model:
    version = "fake"

    def __init__(self, name):
        self.name, self.seen = name, []

    def infer(self, image, sparse, camera=None):
        self.seen.append((sparse.shape, threading.current_thread().name))
        return DepthPrediction(sparse, sparse)


class Shelf:
    """Hands out fakes; a learned one only once its gate is open, or fails."""

    def __init__(self):
        self.gates = {name: threading.Event() for name in ("completion-small", "completion-large")}
        self.broken, self.loaded = set(), []

    def load(self, choice):
        if choice.is_learned:
            assert threading.current_thread().name == "model_loader"
            assert self.gates[choice.name].wait(20)
        if choice.name in self.broken:
            raise RuntimeError(f"{choice.name} is broken")
        self.loaded.append(Model(choice.name))
        return self.loaded[-1]


@pytest.fixture
def shelf(monkeypatch):
    made = Shelf()
    monkeypatch.setattr(ModelChoice, "load", lambda choice: made.load(choice))
    yield made
    for gate in made.gates.values():
        gate.set()


def settle(switch):
    deadline = time.monotonic() + 20
    while not switch.is_settled or switch.is_loading:
        assert time.monotonic() < deadline
        time.sleep(0.002)


def switch_of(choice):
    failures = []
    return ModelSwitch(choice, lambda wish, error: failures.append((wish, str(error)))), failures


def test_a_model_without_weights_is_there_at_once(shelf):
    switch, _ = switch_of(FAST)
    assert switch.is_settled
    assert switch.take(SHAPE).name == "fast"
    switch.request(DIFFUSION)
    assert switch.is_settled
    assert switch.completer.name == "fast"  # until the next frame
    assert switch.take(SHAPE).name == "diffusion"
    assert switch.choice == DIFFUSION
    assert switch.wish is None


def test_the_old_model_answers_while_the_new_one_loads(shelf):
    switch, _ = switch_of(FAST)
    switch.take(SHAPE)
    switch.request(SMALL)
    for _ in range(3):
        assert switch.take(SHAPE).name == "fast"
    assert not switch.is_settled
    assert switch.wish[0] == SMALL
    shelf.gates["completion-small"].set()
    settle(switch)
    assert switch.completer.name == "fast"
    model = switch.take(SHAPE)
    assert model.name == "completion-small"
    assert {shape for shape, _ in model.seen} == {SHAPE}  # warmed up with the camera's size
    assert {thread for _, thread in model.seen} == {"model_loader"}


def test_a_start_is_bridged_and_the_first_frame_waits_for_its_own_size(shelf):
    switch, _ = switch_of(SMALL)
    assert switch.choice == DIFFUSION
    shelf.gates["completion-small"].set()
    settle(switch)
    assert {shape for shape, _ in shelf.loaded[-1].seen} == {USUAL_SHAPE}
    assert switch.take(SHAPE).name == "diffusion"
    settle(switch)
    assert switch.take(SHAPE).name == "completion-small"
    assert switch.take((9, 9)).name == "completion-small"  # another size later is no reason to change the model
    assert len([model for model in shelf.loaded if model.name == "completion-small"]) == 1


def test_the_usual_size_needs_no_bridge(shelf):
    switch, _ = switch_of(SMALL)
    shelf.gates["completion-small"].set()
    settle(switch)
    assert switch.take(USUAL_SHAPE).name == "completion-small"


def test_the_newest_wish_wins(shelf):
    switch, failures = switch_of(FAST)
    switch.request(SMALL)
    switch.request(LARGE)
    for gate in shelf.gates.values():
        gate.set()
    settle(switch)
    switch.take(SHAPE)
    settle(switch)
    assert switch.take(SHAPE).name == "completion-large"
    assert failures == []


def test_going_back_before_it_is_loaded_changes_nothing(shelf):
    switch, failures = switch_of(FAST)
    switch.request(SMALL)
    switch.request(FAST)
    shelf.gates["completion-small"].set()
    settle(switch)
    assert switch.wish is None
    assert switch.take(SHAPE).name == "fast"
    assert failures == []


def test_a_failure_keeps_the_old_model_and_is_told_once(shelf):
    switch, failures = switch_of(FAST)
    old = switch.take(SHAPE)
    shelf.broken.add("completion-small")
    shelf.gates["completion-small"].set()
    switch.request(SMALL)
    settle(switch)
    assert failures == [(SMALL, "completion-small is broken")]
    assert switch.take(SHAPE) is old
    assert switch.wish is None
    shelf.broken.clear()
    switch.request(SMALL)  # mended
    settle(switch)
    assert switch.take(SHAPE).name == "completion-small"


def test_a_model_that_fails_on_its_first_frame_never_comes_into_use(shelf, monkeypatch):
    def out_of_memory(self, image, sparse, camera=None):
        raise MemoryError("too large")

    switch, failures = switch_of(FAST)
    switch.take(SHAPE)
    monkeypatch.setattr(Model, "infer", out_of_memory)
    shelf.gates["completion-small"].set()
    switch.request(SMALL)
    settle(switch)
    assert failures == [(SMALL, "too large")]
    assert switch.take(SHAPE).name == "fast"


def test_cancelling_forgets_the_wish_and_tells_whether_a_thread_is_left(shelf):
    switch, _ = switch_of(SMALL)
    assert switch.cancel() is False
    shelf.gates["completion-small"].set()
    assert switch.cancel(20) is True
    assert switch.take(SHAPE).name == "diffusion"


def test_another_kind_of_model_has_a_fallback_and_a_warm_up_of_its_own(shelf, monkeypatch):
    """An estimator knows nothing until it is loaded."""
    monkeypatch.setitem(shelf.gates, "estimation-small", threading.Event())
    monkeypatch.setattr(EstimatorChoice, "load", lambda choice: shelf.load(choice))
    warm = []
    switch = ModelSwitch(
        EstimatorChoice("estimation-small"),
        lambda wish, error: None,
        EstimatorChoice("none"),
        lambda model, shape: warm.append((model.name, shape)),
    )
    assert switch.take(SHAPE).name == "none"
    shelf.gates["estimation-small"].set()
    settle(switch)
    assert switch.take(SHAPE).name == "estimation-small"
    assert ("estimation-small", SHAPE) in warm
