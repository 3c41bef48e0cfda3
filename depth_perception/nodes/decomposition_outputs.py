"""What the decomposition node publishes: objects at a steady rate, and what the current view shows of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher

from depth_perception.frames import PosedDepth
from depth_perception.geometry.camera import rays
from depth_perception.geometry.clouds import depth_to_points
from depth_perception.messages.image import encode_image
from depth_perception.messages.labels import encode_labels
from depth_perception.messages.object_markers import deletion_markers, marker_array, object_markers
from depth_perception.messages.object_surface import surfaces_message
from depth_perception.messages.point_cloud import encode_cloud
from depth_perception.messages.types import rclpy_types
from depth_perception.pipelines.decomposition import Snapshot
from depth_perception.pipelines.object_changes import ChangeFeed, Changes
from depth_perception.pipelines.object_colors import id_colors
from depth_perception.pipelines.parameters import Value
from depth_perception.pipelines.topics import DECOMPOSITION_OUTPUTS
from depth_perception.ros.qos import incompatible_subscriber, latched_qos, output_qos, overridable, policy_name

OBJECTS, ALL, MARKERS = "objects", "objects/all", "objects/markers"
LABELS, LABEL_COLOR, CLOUD = "objects/labels", "objects/label_color", "objects/points"
VIEW = frozenset({LABELS, LABEL_COLOR, CLOUD})


class DecompositionOutputs:
    """The publishers of the decomposition node; objects and views are published from different threads."""

    def __init__(self, node: Node, on_problem: Callable[[str, str, str], None]):
        """Create every publisher; raises MessageError where the package's own messages were not built."""
        self._node = node
        self._types = rclpy_types()
        self._on_problem = on_problem
        self._publishers: dict[str, Publisher] = {}
        for topic in DECOMPOSITION_OUTPUTS:
            if not topic.name.startswith("/"):
                self._publishers[topic.name] = self._create(topic.name, topic.type)
        self._feeds = {name: ChangeFeed() for name in (OBJECTS, ALL, MARKERS)}
        self._listeners = dict.fromkeys((OBJECTS, MARKERS), 0)
        self._last_complete = -np.inf
        self._rays: tuple[object, NDArray[np.float32]] | None = None
        self.sent = 0  # objects in messages so far

    def close(self) -> None:
        """Destroy the publishers."""
        for publisher in self._publishers.values():
            self._node.destroy_publisher(publisher)
        self._publishers = {}

    def wanted(self) -> frozenset[str]:
        """Return the outputs that somebody subscribes to."""
        return frozenset(name for name, publisher in self._publishers.items() if publisher.get_subscription_count())

    # -- objects --------------------------------------------------------------------------------

    def publish_objects(self, snapshot: Snapshot, stamp: int, frame_id: str, values: Mapping[str, Value]) -> None:
        """Publish what has changed, to each topic what its listeners have not heard; all, where somebody is new.

        ``objects`` is published each time, also without a change; ``objects/all`` no more often than
        ``output.complete_period``, and then also while nobody listens, because it is kept for those to come.
        """
        least = float(values["objects.least_confidence"])
        for name in (OBJECTS, MARKERS):
            count = self._publishers[name].get_subscription_count()
            if count > self._listeners[name]:
                self._feeds[name].forget()
            self._listeners[name] = count
            if not count:
                continue
            changes = self._feeds[name].changes(snapshot, least)
            if name == OBJECTS:
                self._surfaces(OBJECTS, changes, stamp, frame_id)
            elif changes:
                self._markers(changes, stamp, frame_id, int(values["output.marker_triangles"]))
        if time.monotonic() - self._last_complete >= float(values["output.complete_period"]):
            everything = self._feeds[ALL].changes(snapshot, least)
            if everything:
                self._last_complete = time.monotonic()
                present = tuple(surface for surface in snapshot.objects if surface.confidence >= least)
                self._surfaces(ALL, Changes(present, is_complete=True), stamp, frame_id)

    def _surfaces(self, topic: str, changes: Changes, stamp: int, frame_id: str) -> None:
        message = surfaces_message(
            self._types, changes.objects, stamp, frame_id, changes.is_complete, changes.removed, changes.merged
        )
        self._publishers[topic].publish(message)
        self.sent += len(changes.objects)

    def _markers(self, changes: Changes, stamp: int, frame_id: str, largest: int) -> None:
        markers = []
        if changes.is_complete:
            everything = self._types.make("visualization_msgs/msg/Marker", action=3)  # DELETEALL
            everything.header.frame_id = frame_id
            markers.append(everything)
        for number in changes.removed:
            markers += deletion_markers(self._types, number, stamp, frame_id)
        for surface in changes.objects:
            markers += object_markers(self._types, surface, stamp, frame_id, largest)
        self._publishers[MARKERS].publish(marker_array(self._types, markers))

    # -- the current view -----------------------------------------------------------------------

    def publish_view(
        self, frame: PosedDepth, ids: NDArray[np.int32], wanted: frozenset[str], values: Mapping[str, Value]
    ) -> None:
        """Publish the ``wanted`` outputs for ``ids`` (height, width) of the objects at the frame's pixels."""
        stamp, frame_id = frame.stamp, frame.frame_id
        if LABELS in wanted:
            encoding = str(values["output.label_encoding"])
            self._publishers[LABELS].publish(encode_labels(self._types, ids, encoding, stamp, frame_id))
        if LABEL_COLOR in wanted:
            self._publishers[LABEL_COLOR].publish(encode_image(self._types, id_colors(ids), "rgb8", stamp, frame_id))
        if CLOUD in wanted:
            if self._rays is None or self._rays[0] is not frame.camera:
                self._rays = (frame.camera, rays(frame.camera))
            step = slice(None, None, int(values["output.cloud_stride"]))
            depth, chosen = frame.depth[step, step], ids[step, step]
            known = np.isfinite(depth) & (chosen >= 0)
            points = depth_to_points(depth, self._rays[1][step, step])[known]
            labels = chosen[known]
            cloud = encode_cloud(
                self._types, points, stamp, frame_id, id_colors(labels), label=labels.astype(np.uint32)
            )
            self._publishers[CLOUD].publish(cloud)

    def _create(self, name: str, kind: str) -> Publisher:
        resolved = self._node.resolve_topic_name(name)

        def tell(event: object) -> None:
            policy = policy_name(getattr(event, "last_policy_kind", 0))
            self._on_problem("incompatible_qos", "", incompatible_subscriber(resolved, policy))

        return self._node.create_publisher(
            self._types.message_class(kind),
            name,
            latched_qos() if name == ALL else output_qos(),
            event_callbacks=PublisherEventCallbacks(incompatible_qos=tell),
            qos_overriding_options=overridable(),
        )
