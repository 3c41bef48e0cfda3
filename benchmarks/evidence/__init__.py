"""The parts of ``benchmarks.completion``: methods, rows and their store, scoring, tables, marks, latency, plot."""

import os

import numpy as np  # noqa: F401  (its own BLAS has started now and keeps its threads)

# SciPy's Delaunay inverts one 2x2 matrix per triangle. With BLAS threads on a busy machine that takes a hundred times
# longer (2.7 s instead of 0.03 s for 64 scan lines), and the peer `linear` would look slower than it is.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
