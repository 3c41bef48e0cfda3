"""Every parameter of the estimation node; most are the completion node's, with the same meaning."""

from __future__ import annotations

from dataclasses import replace

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS, FALLBACK_PARAMETERS
from depth_perception.pipelines.model_selection import ESTIMATORS
from depth_perception.pipelines.parameters import Parameter as P
from depth_perception.pipelines.parameters import ParameterTable

_SHARED = COMPLETION_PARAMETERS
_CHANGED = {
    "model": P(
        "model",
        ESTIMATORS[0],
        "Estimation model; another one is loaded beside it and takes over between two frames.",
        choices=ESTIMATORS,
    ),
    "input.source": P(
        "input.source",
        "points",
        "Measured depth that tells the scale: points (PointCloud2), depth (sparse depth image) or none.",
        choices=("points", "depth", "none"),
        read_only=True,
    ),
    "sync.timeout": replace(
        _SHARED["sync.timeout"], default=0.0, description="How long an image waits for its range data; it needs none."
    ),
    # a sweep is published when it is over, and an image that does not wait must be content with the one before
    "sync.max_interval": replace(
        _SHARED["sync.max_interval"],
        default=0.25,
        description="How much older than an image range data may be that tells its scale, in corrected time.",
    ),
    "depth.min": replace(_SHARED["depth.min"], description="Nearest depth published, if its scale is known."),
    "depth.max": replace(_SHARED["depth.max"], description="Farthest depth published, if its scale is known."),
    "transform.fixed_frame": replace(
        _SHARED["transform.fixed_frame"],
        description="Frame in which the world stands still (odom), for odometry and streaming; empty: none.",
    ),
}
# images pass on without range data in any case, and message_filters has no partial sets
_LEFT_OUT = ("sync.publish_partial", "sync.policy", *(row.name for row in FALLBACK_PARAMETERS))

_SCALE = (
    P("scale.min_points", 5, "Fewer measured pixels in an image do not tell a scale; 0: points never do.", "", 0, 10000),
    P("scale.use_odometry", True, "Find the scale from motion in transform.fixed_frame, if that is set."),
    P("scale.baseline", 0.1, "How far the camera must have moved between two images that tell the scale.", "m", 0.001, 100.0),
    P("scale.odometry_deviation", 0.03, "Standard deviation of the odometry, as a share of the way.", "", 0.0, 1.0),
    P(
        "scale.floor_frame",
        "",
        "Frame on the floor with z up (base_footprint): tells gravity, and the camera's height unless that is given.",
    ),
    P(
        "scale.camera_height",
        0.0,
        "Height of the camera above the floor; 0: from scale.floor_frame, or not known.",
        "m",
        0.0,
        100.0,
    ),
    P("scale.camera_height_deviation", 0.01, "Standard deviation of that height.", "m", 0.0, 10.0),
    P("scale.process_noise", 0.02, "Relative change of the scale to be expected in one second.", "", 0.0, 10.0),
    P("scale.gate", 3.0, "A measured scale farther off than so many standard deviations is kept out.", "", 0.1, 100.0),
    P(
        "scale.max_deviation",
        0.3,
        "A scale less sure than this is not known: depth is then up to scale.",
        "",
        0.001,
        10.0,
    ),
)  # fmt: skip


def _table() -> ParameterTable:
    rows: list[P] = []
    for name, parameter in _SHARED.items():
        if name == "streaming.enabled":
            rows += _SCALE
        if name not in _LEFT_OUT:
            rows.append(_CHANGED.get(name, parameter))
    return ParameterTable(rows)


ESTIMATION_PARAMETERS = _table()
