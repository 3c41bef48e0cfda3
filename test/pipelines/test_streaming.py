import cv2
import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.geometry.camera import rays
from depth_perception.pipelines.streaming import Streaming, StreamingSettings

TENTH = 100_000_000
CAMERA = CameraModel.pinhole(80, 80, 47.5, 35.5, 96, 72)
RNG = np.random.default_rng(0)
PICTURE = cv2.resize(RNG.integers(0, 256, (18, 24, 3), dtype=np.uint8), (96, 72), interpolation=cv2.INTER_CUBIC)
BLANK = np.full((72, 96, 3), 100, np.uint8)


def scene():
    """A slanted wall with a box before it, metres."""
    depth = 1 / np.linspace(0.2, 0.5, 96, dtype=np.float32)[None].repeat(72, 0)
    depth[20:50, 30:60] = 1.5
    return depth


def noisy(depth, share, rng, coarse=1):
    height, width = depth.shape
    noise = rng.normal(0, share, (height // coarse, width // coarse)).astype(np.float32)
    noise = cv2.resize(noise, (width, height), interpolation=cv2.INTER_LINEAR) if coarse > 1 else noise
    return (depth * np.exp(noise)).astype(np.float32)


def run(frames, relative=0.1, images=PICTURE, motions=None, streaming=None, times=None):
    """Feed frames at 10 Hz; returns depths and deviations."""
    streaming = streaming or Streaming()
    out = []
    for i, depth in enumerate(frames):
        image = images if isinstance(images, np.ndarray) else images[i]
        stamp = (i + 1) * TENTH if times is None else times[i]
        T = None if motions is None else motions[i]
        out.append(streaming.update(depth, (relative * depth).astype(np.float32), image, CAMERA, stamp, T))
    return np.array([d for d, _ in out]), np.array([s for _, s in out])


def flicker(depths):
    return np.nanmean(np.abs(np.diff(np.log(depths), axis=0)))


@pytest.mark.parametrize("coarse", [1, 8])
@pytest.mark.parametrize("claimed", [0.05, 0.3])
@pytest.mark.parametrize("poses", [True, False])
def test_a_still_scene_flickers_less_and_is_no_worse(coarse, claimed, poses):
    """40 % less change from frame to frame, whatever deviation the model claims and however its noise looks."""
    rng, truth = np.random.default_rng(1), scene()
    frames = [noisy(truth, 0.05, rng, coarse) for _ in range(30)]
    motions = [np.eye(4)] * 30 if poses else None
    depths, deviations = run(frames, claimed, motions=motions)
    settled = slice(10, None)
    assert flicker(depths[settled]) < 0.6 * flicker(np.array(frames)[settled])
    error = np.abs(np.log(depths / truth))[settled].mean()
    assert error < 0.6 * np.abs(np.log(np.array(frames) / truth))[settled].mean()
    within = np.abs(depths - truth)[settled] < 2 * deviations[settled]
    assert within.mean() > 0.9


def test_what_is_wrong_in_every_frame_stays_in_the_deviation():
    rng, truth = np.random.default_rng(2), scene()
    frames = [noisy(truth * 1.1, 0.01, rng) for _ in range(30)]
    depths, deviations = run(frames, 0.1)
    assert np.median(np.abs(depths[-1] - truth) / deviations[-1]) < 1.2
    assert (deviations[-1] <= 0.1001 * depths[-1] * 1.05).all()


@pytest.mark.parametrize("height", [0.2, 1.0])
@pytest.mark.parametrize("motions", [None, [np.eye(4)] * 20])
def test_a_step_of_depth_passes_at_once(height, motions):
    rng, truth = np.random.default_rng(3), scene()
    after = truth.copy()
    after[10:60, 62:90] *= np.float32(1 - height / 2)
    frames = [noisy(truth if i < 15 else after, 0.02, rng) for i in range(20)]
    depths, _ = run(frames, 0.1, motions=motions)
    stepped = np.s_[12:58, 64:88]
    ratio = np.median(depths[15][stepped] / after[stepped])
    assert abs(np.log(ratio)) < 0.01
    assert np.abs(np.log(depths[15][stepped] / after[stepped])).max() < 0.12
    elsewhere = np.log(depths[15][:8] / truth[:8]).std()
    assert elsewhere < 0.012  # the rest goes on being averaged


def test_a_whole_new_scene_passes_at_once():
    rng, truth = np.random.default_rng(4), scene()
    frames = [noisy(truth if i < 10 else 1.5 * truth, 0.02, rng) for i in range(12)]
    depths, _ = run(frames, 0.1, motions=[np.eye(4)] * 12)
    assert abs(np.median(np.log(depths[10] / (1.5 * truth)))) < 0.01


def slide(x):
    T = np.eye(4)
    T[0, 3] = x
    return T


def seen_from(x):
    """Depth of a wall at 4 m and a box at 2 m, from a camera that has moved right by ``x`` metres."""
    column = np.arange(96, dtype=np.float32)[None].repeat(72, 0)
    at = (column - 47.5) / 80 * 2 + x
    depth = np.full((72, 96), 4, np.float32)
    depth[20:50][(np.abs(at) < 0.4)[20:50]] = 2
    return depth


def test_a_moving_camera_with_known_poses_does_not_smear():
    rng = np.random.default_rng(5)
    places = [0.03 * i for i in range(25)]  # 1.2 pixels of the box in each frame
    truth = [seen_from(x) for x in places]
    frames = [noisy(t, 0.03, rng) for t in truth]
    motions = [None] + [slide(-0.03)] * 24
    depths, _ = run(frames, 0.1, images=BLANK, motions=motions)
    for i in (8, 16, 24):
        assert (np.abs(np.log(depths[i] / truth[i])) < 0.2).all()  # nobody between box and wall, nothing left behind
    inside = np.s_[10:, 2:-2, 30:70]
    raw = np.abs(np.log(np.array(frames) / truth))[inside].mean()
    assert np.abs(np.log(depths / truth))[inside].mean() < 0.8 * raw


def test_a_camera_that_comes_nearer_is_not_late():
    rng, truth = np.random.default_rng(6), [np.full((72, 96), 4 - 0.1 * i, np.float32) for i in range(20)]
    T = np.eye(4)
    T[2, 3] = -0.1
    frames = [noisy(t, 0.03, rng) for t in truth]
    depths, _ = run(frames, 0.1, images=BLANK, motions=[None] + [T] * 19)
    middle = np.s_[10:, 10:-10, 10:-10]
    assert abs(np.log(depths / truth)[middle].mean()) < 0.004
    assert flicker(depths[middle] / np.array(truth)[middle]) < 0.6 * flicker(
        np.array(frames)[middle] / np.array(truth)[middle]
    )


def test_turning_the_camera_is_undone():
    rng = np.random.default_rng(7)
    R = cv2.Rodrigues(np.array([0, 0.03, 0.0]))[0]
    T = np.eye(4)
    T[:3, :3] = R
    directions = rays(CAMERA).astype(np.float64)
    truth, normal = [], np.array([0.3, 0, 1.0])
    for _ in range(15):
        truth.append((3 / (directions @ normal)).astype(np.float32))
        normal = R @ normal
    frames = [noisy(t, 0.03, rng) for t in truth]
    depths, _ = run(frames, 0.1, images=BLANK, motions=[None] + [T] * 14)
    middle = np.s_[8:, 10:-10, 25:-25]
    error = np.log(depths / truth)[middle]
    assert np.abs(error).mean() < 0.75 * np.abs(np.log(np.array(frames) / truth))[middle].mean()
    assert abs(error.mean()) < 0.004


def test_motion_too_small_to_resample_for_adds_up():
    """A creeping camera, a tenth of a pixel in each frame: after 60 frames nothing of the old view is left."""
    rng = np.random.default_rng(8)
    places = [0.0025 * i for i in range(60)]
    truth = [seen_from(x) for x in places]
    depths, _ = run([noisy(t, 0.03, rng) for t in truth], 0.1, images=BLANK, motions=[None] + [slide(-0.0025)] * 59)
    assert np.mean(np.abs(np.log(depths[-1] / truth[-1])) > 0.2) < 0.002


def test_a_moving_camera_without_poses_is_not_averaged():
    rng, truth = np.random.default_rng(9), scene()
    frames = [noisy(truth, 0.03, rng) for _ in range(8)]
    images = [np.roll(PICTURE, 3 * i, axis=1) for i in range(8)]
    depths, _ = run(frames, images=images)
    np.testing.assert_array_equal(depths, frames)
    depths, _ = run(frames, images=BLANK)  # a blank wall looks the same from everywhere
    np.testing.assert_array_equal(depths, frames)


def test_what_moves_before_a_still_camera_is_not_averaged():
    rng, truth = np.random.default_rng(10), scene()
    frames = [noisy(truth, 0.03, rng) for _ in range(8)]
    images = [PICTURE.copy() for _ in range(8)]
    for i, image in enumerate(images):
        image[24:40, 8 * i : 8 * i + 16] = 255 if i % 2 else 0
    depths, _ = run(frames, images=images)
    last = np.s_[26:38, 58:70]
    np.testing.assert_allclose(depths[7][last], frames[7][last], rtol=1e-5)
    assert np.abs(np.log(depths[7] / truth))[50:].mean() < 0.7 * np.abs(np.log(frames[7] / truth))[50:].mean()


def test_the_past_is_forgotten_when_time_or_camera_change():
    rng, truth = np.random.default_rng(11), scene()
    other = CameraModel.pinhole(90, 90, 47.5, 35.5, 96, 72)

    def after(stamp=400_000_000, camera=CAMERA, shape=None):
        streaming = Streaming()
        run([noisy(truth, 0.03, rng) for _ in range(3)], streaming=streaming)
        frame = noisy(truth, 0.03, rng)
        depth, _ = streaming.update(frame, 0.1 * frame, PICTURE, camera, stamp)
        return np.array_equal(depth, frame), streaming.resets

    assert after() == (False, {})
    assert after(stamp=300_000_000) == (True, {"time_jump": 1})
    assert after(stamp=1) == (True, {"time_jump": 1})
    assert after(stamp=1_400_000_000) == (True, {"gap": 1})
    assert after(camera=other) == (True, {"camera": 1})
    again = CameraModel.pinhole(80, 80, 47.5, 35.5, 96, 72)
    assert after(camera=again) == (False, {})  # the same numbers in another object


def test_unknown_stays_unknown_and_the_past_survives_a_hole():
    rng, truth = np.random.default_rng(12), scene()
    frames = [noisy(truth, 0.03, rng) for _ in range(10)]
    frames[8][10:20, 10:20] = np.nan
    depths, deviations = run(frames)
    assert np.isnan(depths[8][10:20, 10:20]).all()
    assert np.isnan(deviations[8][10:20, 10:20]).all()
    assert np.isfinite(depths[8]).sum() == np.isfinite(frames[8]).sum()
    hole = np.s_[10:20, 10:20]
    error, raw = (np.abs(np.log(d[9] / truth))[hole].mean() for d in (depths, frames))
    assert error < 0.8 * raw


def test_settings_without_sense_are_refused():
    for name in ("memory", "gate", "longest_gap"):
        with pytest.raises(ValueError, match=rf"streaming\.{name} must be above 0"):
            StreamingSettings(**{name: 0.0})
