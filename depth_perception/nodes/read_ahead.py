"""Read a recording a few messages ahead on a thread, so that a slow disk does not delay what is due."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from typing import Any

from depth_perception.recordings.reader import RawRecorded, Recording

_WAIT = 0.1  # seconds between two looks at whether anybody still reads


class ReadAhead:
    """A recording whose ``raw_messages`` come from a bounded queue; everything else is passed on."""

    def __init__(self, recording: Recording, size: int):
        """Hold at most ``size`` messages; raises ValueError below 1."""
        if size < 1:
            raise ValueError(f"read ahead: {size} messages; give 1 or more")
        self._recording = recording
        self._size = size
        self._closed = threading.Event()
        self._threads: list[threading.Thread] = []

    def __getattr__(self, name: str) -> Any:
        """Everything but ``raw_messages`` is the recording's own."""
        return getattr(self._recording, name)

    def raw_messages(self, *args: Any, **options: Any) -> Iterator[RawRecorded]:
        """Yield what the recording's method of this name yields, and raise what it raises, at the same place."""
        source = self._recording.raw_messages(*args, **options)
        waiting: queue.Queue[tuple[RawRecorded | None, Exception | None]] = queue.Queue(self._size)
        abandoned = threading.Event()
        thread = threading.Thread(target=self._read, args=(source, waiting, abandoned), daemon=True)
        self._threads = [old for old in self._threads if old.is_alive()] + [thread]
        thread.start()
        try:
            while not self._closed.is_set():
                try:
                    message, error = waiting.get(timeout=_WAIT)
                except queue.Empty:
                    continue
                if error is not None:
                    raise error
                if message is None:
                    return
                yield message
        finally:
            abandoned.set()

    def close(self) -> None:
        """Stop reading and wait for the threads, so that the recording can be closed."""
        self._closed.set()
        for thread in self._threads:
            thread.join()

    def _read(self, source: Iterator[RawRecorded], waiting: queue.Queue, abandoned: threading.Event) -> None:
        def hand_over(item: tuple[RawRecorded | None, Exception | None]) -> bool:
            while not (abandoned.is_set() or self._closed.is_set()):
                try:
                    waiting.put(item, timeout=_WAIT)
                except queue.Full:
                    continue
                return True
            return False

        try:
            for message in source:
                if not hand_over((message, None)):
                    return
            hand_over((None, None))
        except Exception as error:  # raised again where the message would have been taken
            hand_over((None, error))
