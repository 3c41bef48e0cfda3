import threading

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
