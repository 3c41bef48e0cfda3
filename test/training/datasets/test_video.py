from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import yaml

from training.datasets.video import PictureFolder, RenderedVideo, Stretch, picture_videos, rendered_videos, spread


@pytest.fixture
def pictures(tmp_path):
    folder = tmp_path / "walk"
    folder.mkdir()
    for k in range(10):
        cv2.imwrite(str(folder / f"{k:03d}.png"), np.full((48, 64, 3), (0, 0, 20 * k), np.uint8))  # BGR: red
    np.savetxt(folder / "K.txt", [[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    return folder


def calibration(distortion=()):
    return {
        "image_width": 64,
        "image_height": 48,
        "camera_matrix": {"rows": 3, "cols": 3, "data": [60.0, 0, 31.5, 0, 60, 23.5, 0, 0, 1]},
        "distortion_model": "plumb_bob",
        "distortion_coefficients": {"data": list(distortion)},
    }


def test_a_rendered_frame_knows_everything(sequences):
    video = RenderedVideo(sequences / "00000001.npz")
    assert len(video) == 8
    frame = video[3]
    assert frame.name == "00000001/0003"
    assert frame.image.shape == (72, 96, 3)
    assert frame.camera.shape == frame.depth.shape == frame.label.shape == (72, 96)
    assert np.isfinite(frame.depth).all()
    # walls and floors of a room face along the main directions
    cosine = (frame.normal @ frame.directions.T).max(-1)
    assert (cosine > 0.99).mean() > 0.5
    np.testing.assert_allclose(np.linalg.norm(frame.directions, axis=1), 1)


def test_every_twentieth_sequence_is_held_out(sequences, tmp_path):
    assert [v.name for v in rendered_videos(sequences, True)] == ["00000000"]
    assert [v.name for v in rendered_videos(sequences, False)] == ["00000001", "00000002"]
    with pytest.raises(FileNotFoundError, match=r"none of the 0 sequences (.|\n)*training\.synthetic"):
        rendered_videos(tmp_path, False)


def test_pictures_come_in_the_order_of_their_names(pictures):
    video = PictureFolder(pictures)
    assert len(video) == 10
    frame = video[4]
    assert frame.name == "walk/004"
    assert frame.image[5, 5].tolist() == [80, 0, 0]  # RGB
    assert frame.camera.K[0, 0] == 60
    assert frame.depth is frame.label is frame.directions is None


@pytest.mark.parametrize("kind", ["yaml", "json"])
def test_calibrations_of_ros_are_read_and_undone(pictures, kind):
    text = (yaml.safe_dump if kind == "yaml" else json.dumps)(calibration([-0.3, 0.1, 0, 0, 0]))
    (pictures / f"camera.{kind}").write_text(text)
    picture = cv2.imread(str(pictures / "000.png"))
    picture[:, ::8] = 255  # straight lines, bent by rectification
    cv2.imwrite(str(pictures / "000.png"), picture)
    frame = PictureFolder(pictures)[0]
    assert not frame.camera.is_distorted
    straight = frame.image[24, :, 0] > 128
    assert not np.array_equal(straight, frame.image[2, :, 0] > 128)


def test_mistakes_are_told(pictures, tmp_path):
    with pytest.raises(FileNotFoundError, match="no pictures"):
        PictureFolder(tmp_path)
    (pictures / "K.txt").write_text("1 2 3")
    with pytest.raises(ValueError, match="3 numbers, not the 9"):
        PictureFolder(pictures)
    (pictures / "K.txt").unlink()
    with pytest.raises(FileNotFoundError, match=r"no calibration.*camera\.yaml"):
        PictureFolder(pictures)
    (pictures / "camera.yaml").write_text("image_width: 64")
    with pytest.raises(ValueError, match="no calibration of a camera: KeyError 'camera_matrix'"):
        PictureFolder(pictures)
    (pictures / "camera.yaml").write_text(yaml.safe_dump(calibration() | {"image_width": 32}))
    with pytest.raises(ValueError, match=r"000\.png is \(48, 64\)"):
        PictureFolder(pictures)[0]


def test_the_end_of_each_video_is_held_out(pictures):
    (trained,), (held,) = (picture_videos(pictures.parent, part) for part in (False, True))
    assert (len(trained), len(held)) == (8, 2)
    assert trained[7].name == "walk/007"
    assert held[0].name == "walk/008"
    with pytest.raises(IndexError):
        trained[8]
    assert [len(v) for v in picture_videos(pictures, False)] == [8]  # the folder itself


def test_frames_are_spread_over_all_videos(pictures):
    video = PictureFolder(pictures)
    names = [f.name for f in spread([Stretch(video, 0, 5), Stretch(video, 5, 10)], 4)]
    assert names == ["walk/000", "walk/003", "walk/006", "walk/009"]
    assert len(spread([video], 99)) == 10
