"""Two worker threads for array code that releases the interpreter lock."""

from __future__ import annotations

import functools
import itertools
import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


@functools.cache
def _pool(process: int) -> ThreadPoolExecutor | None:
    """One pool a process, as threads do not survive a fork; None on a machine with a single core."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return ThreadPoolExecutor(2, "completion") if cores > 1 else None


def parallel_map(function: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Return ``[function(item) for item in items]``, worked on by two threads.

    The result does not depend on the number of threads. ``function`` must not call ``parallel_map`` itself.
    """
    pool = _pool(os.getpid())
    return list(pool.map(function, items)) if pool is not None else [function(item) for item in items]


def bands(size: int, count: int) -> list[slice]:
    """Cut ``range(size)`` into at most ``count`` contiguous slices of nearly equal length."""
    edges = [size * i // count for i in range(count + 1)]
    return [slice(a, b) for a, b in itertools.pairwise(edges) if b > a]
