import sys
from pathlib import Path

import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import ball_mesh

from depth_perception.frames import TriangleMesh
from depth_perception.pipelines.object_tracks import PATIENCE, Evidence, ObjectTracks

HOME, EAST = (0, 0, 0), (1, 0, 0)
BAND = (np.array([0.8, -9, -9]), np.array([1.2, 9, 9]))  # what the two blocks share


def ball(x, radius=0.15):
    return ball_mesh(np.array([x, 0.0, 0.5, radius]), 24)


def half(mesh, keep_low):
    """What a block sees of a mesh that sticks out beyond its margin."""
    x = mesh.vertices[mesh.faces].mean(axis=1)[:, 0]
    keep = x < 1.2 if keep_low else x > 0.8
    return TriangleMesh(mesh.vertices, mesh.faces[keep], mesh.colors)


@pytest.fixture
def tracks():
    found = ObjectTracks()
    assert found.update(HOME, {1: ball(0.0), 3: ball(0.6)}, {}) == {1: 1, 3: 2}
    return found


def test_ids_stay_when_channels_are_swapped(tracks):
    assert tracks.update(HOME, {3: ball(0.01), 1: ball(0.6)}, {}) == {3: 1, 1: 2}


def test_only_what_changed_gets_a_revision(tracks):
    before = {track.id: track.revision for track in tracks.present()}
    tracks.update(HOME, {1: ball(0.0), 3: ball(0.6, 0.22)}, {})
    after = {track.id: track.revision for track in tracks.present()}
    assert after == {1: before[1], 2: before[2] + 1}


def test_a_new_object_gets_a_new_id_and_a_lost_one_keeps_its_own(tracks):
    assert tracks.update(HOME, {1: ball(0.0), 2: ball(-0.7)}, {}) == {1: 1, 2: 3}
    assert [track.id for track in tracks.present()] == [1, 3]
    assert tracks.update(HOME, {1: ball(0.0), 5: ball(0.6)}, {})[5] == 2  # back where it was


def test_what_is_lost_for_long_is_forgotten_but_its_id_not_used_again(tracks):
    for _ in range(PATIENCE + 1):
        tracks.update(HOME, {1: ball(0.0)}, {})
    assert set(tracks.tracks) == {1}
    assert tracks.update(HOME, {1: ball(0.0), 3: ball(0.6)}, {}) == {1: 1, 3: 3}


def test_an_object_across_a_border_is_one(tracks):
    across = ball(1.0, 0.3)
    found = tracks.update(HOME, {1: ball(0.0), 2: half(across, True)}, {EAST: BAND})
    assert found[2] == 3
    assert tracks.update(EAST, {1: half(across, False)}, {HOME: BAND}) == {1: 3}
    assert len(tracks.tracks[3].pieces) == 2


def test_two_ids_that_turn_out_to_be_one_are_joined_under_the_older(tracks):
    tracks.update(EAST, {1: ball(2.0)}, {HOME: BAND})
    across = ball(1.0, 0.3)
    # the piece of the east is known first, the home block takes it for something that grew out of object 2
    tracks.update(EAST, {1: ball(2.0), 2: half(across, False)}, {HOME: BAND})
    joined = TriangleMesh(
        np.concatenate([ball(0.6).vertices, across.vertices]),
        np.concatenate([ball(0.6).faces, half(across, True).faces + len(ball(0.6).vertices)]),
    )
    assert tracks.update(HOME, {1: ball(0.0), 3: joined}, {EAST: BAND})[3] == 2
    assert tracks.merged == {4: 2}
    assert tracks.current(4) == 2
    assert {key for key, _ in tracks.tracks[2].pieces} == {HOME, EAST}


def part(mesh, low=-9.0, high=9.0):
    """The faces between two values of x."""
    x = mesh.vertices[mesh.faces].mean(axis=1)[:, 0]
    keep = (x >= low) & (x < high)
    used, numbers = np.unique(mesh.faces[keep], return_inverse=True)
    return TriangleMesh(mesh.vertices[used], numbers.reshape(-1, 3).astype(np.int32), mesh.colors[used])


def test_two_sides_seen_apart_become_the_older_object(tracks):
    whole = ball(-1.0)
    assert tracks.update(HOME, {1: ball(0.0), 3: ball(0.6), 2: part(whole, high=-1.03)}, {})[2] == 3
    assert tracks.update(HOME, {1: ball(0.0), 3: ball(0.6), 2: part(whole, high=-1.03), 4: part(whole, -1.03)}, {})[
        4
    ] == (4)
    for _ in range(PATIENCE + 1):  # in the channel of the younger and larger one
        assert tracks.update(HOME, {1: ball(0.0), 3: ball(0.6), 4: whole}, {})[4] == 3
    assert tracks.merged == {4: 3}


def test_a_crumb_does_not_give_its_number_to_what_takes_it_in(tracks):
    whole = ball(-1.0)
    assert tracks.update(HOME, {1: ball(0.0), 2: part(whole, high=-1.12)}, {})[2] == 3
    assert tracks.update(HOME, {1: ball(0.0), 2: part(whole, high=-1.12), 4: part(whole, -1.12)}, {})[4] == 4
    assert tracks.update(HOME, {1: ball(0.0), 4: whole}, {})[4] == 4


def test_a_number_goes_with_most_of_the_surface_and_not_with_the_channel(tracks):
    whole = ball(-1.0)
    tracks.update(HOME, {1: ball(0.0), 2: part(whole, high=-0.95)}, {})
    found = tracks.update(HOME, {1: ball(0.0), 2: part(whole, high=-1.1), 4: part(whole, -1.1)}, {})
    assert found == {1: 1, 4: 3, 2: 4}


def test_merging_sums_what_is_known(tracks):
    tracks.tracks[1].evidence[HOME] = Evidence(2, 1.0, {"cup": 2})
    tracks.tracks[2].evidence[HOME] = Evidence(6, 0.5, {"box": 3})
    tracks.tracks[1].saw(50)
    tracks.tracks[2].saw(20)
    tracks.merge(2, 1)
    assert tracks.merged == {1: 2}
    assert (tracks.tracks[2].first_seen, tracks.tracks[2].last_seen) == (20, 50)
    assert tracks.tracks[2].category == "box"
    assert tracks.tracks[2].confidence == pytest.approx(0.625, abs=0.01)
    with pytest.raises(ValueError, match="one object already"):
        tracks.merge(2, 1)
    with pytest.raises(KeyError, match="no object 9"):
        tracks.merge(2, 9)
    # refitted: the two channels go on as one object
    assert set(tracks.update(HOME, {1: ball(0.0), 3: ball(0.6)}, {}).values()) == {2}
