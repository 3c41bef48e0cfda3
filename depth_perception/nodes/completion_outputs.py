"""What the nodes of depth publish, each output only while somebody listens."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import QoSProfile

from depth_perception.frames import CameraModel, DepthEstimate, FloatImage, SparseDepth
from depth_perception.geometry.camera import rays
from depth_perception.geometry.clouds import depth_to_points, flying_pixels
from depth_perception.messages.camera_info import info_from_camera
from depth_perception.messages.depth_info import depth_info_message
from depth_perception.messages.image import encode_depth, encode_image
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.types import rclpy_types
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.confidence import confidence
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.topics import COMPLETION_OUTPUTS, Topic
from depth_perception.ros.qos import incompatible_subscriber, latched_qos, output_qos, overridable, policy_name
from depth_perception.visualization.colormap import colorize


def colored_points(
    depth: FloatImage,
    image: NDArray[np.uint8],
    directions: NDArray[np.float32],
    stride: int,
    flying_threshold: float,
    organized: bool,
) -> tuple[NDArray[np.float32], NDArray[np.uint8]]:
    """Return points float32 and their RGB colours from a depth image, without pixels between two surfaces.

    ``depth`` (height, width) in metres with NaN for unknown, ``image`` RGB (height, width, 3) and
    ``directions`` (height, width, 3) with z = 1. Every ``stride``-th row and column is taken. Organised:
    both (rows, columns, 3) with NaN for unknown; else (n, 3) valid points. Threshold 0 keeps all.
    """
    if flying_threshold > 0:
        depth = np.where(flying_pixels(depth, flying_threshold), np.float32(np.nan), depth)
    depth, colors, directions = depth[::stride, ::stride], image[::stride, ::stride], directions[::stride, ::stride]
    points = depth_to_points(depth, directions)  # (rows, columns, 3)
    if organized:
        return points, np.ascontiguousarray(colors)
    known = np.flatnonzero(np.isfinite(depth))  # indices, because a mask over three columns costs four times as much
    return points.reshape(-1, 3).take(known, axis=0), colors.reshape(-1, 3).take(known, axis=0)  # (n, 3)


def checked_points(
    sparse: SparseDepth, estimate: DepthEstimate, directions: NDArray[np.float32]
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Return the m measured points in the camera's frame, float32 (m, 3) in metres, and what the model says of each.

    ``directions`` (height, width, 3) with z = 1. The columns, float32 (m,), are those of the topic ``points_checked``.
    """
    at = sparse.rows, sparse.columns
    unknown = np.full(len(sparse), np.nan, np.float32)
    columns = {
        "inlier": unknown if estimate.inlier is None else estimate.inlier[at],
        "residual": sparse.depth - estimate.depth[at],
        "standard_deviation": estimate.standard_deviation[at],
    }
    points = directions[at] * sparse.depth[:, None]
    return points.astype(np.float32), {name: values.astype(np.float32) for name, values in columns.items()}


