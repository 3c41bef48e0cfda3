import dataclasses

import numpy as np
import pytest

from depth_perception.frames import CameraModel, PosedDepth

pytest.importorskip("torch")

import torch

from depth_perception.models.decomposition.config import LossWeights, SceneConfig
from depth_perception.models.decomposition.fitter import SceneFitter

CAMERA = CameraModel.pinhole(60.0, 60.0, 31.5, 23.5, 64, 48)
BOXES = np.array([[-0.45, -0.1, 0.1], [0.0, 0.15, 0.15], [0.45, -0.1, 0.1]])
HALF = np.array([0.12, 0.12, 0.15])
LOW, HIGH = (-0.9, -0.9, -0.15), (0.9, 0.9, 0.6)


def look(eye, at=(0.0, 0.0, 0.1)):
    z = np.asarray(at) - eye
    z /= np.linalg.norm(z)
    x = np.cross(z, [0.0, 0.0, 1.0])
    x /= np.linalg.norm(x)
    T = np.eye(4)
    T[:3, :3] = np.stack([x, np.cross(z, x), z], 1)
    T[:3, 3] = eye
    return T


def view(angle, seed, shuffle=True):
    """Three boxes on a plane seen from one side; their numbers differ from view to view."""
    eye = np.array([1.6 * np.cos(angle), 1.6 * np.sin(angle), 1.2])
    T = look(eye)
    columns, rows = np.meshgrid(np.arange(64), np.arange(48))
    rays = np.stack([(columns - 31.5) / 60, (rows - 23.5) / 60, np.ones(columns.shape)], -1).reshape(-1, 3)
    d = rays @ T[:3, :3].T
    depth, labels = -eye[2] / d[:, 2], np.zeros(len(d), np.int32)
    depth[depth < 0] = np.inf
    numbers = np.random.default_rng(seed).permutation(9)[:3] + 1 if shuffle else np.arange(1, 4)
    for center, number in zip(BOXES, numbers):
        a, b = (center - HALF - eye) / d, (center + HALF - eye) / d
        first, last = np.minimum(a, b).max(1), np.maximum(a, b).min(1)
        hit = (first < last) & (first > 0) & (first < depth)
        depth[hit], labels[hit] = first[hit], number
    depth[depth > 5] = np.nan
    image = np.where(labels > 0, 200, 50)[:, None].repeat(3, 1).reshape(48, 64, 3).astype(np.uint8)
    return PosedDepth(seed, "c", image, CAMERA, depth.reshape(48, 64).astype(np.float32), T, labels.reshape(48, 64))


def fitted(config, views=6, steps=1, seed=0):
    fitter = SceneFitter(config, LOW, HIGH, seed=seed)
    for k in range(views):
        fitter.add(view(2 * np.pi * k / views, k + 1))
    fitter.run(steps=steps)
    return fitter


def tops():
    return BOXES + np.array([0.0, 0.0, HALF[2]])


def self_organised(seed=0, **weights):
    """Return the channels (3, 40) at the tops of the boxes, from channels that start at random."""
    config = dataclasses.replace(SceneConfig.tiny(), start="random", learning_rate=0.05, weights=LossWeights(**weights))
    fitter = fitted(config, views=8, steps=120, seed=seed)
    spread = np.random.default_rng(0).uniform(-0.1, 0.1, (1, 40, 3)) * [1, 1, 0]
    channel = fitter.assign((tops()[:, None] + spread).reshape(-1, 3)).channel
    return channel.reshape(3, 40)


def separated(channels):
    """Return whether each box has one channel almost everywhere, and no two the same."""
    most = [np.bincount(box.clip(0)).argmax() for box in channels]
    pure = min(np.mean(box == k) for box, k in zip(channels, most))
    return len(set(most)) == 3 and 0 not in most and pure > 0.9


def test_channels_organise_themselves_by_the_losses_alone():
    assert separated(self_organised())


def test_without_differentiation_they_do_not():
    assert not separated(self_organised(differentiation=0.0))


def test_things_that_no_view_shows_together_do_not_keep_one_channel():
    fitter = SceneFitter(dataclasses.replace(SceneConfig.tiny(), start="random"), LOW, HIGH)
    for k in range(4):
        frame = view(2 * np.pi * k / 4, k + 1, shuffle=False)
        shown = 1 + 2 * (k % 2)  # the first box in even views, the last one in the others
        fitter.add(dataclasses.replace(frame, labels=np.where(frame.labels == shown, 5, -1).astype(np.int32)))
    scene = fitter._scene
    nodes = scene.grid.points(scene.field.node_of).numpy()
    on_box = (np.abs(nodes[:, None] - BOXES[[0, 2]]) < HALF + 0.06).all(2).any(1) & (nodes[:, 2] > 0.06)
    channel = torch.from_numpy(np.where(on_box, 4, 0))
    every = torch.arange(len(nodes))
    scene.field.set_logits(every, torch.nn.functional.one_hot(channel, 8).float())
    assert len(set(fitter.assign(tops()[[0, 2]]).channel.tolist())) == 1
    scene.settle()
    assert len(set(fitter.assign(tops()[[0, 2]]).channel.tolist())) == 2


