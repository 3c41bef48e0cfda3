import os
import subprocess
import sys

import numpy as np
import pytest

from depth_perception.models import backends, onnx_graphs
from depth_perception.models.onnx_runner import OnnxRunner, cores
from depth_perception.models.weights import WeightError

from .conftest import completer, scene

pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")


@pytest.mark.parametrize("shape", [(33, 47), (60, 61), (96, 128)])
def test_torch_and_onnx_agree(tiny_weights, shape):
    one, two = (completer(tiny_weights, backend) for backend in ("torch", "onnx"))
    image, sparse = scene(shape)
    for a, b in zip(one.infer(image, sparse), two.infer(image, sparse)):
        np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6)


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


def test_choosing_a_backend_imports_no_torch():
    code = (
        "import sys\n"
        "from depth_perception.models import backends, onnx_runner, zoo\n"
        "assert backends.find_device() == 'cpu'\n"
        "assert backends.why_not('onnx') is None\n"
        "sys.exit('torch' in sys.modules)\n"
    )
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr


def test_threads_are_those_of_the_process_or_as_many_as_asked_for(tiny_weights):
    assert OnnxRunner(tiny_weights).threads == cores() >= 1
    assert OnnxRunner(tiny_weights, threads=1).threads == 1


def test_a_graph_of_something_else_is_a_clear_error(tiny_weights, monkeypatch):
    monkeypatch.setattr(onnx_graphs, "obtain", lambda weights: b"no graph")
    with pytest.raises(WeightError, match="weights 'test': ONNX Runtime refuses"):
        backends.make_runner(tiny_weights, "onnx", "cpu")
