"""Topics and frames of each node as plain data: read by the documentation, held against the live graph by a test."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Topic:
    """One topic: relative name, interface type, meaning; ``when`` names the parameter that selects it."""

    name: str
    type: str
    meaning: str
    when: str = ""


COMPLETION_INPUTS = (
    Topic("image", "sensor_msgs/msg/Image", "camera image, raw or rectified", "image.transport: raw"),
    Topic("image/compressed", "sensor_msgs/msg/CompressedImage", "the same as jpeg or png",
          "image.transport: compressed"),
    Topic("camera_info", "sensor_msgs/msg/CameraInfo", "its calibration"),
    Topic("points", "sensor_msgs/msg/PointCloud2", "LiDAR, ToF or VIO points in any frame", "input.source: points"),
    Topic("sparse_depth", "sensor_msgs/msg/Image", "measured depth registered to the image", "input.source: depth"),
    Topic("sparse_depth/compressedDepth", "sensor_msgs/msg/CompressedImage", "the same, compressed",
          "input.depth_transport: compressedDepth"),
    Topic("/tf", "tf2_msgs/msg/TFMessage", "moving transforms"),
    Topic("/tf_static", "tf2_msgs/msg/TFMessage", "fixed transforms"),
)  # fmt: skip

COMPLETION_OUTPUTS = (
    Topic("depth/image_rect", "sensor_msgs/msg/Image",
          "dense depth: 32FC1 in metres with NaN for unknown, or 16UC1 in millimetres with 0"),
    Topic("depth/camera_info", "sensor_msgs/msg/CameraInfo", "calibration of the depth image"),
    Topic("depth/standard_deviation", "sensor_msgs/msg/Image", "standard deviation of each depth, 32FC1 in metres"),
    Topic("depth/confidence", "sensor_msgs/msg/Image",
          "probability that the relative error is below 10 %, 32FC1 from 0 to 1"),
    Topic("depth/mask", "sensor_msgs/msg/Image", "255 where depth is known, else 0 (mono8)"),
    Topic("depth/points", "sensor_msgs/msg/PointCloud2", "coloured cloud in the camera's frame, without flying pixels"),
    Topic("points_checked", "sensor_msgs/msg/PointCloud2",
          "the measured points that were used, in the camera's frame at the image's stamp, each at the centre of its "
          "pixel; float32 fields x, y, z [m], `inlier`: probability that the measurement is right, 0 to 1, NaN where "
          "the model gives none; `residual`: measured minus completed depth [m]; `standard_deviation` of the "
          "completed depth [m]; both NaN where no depth was published"),
    Topic("depth/info", "depth_perception/msg/DepthInfo", "scale kind, model, valid range, coverage, latency by stage"),
    Topic("depth/image_color", "sensor_msgs/msg/Image", "coloured preview of the depth (rgb8)"),
    Topic("/diagnostics", "diagnostic_msgs/msg/DiagnosticArray",
          "rates, latency, drops by cause, and everything that is wrong"),
)  # fmt: skip


ESTIMATION_INPUTS = (
    *COMPLETION_INPUTS[:3],
    Topic("points", "sensor_msgs/msg/PointCloud2", "a few points in any frame, to tell the scale; may be missing",
          "input.source: points"),
    Topic("sparse_depth", "sensor_msgs/msg/Image", "measured depth registered to the image, for the same",
          "input.source: depth"),
    *COMPLETION_INPUTS[5:],
)  # fmt: skip

ESTIMATION_OUTPUTS = (
    Topic("depth/image_rect", "sensor_msgs/msg/Image",
          "dense depth, only while its scale is known: 32FC1 in metres with NaN for unknown, or 16UC1 in millimetres"),
    Topic("depth/image_unscaled", "sensor_msgs/msg/Image",
          "the same while it is not: 32FC1 in the model's own unit; `depth/info` says what that is"),
    Topic("depth/scale", "depth_perception/msg/DepthScale",
          "metres in one unit of the model, how sure that is and what told it; kept for those who subscribe later"),
    Topic("depth/camera_info", "sensor_msgs/msg/CameraInfo", "calibration of the depth image"),
    Topic("depth/standard_deviation", "sensor_msgs/msg/Image",
          "standard deviation of each depth with that of the scale in it, 32FC1 in metres; only while that is known"),
    Topic("depth/confidence", "sensor_msgs/msg/Image",
          "probability that the relative error is below 10 %, 32FC1 from 0 to 1; only while the scale is known"),
    Topic("depth/mask", "sensor_msgs/msg/Image", "255 where depth is known, else 0 (mono8)"),
    Topic("depth/points", "sensor_msgs/msg/PointCloud2",
          "coloured cloud in the camera's frame, without flying pixels; only while the scale is known"),
    Topic("depth/info", "depth_perception/msg/DepthInfo",
          "whether depth is metric, up to scale or relative; model, valid range, coverage, latency by stage"),
    *COMPLETION_OUTPUTS[-2:],
)  # fmt: skip


@dataclass(frozen=True)
class Frame:
    """One coordinate frame: where its name comes from and what it must be."""

    role: str
    named_by: str
    meaning: str


COMPLETION_FRAMES = (
    Frame("camera", "`header.frame_id` of `image`", "optical frame: x right, y down, z forward (REP 103)"),
    Frame("range sensor", "`header.frame_id` of `points`", "any frame that TF connects to the camera"),
    Frame("fixed", "parameter `transform.fixed_frame`",
          "world that stands still (`odom`): bridges the time between scan and image, and undoes motion in a scan"),
    Frame("outputs", "the image's frame and stamp", "every output carries the stamp and frame of its image"),
)  # fmt: skip

ESTIMATION_FRAMES = (
    COMPLETION_FRAMES[0],
    COMPLETION_FRAMES[1],
    Frame("fixed", "parameter `transform.fixed_frame`",
          "world that stands still (`odom`): tells how far the camera moved, for the scale and for streaming"),
    Frame("floor", "parameter `scale.floor_frame`",
          "frame on the floor with z up (`base_footprint`): tells gravity and the camera's height"),
    COMPLETION_FRAMES[3],
)  # fmt: skip


def frame_table(frames: Iterable[Frame]) -> str:
    """Return the frames as a GitHub markdown table."""
    rows = ["| frame | named by | meaning |", "|---|---|---|"]
    rows += [f"| {frame.role} | {frame.named_by} | {frame.meaning} |" for frame in frames]
    return "\n".join(rows)


def topic_table(topics: Iterable[Topic]) -> str:
    """Return the topics as a GitHub markdown table."""
    rows = ["| topic | type | meaning |", "|---|---|---|"]
    for topic in topics:
        meaning = f"{topic.meaning} (`{topic.when}`)" if topic.when else topic.meaning
        rows.append(f"| `{topic.name}` | `{topic.type}` | {meaning} |")
    return "\n".join(rows)
