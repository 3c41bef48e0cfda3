"""Chooses what runs a network on this machine: torch, torch.compile or ONNX Runtime, on CPU or GPU."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from depth_perception import available
from depth_perception.models import onnx_graphs, onnx_runner
from depth_perception.models.learned import Array
from depth_perception.models.weights import Weights

BACKENDS = ("auto", "torch", "compiled", "onnx")
PACKAGES = {"torch": "torch", "compiled": "torch", "onnx": "onnxruntime"}
# what drivers of NVIDIA on PCs, on Jetson boards and under WSL, and of AMD leave; asking torch would mean importing it
_GPU_FILES = ("/dev/nvidiactl", "/dev/nvhost-gpu", "/dev/nvgpu", "/dev/dxg", "/dev/kfd")
_LOG = logging.getLogger(__name__)


class NetworkRunner(Protocol):
    """A ``Runner`` that says where it runs; may be called from several threads."""

    backend: str
    device: str

    def __call__(self, inputs: Sequence[Array]) -> Sequence[Array]:
        """Return depth, deviation and inlier, float32 (1, 1, h, w) each, for inputs (1, C, h, w)."""
        ...


def make_runner(
    weights: Weights,
    backend: str = "auto",
    device: str = "auto",
    precision: str = "float32",
    threads: int | None = None,
) -> NetworkRunner:
    """Return what runs ``weights``.

    ``backend``: one of BACKENDS; auto is torch on a GPU, on a CPU ONNX Runtime, or torch where that is missing.
    ``device``: auto, cpu, cuda or cuda:N. ``precision``: float32, or bfloat16 or float16 for torch and compiled.
    ``threads``: by default as many as there are cores.

    Raises ValueError for an unknown choice, ImportError naming what to install, RuntimeError for a device that is not
    there, GraphError and WeightError of their modules.
    """
    check_choice(backend, device)
    device = find_device(backend) if device == "auto" else device
    if backend != "auto":
        return _make(weights, backend, device, precision, threads)
    order = _by_speed(device, precision)
    if not order:
        raise ImportError(f"{weights.source}: nothing installed can run it; {how_to_install(device)}")
    try:
        return _make(weights, order[0], device, precision, threads)
    except (ImportError, onnx_graphs.GraphError) as error:
        if len(order) == 1:
            raise
        _LOG.info("%s runs by %s, as %s cannot: %s", weights.name, order[1], order[0], error)
        return _make(weights, order[1], device, precision, threads)


def check_choice(backend: str, device: str) -> None:
    """Raise ValueError naming the choices for an unknown backend or device."""
    if backend not in BACKENDS:
        raise ValueError(f"unknown backend {backend!r}; known: {', '.join(BACKENDS)}")
    kind, mark, number = device.partition(":")
    if (device not in ("auto", "cpu") and kind != "cuda") or (mark and not number.isdecimal()):
        raise ValueError(f"unknown device {device!r}; known: auto, cpu, cuda, cuda:0, cuda:1, ...")


def find_device(backend: str = "auto") -> str:
    """Return cuda if ``backend`` can use a GPU here, else cpu; torch is asked only on machines that have one."""
    if os.environ.get("CUDA_VISIBLE_DEVICES") in ("", "-1") or not any(Path(file).exists() for file in _GPU_FILES):
        return "cpu"
    return "cuda" if any(_has_cuda(name) for name in PACKAGES if backend in ("auto", name)) else "cpu"


def why_not(backend: str) -> str | None:
    """Return why ``backend`` cannot run here, naming what to install, or None if it can; imports nothing heavy."""
    if available.installed(PACKAGES[backend]):
        return None
    return f"needs {PACKAGES[backend]}; type: pip install {PACKAGES[backend]}"


def how_to_install(device: str = "cpu") -> str:
    """Return what to type to get a backend for ``device``."""
    runtime = "onnxruntime-gpu" if device.startswith("cuda") else "onnxruntime"
    return f"type: pip install {runtime}, or: pip install torch"


def _by_speed(device: str, precision: str) -> list[str]:
    """Return the installed backends for ``device`` that do not need compiling, the fastest first."""
    if device.startswith("cuda"):
        return [name for name in ("torch", "onnx") if _has_cuda(name)]
    names = ("onnx", "torch") if precision == "float32" else ("torch",)
    return [name for name in names if why_not(name) is None]


def _has_cuda(backend: str) -> bool:
    if why_not(backend) is not None:
        return False
    if backend == "onnx":
        return onnx_runner.has_cuda()
    if available.optional("torch") is None:
        return False
    from depth_perception.models import torch_runner

    return torch_runner.has_cuda()


def _make(weights: Weights, backend: str, device: str, precision: str, threads: int | None) -> NetworkRunner:
    reason = why_not(backend)
    if reason is not None:
        raise ImportError(f"backend {backend} {reason}")
    if backend == "onnx":
        if precision != "float32":
            raise ValueError(f"backend onnx computes in float32; precision {precision} needs torch or compiled")
        return onnx_runner.OnnxRunner(weights, device, threads)
    if available.optional("torch") is None:
        raise ImportError(f"backend {backend} needs torch, which is installed but does not start here")
    from depth_perception.models import torch_runner

    kind = torch_runner.CompiledRunner if backend == "compiled" else torch_runner.TorchRunner
    return kind(weights, device, precision, threads)
