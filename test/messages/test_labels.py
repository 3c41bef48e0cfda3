import numpy as np
import pytest

from depth_perception.messages.image import encode_image
from depth_perception.messages.labels import decode_labels, encode_labels
from depth_perception.messages.types import MessageError

LABELS = np.array([[0, 1, 200], [7, 255, 3]])


@pytest.mark.parametrize(
    ("encoding", "dtype"), [("mono8", "u1"), ("8UC1", "u1"), ("mono16", "u2"), ("16UC1", "u2"), ("32SC1", "i4")]
)
def test_every_label_encoding_is_read(types, encoding, dtype):
    wide = encoding == "32SC1"
    message = (
        encode_labels(types, LABELS, encoding, 5, "camera")
        if wide
        else encode_image(types, LABELS.astype(dtype), encoding, 5, "camera")
    )
    found = decode_labels(message)
    assert found.dtype == np.int32
    assert found.tolist() == LABELS.tolist()


def test_negative_labels_are_unknown(types):
    message = encode_labels(types, np.array([[-5, -1, 0, 70000]], np.int32), "32SC1", 5, "camera")
    assert decode_labels(message).tolist() == [[-1, -1, 0, 70000]]


@pytest.mark.parametrize(("encoding", "expected"), [("32SC1", [[-1, 0, 70000]]), ("16UC1", [[65535, 0, 65534]])])
def test_labels_are_written(types, encoding, expected):
    message = encode_labels(types, np.array([[-1, 0, 70000]], np.int32), encoding, 5, "camera")
    assert message.encoding == encoding
    assert decode_labels(message).tolist() == expected


def test_what_is_no_label_is_refused_by_name(types):
    rgb = encode_image(types, np.zeros((2, 2, 3), np.uint8), "rgb8", 5, "camera")
    with pytest.raises(
        MessageError, match=r"encoding: 'rgb8' is not labels, expected one of mono8.*colours are no labels"
    ):
        decode_labels(rgb)
    with pytest.raises(MessageError, match="cannot hold labels"):
        encode_labels(types, np.zeros((2, 2), np.int32), "mono8", 5, "camera")
