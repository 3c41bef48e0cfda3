"""``depth_perception/msg/DepthInfo``: what a depth image means and how it was made."""

from __future__ import annotations

import math
from typing import Any

from depth_perception.frames import DepthEstimate
from depth_perception.messages.types import DEPTH_INFO, MessageTypes, header


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
