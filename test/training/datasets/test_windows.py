from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.frames import CameraModel
from depth_perception.geometry.warping import unproject, warp
from training.datasets.proxy_labels import RenderedLabels
from training.datasets.video import RenderedVideo, VideoFrame
from training.datasets.windows import VideoWindows, View, WindowAugmentation
from training.losses.photometric import photometric_error
from training.losses.planes import normals

SIZE = (64, 96)
FLIP = torch.diag(torch.tensor([-1.0, 1, 1, 1]))


@pytest.fixture(scope="module")
def video(sequences):
    return RenderedVideo(sequences / "00000001.npz")


class Numbers:
    """Frames that show nothing but their number."""

    name = "numbers"

    def __init__(self, count):
        self.count = count

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        image = np.full((64, 96, 3), index, np.uint8)
        return VideoFrame(f"numbers/{index}", image, CameraModel.pinhole(80, 80, 47.5, 31.5, 96, 64))


def test_a_window_holds_the_target_and_its_sources_in_order():
    windows = VideoWindows([Numbers(9), Numbers(4), Numbers(20)], SIZE, (-2, -1, 1, 2), stride=2)
    assert len(windows) == 1 + 0 + 12
    shown = [(255 * windows[k]["frames"][:, 0, 0, 0]).round().int().tolist() for k in (0, 1, 12)]
    assert shown == [[4, 0, 2, 6, 8], [4, 0, 2, 6, 8], [15, 11, 13, 17, 19]]
    only_past = VideoWindows([Numbers(3)], SIZE, (-1,))
    assert len(only_past) == 2
    with pytest.raises(ValueError, match="takes 9 frames in a row"):
        VideoWindows([Numbers(8)], SIZE, stride=2)
    with pytest.raises(ValueError, match="other than the target's"):
        VideoWindows([Numbers(8)], SIZE, (-1, 0))


def test_a_sample_is_whole(video):
    sample = VideoWindows([video], SIZE, (-1, 1), labels=RenderedLabels(0), segments="color", seed=1)[2]
    assert sample["frames"].shape == sample["shown"].shape == (3, 3, *SIZE)
    assert sample["depth"].shape == (1, *SIZE)
    assert sample["label"].shape == sample["segment"].shape == SIZE
    assert sample["label"].dtype == torch.int64
    assert sample["label"].max() > 1
    assert sample["segment"].max() > 1
    assert torch.equal(sample["frames"], sample["shown"])
    assert sample["depth"].min() > 0


@pytest.mark.parametrize("mirror", [0.0, 1.0])
def test_cameras_fit_their_pictures(video, mirror):
    """By true depth and pose the source becomes the target, cropped, resized and mirrored or not."""
    windows = VideoWindows([video], (96, 64), (-2, 2), augmentation=WindowAugmentation(mirror, 0.0), seed=0)
    sample = windows[1]
    poses = [video[k].T_world_camera for k in (3, 1, 5)]
    errors = {}
    wrong = sample["K"] * torch.tensor([[2.5, 1, 1], [1, 2.5, 1], [1, 1, 1]])
    for name, K in (("right", sample["K"]), ("other", wrong)):
        total = []
        for k in (1, 2):
            T = torch.from_numpy(np.linalg.inv(poses[k]) @ poses[0]).float()
            T = FLIP @ T @ FLIP if mirror else T
            warped, valid = warp(sample["frames"][k : k + 1], sample["depth"][None], K[None], T[None])
            total.append(photometric_error(warped, sample["frames"][:1])[valid].mean())
        errors[name] = float(sum(total))
    still = sum(photometric_error(sample["frames"][k : k + 1], sample["frames"][:1]).mean() for k in (1, 2))
    assert errors["right"] < 0.7 * float(still)
    assert errors["right"] < 0.9 * errors["other"]


