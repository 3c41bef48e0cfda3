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
    monkeypatch.delitem(sys.modules, "message_filters", raising=False)
    monkeypatch.delenv("DEPTH_PERCEPTION_WITHOUT", raising=False)
    assert available.optional("message_filters").VALUE == 7
    available.optional.cache_clear()
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", "tf2_ros,message_filters")
    assert available.optional("message_filters") is None


def test_broken_package_counts_as_missing(tmp_path, monkeypatch):
    (tmp_path / "cv_bridge.py").write_text("raise RuntimeError('built against another NumPy')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "cv_bridge", raising=False)
    assert available.optional("cv_bridge") is None
