import threading

import pytest

from depth_perception.ros.worker import Worker


def make(work):
    errors = []
    worker = Worker(work, errors.append)
    worker.start()
    return worker, errors


def test_newest_item_wins_and_the_loser_is_reported():
    gate, done = threading.Event(), []
    started = threading.Event()

    def work(item):
        started.set()
        gate.wait(10)
        done.append(item)

    worker, _ = make(work)
    assert worker.put(1) is False
    assert started.wait(10)
    assert worker.put(2) is False  # waits in the slot while 1 is computed
    assert worker.put(3) is True  # 2 is lost
    gate.set()
    assert worker.wait_idle(10)
    assert done == [1, 3]
    assert worker.stop()


def test_an_exception_is_reported_and_the_thread_goes_on():
    done = []

    def work(item):
        if item == "bad":
            raise KeyError("no such thing")
        done.append(item)

    worker, errors = make(work)
    worker.put("bad")
    assert worker.wait_idle(10)
    worker.put("good")
    assert worker.wait_idle(10)
    assert done == ["good"]
    assert [type(error) for error in errors] == [KeyError]
    assert worker.stop()


def test_tasks_run_between_items_on_the_same_thread():
    order, threads = [], set()

    def note(what):
        order.append(what)
        threads.add(threading.get_ident())

    gate, started = threading.Event(), threading.Event()

    def work(item):
        started.set()
        gate.wait(10)
        note(item)

    worker, errors = make(work)
    worker.put("first")
    assert started.wait(10)
    worker.between(lambda: note("task"))
    worker.between(lambda: 1 / 0)
    worker.put("second")
    gate.set()
    assert worker.wait_idle(10)
    assert order == ["first", "task", "second"]
    assert len(threads) == 1
    assert [type(error) for error in errors] == [ZeroDivisionError]
    assert worker.stop()


def test_clear_forgets_the_waiting_item():
    gate, started, done = threading.Event(), threading.Event(), []

    def work(item):
        started.set()
        gate.wait(10)
        done.append(item)

    worker, _ = make(work)
    worker.put(1)
    assert started.wait(10)
    worker.put(2)
    assert worker.clear() is True
    assert worker.clear() is False
    gate.set()
    assert worker.wait_idle(10)
    assert done == [1]
    assert worker.stop()


def test_stop_gives_up_on_work_that_never_ends_and_start_works_again():
    gate, started, done = threading.Event(), threading.Event(), []

    def work(item):
        started.set()
        gate.wait(10)
        done.append(item)

    worker, _ = make(work)
    worker.put(1)
    assert started.wait(10)
    assert worker.stop(timeout=0.05) is False
    assert worker.is_running
    gate.set()
    assert worker.stop(10)
    assert not worker.is_running
    assert worker.stop()
    worker.start()
    worker.put(2)
    assert worker.wait_idle(10)
    assert done == [1, 2]
    assert worker.stop()


def test_idle_time_is_used_until_there_is_nothing_left_and_again_after_work():
    left, done = [3], []
    drained = threading.Event()

    def idle():
        assert not worker.is_called
        if left[0] == 0:
            drained.set()
            return None
        left[0] -= 1
        return 0.0

    worker = Worker(done.append, pytest.fail, idle=idle)
    worker.start()
    assert drained.wait(10)
    assert left == [0]
    drained.clear()
    assert not drained.wait(0.2)  # it sleeps
    left[0] = 2
    worker.put("frame")
    assert drained.wait(10)
    assert (left, done) == ([0], ["frame"])
    assert worker.stop()


def test_items_that_come_fast_do_not_starve_idle_time():
    turns, items = [], []

    def work(item):
        items.append(item)
        if item < 20:
            worker.put(item + 1)  # something is always waiting

    worker = Worker(work, pytest.fail, idle=lambda: turns.append(len(items)))
    worker.put(0)
    worker.start()
    assert worker.wait_idle(10)
    assert items == list(range(21))
    assert turns == list(range(1, 22))
    assert worker.stop()


def test_idle_time_that_fails_is_told_and_not_repeated_at_once():
    errors = []

    def idle():
        raise RuntimeError("no luck")

    worker = Worker(lambda item: None, errors.append, idle=idle)
    worker.start()
    for number in range(3):
        worker.put(number)
        assert worker.wait_idle(10)
    assert worker.stop()
    assert 1 <= len(errors) <= 4