class CompletionOutputs:
    """The publishers of a node of depth."""

    def __init__(
        self,
        node: Node,
        on_problem: Callable[[str, str, str], None],
        topics: Iterable[Topic] = COMPLETION_OUTPUTS,
        latched: frozenset[str] = frozenset(),
    ):
        """Create every publisher; ``on_problem(cause, subject, text)`` hears of subscribers that cannot be served.

        ``latched``: topics whose last message is kept for those who subscribe later.

        Raises MessageError where the package's own message was not built.
        """
        self._node = node
        self._types = rclpy_types()
        self._on_problem = on_problem
        self._publishers: dict[str, Publisher] = {}
        self._rays: tuple[CameraModel, NDArray[np.float32]] | None = None
        for topic in topics:
            if not topic.name.startswith("/"):
                qos = latched_qos() if topic.name in latched else output_qos()
                self._publishers[topic.name] = self._create(topic.name, topic.type, qos)
        self.too_far = 0  # pixels beyond what 16UC1 can say, in the last frame

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def wanted(self, everything: bool = False) -> frozenset[str]:
        """Return the outputs that somebody subscribes to, or all of them."""
        return frozenset(
            name for name, publisher in self._publishers.items() if everything or publisher.get_subscription_count()
        )

    def publish(
        self, given: CompletionInput, estimate: DepthEstimate, wanted: frozenset[str], values: Mapping[str, Value]
    ) -> None:
        """Encode and publish the ``wanted`` outputs; adds the stage ``publish`` to the estimate's latency."""
        started = time.perf_counter()
        if "depth/camera_info" in wanted:  # first, so that it is there when the image is
            info = info_from_camera(self._types, estimate.camera, estimate.stamp, estimate.frame_id)
            self._publishers["depth/camera_info"].publish(info)
        if "depth/image_rect" in wanted:
            encoding = str(values["depth.encoding"])
            message, self.too_far = encode_depth(
                self._types, estimate.depth, encoding, estimate.stamp, estimate.frame_id
            )
            self._publishers["depth/image_rect"].publish(message)
        if "depth/standard_deviation" in wanted:
            self._image("depth/standard_deviation", estimate.standard_deviation, "32FC1", estimate)
        if "depth/confidence" in wanted:
            sure = confidence(estimate.depth, estimate.standard_deviation, estimate.wide)
            self._image("depth/confidence", sure, "32FC1", estimate)
        if "depth/mask" in wanted:
            self._image("depth/mask", estimate.mask.astype(np.uint8) * np.uint8(255), "mono8", estimate)
        if "depth/image_color" in wanted:
            near, far = float(values["output.preview_min"]), float(values["output.preview_max"])
            preview = colorize(estimate.depth, near or None, far or None)
            self._image("depth/image_color", preview, "rgb8", estimate)
        if "depth/points" in wanted:
            self._points(given, estimate, values)
        if "points_checked" in wanted:
            points, columns = checked_points(given.sparse, estimate, self._directions(estimate.camera))
            message = encode_cloud(self._types, points, estimate.stamp, estimate.frame_id, **columns)
            self._publishers["points_checked"].publish(message)
        estimate.latency["publish"] = time.perf_counter() - started
        if "depth/info" in wanted:  # last, because it tells how long the others took
            self._publishers["depth/info"].publish(depth_info_message(self._types, estimate, given.interval))

    def _points(self, given: CompletionInput, estimate: DepthEstimate, values: Mapping[str, Value]) -> None:
        points, colors = colored_points(
            estimate.depth,
            given.frame.image,
            self._directions(estimate.camera),
            int(values["output.cloud_stride"]),
            float(values["output.flying_threshold"]),
            bool(values["output.organized"]),
        )
        message = encode_cloud(self._types, points, estimate.stamp, estimate.frame_id, colors)
        self._publishers["depth/points"].publish(message)

    def _directions(self, camera: CameraModel) -> NDArray[np.float32]:
        if self._rays is None or self._rays[0] is not camera:
            self._rays = (camera, rays(camera))
        return self._rays[1]

    def _image(self, topic: str, array: NDArray, encoding: str, estimate: DepthEstimate) -> None:
        message = encode_image(self._types, array, encoding, estimate.stamp, estimate.frame_id)
        self._publishers[topic].publish(message)

    def _create(self, name: str, kind: str, qos: QoSProfile) -> Publisher:
        resolved = self._node.resolve_topic_name(name)

        def tell(event: Any) -> None:
            policy = policy_name(event.last_policy_kind)
            self._on_problem("incompatible_qos", "", incompatible_subscriber(resolved, policy))

        return self._node.create_publisher(
            self._types.message_class(kind),
            name,
            qos,
            event_callbacks=PublisherEventCallbacks(incompatible_qos=tell),
            qos_overriding_options=overridable(),
        )
