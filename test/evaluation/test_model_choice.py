from __future__ import annotations

import numpy as np
import pytest

from depth_perception.evaluation.model_choice import load_model, parse_models, peer_options


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", ()),
        ("fast", ("fast",)),
        ("fast, diffusion", ("fast", "diffusion")),
        ("fast,fast", ("fast",)),
        ("peer:guided:8,0.001,fast", ("peer:guided:8,0.001", "fast")),
        ("peer:ip_basic:gaussian,top,peer:nearest", ("peer:ip_basic:gaussian,top", "peer:nearest")),
        ("peer:nearest,jarrn@a.safetensors,fast", ("peer:nearest", "jarrn@a.safetensors", "fast")),
        ("nonsense,fast", ("nonsense", "fast")),
    ],
)
def test_parse_models(text, names):
    assert parse_models(text) == names


def test_every_model_and_peer_family_answers():
    sparse = np.zeros((32, 48), np.float32)
    sparse[2::5, 3::6] = 4.0
    image = np.full((32, 48, 3), 90, np.uint8)
    for name in ("fast", "diffusion", *(f"peer:{family}" for family in peer_options())):
        model = load_model(name)
        assert model.version
        depth = model.infer(image, sparse, None).depth
        assert depth.shape == sparse.shape
        assert depth.dtype == np.float32
        assert np.nanmedian(depth) == pytest.approx(4.0, rel=0.05), name


def test_a_peer_claims_no_deviation():
    sparse = np.full((8, 8), 2.0, np.float32)
    assert np.isnan(load_model("peer:nearest").infer(None, sparse, None).standard_deviation).all()


def test_unknown_names_list_what_there_is():
    with pytest.raises(ValueError, match=r"unknown model 'x'; known: .*fast.*peer:nearest"):
        load_model("x")
    with pytest.raises(ValueError, match="nearest"):
        load_model("peer:x")


def test_a_file_after_the_name_is_used_and_named_where_it_is_none():
    with pytest.raises(ValueError, match=r"clude \(/nowhere/w\.safetensors\): .*"):
        load_model("clude@/nowhere/w.safetensors")
