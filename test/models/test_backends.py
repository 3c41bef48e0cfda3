import threading

import numpy as np
import pytest

from depth_perception.models import backends, onnx_graphs, onnx_runner

from .conftest import completer, random_weights, scene

pytest.importorskip("torch")
pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")


@pytest.fixture(autouse=True)
def _no_gpu(monkeypatch):
    monkeypatch.setattr(backends, "_GPU_FILES", ())


def test_auto_takes_onnx_on_a_cpu_and_torch_without_it(tiny_weights, without):
    run = backends.make_runner(tiny_weights)
    assert (run.backend, run.device) == ("onnx", "cpu")
    without("onnxruntime")
    assert backends.make_runner(tiny_weights).backend == "torch"


def test_auto_takes_torch_where_no_graph_can_be_made(tiny_weights, without):
    without("onnx")
    assert backends.make_runner(tiny_weights).backend == "torch"
    with pytest.raises(onnx_graphs.GraphError, match="pip install torch onnx"):
        backends.make_runner(tiny_weights, "onnx")


def test_nothing_installed_says_what_to_install(tiny_weights, without):
    without("torch", "onnxruntime")
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
