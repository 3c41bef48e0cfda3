"""Several child processes with one fate: named output, a bounded end by SIGINT, and last words on failure.

Standard library only, so that it starts before anything of ROS is imported.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from typing import TextIO

POLL = 0.05  # seconds between two looks at the children


class Child:
    """One running process; made by ``ProcessGroup.start``."""

    def __init__(self, name: str, popen: subprocess.Popen, kept: int):
        self.name = name
        self._popen = popen
        self._lines: deque[str] = deque(maxlen=kept)
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int:
        """Process id, which is also the id of its process group."""
        return self._popen.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while running."""
        return self._popen.poll()

    def tail(self) -> list[str]:
        """Return the last lines that the process wrote."""
        return list(self._lines)

    def wait(self, timeout: float) -> int | None:
        """Wait up to ``timeout`` seconds; return the exit status, or None if it still runs."""
        try:
            status = self._popen.wait(timeout)
        except subprocess.TimeoutExpired:
            return None
        if self._reader is not None:
            self._reader.join(1.0)  # a grandchild may keep the pipe open; do not wait for it
        return status

    def signal(self, number: int) -> None:
        """Send a signal to the process and what it started itself; nothing if it has ended."""
        if self._popen.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):  # it ended in between
            os.killpg(self._popen.pid, number)

    def _read(self, output: TextIO | None, lock: threading.Lock) -> None:
        stream = self._popen.stdout
        assert stream is not None
        with stream:
            for raw in stream:
                line = raw.rstrip("\n")
                self._lines.append(line)
                if output is not None:
                    with lock:
                        print(f"[{self.name}] {line}", file=output, flush=True)

    def kill_left_behind(self) -> None:
        """Kill what the process started and left running; call it soon after the end, before its id can come again."""
        with contextlib.suppress(ProcessLookupError, PermissionError):  # nothing is left, or only zombies are
            os.killpg(self._popen.pid, signal.SIGKILL)


def _hear_interrupts() -> None:
    """Undo that whatever a shell starts in the background ignores SIGINT, by which children are ended."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class ProcessGroup:
    """Start named processes and end all of them together; use it in a ``with`` statement.

    Each process leads a group of its own, so that Ctrl-C in the terminal reaches only this process,
    which then ends the others in order. ``output`` None keeps the children's lines to ``Child.tail``.
    """

    def __init__(self, output: TextIO | None = sys.stdout, kept_lines: int = 40, patience: float = 10.0):
        self.children: list[Child] = []
        self._output = output
        self._kept = kept_lines
        self._patience = patience
        self._lock = threading.Lock()
        self._returned: list[Child] = []

    def __enter__(self) -> ProcessGroup:
        return self

    def __exit__(self, *exception: object) -> None:
        self.stop()

    def start(
        self, name: str, command: Sequence[str], env: Mapping[str, str] | None = None, cwd: str | None = None
    ) -> Child:
        """Start ``command``; its standard output and error are read line by line. Raises OSError."""
        popen = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=None if env is None else dict(env),
            cwd=cwd,
            text=True,
            errors="replace",
            bufsize=1,
            start_new_session=True,
            preexec_fn=_hear_interrupts,
        )
        child = Child(name, popen, self._kept)
        child._reader = threading.Thread(
            target=child._read, args=(self._output, self._lock), name=f"output of {name}", daemon=True
        )
        child._reader.start()
        self.children.append(child)
        return child

    def running(self) -> list[Child]:
        """Return the processes that have not ended."""
        return [child for child in self.children if child.returncode is None]

    def failed(self) -> list[Child]:
        """Return the processes that ended with another status than 0."""
        return [child for child in self.children if child.returncode not in (None, 0)]

    def wait_any(self, timeout: float | None = None) -> Child | None:
        """Wait for a process that has ended, each returned once; None at the timeout [s] or if none is left."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while len(self._returned) < len(self.children):
            for child in self.children:
                if child not in self._returned and child.returncode is not None:
                    child.wait(0)
                    self._returned.append(child)
                    return child
            if deadline is not None and time.monotonic() >= deadline:
                return None
            time.sleep(POLL)
        return None

    def stop(self) -> None:
        """End every running process: SIGINT, after the patience SIGTERM, then SIGKILL. Never longer than twice that."""
        ending = self.running()
        for number, share in ((signal.SIGINT, 1.0), (signal.SIGTERM, 0.5), (signal.SIGKILL, 0.5)):
            try:
                for child in self.running():
                    child.signal(number)
                deadline = time.monotonic() + share * self._patience
                while self.running() and time.monotonic() < deadline:
                    time.sleep(POLL)
            except KeyboardInterrupt:
                continue  # a second Ctrl-C: the user insists, so the next signal is sent at once
            if not self.running():
                break
        for child in ending:
            child.kill_left_behind()
        for child in self.children:
            child.wait(0)
