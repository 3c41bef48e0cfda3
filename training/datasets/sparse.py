"""The sensors a network is asked about that leaves dense input to somebody else."""

from __future__ import annotations

import numpy as np

from depth_perception.evaluation.sensors import Frame, Scan, random_sensor

_TRIES = 20


class SparseScans:
    """Scans of random sensors that measure at least ``fewest`` pixels and at most a share ``densest`` of them."""

    def __init__(self, densest: float = 0.03, fewest: int = 20):
        self.densest = densest
        self.fewest = fewest

    def __call__(self, frame: Frame, rng: np.random.Generator) -> Scan:
        """Return the first scan that fits; where none does, as in a view of the sky, the last one."""
        for _ in range(_TRIES):
            scan = random_sensor(rng).scan(frame, rng)
            if self.fewest <= np.count_nonzero(scan.sparse) <= self.densest * scan.sparse.size:
                break
        return scan
