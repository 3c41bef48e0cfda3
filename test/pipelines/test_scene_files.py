import numpy as np
import pytest

from depth_perception.pipelines.scene_files import SceneError, read_arrays, write_arrays, write_bytes


def test_arrays_come_back_bit_for_bit(tmp_path):
    given = {"a/b": np.array([np.nan, -0.0, 1e-40], np.float32), "n": np.array(3), "empty": np.zeros((0, 3), np.int16)}
    write_arrays(tmp_path / "x.npz", given)
    found = read_arrays(tmp_path / "x.npz")
    assert list(found) == list(given)
    for name, value in given.items():
        assert found[name].dtype == value.dtype
        assert found[name].shape == value.shape
        assert found[name].tobytes() == value.tobytes()


def test_objects_are_refused(tmp_path):
    with pytest.raises(ValueError, match="bad: an array of objects"):
        write_arrays(tmp_path / "x.npz", {"bad": np.array([None])})


def test_damage_is_told(tmp_path):
    path = tmp_path / "x.npz"
    with pytest.raises(SceneError, match="no such file"):
        read_arrays(path)
    write_arrays(path, {"a": np.arange(1000)})
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(SceneError, match=r"x\.npz: damaged"):
        read_arrays(path)


def test_an_interrupted_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "x"
    write_bytes(path, b"old")

    def fail(handle):
        raise OSError("no space left")

    monkeypatch.setattr("os.fsync", fail)
    with pytest.raises(OSError, match="no space"):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old"
    assert [file.name for file in tmp_path.iterdir()] == ["x"]
