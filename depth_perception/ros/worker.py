"""One thread that owns the compute device, with a one-slot mailbox: the newest item wins.

Callbacks only put; the thread takes whatever is newest when it becomes free, so work never queues up. A turn of
``idle`` follows every item, so that items that come fast cannot starve it; it must be short, or look at ``is_called``.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any


class Worker:
    """Runs ``work(item)`` for the newest item and ``tasks`` between two items, on one thread."""

    def __init__(
        self,
        work: Callable[[Any], None],
        on_error: Callable[[Exception], None],
        name: str = "depth_perception_worker",
        idle: Callable[[], float | None] | None = None,
    ):
        """``on_error`` receives every exception of ``work``, of tasks and of ``idle``, on the worker thread.

        ``idle`` is called after each item, and while nothing is waiting; it returns after how many seconds it wants
        to be called again, or None if not before something else has been done.
        """
        self._work = work
        self._on_error = on_error
        self._name = name
        self._idle = idle
        self._pause: float | None = 0.0 if idle else None
        self._wake = threading.Condition()
        self._item: Any = None
        self._full = False
        self._tasks: list[Callable[[], None]] = []
        self._busy = False
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def is_running(self) -> bool:
        """True between start and stop."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_called(self) -> bool:
        """True if a task is waiting, or the thread is to end: what takes long had better stop."""
        return bool(self._tasks) or self._stopping

    @property
    def is_wanted(self) -> bool:
        """True if anything is waiting, or the thread is to end."""
        return self._full or self.is_called

    def start(self) -> None:
        """Start the thread; does nothing if it runs."""
        if self.is_running:
            return
        self._stopping = False
        # a daemon, so that a model that never returns cannot keep the process alive after Ctrl-C
        self._thread = threading.Thread(target=self._loop, name=self._name, daemon=True)
        self._thread.start()

    def put(self, item: Any) -> bool:
        """Hand over the newest item; returns True if an older one was still waiting and is now lost."""
        with self._wake:
            superseded = self._full
            self._item, self._full = item, True
            self._wake.notify_all()
            return superseded

    def between(self, task: Callable[[], None]) -> None:
        """Run ``task`` on the thread before the next item, in the order given."""
        with self._wake:
            self._tasks.append(task)
            self._wake.notify_all()

    def clear(self) -> bool:
        """Forget the waiting item; returns True if there was one."""
        with self._wake:
            lost, self._item, self._full = self._full, None, False
            return lost

    def wait_idle(self, timeout: float) -> bool:
        """Wait until nothing is waiting or running; returns False if that takes longer than ``timeout`` seconds."""
        with self._wake:
            return self._wake.wait_for(lambda: not (self._full or self._tasks or self._busy), timeout)

    def stop(self, timeout: float = 5.0) -> bool:
        """End the thread after what it is doing now; returns False if it did not end in ``timeout`` seconds."""
        thread = self._thread
        if thread is None:
            return True
        with self._wake:
            self._stopping = True
            self._item, self._full = None, False
            self._wake.notify_all()
        thread.join(timeout)
        if thread.is_alive():
            return False
        self._thread = None
        return True

    def _loop(self) -> None:
        while True:
            with self._wake:
                self._busy = False
                self._wake.notify_all()
                self._wake.wait_for(lambda: self.is_wanted, self._pause)
                if self._stopping:
                    return
                is_idle = not self.is_wanted
                tasks, self._tasks = self._tasks, []
                # tasks first, and the item is taken only after them: a newer one may arrive meanwhile
                item, has_item = (None, False) if tasks else (self._item, self._full)
                if has_item:
                    self._item, self._full = None, False
                self._busy = True
            self._pause = 0.0 if self._idle else None
            for task in tasks:
                self._guard(task)
            if has_item:
                self._guard(functools.partial(self._work, item))
            if self._idle and (is_idle or (has_item and not self.is_called)):
                self._guard(self._be_idle)

    def _be_idle(self) -> None:
        assert self._idle is not None
        self._pause = None  # if it fails it is not called at once again
        self._pause = self._idle()

    def _guard(self, call: Callable[[], None]) -> None:
        try:
            call()
        except Exception as error:  # whatever a model raises, the node lives on and says so
            self._on_error(error)
