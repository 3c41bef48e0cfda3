"""Ctrl-C while learning: the first ends training after the step it is in, so that what was learned is kept."""

from __future__ import annotations

import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

import lightning


class Asked:
    """Whether somebody asked to stop; one for the process, as signals are."""

    stop = False


@contextmanager
def gentle() -> Iterator[None]:
    """Let the first SIGINT ask to stop and the second interrupt as usual."""
    Asked.stop = False

    def handle(number: int, frame: FrameType | None) -> None:
        if Asked.stop:
            raise KeyboardInterrupt
        Asked.stop = True
        print("\nstopping after this step; what was learned is kept (once more: stop at once)", file=sys.stderr)

    before = signal.signal(signal.SIGINT, handle)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


class StopWhenAsked(lightning.Callback):
    """Ends training when it was asked for, or after ``seconds`` of this run; 0: never for that."""

    def __init__(self, seconds: float = 0.0):
        self.seconds = seconds
        self._start = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Start the clock."""
        self._start = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *rest: Any, **named: Any) -> None:
        """Say stop."""
        late = self.seconds > 0 and time.monotonic() - self._start > self.seconds
        if Asked.stop or late:
            trainer.should_stop = True


class Pace(lightning.Callback):
    """Measures how long a step takes: ``Pace.seconds`` holds that of every step of the last run."""

    seconds: list[float] = []  # noqa: RUF012 - the one list that the run is asked for afterwards
    _last = 0.0

    def on_train_start(self, trainer: lightning.Trainer, pl_module: lightning.LightningModule) -> None:
        """Forget the run before."""
        Pace.seconds.clear()
        Pace._last = time.monotonic()

    def on_train_batch_end(self, trainer: lightning.Trainer, *rest: Any, **named: Any) -> None:
        """Note a step."""
        now = time.monotonic()
        Pace.seconds.append(now - Pace._last)
        Pace._last = now
