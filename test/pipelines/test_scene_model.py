import importlib.util
import sys

import numpy as np
import pytest

from depth_perception.pipelines.decomposition import Decomposition
from depth_perception.pipelines.decomposition_settings import DecompositionSettings
from depth_perception.pipelines.scene_model import ModelError, model_maker


def test_without_torch_a_scene_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("depth_perception.models.decomposition")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ModelError, match=r"pip install 'depth_perception\[decomposition\]'.*torch"):
        Decomposition()


def test_what_writes_meshes_is_missed_before_the_drive(monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "trimesh" else find(name))
    with pytest.raises(ModelError, match="trimesh is not installed"):
        model_maker(DecompositionSettings())


def test_the_model_is_the_one_that_the_settings_name():
    pytest.importorskip("torch")
    pytest.importorskip("skimage")
    pytest.importorskip("trimesh")
    low, high = np.zeros(3), np.ones(3)
    plain = model_maker(DecompositionSettings(profile="tiny"))(low, high)
    fine = model_maker(DecompositionSettings(profile="tiny", cell=0.03))(low, high)
    assert fine.config.cell == 0.03 < plain.config.cell
    assert (
        plain.config.channels == fine.config.channels < model_maker(DecompositionSettings())(low, high).config.channels
    )
    np.testing.assert_array_equal([fine.low, fine.high], [low, high])
