import numpy as np
import pytest

from depth_perception.evaluation import real_data


def test_rings_end_where_the_azimuth_starts_again():
    azimuth = np.radians(np.tile([10, 100, 200, 350], 3))
    points = np.column_stack([np.cos(azimuth), np.sin(azimuth), np.zeros(12)]).astype(np.float32)
    assert real_data.velodyne_rings(points).tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert len(real_data.velodyne_rings(points[:0])) == 0


def test_kitchen_registration_moves_a_pixel_as_documented():
    depth = np.zeros((480, 640), np.float32)
    depth[140, 420] = 2.0
    moved = real_data.register_kitchen(depth)
    # 320 + 0.9 * 100 + 2.7 - 17.2 / 2 = 404.1 and 240 - 0.9 * 100 - 1.7 = 148.3
    assert np.argwhere(moved).tolist() == [[148, 404]]


def test_kitti_numbers_are_read(tmp_path):
    (tmp_path / "calib.txt").write_text("P2: 1 2 3\n\nR: 4.5e-1\n")
    numbers = real_data.read_kitti_numbers(tmp_path / "calib.txt")
    assert numbers["P2"].tolist() == [1, 2, 3]
    assert numbers["R"].tolist() == [0.45]


def test_unknown_recordings_list_the_known_ones():
    with pytest.raises(ValueError, match=r"'garden'.*kitchen"):
        real_data.load_frames("garden")


def test_a_missing_folder_says_what_to_set(monkeypatch, tmp_path):
    monkeypatch.setenv("DEPTH_PERCEPTION_DATA", str(tmp_path / "none"))
    with pytest.raises(FileNotFoundError, match="DEPTH_PERCEPTION_DATA"):
        real_data.load_frames("kitchen")
    monkeypatch.setenv("DEPTH_PERCEPTION_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match="kitchen"):
        real_data.load_frames("kitchen")


@pytest.mark.real_data
@pytest.mark.parametrize("recording", real_data.recordings())
def test_frames_fit_together(recording, real_data_frames):
    for frame in real_data_frames(recording):
        assert frame.image.dtype == np.uint8
        assert frame.image.shape == (*frame.truth.shape, 3)
        measured = frame.truth > 0
        assert measured.mean() > 0.02
        assert np.isfinite(frame.truth).all()
        assert 0.3 < np.median(frame.truth[measured]) < 40
        assert frame.truth.max() < 130
        if frame.camera is not None:
            assert frame.camera.shape == frame.truth.shape
        if frame.rings is not None:
            np.testing.assert_array_equal(frame.rings >= 0, measured)
            assert 40 < frame.rings.max() < 64  # the lowest rings pass under the camera's view
            rows = [np.median(np.nonzero(frame.rings == ring)[0]) for ring in (10, 25, 40)]
            assert rows == sorted(rows)


@pytest.fixture
def real_data_frames(real_data, monkeypatch):
    from depth_perception.evaluation import real_data as module

    monkeypatch.setenv("DEPTH_PERCEPTION_DATA", str(real_data))
    return lambda recording: module.load_frames(recording, 1)
