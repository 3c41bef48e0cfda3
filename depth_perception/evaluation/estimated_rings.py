"""Rings for recordings whose clouds tell none: whole rings can then be held out all the same."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from depth_perception.evaluation.holdout import rings_from_elevation
from depth_perception.messages.point_cloud import decode_cloud, encode_cloud
from depth_perception.messages.types import MessageError
from depth_perception.pipelines.synchronizer import SyncedSet


def with_estimated_rings(synced: SyncedSet, types: Any) -> SyncedSet:
    """Return a set whose cloud has a field ``ring``, estimated from elevation if it tells none.

    ``types``: what makes messages. A cloud that cannot be read comes back as it is: the front says what is wrong.
    """
    if synced.other is None:
        return synced
    try:
        cloud = decode_cloud(synced.other)
    except MessageError:
        return synced
    if cloud.ring is not None or len(cloud) == 0:
        return synced
    fields: dict[str, Any] = {"ring": rings_from_elevation(cloud.points)}
    if cloud.time is not None:
        fields["time"] = cloud.time
    return replace(synced, other=encode_cloud(types, cloud.points, cloud.stamp, synced.other.header.frame_id, **fields))
