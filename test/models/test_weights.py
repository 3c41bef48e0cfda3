import dataclasses
import json

import numpy as np
import pytest

from depth_perception import available
from depth_perception.models import weights
from depth_perception.models.weights import WeightError, Weights

from .conftest import random_weights

pytest.importorskip("safetensors")


def stored(file):
    """Header and rest of a safetensors file."""
    content = file.read_bytes()
    length = int.from_bytes(content[:8], "little")
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def rewrite(file, change):
    """Let ``change`` edit the header of a weight file in place."""
    header, rest = stored(file)
    change(header)
    text = json.dumps(header).encode()
    file.write_bytes(len(text).to_bytes(8, "little") + text + rest)


@pytest.fixture
def file(tiny_weights, tmp_path):
    file = tmp_path / "some" / "tiny.safetensors"
    weights.write(tiny_weights, file)
    return file


def test_what_is_written_is_read_again(tiny_weights, file):
    again = weights.read(file)
    assert (again.family, again.name, again.version) == ("tiny", "test", "0.1")
    assert again.config == tiny_weights.config
    assert again.calibration == tiny_weights.calibration
    assert again.training == {"steps": 0}
    assert again.file == file
    assert again.shapes == tiny_weights.shapes
    for name, tensor in again.tensors.items():
        assert tensor.dtype == np.float32
        np.testing.assert_allclose(tensor, tiny_weights.tensors[name], rtol=1e-3, atol=1e-6)


def test_only_what_bears_it_is_stored_in_half(tiny_weights, file):
    header, _ = stored(file)
    assert header["down.0.weight"]["dtype"] == "F16"
    assert header["down.1.running_var"]["dtype"] == "F32"
    large = dict(tiny_weights.tensors)
    large["down.0.weight"] = large["down.0.weight"] * np.float32(1e6)
    weights.write(dataclasses.replace(tiny_weights, tensors=large), file)
    np.testing.assert_array_equal(weights.read(file).tensors["down.0.weight"], large["down.0.weight"])


def test_full_precision_is_exact(tiny_weights, file):
    weights.write(tiny_weights, file, half=False)
    for name, tensor in weights.read(file).tensors.items():
        np.testing.assert_array_equal(tensor, tiny_weights.tensors[name])


def test_the_same_weights_give_the_same_bytes(tiny_weights, file, tmp_path):
    for i in range(4):  # the order of a hash table would show by now
        weights.write(tiny_weights, tmp_path / str(i))
        assert (tmp_path / str(i)).read_bytes() == file.read_bytes()


def test_other_programs_can_read_it(file):
    from safetensors.numpy import load_file

    assert load_file(file)["down.0.weight"].shape == (6, 5, 3, 3)


def test_counters_of_training_are_left_out(tiny_weights, file):
    tensors = {**tiny_weights.tensors, "down.1.num_batches_tracked": np.array(7)}
    weights.write(dataclasses.replace(tiny_weights, tensors=tensors), file)
    assert "down.1.num_batches_tracked" not in weights.read(file).tensors


def test_a_failed_write_leaves_the_old_file(tiny_weights, file, monkeypatch):
    before = file.read_bytes()

    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full)
    with pytest.raises(OSError, match="No space"):
        weights.write(random_weights("tiny", seed=1), file)
    assert file.read_bytes() == before
    assert list(file.parent.iterdir()) == [file]


def test_inspecting_counts_what_was_trained(tiny_weights, file):
    info = weights.inspect(file)
    statistics = sum(t.size for n, t in tiny_weights.tensors.items() if "running" in n)
    assert info.parameters == sum(t.size for t in tiny_weights.tensors.values()) - statistics
    assert info.size == file.stat().st_size


def test_missing_and_cut_files_are_named(file, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors"):
        weights.read(tmp_path / "gone.safetensors")
    content = file.read_bytes()
    for length in (0, 4, 100, len(content) - 1):
        file.write_bytes(content[:length])
        with pytest.raises(WeightError, match=r"tiny\.safetensors: not a whole safetensors file"):
            weights.read(file)


def test_another_family_is_refused(file):
    with pytest.raises(WeightError, match=r"tiny\.safetensors: field 'family' is 'tiny', expected 'jarrn'"):
        weights.read(file, "jarrn")


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("family", None, "no field 'family'"),
        ("training", None, "no field 'training'"),
        ("family", "tall", "unknown family of networks 'tall'"),
        ("config", "{", "field 'config' is not JSON"),
        ("config", "[]", "field 'config' is not a JSON object"),
        ("config", '{"depth": 3}', "field 'config': tiny has no setting depth; it has widths, steep"),
        ("calibration", '{"wide": 2}', "field 'calibration' has no usable 'log_factor'"),
        ("training", "oops", "field 'training' is not JSON"),
    ],
)
def test_a_wrong_header_is_named(file, field, value, words):
    def change(header):
        if value is None:
            del header["__metadata__"][field]
        else:
            header["__metadata__"][field] = value

    rewrite(file, change)
    with pytest.raises(WeightError) as error:
        weights.read(file)
    assert "tiny.safetensors" in str(error.value)
    assert words in str(error.value)


def test_tensors_of_another_kind_are_refused(file):
    def change(header):
        header["down.1.bias"]["dtype"] = "I32"

    rewrite(file, change)
    with pytest.raises(WeightError, match=r"tensor 'down\.1\.bias' is I32"):
        weights.read(file)


def test_a_value_that_is_not_finite_is_refused(tiny_weights, file):
    tensors = dict(tiny_weights.tensors)
    tensors["middle.0.bias"] = np.full_like(tensors["middle.0.bias"], np.nan)
    weights.write(dataclasses.replace(tiny_weights, tensors=tensors), file)
    with pytest.raises(WeightError, match=r"tensor 'middle\.0\.bias' is not finite"):
        weights.read(file)


def test_tensors_are_checked_against_a_network(tiny_weights):
    shapes = {**tiny_weights.shapes, "down.1.num_batches_tracked": ()}
    tiny_weights.check(shapes)
    with pytest.raises(WeightError, match=r"weights 'test': tensor 'head\.bias' of \(4,\) is missing"):
        tiny_weights.check({**shapes, "head.bias": (4,)})
    with pytest.raises(WeightError, match=r"tensor 'up\.bias' is \(3,\), expected \(4,\)"):
        tiny_weights.check({**shapes, "up.bias": (4,)})
    del shapes["up.bias"]
    with pytest.raises(WeightError, match=r"tensor 'up\.bias' belongs to no layer"):
        tiny_weights.check(shapes)


def test_without_safetensors_it_says_what_to_install(tiny_weights, file, monkeypatch):
    monkeypatch.setattr(available, "optional", lambda name: None)
    for act in (lambda: weights.read(file), lambda: weights.write(tiny_weights, file)):
        with pytest.raises(ImportError, match="pip install safetensors"):
            act()


def test_weights_need_no_calibration(tiny_weights, file):
    weights.write(dataclasses.replace(tiny_weights, calibration=None), file)
    assert weights.read(file).calibration is None
    assert isinstance(weights.read(file), Weights)
