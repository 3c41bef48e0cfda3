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

DECOMPOSITION_INPUTS = (
    *COMPLETION_INPUTS[:3],
    Topic("depth", "sensor_msgs/msg/Image",
          "depth registered to the image, 32FC1 in metres or 16UC1 in millimetres: our `depth/image_rect`, or a depth "
          "camera's", "depth.transport: raw"),
    Topic("depth/compressedDepth", "sensor_msgs/msg/CompressedImage", "the same, compressed",
          "depth.transport: compressedDepth"),
    Topic("labels", "sensor_msgs/msg/Image",
          "one number a pixel for each object of the image, 0 for none: mono8, mono16, 16UC1 or 32SC1; numbers may "
          "change from image to image", "labels.source: topic or auto"),
    Topic("odometry", "nav_msgs/msg/Odometry", "where the robot is in the world", "pose.source: odometry"),
    *COMPLETION_INPUTS[6:],
)  # fmt: skip

DECOMPOSITION_OUTPUTS = (
    Topic("objects", "depth_perception/msg/ObjectSurfaceArray",
          "objects that are new or changed since the message before, and ids that are no more; all when somebody "
          "begins to listen; every `output.period`"),
    Topic("objects/all", "depth_perception/msg/ObjectSurfaceArray",
          "all objects; kept for those who subscribe later, sent again after changes"),
    Topic("objects/markers", "visualization_msgs/msg/MarkerArray",
          "surfaces, boxes and names for rviz, in colours by id; only what has changed"),
    Topic("objects/labels", "sensor_msgs/msg/Image",
          "the id of the object at each pixel of the current image: 0 background, unknown as "
          "`output.label_encoding` has it"),
    Topic("objects/label_color", "sensor_msgs/msg/Image", "the same in the colours of the markers (rgb8)"),
    Topic("objects/points", "sensor_msgs/msg/PointCloud2",
          "points of the current image in these colours; field `label` (uint32) holds the id"),
    COMPLETION_OUTPUTS[-1],
)  # fmt: skip

DECOMPOSITION_SERVICES = (
    Topic("~/save_scene", "depth_perception/srv/SaveScene",
          "write GLB and PLY of every object, a manifest, and all that is needed to go on; killed on the way it leaves "
          "an older scene as it was"),
    Topic("~/load_scene", "depth_perception/srv/LoadScene", "go on with a saved scene, under the same ids"),
    Topic("~/get_object", "depth_perception/srv/GetObject", "one object with its mesh"),
    Topic("~/merge_objects", "depth_perception/srv/MergeObjects", "let two ids be one object"),
    Topic("~/reset", "std_srvs/srv/Trigger", "forget the scene"),
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

DECOMPOSITION_FRAMES = (
    COMPLETION_FRAMES[0],
    Frame("world", "parameter `transform.fixed_frame`", "stands still, z up (`odom` or `map`): objects are in it"),
    Frame("views", "the image's frame and stamp", "label image and labelled cloud carry the stamp of their image"),
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