def test_boxes_with_shuffled_numbers_get_a_channel_each():
    fitter = fitted(SceneConfig.tiny())
    channel = fitter.assign(tops()).channel
    assert len(set(channel.tolist())) == 3
    assert (channel > 0).all()
    floor = fitter.assign([[0.0, -0.4, 0.0], [0.3, 0.5, 0.0]])
    assert (floor.channel == 0).all()
    assert (np.abs(floor.distance) < 0.02).all()


def test_distance_is_metric_and_unseen_places_have_no_channel():
    fitter = fitted(SceneConfig.tiny())
    found = fitter.assign(np.vstack([tops() + np.array([0.0, 0.0, 0.05]), [[0.0, 0.0, -0.14]]]))
    np.testing.assert_allclose(found.distance[:3], 0.05, atol=0.015)
    assert found.channel[3] == -1
    assert found.confidence[3] == 0


def test_a_rendered_view_shows_boxes_where_they_are():
    fitter = fitted(SceneConfig.tiny())
    truth = view(0.3, 9, shuffle=False)
    seen = fitter.render(truth.camera, truth.T_world_camera)
    both = (seen.labels >= 0) & np.isfinite(truth.depth)
    assert both.mean() > 0.5
    assert np.median(np.abs(seen.depth - truth.depth)[both]) < 0.02
    assert np.mean((seen.labels > 0)[both] == (truth.labels > 0)[both]) > 0.93
    assert fitter.render(truth.camera, truth.T_world_camera, 4).labels.shape == (12, 16)


def test_meshes_lie_on_their_boxes():
    fitter = fitted(SceneConfig.tiny())
    channel = fitter.assign(tops()).channel
    meshes = fitter.meshes()
    assert set(channel.tolist()) | {0} <= set(meshes)
    for k, box in zip(channel.tolist(), BOXES):
        assert np.abs(meshes[k].vertices - box).max() < HALF.max() + 0.08
        assert meshes[k].colors.mean() > 120


def test_channels_stay_when_frames_come_later():
    fitter = SceneFitter(SceneConfig.tiny(), LOW, HIGH)
    fitter.add(view(0.0, 1))
    fitter.run(steps=2)
    before = fitter.assign(tops()).channel
    for k in range(1, 5):
        fitter.add(view(k, k + 1))
    fitter.run(steps=2)
    assert fitter.assign(tops()).channel.tolist() == before.tolist()


def test_what_a_new_frame_shows_first_is_told_before_the_next_step():
    fitter = SceneFitter(SceneConfig.tiny(), LOW, HIGH)
    fitter.add(view(0.0, 1))
    fitter.run(steps=30)
    fitter.add(view(np.pi, 2))  # floor and sides that nothing was said of yet
    floor = np.random.default_rng(0).uniform([-0.8, -0.8, 0.0], [0.8, 0.8, 0.0], (600, 3))
    clear = (np.abs(floor[:, None, :2] - BOXES[None, :, :2]) > HALF[:2] + 0.08).any(2).all(1)
    said = fitter.assign(floor[clear])
    seen = said.channel >= 0
    assert seen.sum() > 100
    assert (said.channel[seen] == 0).mean() > 0.95
    sizes = {k: np.ptp(mesh.vertices, axis=0).max() for k, mesh in fitter.meshes().items() if k > 0}
    assert max(sizes.values()) < 2 * HALF.max() + 0.1


def test_state_goes_on_bit_for_bit(tmp_path):
    first = fitted(SceneConfig.tiny(), steps=3)
    np.savez(tmp_path / "state.npz", **first.state())
    second = SceneFitter(SceneConfig.tiny(), LOW, HIGH, seed=5)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.load_state(state)
    assert first.add(view(0.5, 20)) == second.add(view(0.5, 20))
    assert first.run(steps=3).losses == second.run(steps=3).losses
    for name, array in first.state().items():
        assert np.array_equal(array, second.state()[name]), name


def test_a_forgotten_frame_leaves_what_it_taught():
    fitter = fitted(SceneConfig.tiny())
    before = fitter.assign(tops()).channel
    for index in range(5):
        fitter.forget(index)
    assert len(fitter) == 1
    fitter.run(steps=2)
    assert fitter.assign(tops()).channel.tolist() == before.tolist()
    with pytest.raises(KeyError):
        fitter.forget(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"labels": None}, "labels are None"),
        ({"labels": np.zeros((3, 4), np.int32)}, r"labels must be integers of shape \(48, 64\)"),
        ({"labels": np.full((48, 64), -3, np.int32)}, "-3"),
        ({"depth": np.zeros((48, 63), np.float32)}, r"depth has shape \(48, 63\)"),
        ({"image": np.zeros((48, 64), np.uint8)}, "image must be uint8"),
        ({"T_world_camera": np.full((4, 4), np.nan)}, "T_world_camera"),
    ],
)
def test_bad_frames_are_named(change, message):
    fitter = SceneFitter(SceneConfig.tiny(), LOW, HIGH)
    with pytest.raises(ValueError, match=message):
        fitter.add(dataclasses.replace(view(0.0, 1), **change))
    assert len(fitter) == 0


def test_a_run_needs_an_end_and_works_without_frames():
    fitter = SceneFitter(SceneConfig.tiny(), LOW, HIGH)
    with pytest.raises(ValueError, match="never end"):
        fitter.run()
    assert fitter.run(seconds=5.0).steps == 0
    assert fitter.meshes() == {}
    assert (fitter.assign(tops()).channel == -1).all()
    fitter.add(view(0.0, 1))
    assert fitter.run(stop=lambda: True).steps == 0
