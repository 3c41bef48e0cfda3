"""Changes the model while frames flow: the next one is loaded and warmed up beside the one in use."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from depth_perception.pipelines.model_selection import FALLBACK, ModelChoice, warm_up

Shape = tuple[int, int]
THREAD = "model_loader"
USUAL_SHAPE = (480, 640)  # what a model is warmed up with before the first frame has told the camera's size


class ModelSwitch:
    """Holds the completer or estimator in use; a wish takes over between two frames, once it can answer without delay.

    The newest wish wins. Until a first learned model is ready, ``fallback`` answers. Methods may be called from any
    thread, ``take`` only from the one that runs the model.
    """

    def __init__(
        self,
        choice: ModelChoice,
        on_failed: Callable[[ModelChoice, Exception], None],
        fallback: ModelChoice | None = None,
        warm_up: Callable[[Any, Shape], None] = warm_up,
    ):
        """Begin with ``choice``; raises whatever loading a model without weights raises.

        ``on_failed(wish, error)`` hears, on any thread, of a model that could not be loaded; the old one stays.
        ``fallback``: FALLBACK unless given. ``warm_up(model, shape)`` runs a new model once.
        """
        self._on_failed = on_failed
        self._warm_up = warm_up
        self._lock = threading.Lock()
        self._choice = (fallback or ModelChoice(FALLBACK)) if choice.is_learned else choice
        self._completer = self._choice.load()
        self._wish: ModelChoice | None = None
        self._since = 0.0
        self._candidate: Any = None
        self._warm: set[Shape] = set()
        self._shape = USUAL_SHAPE
        self._thread: threading.Thread | None = None
        self.request(choice)

    @property
    def choice(self) -> ModelChoice:
        """What is in use."""
        return self._choice

    @property
    def completer(self) -> Any:
        """The model in use."""
        return self._completer

    @property
    def wish(self) -> tuple[ModelChoice, float] | None:
        """What was asked for but is not in use yet, and since when (s, monotonic)."""
        with self._lock:
            return None if self._wish is None else (self._wish, self._since)

    @property
    def is_settled(self) -> bool:
        """True if nothing is wished for that still has to be loaded or warmed up."""
        with self._lock:
            return self._job() is None

    @property
    def is_loading(self) -> bool:
        """True while the background thread is at work."""
        thread = self._thread
        return thread is not None and thread.is_alive()

    def request(self, choice: ModelChoice) -> None:
        """Ask for a model; one without weights is ready at once, others are loaded in the background."""
        with self._lock:
            if choice == self._wish:
                return
            self._wish = None if choice == self._choice else choice
            self._since, self._candidate, self._warm = time.monotonic(), None, set()
            if choice.is_learned:
                self._start()
                return
        if choice == self._choice:
            return
        try:
            completer = choice.load()
        except Exception as error:
            self._fail(choice, error)
            return
        with self._lock:
            if self._wish is choice:
                self._candidate = completer

    def take(self, shape: Shape) -> Any:
        """Return the model for the next frame, which has (height, width) ``shape``."""
        with self._lock:
            self._shape = shape
            wish, candidate = self._wish, self._candidate
            if wish is not None and candidate is not None and (not wish.is_learned or shape in self._warm):
                self._completer, self._choice = candidate, wish
                self._wish = self._candidate = None
            else:
                self._start()
            return self._completer

    def cancel(self, timeout: float = 0.0) -> bool:
        """Forget the wish; returns False if the background thread did not end in ``timeout`` seconds."""
        with self._lock:
            self._wish = self._candidate = None
            thread = self._thread
        if thread is not None:
            thread.join(timeout)
        return not self.is_loading

    def _job(self) -> tuple[ModelChoice, Any, Shape] | None:
        """Return what the thread has to do next: load the wish, warm it up for a size."""
        wish, candidate = self._wish, self._candidate
        if wish is None or not wish.is_learned or (candidate is not None and self._shape in self._warm):
            return None
        return wish, candidate, self._shape

    def _start(self) -> None:
        if self._thread is None and self._job() is not None:
            # a daemon, so that a library that never returns cannot keep the process alive
            self._thread = threading.Thread(target=self._work, name=THREAD, daemon=True)
            self._thread.start()

    def _work(self) -> None:
        while True:
            with self._lock:
                job = self._job()
                if job is None:
                    self._thread = None
                    return
            wish, completer, shape = job
            try:
                completer = wish.load() if completer is None else completer
                self._warm_up(completer, shape)
            except Exception as error:  # libraries raise whatever they like; the old model goes on
                self._fail(wish, error)
                continue
            with self._lock:
                if self._wish is wish:
                    self._candidate = completer
                    self._warm.add(shape)

    def _fail(self, wish: ModelChoice, error: Exception) -> None:
        with self._lock:
            if self._wish is not wish:  # nobody wants it any more
                return
            self._wish = self._candidate = None
        self._on_failed(wish, error)
