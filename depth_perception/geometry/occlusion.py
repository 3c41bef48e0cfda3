"""Placeholder."""

from __future__ import annotations

from depth_perception.frames import SparseDepth


def remove_hidden(sparse: SparseDepth, tolerance: float = 0.05) -> SparseDepth:
    """Return it unchanged."""
    return sparse
