import numpy as np
import pytest

from depth_perception.models import zoo

# What every completer of the zoo promises; test_fast.py holds what only the fast one does.


@pytest.fixture(params=["diffusion", "fast"])
def completer(request):
    return zoo.load(request.param)


def scene(height=240, width=320, points=400, seed=0):
    """A floor, and a box in front of it with a colour of its own: (image, truth, sparse)."""
    rng = np.random.default_rng(seed)
    rows = np.mgrid[:height, :width][0]
    truth = (1 / (0.15 + 0.3 * rows / height)).astype(np.float32)
    image = np.full((height, width, 3), (150, 140, 120), np.uint8)
    box = np.s_[height // 4 : 3 * height // 4, width // 3 : 2 * width // 3]
    truth[box], image[box] = 1.5, (40, 60, 160)
    image = np.clip(image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)
    sparse = np.zeros_like(truth)
    chosen = rng.choice(truth.size, points, replace=False)
    sparse.flat[chosen] = truth.flat[chosen]
    return image, truth, sparse


def error(depth, truth):
    return float(np.abs(depth - truth).mean())


def test_edges_snap_to_the_image(completer):
    image, _, sparse = scene()
    depth = completer.infer(image, sparse).depth
    edge = 320 // 3
    drawn = np.argmax(depth[70:170, edge - 20 : edge + 20] < 1.8, axis=1) - 20
    tolerance = 2 if completer.name == "diffusion" else 4  # the fast grid is four pixels wide
    assert np.quantile(np.abs(drawn), 0.9) <= tolerance


def test_outliers_cost_little(completer):
    image, truth, sparse = scene()
    rng = np.random.default_rng(1)
    clean = error(completer.infer(image, sparse).depth, truth)
    bad = sparse.copy()
    hit = rng.choice(np.flatnonzero(sparse), 20, replace=False)
    bad.flat[hit] = np.exp(rng.uniform(np.log(0.5), np.log(12), 20))
    result = completer.infer(image, bad)
    assert error(result.depth, truth) < 1.5 * clean + 0.02
    gross = hit[np.abs(bad.flat[hit] / truth.flat[hit] - 1) > 0.5]
    honest = np.setdiff1d(np.flatnonzero(sparse), hit)
    assert np.median(result.inlier.flat[gross]) < 0.4
    assert np.median(result.inlier.flat[honest]) > 0.8


def test_doubling_the_input_doubles_the_output(completer):
    image, _, sparse = scene()
    one, two = completer.infer(image, sparse), completer.infer(image, 2 * sparse)
    np.testing.assert_allclose(two.depth, 2 * one.depth, rtol=1e-4)
    np.testing.assert_allclose(two.standard_deviation, 2 * one.standard_deviation, rtol=1e-3)


def test_the_same_input_gives_the_same_bytes(completer):
    image, _, sparse = scene()
    first, second = (completer.infer(image, sparse) for _ in range(2))
    for a, b in zip(first, second):
        assert a.tobytes() == b.tobytes()


def test_memory_layout_does_not_matter(completer):
    image, _, sparse = scene(120, 160, 100)
    wide = np.zeros((240, 320), np.float32)
    wide[::2, ::2] = sparse
    plain = completer.infer(image, sparse)
    strided = completer.infer(np.asfortranarray(image), wide[::2, ::2])
    np.testing.assert_array_equal(plain.depth, strided.depth)


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 5), (17, 31), (121, 163)])
@pytest.mark.parametrize("kind", ["none", "one", "three", "line", "full", "garbage"])
def test_any_content_of_any_size_gets_an_answer(completer, shape, kind):
    rng = np.random.default_rng(0)
    sparse = np.zeros(shape, np.float32)
    if kind == "one":
        sparse[0, 0] = 3
    elif kind == "three":
        sparse.flat[rng.choice(sparse.size, min(3, sparse.size), replace=False)] = 2.5
    elif kind == "line":
        sparse[shape[0] // 2] = rng.uniform(1, 2, shape[1])
    elif kind == "full":
        sparse[:] = rng.uniform(1, 2, shape)
    elif kind == "garbage":
        sparse[:] = rng.choice(np.array([0, np.nan, np.inf, -np.inf, -1, 1e-30, 1e30, 2], np.float32), shape)
        sparse[0, 0] = 2
    usable = np.isfinite(sparse) & (sparse > 1e-6) & (sparse < 1e9)
    for image in (rng.integers(0, 256, (*shape, 3), dtype=np.uint8), None):
        result = completer.infer(image, sparse)
        assert all(field.shape == shape and field.dtype == np.float32 for field in result)
        dense = np.isfinite(result.depth) & np.isfinite(result.standard_deviation)
        assert dense.all() if usable.any() else not dense.any()
        assert (result.depth[dense] > 0).all()
        assert (result.standard_deviation[dense] > 0).all()
        np.testing.assert_array_equal(np.isfinite(result.inlier), usable)


def test_one_point_is_spread_with_growing_doubt(completer):
    sparse = np.zeros((100, 140), np.float32)
    sparse[50, 20] = 3
    result = completer.infer(None, sparse)
    np.testing.assert_allclose(result.depth, 3, rtol=1e-5)
    assert result.standard_deviation[50, 130] > 5 * result.standard_deviation[50, 22]


def test_deviation_tells_good_from_bad_pixels(completer):
    _, truth, sparse = scene(points=300)
    result = completer.infer(None, sparse)
    miss = np.abs(result.depth - truth)
    sure = result.standard_deviation / result.depth < np.median(result.standard_deviation / result.depth)
    assert miss[sure].mean() < 0.3 * miss[~sure].mean()


def test_a_wrong_size_is_refused(completer):
    with pytest.raises(ValueError, match=r"\(10, 10\).*\(10, 12\)"):
        completer.infer(np.zeros((10, 10, 3), np.uint8), np.ones((10, 12), np.float32))


def test_inputs_are_left_alone(completer):
    image, _, sparse = scene(60, 80, 40)
    sparse[0, 0] = np.nan
    before = image.copy(), sparse.copy()
    completer.infer(image, sparse)
    np.testing.assert_array_equal(image, before[0])
    np.testing.assert_array_equal(sparse, before[1])
