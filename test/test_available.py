from __future__ import annotations

import sys

import pytest

from depth_perception import available


@pytest.fixture(autouse=True)
def _fresh_cache():
    available.optional.cache_clear()
    yield
    available.optional.cache_clear()


def test_unknown_name_is_an_error_not_silence():
    with pytest.raises(ValueError, match="cv_brige"):
        available.optional("cv_brige")


def test_present_package_is_returned_and_can_be_hidden(tmp_path, monkeypatch):
    (tmp_path / "message_filters.py").write_text("VALUE = 7\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "message_filters", None)  # so that it is put back in the end
    sys.modules.pop("message_filters")
    monkeypatch.delenv("DEPTH_PERCEPTION_WITHOUT", raising=False)
    assert available.optional("message_filters").VALUE == 7
    available.optional.cache_clear()
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "tf2_ros,message_filters")
    assert available.optional("message_filters") is None


def test_broken_package_counts_as_missing(tmp_path, monkeypatch):
    (tmp_path / "cv_bridge.py").write_text("raise RuntimeError('built against another NumPy')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "cv_bridge", None)  # so that it is put back in the end
    sys.modules.pop("cv_bridge")
    assert available.optional("cv_bridge") is None


def test_installed_is_known_without_importing(tmp_path, monkeypatch):
    (tmp_path / "onnx.py").write_text("raise AssertionError('imported')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "onnx", None)  # so that it is put back in the end
    sys.modules.pop("onnx")
    assert available.installed("onnx")
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "onnx")
    assert not available.installed("onnx")
    monkeypatch.setitem(sys.modules, "torch", None)  # how a test or a user forbids an import
    assert not available.installed("torch")
    with pytest.raises(ValueError, match="onxruntime"):
        available.installed("onxruntime")


def test_a_setting_of_the_user_stays(tmp_path, monkeypatch):
    (tmp_path / "onnxruntime.py").write_text("import os\nvalue = os.environ['ORT_DISABLE_TELEMETRY']\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setitem(sys.modules, "onnxruntime", None)  # so that it is put back in the end
    for given, expected in ((None, "1"), ("0", "0")):
        sys.modules.pop("onnxruntime")
        monkeypatch.setenv("ORT_DISABLE_TELEMETRY", given or "")
        if given is None:
            monkeypatch.delenv("ORT_DISABLE_TELEMETRY")
        available.optional.cache_clear()
        module = available.optional("onnxruntime")
        assert module.value == expected
