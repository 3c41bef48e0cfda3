"""``DepthInfo`` and ``DepthScale``: what a depth image means and how it was made."""

from __future__ import annotations

import math
from typing import Any

from depth_perception.frames import DepthEstimate
from depth_perception.messages.types import DEPTH_INFO, DEPTH_SCALE, MessageTypes, header


def depth_info_message(types: MessageTypes, estimate: DepthEstimate, sync_interval: float | None) -> Any:
    """Return the DepthInfo of ``estimate``, with its stamp and frame.

    ``sync_interval`` is the stamp of the range data minus that of the image in seconds, None (written as
    NaN) without range data. Raises MessageError where our message was not built.
    """
    near, far = estimate.valid_range
    return types.make(
        DEPTH_INFO,
        header=header(types, estimate.stamp, estimate.frame_id),
        scale=int(estimate.scale),
        model=estimate.model,
        version=estimate.version,
        min_depth=float(near),
        max_depth=float(far),
        coverage=float(estimate.coverage),
        input_coverage=float(estimate.input_coverage),
        sync_interval=math.nan if sync_interval is None else float(sync_interval),
        latency_stage=list(estimate.latency),
        latency=[float(seconds) for seconds in estimate.latency.values()],
    )


def depth_scale_message(types: MessageTypes, estimate: DepthEstimate) -> Any:
    """Return the DepthScale of ``estimate``, with its stamp and frame; raises MessageError where it was not built."""
    return types.make(
        DEPTH_SCALE,
        header=header(types, estimate.stamp, estimate.frame_id),
        kind=int(estimate.scale),
        factor=float(estimate.scale_factor),
        deviation=float(estimate.scale_deviation),
        source=estimate.scale_source,
        age=float(estimate.scale_age),
    )
