"""The offline command on tiny folders and recordings, with a model that knows the answer."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

sys.path.append(str(Path(__file__).resolve().parents[1] / "support"))

from ball_scene import BallScene, KnowingFitter, loop

from depth_perception.evaluation import decompose as module
from depth_perception.evaluation.decompose import DecomposeError, DecomposeSettings, decompose
from depth_perception.evaluation.rgbd_folder import ConvertError
from depth_perception.evaluation.scene_sources import SourceChoice, open_source
from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings

pytest.importorskip("trimesh")
SETTINGS = DecompositionSettings(profile="tiny", steps=3, least_pixels=5)


def write_folder(folder, views=6, labels=True, listed=False):
    scene = BallScene()
    folder.mkdir()
    lines = []
    for index, pose in enumerate(loop(views)):
        frame = scene.frame(pose, 1 + index, shuffle=index)
        name = f"frame-{index:06d}"
        depth = (np.nan_to_num(frame.depth) * 1000).round().astype(np.uint16)
        files = {f"{name}.color.png": frame.image[:, :, ::-1], f"{name}.depth.png": depth}
        if labels:
            files[f"{name}.segm.png"] = frame.labels.astype(np.uint8)
        if listed:
            places = {"color": "images", "depth": "depth", "segm": "labels"}
            files = {f"{places[file.split('.')[1]]}/{name}.png": array for file, array in files.items()}
            lines.append(" ".join([f"{name}.png", *(repr(float(v)) for v in pose.reshape(-1))]))
        else:
            np.savetxt(folder / f"{name}.pose.txt", pose)
        for file, array in files.items():
            (folder / file).parent.mkdir(exist_ok=True)
            cv2.imwrite(str(folder / file), array)
    np.savetxt(folder / ("K.txt" if listed else "camera-intrinsics.color.txt"), scene.camera.K)
    if listed:
        (folder / "frames.txt").write_text("\n".join(lines))
    return folder


def scene_of_balls():
    return Decomposition(SETTINGS, lambda low, high: KnowingFitter(BallScene(), low, high))


def settings(folder, out, **changes):
    return DecomposeSettings(folder, out, scene=SETTINGS, rerun=False, **changes)


@pytest.mark.parametrize("listed", [False, True])
def test_a_folder_becomes_meshes_pictures_and_a_page(tmp_path, listed):
    seen = []
    folder = write_folder(tmp_path / "in", listed=listed)
    result = decompose(
        settings(folder, tmp_path / "out"), lambda done, total: seen.append((done, total)), scene_of_balls()
    )
    assert (result.objects, result.frames, result.labels_from, result.skipped) == (3, 6, "the source", "")
    assert seen[-1] == (6, 6)
    manifest = json.loads((tmp_path / "out" / "scene" / "manifest.json").read_text())
    assert [item["id"] for item in manifest["objects"]] == [1, 2, 3]
    for number in (1, 2, 3):
        strip = cv2.imread(str(tmp_path / "out" / "turntable" / f"{number:06d}.png"))
        assert strip.shape[1] == 8 * strip.shape[0]
        assert len(np.unique(strip.reshape(-1, 3), axis=0)) > 10
    sheet = cv2.imread(str(tmp_path / "out" / "scene.png"))
    assert sheet.shape == (720, 3 * 320 + 480, 3)  # image, labels, objects, and two views of the surfaces
    for column in (slice(640, 960), slice(960, 1440)):
        assert len(np.unique(sheet[:, column].reshape(-1, 3), axis=0)) > 4  # ground and three objects
    page = result.report.read_text()
    assert page.count("from eight sides") == 3
    assert "Objects of <span>in</span>" in page
    assert "http" not in page.replace("http-equiv", "")  # all of it is inside


def test_the_scene_is_written_for_rerun_unless_that_is_switched_off(tmp_path):
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rerun-sdk: {error}")
    folder = write_folder(tmp_path / "in", views=3)
    for wanted in (True, False):
        out = tmp_path / f"out_{wanted}"
        decompose(DecomposeSettings(folder, out, scene=SETTINGS, rerun=wanted), scene=scene_of_balls())
        assert (out / "scene.rrd").is_file() is wanted
    content = (tmp_path / "out_True" / "scene.rrd").read_bytes()
    for number in (1, 2, 3):
        assert f"/world/objects/{number}/surface".encode() in content
    assert b"/world/camera/image/objects" in content


def test_a_run_that_was_killed_goes_on_behind_its_last_save(tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "in")
    monkeypatch.setattr(module, "SAVE_EVERY", 0.0)

    def killed(done, total):
        if done == 4:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        decompose(settings(folder, tmp_path / "out"), killed, scene_of_balls())
    seen = []
    result = decompose(settings(folder, tmp_path / "out"), lambda done, total: seen.append(done), scene_of_balls())
    assert result.resumed_at == 3
    assert seen == [4, 5, 6]
    assert result.objects == 3
    with pytest.raises(DecomposeError, match="holds the scene of another run"):
        decompose(settings(folder, tmp_path / "out", every=2), scene=scene_of_balls())


def test_what_has_no_labels_is_segmented_where_it_is_new(tmp_path):
    folder = write_folder(tmp_path / "in", labels=False)
    asked = []

    def segment(image, depth, camera):
        assert image.shape[:2] == depth.shape == camera.shape
        asked.append(1)
        return (image[..., 0].astype(np.int32) != 90) * (1 + image[..., 0].astype(np.int32))

    result = decompose(settings(folder, tmp_path / "out"), scene=scene_of_balls(), segment=segment)
    assert result.objects == 3
    assert len(asked) == result.key_frames
    assert result.labels_from == "the segmenter builtin"


def test_a_recording_with_points_is_completed_first(tmp_path):
    pytest.importorskip("rosbags")
    from depth_perception.evaluation.convert import rgbd_folder_to_bag

    write_folder(tmp_path / "in", views=3)
    source = open_source(rgbd_folder_to_bag(tmp_path / "in", tmp_path / "bag", points=300), SourceChoice())
    frames = list(source.frames())
    assert [index for index, _ in frames] == [0, 1, 2]
    truth = BallScene().frame(loop(3)[1])
    frame = frames[1][1]
    assert "/camera/sparse_depth, completed by completion-small" in source.depth_from
    assert np.isfinite(frame.depth).mean() > 0.5
    assert np.nanmedian(np.abs(frame.depth - truth.depth)) < 0.05
    assert frame.T_world_camera == pytest.approx(loop(3)[1], abs=1e-6)
    assert ((frame.labels > 0) == (truth.labels > 0)).all()


def test_a_recording_with_dense_depth_is_taken_as_it_is(tmp_path):
    pytest.importorskip("rosbags")
    from depth_perception.evaluation.convert import rgbd_folder_to_bag

    write_folder(tmp_path / "in", views=2, labels=False)
    source = open_source(rgbd_folder_to_bag(tmp_path / "in", tmp_path / "bag", points=None), SourceChoice())
    (_, first), _ = source.frames()
    assert source.depth_from == "/camera/sparse_depth"
    assert first.labels is None
    assert np.nanmax(np.abs(first.depth - BallScene().frame(loop(2)[0]).depth)) < 0.001


def test_labels_of_another_size_are_refused(tmp_path):
    folder = write_folder(tmp_path / "in", views=1)
    cv2.imwrite(str(folder / "frame-000000.segm.png"), np.zeros((10, 10), np.uint8))
    with pytest.raises(ConvertError, match=r"labels \(10, 10\), image \(48, 64\)"):
        list(open_source(folder, SourceChoice()).frames())
