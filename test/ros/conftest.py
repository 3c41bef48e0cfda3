"""Nodes inside the test's own process, in a context of their own."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from local_graph import LocalGraph, local_domain, ros

__all__ = ["LocalGraph", "local_domain", "ros"]
