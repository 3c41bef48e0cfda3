"""Each library is a small fake module here that behaves as the real one's documentation says."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models import segmentation
from depth_perception.models.segmentation.choice import SegmenterError, labels_from_masks, load_segmenter

CAMERA = CameraModel.pinhole(20, 20, 9.5, 7.5, 20, 16)
IMAGE = np.zeros((16, 20, 3), np.uint8)
IMAGE[..., 0] = 200  # red
DEPTH = np.ones((16, 20), np.float32)


def masks():
    """A sure mask to the left, an unsure one, and a large one under the first."""
    out = np.zeros((3, 16, 20), np.float32)
    out[0, :, :8], out[1, 10:, 12:], out[2, :8, :] = 0.9, 0.9, 0.9
    return out, np.array([0.95, 0.2, 0.7], np.float32)


def expected():
    out = np.zeros((16, 20), np.int32)
    out[:8], out[:, :8] = 2, 1
    return out


@pytest.fixture
def fake(monkeypatch):
    def install(name, **contents):
        module = types.ModuleType(name)
        module.__dict__.update(contents)
        monkeypatch.setitem(sys.modules, name, module)
        return module

    return install


def test_where_masks_overlap_the_surer_one_counts():
    np.testing.assert_array_equal(labels_from_masks(*masks(), (16, 20), 0.5), expected())
    assert labels_from_masks(np.zeros((0, 16, 20)), np.zeros(0), (16, 20), 0.5).max() == 0


def test_masks_of_another_size_are_enlarged():
    small = np.zeros((1, 8, 10), np.float32)
    small[0, :, :5] = 1
    labels = labels_from_masks(small, np.array([0.9]), (16, 20), 0.5)
    assert labels.shape == (16, 20)
    assert (labels[:, :9] == 1).all()
    assert (labels[:, 11:] == 0).all()


def test_builtin_is_the_geometric_one_and_so_is_the_function_of_the_package(table):
    table.box((-0.3, -0.2, 0.0), (0.1, 0.2, 0.3))
    depth = table.depth_image()
    labels = load_segmenter()(table.image, depth, table.camera)
    assert labels.max() == 1
    np.testing.assert_array_equal(segmentation.segment(table.image, depth, table.camera), labels)


def test_torchvision(fake):
    torch = pytest.importorskip("torch")
    asked = {}

    class Network:
        def eval(self):
            return self

        def to(self, device):
            asked["device"] = device
            return self

        def __call__(self, batch):
            asked["batch"] = batch
            found, scores = masks()
            return [{"masks": torch.from_numpy(found)[:, None], "scores": torch.from_numpy(scores)}]

    def own_model(weights):
        asked["weights"] = weights
        return Network()

    fake("torchvision")
    fake("torchvision.models")
    fake("torchvision.models.detection", own_model=own_model)
    labels = load_segmenter("torchvision:own_model")(IMAGE, DEPTH, CAMERA)
    np.testing.assert_array_equal(labels, expected())
    assert asked["weights"] == "DEFAULT"
    assert asked["device"] == "cpu"
    assert asked["batch"][0].shape == (3, 16, 20)
    assert float(asked["batch"][0][0].max()) == pytest.approx(200 / 255)
    with pytest.raises(SegmenterError, match="no nothing"):
        load_segmenter("torchvision:nothing")


def test_transformers(fake):
    asked = {}

    def pipeline(task, model, device):
        asked.update(task=task, model=model)

        def run(picture, subtask):
            asked.update(picture=picture, subtask=subtask)
            found, scores = masks()
            return [{"mask": (m > 0.5).astype(np.uint8) * 255, "score": s, "label": "x"} for m, s in zip(found, scores)]

        return run

    fake("transformers", pipeline=pipeline)
    fake("PIL")
    fake("PIL.Image", fromarray=lambda array: array)
    labels = load_segmenter("transformers:some/model")(IMAGE, DEPTH, CAMERA)
    np.testing.assert_array_equal(labels, expected())
    assert asked["task"] == "image-segmentation"
    assert asked["model"] == "some/model"
    assert asked["subtask"] == "instance"

    def fails(task, model, device):
        raise OSError("no such repository")

    fake("transformers", pipeline=fails)
    with pytest.raises(SegmenterError, match=r"some/model.*no such repository"):
        load_segmenter("transformers:some/model")


def test_ultralytics(fake):
    torch = pytest.importorskip("torch")
    asked = {}

    class Yolo:
        def __init__(self, model):
            asked["model"] = model

        def __call__(self, image, **settings):
            asked["image"] = image
            found, scores = masks()
            return [
                types.SimpleNamespace(
                    masks=types.SimpleNamespace(data=torch.from_numpy(found)),
                    boxes=types.SimpleNamespace(conf=torch.from_numpy(scores)),
                )
            ]

    class Blind(Yolo):
        def __call__(self, image, **settings):
            return [types.SimpleNamespace(masks=None, boxes=None)]

    fake("ultralytics", YOLO=Yolo)
    np.testing.assert_array_equal(load_segmenter("ultralytics")(IMAGE, DEPTH, CAMERA), expected())
    assert asked["model"] == "yolo11n-seg.pt"
    assert asked["image"][0, 0].tolist() == [0, 0, 200]  # BGR
    fake("ultralytics", YOLO=Blind)
    assert load_segmenter("ultralytics:mine.pt")(IMAGE, DEPTH, CAMERA).max() == 0


@pytest.mark.parametrize("name", ["torchvision", "transformers", "ultralytics"])
def test_a_missing_library_is_named_with_the_remedy(monkeypatch, name):
    for module in (name, f"{name}.models.detection"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(SegmenterError, match=f"{name} is not installed.*pip install {name}"):
        load_segmenter(name)


def test_a_module_of_ones_own(fake):
    fake("my_segmenter", segment=lambda image, depth, camera: np.full(depth.shape, 3, np.uint8), wrong=lambda *_: IMAGE)
    labels = load_segmenter("my_segmenter")(IMAGE, DEPTH, CAMERA)
    assert labels.dtype == np.int32
    assert (labels == 3).all()
    with pytest.raises(SegmenterError, match="has no callable other"):
        load_segmenter("my_segmenter:other")
    with pytest.raises(SegmenterError, match="none of builtin, torchvision"):
        load_segmenter("no_such_module_anywhere")
    with pytest.raises(SegmenterError, match=r"returned \(16, 20, 3\)"):
        load_segmenter("my_segmenter:wrong")(IMAGE, DEPTH, CAMERA)
    fake("floats", segment=lambda image, depth, camera: depth)
    with pytest.raises(SegmenterError, match="float32, expected whole numbers"):
        load_segmenter("floats")(IMAGE, DEPTH, CAMERA)
