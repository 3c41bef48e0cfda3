import subprocess
import sys

import numpy as np
import pytest

from depth_perception.models.fast import FastCompleter


@pytest.mark.parametrize(
    ("names", "heavy"), [("('diffusion', 'fast')", {"scipy", "torch", "matplotlib"}), ("zoo.names()", {"torch"})]
)
def test_what_they_do_without(repository, names, heavy):
    code = (
        "import sys, numpy as np\n"
        "from depth_perception.models import zoo\n"
        "sparse = np.zeros((60, 80), np.float32); sparse[::7, ::9] = 2\n"
        f"for name in {names}: zoo.load(name).infer(np.zeros((60, 80, 3), np.uint8), sparse)\n"
        f"print(sorted({heavy!r} & set(sys.modules)))"
    )
    out = subprocess.run([sys.executable, "-c", code], cwd=repository, capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"


def test_dense_and_sparse_input_give_the_same_surface():
    rows = np.mgrid[:240, :320][0]
    truth = (1 / (0.2 + 0.2 * rows / 240)).astype(np.float32)
    rng = np.random.default_rng(0)
    for share in (0.004, 0.02, 0.1, 1.0):
        sparse = np.where(rng.random(truth.shape) < share, truth, 0).astype(np.float32)
        depth = FastCompleter().infer(None, sparse).depth
        assert np.median(np.abs(depth / truth - 1)) < 0.01, share
