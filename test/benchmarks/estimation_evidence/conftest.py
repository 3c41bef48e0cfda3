from __future__ import annotations

import math

import pytest

from benchmarks.estimation_evidence.rows import FIGURES, Row


def make_row(method="m", recording="kitchen", frame="f", version="1", **figures) -> Row:
    return Row(recording, frame, method, version, **{name: figures.get(name, math.nan) for name in FIGURES})


@pytest.fixture(name="make_row")
def _make_row():
    return make_row
