"""Tiny recordings of a textured wall with a box before it, seen by a camera that moves, turns or stands."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch

from depth_perception.frames import CameraModel
from depth_perception.models import families, networks, weights

torch.set_num_threads(1)
START = 1_700_000_000_000_000_000
PERIOD = 100_000_000
CAMERA = CameraModel.pinhole(140.0, 140.0, 79.5, 59.5, 160, 120)
WALL, BOX, BOX_X, BOX_Y = 4.0, 2.0, 0.75, 0.62  # metres: depths, and half the box's sides


def texture(seed, size=512):
    """Colours with detail at several scales, RGB uint8."""
    rng = np.random.default_rng(seed)
    out = np.zeros((size, size, 3))
    for scale in (4, 16, 64):
        small = rng.uniform(0, 255, (size // scale, size // scale, 3))
        out += cv2.resize(small, (size, size), interpolation=cv2.INTER_LINEAR) / 3
    return out.astype(np.uint8)


TEXTURES = texture(1), texture(2)


def look(pose, blank=False):
    """Return image and depth seen from ``pose`` T_world_camera: z forward, planes stand across it."""
    v, u = np.mgrid[: CAMERA.height, : CAMERA.width]
    rays = np.stack(
        [(u - CAMERA.K[0, 2]) / CAMERA.K[0, 0], (v - CAMERA.K[1, 2]) / CAMERA.K[1, 1], np.ones(u.shape)], -1
    )
    world = rays @ pose[:3, :3].T
    colors, depth = [], []
    for z, paint in zip((WALL, BOX), TEXTURES):
        along = (z - pose[2, 3]) / world[..., 2]  # z-depth, as rays have z = 1
        at = (pose[:2, 3] + world[..., :2] * along[..., None]) * 100 + 256
        colors.append(cv2.remap(paint, at.astype(np.float32), None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP))
        inside = (np.abs(at[..., 0] - 256) < BOX_X * 100) & (np.abs(at[..., 1] - 256) < BOX_Y * 100)
        depth.append(np.where(inside | (z == WALL), along, np.inf))
    near = depth[1] < depth[0]
    image = np.where(near[..., None], colors[1], colors[0]).astype(np.uint8)
    if blank:
        image[:] = 128
    return image, np.minimum(*depth).astype(np.float32)


def pose(x=0.0, y=0.0, z=0.0, yaw=0.0):
    T = np.eye(4)
    T[:3, :3] = [[np.cos(yaw), 0, np.sin(yaw)], [0, 1, 0], [-np.sin(yaw), 0, np.cos(yaw)]]
    T[:3, 3] = x, y, z
    return T


def sideways(count, step=0.05):
    """Poses of a camera that moves to the right, swinging up and down a little."""
    return [pose(-0.5 * step * count + step * k, 0.03 * np.sin(k)) for k in range(count)]


def write_bag(path, poses, blank=False, info=True, points=True, truth=False, motion="tf", cloud_every=1):
    """Write a recording; ``motion``: tf, odometry or "" for none."""
    from depth_perception.messages.camera_info import info_from_camera
    from depth_perception.messages.image import encode_depth, encode_image
    from depth_perception.messages.point_cloud import encode_cloud
    from depth_perception.messages.transform import tf_message, transform_message
    from depth_perception.messages.types import header, rosbags_types
    from depth_perception.recordings.writer import RecordingWriter

    types, rng = rosbags_types(), np.random.default_rng(0)
    with RecordingWriter(path) as writer:
        mounts = [transform_message(types, "camera", "lidar", START, np.eye(4))]
        if motion == "odometry":
            mounts.append(transform_message(types, "base", "camera", START, np.eye(4)))
        writer.write("/tf_static", tf_message(types, mounts), START)
        for index, T in enumerate(poses):
            stamp = START + (index + 1) * PERIOD
            image, depth = look(T, blank)
            if motion == "tf":
                writer.write("/tf", tf_message(types, [transform_message(types, "odom", "camera", stamp, T)]), stamp)
            elif motion == "odometry":
                moved = transform_message(types, "odom", "base", stamp, T)
                place = SimpleNamespace(p=moved.transform.translation, q=moved.transform.rotation)
                message = types.make(
                    "nav_msgs/msg/Odometry", header=header(types, stamp, "odom"), child_frame_id="base"
                )
                for axis in "xyz":
                    setattr(message.pose.pose.position, axis, getattr(place.p, axis))
                for axis in "xyzw":
                    setattr(message.pose.pose.orientation, axis, getattr(place.q, axis))
                writer.write("/odometry", message, stamp)
            if info:
                writer.write("/camera/camera_info", info_from_camera(types, CAMERA, stamp, "camera"), stamp)
            writer.write("/camera/image", encode_image(types, image, "rgb8", stamp, "camera"), stamp + 1000)
            if truth:
                message, _ = encode_depth(types, depth, "32FC1", stamp, "camera")
                writer.write("/camera/depth/ground_truth", message, stamp + 2000)
            if points and index % cloud_every == 0:
                rows = np.repeat(np.arange(4, 116, 7), 40)
                columns = rng.integers(0, 160, len(rows))
                z = depth[rows, columns]
                xyz = np.stack([(columns - 79.5) / 140 * z, (rows - 59.5) / 140 * z, z], 1).astype(np.float32)
                ring = ((rows - 4) // 7).astype(np.uint16)
                writer.write("/lidar/points", encode_cloud(types, xyz, stamp, "lidar", ring=ring), stamp + 3000)
    return Path(path)


@pytest.fixture(scope="session")
def bags(tmp_path_factory):
    """The function that writes a recording by name into a folder of the session, once; see ``write_bag``."""
    pytest.importorskip("rosbags")
    folder, made = tmp_path_factory.mktemp("bags"), {}

    def make(name, poses=None, **options):
        if name not in made:
            made[name] = write_bag(folder / name, sideways(26) if poses is None else poses, **options)
        return made[name]

    return make


@pytest.fixture(scope="session")
def moving(bags):
    """26 images of a camera that moves sideways, with points, poses and truth."""
    return bags("moving", truth=True)


@pytest.fixture(scope="session")
def estimator_file(tmp_path_factory):
    """Untrained weights of a tiny network that sees 96 x 64 pixels."""
    config = {
        "widths": [8, 8, 8, 16, 16],
        "blocks": [1, 1, 1, 1],
        "decoder": [8, 8, 8, 8, 8],
        "height": 64,
        "width": 96,
    }
    return _write("monocular", config, "estimation-small", tmp_path_factory.mktemp("weights") / "e.safetensors")


@pytest.fixture(scope="session")
def completer_file(tmp_path_factory):
    """Untrained weights of a tiny refiner."""
    config = {"widths": [8, 8], "blocks": [1, 1], "hidden": 8, "cells": 5000, "dense": 0.0}
    return _write("refiner", config, "completion-small", tmp_path_factory.mktemp("weights") / "c.safetensors")


def _write(family, config, name, file):
    torch.manual_seed(0)
    settings = families.configuration(family, config)
    state = networks.build(family, settings).state_dict()
    tensors = {k: v.numpy() for k, v in state.items() if v.is_floating_point()}
    weights.write(weights.Weights(family, name, "7", settings, tensors), file)
    return file


@pytest.fixture(name="pose", scope="session")
def _pose():
    return pose


@pytest.fixture(name="look", scope="session")
def _look():
    return look


@pytest.fixture(name="camera", scope="session")
def _camera():
    return CAMERA
