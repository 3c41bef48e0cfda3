import dataclasses

import numpy as np
import pytest

pytest.importorskip("torch")


from depth_perception.frames import CameraModel, PosedDepth
from depth_perception.models.decomposition.config import LossWeights, SceneConfig
from depth_perception.models.decomposition.fitter import SceneFitter

CAMERA = CameraModel.pinhole(12.0, 12.0, 7.5, 5.5, 16, 12)
LOW, HIGH = (-1.0, -1.0, -1.0), (1.0, 1.0, 1.0)
TINY = dataclasses.replace(
    SceneConfig.tiny("reference"), channels=4, random_rays=24, label_rays=24, samples=10, extra_samples=4, width=24
)


def looking_along_x(y=0.0, labels=(1, 2)):
    """From x = -0.8: a red ball left, a green one right, before a grey wall at x = 0.9."""
    T = np.eye(4)
    T[:3, :3] = np.array([[0.0, 0.0, 1.0], [-1.0, 0.0, 0.0], [0.0, -1.0, 0.0]])
    T[:3, 3] = [-0.8, y, 0.0]
    columns, rows = np.meshgrid(np.arange(16), np.arange(12))
    rays = np.stack([(columns - 7.5) / 12, (rows - 5.5) / 12, np.ones(columns.shape)], -1)
    d = (rays @ T[:3, :3].T).reshape(-1, 3)
    depth, found = np.full(len(d), 1.7), np.zeros(len(d), np.int32)
    image = np.full((len(d), 3), 120, np.uint8)
    for center, number, color in zip(([0.2, 0.35, 0.0], [0.2, -0.35, 0.0]), labels, ([220, 20, 20], [20, 220, 20])):
        away = T[:3, 3] - center
        b, a = d @ away, (d * d).sum(1)
        root = b * b - a * (away @ away - 0.25**2)
        z = np.where(root > 0, (-b - np.sqrt(np.maximum(root, 0))) / a, np.inf)
        hit = z < depth
        depth[hit], found[hit], image[hit] = z[hit], number, color
    shape = (12, 16)
    return PosedDepth(
        0, "c", image.reshape(*shape, 3), CAMERA, depth.reshape(shape).astype(np.float32), T, found.reshape(shape)
    )


def fitted(config=TINY, steps=0, seed=0):
    fitter = SceneFitter(config, LOW, HIGH, seed=seed)
    for y, labels in ((0.0, (1, 2)), (0.2, (7, 3)), (-0.2, (2, 1))):
        fitter.add(looking_along_x(y, labels))
    fitter.run(steps=steps)
    return fitter


def test_the_loss_falls():
    fitter = fitted()
    first = fitter.run(steps=3).losses
    fitter.run(steps=10)
    last = fitter.run(steps=3).losses
    assert last["total"] < first["total"]
    assert last["depth"] < 0.9 * first["depth"]


def test_every_loss_of_the_paper_is_used():
    weights = LossWeights(semantic=0.15, cross_view=0.1)
    config = dataclasses.replace(TINY, weights=weights, distinction_after=0)
    losses = fitted(config).run(steps=1).losses
    names = {f.name for f in dataclasses.fields(LossWeights)} - {"clustering"}
    assert set(losses) == names | {"total"}
    assert all(np.isfinite(v) for v in losses.values())
    used = config.weights.for_channels(4)
    assert losses["total"] == pytest.approx(sum(getattr(used, n) * losses[n] for n in names), rel=1e-4)


def test_distinction_waits():
    fitter = fitted(dataclasses.replace(TINY, distinction_after=2))
    assert "distinction" not in fitter.run(steps=2).losses
    assert "distinction" in fitter.run(steps=1).losses


def test_it_starts_as_a_room_around_one_ball():
    fitter = fitted()
    found = fitter.assign([[0.0, 0.0, 0.0], [0.95, 0.95, 0.95], [2.0, 0.0, 0.0]])
    assert found.channel[0] > 0
    assert found.distance[0] < -0.3
    assert found.channel[1] == 0
    assert found.channel[2] == -1
    assert found.confidence[2] == 0


def test_state_goes_on_bit_for_bit(tmp_path):
    first = fitted(steps=2)
    np.savez(tmp_path / "state.npz", **first.state())
    second = SceneFitter(TINY, LOW, HIGH, seed=3)
    with np.load(tmp_path / "state.npz", allow_pickle=False) as state:
        second.load_state(state)
    assert first.run(steps=2).losses == second.run(steps=2).losses
    for name, array in first.state().items():
        assert np.array_equal(array, second.state()[name], equal_nan=array.dtype.kind == "f"), name


def test_state_of_the_other_path_is_refused():
    with pytest.raises(ValueError, match="path 'reference'"):
        SceneFitter(SceneConfig.tiny(), LOW, HIGH).load_state(fitted().state())


def test_pictures_and_meshes_have_their_shapes():
    fitter = fitted(steps=1)
    frame = looking_along_x()
    seen = fitter.render(frame.camera, frame.T_world_camera, stride=4)
    assert seen.labels.shape == (3, 4)
    known = seen.labels >= 0
    assert known.any()
    assert np.isfinite(seen.depth[known]).all()
    assert (seen.depth[known] > 0).all()
    assert (seen.depth[known] < 3.5).all()
    meshes = fitter.meshes(cell=0.2)
    assert meshes
    for mesh in meshes.values():
        assert np.abs(mesh.vertices).max() <= 1.01
        assert mesh.colors.shape == mesh.vertices.shape


def test_a_camera_outside_the_box_is_refused():
    frame = looking_along_x()
    T = frame.T_world_camera.copy()
    T[0, 3] = -3.0
    fitter = SceneFitter(TINY, LOW, HIGH)
    with pytest.raises(ValueError, match="T_world_camera"):
        fitter.add(dataclasses.replace(frame, T_world_camera=T))
    assert len(fitter) == 0
