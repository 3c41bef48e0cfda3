from __future__ import annotations

import numpy as np
import pytest

from training.synthetic import frames
from training.synthetic.frames import FRAMES_PER_WORLD, frame_path, image_size, main, render_frame, write_frames
from training.synthetic.worlds import KINDS, build_world

SIZE = (36, 48)


@pytest.fixture(scope="module", params=sorted(KINDS))
def frame(request):
    return render_frame(build_world(8, request.param), 83, SIZE)


def test_a_frame_has_what_training_reads(frame):
    assert frame["image"].shape == (*SIZE, 3)
    assert frame["image"].dtype == np.uint8
    assert frame["image"].std() > 2
    for name in ("depth", "second_depth"):
        depth = frame[name]
        assert depth.shape == SIZE
        assert depth.dtype == np.float32
        assert np.isfinite(depth).mean() > 0.2
        assert np.nanmin(depth) > 0.1
        assert np.nanmax(depth) <= frames.FARTHEST
    assert frame["instance"].shape == SIZE
    assert frame["instance"].dtype == np.uint16
    assert frame["K"].shape == (3, 3)
    assert frame["T_camera_second"].shape == (4, 4)
    assert 0 < np.linalg.norm(frame["T_camera_second"][:3, 3]) <= 0.75


def test_the_second_view_fits_the_first(frame):
    """Points of the second view, moved into the first: most lie on its surfaces, and none in front of them."""
    k, move = frame["K"], frame["T_camera_second"]
    row, column = np.nonzero(np.isfinite(frame["second_depth"]))
    z = frame["second_depth"][row, column].astype(float)
    rays = np.stack([(column - k[0, 2]) / k[0, 0], (row - k[1, 2]) / k[1, 1], np.ones_like(z)], 1)
    points = (rays * z[:, None]) @ move[:3, :3].T + move[:3, 3]
    points = points[points[:, 2] > 0.1]
    u = np.round(points[:, 0] / points[:, 2] * k[0, 0] + k[0, 2]).astype(int)
    v = np.round(points[:, 1] / points[:, 2] * k[1, 1] + k[1, 2]).astype(int)
    inside = (u >= 1) & (u < SIZE[1] - 1) & (v >= 1) & (v < SIZE[0] - 1)
    depth = frame["depth"][v[inside], u[inside]]
    known = np.isfinite(depth)
    assert known.sum() > 50
    ratio = points[inside, 2][known] / depth[known]
    assert np.median(np.abs(ratio - 1)) < 0.03  # half a pixel on slanted ground
    assert (ratio < 0.75).mean() < 0.1  # in front of a surface: only across the width of a pixel at edges


def test_files_do_not_depend_on_how_they_are_made(tmp_path):
    numbers = list(range(FRAMES_PER_WORLD - 2, FRAMES_PER_WORLD + 1))  # of two worlds
    assert list(write_frames(tmp_path, numbers, SIZE)) == numbers
    before = {n: frame_path(tmp_path, n).read_bytes() for n in numbers}
    stamp = frame_path(tmp_path, numbers[0]).stat().st_mtime_ns
    frame_path(tmp_path, numbers[1]).unlink()
    assert list(write_frames(tmp_path, numbers, SIZE)) == numbers[1:2]  # only what is missing
    assert frame_path(tmp_path, numbers[0]).stat().st_mtime_ns == stamp
    for number in numbers:
        with np.load(frame_path(tmp_path, number)) as file:
            again = render_frame(build_world(number // FRAMES_PER_WORLD), number, SIZE)
            assert all(np.array_equal(file[k], again[k], equal_nan=k.endswith("depth")) for k in again)
    assert {n: frame_path(tmp_path, n).read_bytes() for n in numbers} == before
    assert not list(tmp_path.glob(".*"))


def test_the_command_spreads_worlds_over_processes(tmp_path, capsys, monkeypatch):
    class Pool:  # a pool in this process, which hands jobs out backwards
        def __init__(self, processes):
            assert processes == 2

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def imap_unordered(self, work, jobs):
            return map(work, reversed(jobs))

    monkeypatch.setattr(frames.multiprocessing, "get_context", lambda how: type("C", (), {"Pool": Pool}))
    words = [str(tmp_path), "--count", "2", "--first-seed", str(2 * FRAMES_PER_WORLD - 1), "--size", "24x32"]
    assert main([*words, "--processes", "4"]) == 0
    assert "2 frames written, 2/2 worlds" in capsys.readouterr().out
    for number in (2 * FRAMES_PER_WORLD - 1, 2 * FRAMES_PER_WORLD):
        with np.load(frame_path(tmp_path, number)) as file:
            alone = render_frame(build_world(number // FRAMES_PER_WORLD), number, (24, 32))
            assert np.array_equal(file["image"], alone["image"])


def test_wrong_arguments_are_refused(tmp_path, capsys):
    assert image_size("240X320") == (240, 320)
    with pytest.raises(ValueError, match="too small"):
        image_size("2x320")
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--count", "0"])
    (tmp_path / "file").write_text("")
    assert main([str(tmp_path / "file"), "--count", "1"]) == 1
    assert "cannot make" in capsys.readouterr().err
