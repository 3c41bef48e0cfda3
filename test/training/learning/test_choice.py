from __future__ import annotations

from training.learning.choice import BLANK, CHOSEN, CUT, EACH_ANOTHER_LOOK, STILL, ChoiceSettings, Chooser
from training.learning.motion import glance


def kinds(poses, look, camera, settings=None, known=False):
    chooser = Chooser(settings or ChoiceSettings())
    return [chooser.look(glance(look(p)[0], camera), p if known else None).kind for p in poses]


def test_a_frame_is_chosen_once_near_things_have_moved_enough(look, camera, pose):
    # the box moves by f * x / z = 0.7 pixels of 160 a centimetre
    found = kinds([pose(x=0.01 * k) for k in range(13)], look, camera, known=True)
    assert found[0] == CUT
    chosen = [k for k, kind in enumerate(found) if kind == CHOSEN]
    assert chosen[0] in (3, 4, 5)  # 1.6 % of 160 pixels are 2.6
    assert set(found) == {CUT, CHOSEN, STILL}


def test_still_frames_are_passed_over(look, camera, pose):
    assert kinds([pose()] * 4, look, camera) == [CUT, STILL, STILL, STILL]
    assert kinds([pose()] * 3, look, camera, EACH_ANOTHER_LOOK) == [CUT, STILL, STILL]


def test_turning_is_another_look_and_no_parallax(look, camera, pose):
    poses = [pose(yaw=0.02 * k) for k in range(4)]
    assert CHOSEN not in kinds(poses, look, camera, known=True)
    assert kinds(poses, look, camera, EACH_ANOTHER_LOOK)[1:] == [CHOSEN] * 3


def test_before_the_view_is_lost_a_frame_is_chosen_all_the_same(look, camera, pose):
    found = kinds([pose(yaw=0.02 * k) for k in range(16)], look, camera, known=True)
    first = found.index(CHOSEN)
    assert 0.1 < 0.02 * first * 140 / 160 < 0.2


def test_a_lost_view_begins_a_new_stretch(look, camera, pose):
    assert kinds([pose(), pose(x=1.9, y=1.1)], look, camera) == [CUT, CUT]


def test_an_image_without_anything_in_it_changes_nothing(look, camera, pose):
    chooser = Chooser(ChoiceSettings())
    chooser.look(glance(look(pose())[0], camera))
    assert chooser.look(glance(look(pose(), blank=True)[0], camera)).kind == BLANK
    assert chooser.look(glance(look(pose())[0], camera)).kind == STILL
