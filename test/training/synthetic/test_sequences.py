from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.geometry.warping import warp
from training.losses.photometric import photometric_error
from training.synthetic import sequences
from training.synthetic.sequences import CLASSES, Settings, main, render_sequence, sequence_path, write_sequence

SETTINGS = Settings(frames=6, size=(36, 48), kinds=("indoor",))


@pytest.fixture(scope="module")
def sequence():
    return render_sequence(7, SETTINGS)


def tensors(sequence, k):
    image = torch.from_numpy(sequence[f"image_{k:04d}"]).permute(2, 0, 1)[None].float() / 255
    return image, torch.from_numpy(sequence[f"depth_{k:04d}"])[None, None]


def test_a_sequence_has_what_training_reads(sequence):
    assert sequence["T_world_camera"].shape == (6, 4, 4)
    assert sequence["K"].shape == (3, 3)
    assert np.allclose(np.diff(sequence["times"]), 0.1)
    for k in range(6):
        assert sequence[f"image_{k:04d}"].shape == (36, 48, 3)
        assert sequence[f"image_{k:04d}"].std() > 2
        assert np.nanmin(sequence[f"depth_{k:04d}"]) > 0.05
        normal = sequence[f"normal_{k:04d}"].astype(float) / 127
        known = np.isfinite(sequence[f"depth_{k:04d}"])
        np.testing.assert_allclose(np.linalg.norm(normal, axis=-1)[known], 1, atol=0.02)
        label = sequence[f"label_{k:04d}"]
        assert label.max() < len(CLASSES)
        assert len(np.unique(label)) >= 3
        assert ((label > 0) >= known).all()
    moved = np.linalg.norm(np.diff(sequence["T_world_camera"][:, :3, 3], axis=0), axis=1)
    assert 0 < moved.max() < 0.2  # metres from frame to frame


def test_floors_are_level_and_walls_are_not(sequence):
    pose = sequence["T_world_camera"][2]
    up = (sequence["normal_0002"].astype(float) / 127) @ pose[:3, :3].T @ [0, 0, 1]
    label = sequence["label_0002"]
    for name, low, high in (("floor", 0.7, 1.02), ("ceiling", -1.02, -0.7), ("wall", -0.71, 0.71)):
        of = up[label == CLASSES.index(name)]
        assert ((of >= low) & (of <= high)).all(), name
    assert (label == CLASSES.index("wall")).sum() > 50


def test_poses_depth_and_pictures_belong_together(sequence):
    """The neighbour warped by true depth and pose looks like the frame; by a wrong pose it does not."""
    (target, depth), (source, _) = tensors(sequence, 1), tensors(sequence, 4)
    K = torch.from_numpy(sequence["K"]).float()[None]
    pose = np.linalg.inv(sequence["T_world_camera"][4]) @ sequence["T_world_camera"][1]
    errors = {}
    for name, T in (("right", pose), ("inverse", np.linalg.inv(pose)), ("none", np.eye(4))):
        warped, valid = warp(source, depth, K, torch.from_numpy(T).float()[None])
        errors[name] = photometric_error(warped, target)[valid].mean().item()
    assert errors["right"] < 0.75 * errors["none"]
    assert errors["right"] < 0.75 * errors["inverse"]


def test_a_number_makes_one_sequence_and_files_are_kept(sequence, tmp_path):
    assert write_sequence(tmp_path, 7, SETTINGS)
    with np.load(sequence_path(tmp_path, 7)) as file:
        assert set(file.files) == set(sequence)
        assert all(np.array_equal(file[k], sequence[k], equal_nan=k.startswith("depth")) for k in sequence)
    stamp = sequence_path(tmp_path, 7).stat().st_mtime_ns
    assert not write_sequence(tmp_path, 7, SETTINGS)
    assert sequence_path(tmp_path, 7).stat().st_mtime_ns == stamp
    assert not list(tmp_path.glob(".*"))


def test_the_command_hands_out_numbers(tmp_path, capsys, monkeypatch):
    class Pool:
        def __init__(self, processes):
            assert processes == 2

        def __enter__(self):
            return self

        def __exit__(self, *error):
            return None

        def imap_unordered(self, work, jobs):
            return map(work, jobs)

    found = []
    monkeypatch.setattr(sequences.multiprocessing, "get_context", lambda how: type("C", (), {"Pool": Pool}))
    monkeypatch.setattr(sequences, "write_sequence", lambda *job: found.append(job) or True)
    monkeypatch.setattr(sequences.torch, "set_num_threads", lambda n: None)
    words = ["--count", "3", "--first-seed", "5", "--frames", "4", "--size", "24x32", "--view", "50", "60"]
    assert main([str(tmp_path / "new"), *words, "--kinds", "street", "--processes", "2"]) == 0
    assert [job[1] for job in found] == [5, 6, 7]
    assert found[0][2] == Settings(4, (24, 32), 10.0, (50.0, 60.0), ("street",))
    assert "3 sequences written, 3/3 done" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main([str(tmp_path), "--count", "0"])
