import os
import subprocess
import sys
import threading
import time

import numpy as np
import pytest

from depth_perception import available
from depth_perception.models import backends, families, onnx_graphs, onnx_runner, weights
from depth_perception.models.learned import LearnedCompleter

from .conftest import random_weights, scene

pytest.importorskip("torch")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(backends, "_GPU_FILES", ())


def completer(weights, backend, **options):
    run = backends.make_runner(weights, backend, "cpu", **options)
    return LearnedCompleter(
        weights.name, weights.version, families.method(weights.family, weights.config), run, weights.calibration
    )


def hide(monkeypatch, *names):
    """Pretend that packages are not installed."""
    monkeypatch.setenv("DEPTH_PERCEPTION_WITHOUT", ",".join(names))
    available.optional.cache_clear()


@pytest.fixture(autouse=True)
def _fresh_cache():
    yield
    available.optional.cache_clear()


@pytest.mark.parametrize("shape", [(33, 47), (60, 61), (96, 128)])
def test_torch_and_onnx_agree(tiny_weights, shape):
    one, two = (completer(tiny_weights, backend) for backend in ("torch", "onnx"))
    image, sparse = scene(shape)
    for a, b in zip(one.infer(image, sparse), two.infer(image, sparse)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


def test_it_computes_what_the_network_does(tiny_weights):
    """Folding normalisations and channels last change nothing."""
    import torch

    from depth_perception.models.torch_runner import load_network

    network = load_network(tiny_weights)
    prepared = families.method("tiny", tiny_weights.config).prepare(*scene(), None)
    plain = network(*(torch.from_numpy(x) for x in prepared.inputs))
    for a, b in zip(plain, backends.make_runner(tiny_weights, "torch", "cpu")(prepared.inputs)):
        np.testing.assert_allclose(a.numpy(), b, rtol=1e-5, atol=1e-6)


def test_normalisations_are_folded(tiny_weights):
    from torch import nn

    from depth_perception.models.torch_runner import fold_batch_norm, load_network

    kinds = {type(module) for module in fold_batch_norm(load_network(tiny_weights)).modules()}
    assert nn.BatchNorm2d not in kinds


def test_auto_takes_onnx_on_a_cpu_and_torch_without_it(tiny_weights, monkeypatch):
    run = backends.make_runner(tiny_weights)
    assert (run.backend, run.device) == ("onnx", "cpu")
    hide(monkeypatch, "onnxruntime")
    assert backends.make_runner(tiny_weights).backend == "torch"


def test_auto_takes_torch_where_no_graph_can_be_made(tiny_weights, monkeypatch):
    hide(monkeypatch, "onnx")
    assert backends.make_runner(tiny_weights).backend == "torch"
    with pytest.raises(onnx_graphs.GraphError, match="pip install torch onnx"):
        backends.make_runner(tiny_weights, "onnx")


def test_nothing_installed_says_what_to_install(tiny_weights, monkeypatch):
    hide(monkeypatch, "torch", "onnxruntime")
    with pytest.raises(ImportError, match=r"pip install onnxruntime, or: pip install torch"):
        backends.make_runner(tiny_weights)
    for backend, package in (("torch", "torch"), ("compiled", "torch"), ("onnx", "onnxruntime")):
        assert f"pip install {package}" in backends.why_not(backend)
        with pytest.raises(ImportError, match=f"backend {backend} needs {package}"):
            backends.make_runner(tiny_weights, backend)


@pytest.mark.parametrize(
    ("backend", "device", "words"),
    [("tensorrt", "cpu", "'tensorrt'.*auto, torch, compiled, onnx"), ("auto", "gpu", "'gpu'.*auto, cpu, cuda"),
     ("auto", "cuda:x", "'cuda:x'"), ("auto", "cpu:1", "'cpu:1'")],
)  # fmt: skip
def test_unknown_choices_list_the_known(tiny_weights, backend, device, words):
    with pytest.raises(ValueError, match=words):
        backends.make_runner(tiny_weights, backend, device)


def test_a_device_that_is_not_there_is_said_so(tiny_weights):
    import torch

    if torch.cuda.is_available():
        pytest.skip("this machine has a GPU")
    with pytest.raises(RuntimeError, match="no usable GPU"):
        backends.make_runner(tiny_weights, "torch", "cuda")
    if not onnx_runner.has_cuda():
        with pytest.raises(RuntimeError, match="onnxruntime-gpu"):
            backends.make_runner(tiny_weights, "onnx", "cuda:0")


def test_a_gpu_is_found_by_its_device_file_and_by_torch(monkeypatch, tmp_path):
    torch_runner = pytest.importorskip("depth_perception.models.torch_runner")
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(torch_runner, "has_cuda", lambda: True)
    assert backends.find_device() == "cpu"
    (tmp_path / "nvidiactl").touch()
    monkeypatch.setattr(backends, "_GPU_FILES", (str(tmp_path / "nvidiactl"),))
    assert backends.find_device() == "cuda"
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert backends.find_device() == "cpu"


def test_read_only_inputs_and_a_second_call_give_the_same(tiny_weights):
    image, sparse = scene()
    image.flags.writeable = sparse.flags.writeable = False
    for backend in ("torch", "onnx"):
        model = completer(tiny_weights, backend)
        first, other, again = (model.infer(*given) for given in ((image, sparse), scene((44, 30)), (image, sparse)))
        assert other.depth.shape == (44, 30)
        for a, b in zip(first, again):
            assert a.tobytes() == b.tobytes()


def test_two_models_in_many_threads(tiny):
    """Loading and answering at once in threads gives what it gives alone."""
    sets = [random_weights("tiny", seed=seed) for seed in (1, 2)]
    image, sparse = scene()
    alone = [completer(w, "torch").infer(image, sparse).depth for w in sets]
    wrong = []

    def work(number):
        model = completer(sets[number % 2], ("onnx", "torch")[number // 2 % 2])
        for _ in range(5):
            depth = model.infer(image, sparse).depth
            if not np.allclose(depth, alone[number % 2], rtol=1e-4):
                wrong.append(number)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert len(list(tiny.cache.glob("*.onnx"))) == 1, "both have the same configuration"


@pytest.mark.parametrize("shape", [(1, 1), (3, 9), (33, 47), (93, 310)])
@pytest.mark.parametrize("kind", ["none", "one", "all", "garbage"])
def test_any_content_of_any_size_gets_an_answer(tiny_weights, shape, kind):
    rng = np.random.default_rng(0)
    sparse = np.zeros(shape, np.float32)
    if kind == "one":
        sparse[-1, -1] = 2
    elif kind == "all":
        sparse[:] = rng.uniform(1, 2, shape)
    elif kind == "garbage":
        sparse[:] = rng.choice(np.array([0, np.nan, np.inf, -1, 1e-30, 1e30, 2], np.float32), shape)
        sparse[0, 0] = 2
    result = completer(tiny_weights, "onnx").infer(None, sparse)
    assert all(part.shape == shape and part.dtype == np.float32 for part in result)
    assert np.isfinite(result.depth).all() == (kind != "none")
    assert (np.isfinite(result.inlier) == (np.isfinite(sparse) & (sparse > 1e-6) & (sparse < 1e9))).all()


def test_half_precision_is_close_and_asked_for(tiny_weights):
    image, sparse = scene()
    full = completer(tiny_weights, "torch").infer(image, sparse).depth
    half = completer(tiny_weights, "auto", precision="bfloat16")
    assert half.run.backend == "torch"
    depth = half.infer(image, sparse).depth
    assert depth.dtype == np.float32
    assert 0 < np.abs(depth / full - 1).max() < 0.05
    with pytest.raises(ValueError, match="float32"):
        completer(tiny_weights, "onnx", precision="bfloat16")
    with pytest.raises(ValueError, match="float64"):
        completer(tiny_weights, "torch", precision="float64")


def test_compiling_does_not_hold_up_the_first_frames(tiny_weights, monkeypatch):
    """With a compiler that takes its time, answers come at once; with the one that is done, they are its own."""
    import torch

    release, calls = threading.Event(), []

    def compiler(network, dynamic):
        release.wait(10)

        def compiled(*inputs):
            calls.append(inputs[0].shape)
            return network(*inputs)

        return compiled

    monkeypatch.setattr(torch, "compile", compiler)
    model = completer(tiny_weights, "compiled")
    image, sparse = scene()
    started = time.monotonic()
    first = [model.infer(image, sparse).depth for _ in range(3)]
    assert time.monotonic() - started < 5
    assert not calls
    release.set()
    model.run.wait()
    warm = len(calls)
    np.testing.assert_allclose(model.infer(image, sparse).depth, first[0], rtol=1e-6)
    assert len(calls) == warm + 1


def test_a_compiler_that_fails_is_done_without(tiny_weights, monkeypatch, caplog):
    import torch

    def broken(network, dynamic):
        raise RuntimeError("no C++ compiler")

    monkeypatch.setattr(torch, "compile", broken)
    model = completer(tiny_weights, "compiled")
    image, sparse = scene()
    before = model.infer(image, sparse).depth
    model.run.wait()
    np.testing.assert_array_equal(model.infer(image, sparse).depth, before)
    assert "no C++ compiler" in model.run.problem
    assert "no C++ compiler" in caplog.text


def test_onnx_needs_no_torch_once_the_graph_is_there(tiny_weights):
    """Neither is torch imported for a graph from the cache."""
    backends.make_runner(tiny_weights, "onnx", "cpu")
    code = (
        "import sys\n"
        "from depth_perception.models import backends, zoo, weights\n"
        "from depth_perception.models import onnx_graphs\n"
        "assert backends.find_device() in ('cpu', 'cuda')\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_onnx_runtime_reports_to_nobody(tmp_path):
    code = (
        "from depth_perception.available import optional\n"
        "assert optional('onnxruntime')\n"
        "import os; assert os.environ['ORT_DISABLE_TELEMETRY'] == '1'\n"
    )
    environment = {**os.environ, "XDG_CACHE_HOME": str(tmp_path)}
    environment.pop("ORT_DISABLE_TELEMETRY", None)
    environment.pop("CI", None)
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert list(tmp_path.iterdir()) == [], "it keeps an identity of the machine there"


def test_wrong_tensors_are_named(tiny_weights):
    import dataclasses

    tensors = dict(tiny_weights.tensors)
    tensors["up.bias"] = np.zeros(4, np.float32)
    for backend in ("torch", "onnx"):
        with pytest.raises(weights.WeightError, match=r"tensor 'up\.bias' is \(4,\), expected \(3,\)"):
            backends.make_runner(dataclasses.replace(tiny_weights, tensors=tensors), backend)
