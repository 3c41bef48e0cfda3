import numpy as np

from depth_perception.models.dense import complete_dense, keep_measurements


def dense_scene(seed=0):
    rng = np.random.default_rng(seed)
    truth = np.full((96, 128), 2.0, np.float32)
    truth[:, 64:] = 4.0
    return truth, np.where(rng.random(truth.shape) < 0.08, truth, 0).astype(np.float32), rng


def test_a_step_stays_a_step():
    truth, sparse, _ = dense_scene()
    depth = complete_dense(sparse, 2).depth
    wrong = np.abs(depth - truth) > 0.1
    assert wrong.mean() < 0.06
    assert not wrong[:, :54].any()
    assert not wrong[:, 74:].any()


def test_single_wrong_points_leave_no_trace():
    truth, sparse, rng = dense_scene()
    hit = rng.choice(np.flatnonzero(sparse), 40, replace=False)
    clean = np.abs(complete_dense(sparse, 2).depth - truth).mean()
    sparse.flat[hit] = rng.uniform(0.5, 9, 40)
    assert np.abs(complete_dense(sparse, 2).depth - truth).mean() < clean + 0.02


def test_measurements_within_three_deviations_pass_through():
    depth = np.full((1, 4), 2.0, np.float32)
    deviation = np.full((1, 4), 0.1, np.float32)
    sparse = np.array([[2.2, 0, 2.5, 2.0]], np.float32)
    inlier = keep_measurements(depth, deviation, sparse, np.flatnonzero(sparse))
    np.testing.assert_allclose(depth, [[2.2, 2.0, 2.0, 2.0]])
    assert np.isnan(inlier[0, 1])
    assert inlier[0, 3] > 0.99
    assert inlier[0, 2] < 0.2 < inlier[0, 0]