def test_poses_are_those_between_target_and_sources(video):
    for mirror in (0.0, 1.0):
        windows = VideoWindows([video], SIZE, (-2, 1), augmentation=WindowAugmentation(mirror, 0.0), seed=0)
        sample = windows[2]
        errors = []
        for pose in (sample["poses"], torch.eye(4).expand(2, 4, 4)):
            warped, valid = warp(
                sample["frames"][1:], sample["depth"].expand(2, 1, *SIZE), sample["K"].expand(2, 3, 3), pose
            )
            errors.append(photometric_error(warped, sample["frames"][:1].expand(2, -1, -1, -1))[valid].mean())
        assert errors[0] < 0.7 * errors[1]
    assert (VideoWindows([Numbers(3)], SIZE, (-1, 1))[0]["poses"] == 0).all()


def test_mirroring_keeps_the_scene(video):
    plain, mirrored = (
        VideoWindows([video], SIZE, (-1, 1), 1, RenderedLabels(0), "true", WindowAugmentation(mirror, 0.0), seed=1)[2]
        for mirror in (0.0, 1.0)
    )
    for name in ("frames", "depth", "label", "segment"):
        assert torch.equal(mirrored[name], plain[name].flip(-1)), name
    # normals of the mirrored depth face along the mirrored main directions as before
    for sample in (plain, mirrored):
        normal = normals(sample["depth"][None], sample["K"][None])[0]
        cosine = torch.einsum("chw,kc->khw", normal, sample["directions"]).amax(0)
        assert (cosine[sample["segment"] > 0] > 0.99).float().mean() > 0.5
    points, other = (unproject(s["depth"][None], s["K"][None])[0] for s in (plain, mirrored))
    assert torch.allclose(other.flip(-1), points * torch.tensor([-1.0, 1, 1]).view(3, 1, 1), atol=1e-4)


def test_all_frames_of_a_window_change_colour_alike(video):
    windows = VideoWindows([video], SIZE, (-1, 1), augmentation=WindowAugmentation(0.0, 1.0), seed=5)
    sample = windows[0]
    assert not torch.equal(sample["frames"], sample["shown"])
    assert torch.equal(sample["frames"][0], VideoWindows([video], SIZE, (-1, 1), seed=5)[0]["frames"][0])
    same = Numbers(3)
    frames = [same[60]] * 3

    class Still:
        name = "still"

        def __len__(self):
            return 3

        def __getitem__(self, index):
            return frames[index]

    shown = VideoWindows([Still()], SIZE, (-1, 1), augmentation=WindowAugmentation(0.0, 1.0), seed=5)[0]["shown"]
    assert torch.equal(shown[0], shown[1])
    assert torch.equal(shown[0], shown[2])


def test_a_seed_repeats_a_sample_and_none_does_not(video):
    chances = WindowAugmentation(0.5, 1.0)
    first, again = (VideoWindows([video], SIZE, (-1, 1), augmentation=chances, seed=3)[1] for _ in range(2))
    assert all(torch.equal(first[k], again[k]) for k in first)
    free = VideoWindows([video], SIZE, (-1, 1), augmentation=chances)
    torch.manual_seed(0)
    assert not torch.equal(free[1]["shown"], free[1]["shown"])


def test_pictures_are_cut_to_the_proportion_and_keep_square_pixels():
    camera = CameraModel.pinhole(100, 100, 79.5, 44.5, 160, 90)
    view = View.fitted(camera, (96, 128))
    assert view.crop == (20, 0, 120, 90)
    found = view.camera(camera)
    assert found.shape == (96, 128)
    assert found.K[0, 0] == pytest.approx(found.K[1, 1]) == pytest.approx(100 * 96 / 90)
    assert found.K[0, 2] == pytest.approx(63.5)
    labels = np.zeros((45, 80), np.uint8)  # of half the pictures' size
    labels[:, 40:] = 7
    small = view.nearest(labels, (90, 160))
    assert small.shape == (96, 128)
    assert set(np.unique(small)) == {0, 7}
    assert (small[:, :64] == 0).all()
    assert (small[:, 64:] == 7).all()
