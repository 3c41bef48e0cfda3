"""What every completion network returns."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class NetworkOutput(NamedTuple):
    """``depth`` and ``deviation`` (B, 1, h, w) > 0 in network units, ``inlier`` (B, 1, h, w) in [0, 1].

    ``deviation`` is raw: calibration comes after training. ``extra`` holds what only the losses need.
    """

    depth: Tensor
    deviation: Tensor
    inlier: Tensor
    extra: dict[str, Tensor] = {}  # noqa: RUF012  (never changed)
