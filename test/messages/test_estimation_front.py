from __future__ import annotations

import numpy as np
import pytest

from depth_perception.geometry.transform_tree import TransformTree
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.estimation_front import EstimationFront, FloorFrame, front_settings
from depth_perception.messages.front import FrontError
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS

from .test_front import SECOND, cloud_message, image_message, info_message, moving_tree, tree

FORWARD = make_transform([0.0, 0.0, 1.2], [-0.5, 0.5, -0.5, 0.5])  # T_floor_camera of a camera that looks along x


class Recorder:
    """A front whose sets are assembled as they come."""

    def __init__(self, transforms=None, **values):
        self.inputs = []
        resolved = ESTIMATION_PARAMETERS.resolve({name.replace("__", "."): value for name, value in values.items()})
        floor = FloorFrame.from_parameters(resolved)
        self.front = EstimationFront(front_settings(resolved), floor, transforms or tree(), self.take)

    def take(self, synced):
        self.inputs.append(self.front.assemble(synced))

    def show(self, stamp=2 * SECOND, points=None, info=True):
        if info:
            self.front.on_camera_info(info_message(stamp), stamp)
        if points is not None:
            self.front.on_points(points, stamp)
        self.front.on_image(image_message(stamp), stamp)
        return self.inputs[-1]


def test_an_image_alone_is_enough_and_does_not_wait():
    given = Recorder().show()
    assert given.frame.stamp == 2 * SECOND
    assert len(given.sparse) == 0
    assert given.sparse.shape == given.frame.camera.shape
    assert (given.notes, given.interval, given.T_fixed_camera, given.up, given.height) == ((), None, None, None, None)


def test_points_that_are_there_come_along():
    given = Recorder().show(points=cloud_message(2 * SECOND - SECOND // 20))
    assert len(given.sparse) > 10
    assert given.interval == pytest.approx(-0.05)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (cloud_message(2 * SECOND, frame="moon"), "moon"),
        (cloud_message(2 * SECOND, [[0, 0, -4.0]]), "none of 1 points"),
        (cloud_message(2 * SECOND, np.zeros((0, 3))), "empty"),
    ],
)
def test_bad_range_data_is_told_and_costs_no_image(points, words):
    given = Recorder().show(points=points)
    assert len(given.sparse) == 0
    (note,) = given.notes
    assert words in note


def test_a_bad_image_is_an_error():
    with pytest.raises(FrontError, match="camera_info"):
        Recorder().show(info=False)


def test_odometry_gives_the_pose_and_its_absence_is_told():
    assert Recorder(moving_tree(), transform__fixed_frame="odom").show().T_fixed_camera[2, 3] == pytest.approx(10.0)
    assert (
        Recorder(moving_tree(), transform__fixed_frame="odom", scale__use_odometry=False).show().T_fixed_camera is None
    )
    given = Recorder(transform__fixed_frame="odom").show()
    assert given.T_fixed_camera is None
    assert "'odom'" in given.notes[0]


def test_the_floor_frame_gives_gravity_and_height():
    transforms = TransformTree(None)
    transforms.insert("base_footprint", "camera", 0, FORWARD, static=True)
    given = Recorder(transforms, scale__floor_frame="base_footprint").show()
    np.testing.assert_allclose(given.up, (0, -1, 0), atol=1e-9)
    assert given.height == pytest.approx(1.2)
    given = Recorder(transforms, scale__floor_frame="base_footprint", scale__camera_height=0.9).show()
    assert given.height == 0.9


def test_a_known_height_needs_no_floor_frame_and_survives_a_missing_one():
    assert Recorder(scale__camera_height=0.9).show().height == 0.9
    given = Recorder(scale__camera_height=0.9, scale__floor_frame="base_footprint").show()
    assert (given.height, given.up) == (0.9, None)
    assert "base_footprint" in given.notes[0]
