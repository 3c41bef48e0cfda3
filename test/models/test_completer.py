import numpy as np
import pytest

from depth_perception.frames import CameraModel
from depth_perception.models.completer import Completer, check_inputs, unknown
from depth_perception.models.fast import FastCompleter

SPARSE = np.ones((4, 6), np.float32)
IMAGE = np.zeros((4, 6, 3), np.uint8)


@pytest.mark.parametrize(
    ("image", "sparse", "camera", "words"),
    [
        (IMAGE[:3], SPARSE, None, ["(3, 6)", "(4, 6)"]),
        (IMAGE.astype(np.float32), SPARSE, None, ["uint8", "float32"]),
        (IMAGE[..., 0], SPARSE, None, ["image", "(4, 6)"]),
        (IMAGE, SPARSE.astype(np.uint16), None, ["sparse", "uint16"]),
        (IMAGE, SPARSE[None], None, ["sparse", "(1, 4, 6)"]),
        (None, None, None, ["sparse", "NoneType"]),
        (IMAGE, SPARSE, CameraModel.pinhole(5, 5, 2, 2, 7, 4), ["camera", "(4, 7)"]),
    ],
)
def test_what_does_not_fit_is_named(image, sparse, camera, words):
    with pytest.raises(ValueError, match=r"must be|but sparse") as error:
        check_inputs(image, sparse, camera)
    for word in words:
        assert word in str(error.value)


def test_garbage_counts_as_not_measured():
    sparse = np.array([[np.nan, np.inf, -np.inf, -1, 0, 1e-30, 1e30, 2.5]])
    image, values = check_inputs(None, sparse, None)
    assert image is None
    assert values.dtype == np.float32
    assert values.tolist() == [[0, 0, 0, 0, 0, 0, 0, 2.5]]


def test_any_memory_layout_is_taken_and_the_input_is_left_alone():
    sparse = np.asfortranarray(np.where(np.eye(6, dtype=bool), 2.0, np.nan).astype(np.float32))
    before = sparse.copy()
    image, values = check_inputs(np.zeros((3, 6, 6), np.uint8).transpose(1, 2, 0), sparse, None)
    assert image.flags.c_contiguous
    assert values.flags.c_contiguous
    np.testing.assert_array_equal(sparse, before)


def test_unknown_claims_nothing():
    assert all(np.isnan(field).all() and field.shape == (2, 3) for field in unknown((2, 3)))


def test_the_protocol_is_met():
    assert isinstance(FastCompleter(), Completer)
