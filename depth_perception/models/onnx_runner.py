"""Runs a network by ONNX Runtime; torch is not needed once the graph is there."""

from __future__ import annotations

import os
from collections.abc import Sequence

import numpy as np

from depth_perception import available
from depth_perception.models import onnx_graphs
from depth_perception.models.learned import Array
from depth_perception.models.weights import WeightError, Weights

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_ERRORS_ONLY = 3


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def has_cuda() -> bool:
    """Say whether the installed ONNX Runtime was built for CUDA."""
    runtime = available.optional("onnxruntime")
    return runtime is not None and _PROVIDERS["cuda"] in runtime.get_available_providers()


class OnnxRunner:
    """A ``Runner``; one session, which may be called from several threads."""

    backend = "onnx"

    def __init__(self, weights: Weights, device: str = "cpu", threads: int | None = None):
        """``device``: cpu, cuda or cuda:N; ``threads`` defaults to the cores of this process.

        Raises ImportError without ONNX Runtime, RuntimeError if it has no CUDA, GraphError without a graph, WeightError
        if the weights do not fit the graph.
        """
        runtime = available.optional("onnxruntime")
        if runtime is None:
            raise ImportError("backend onnx needs ONNX Runtime; type: pip install onnxruntime")
        kind, _, number = device.partition(":")
        if kind == "cuda" and not has_cuda():
            raise RuntimeError("this ONNX Runtime has no CUDA; type: pip install onnxruntime-gpu")
        options = runtime.SessionOptions()
        options.log_severity_level = _ERRORS_ONLY
        options.intra_op_num_threads = threads or cores()
        # between the many small steps of a run, waking a sleeping thread takes longer than the step; after it, spinning
        # on would take time from other nodes
        options.add_session_config_entry("session.intra_op.allow_spinning", "1")
        options.add_session_config_entry("session.force_spinning_stop", "1")
        values = [runtime.OrtValue.ortvalue_from_numpy(np.asarray(t, order="C")) for t in weights.tensors.values()]
        options.add_external_initializers(list(weights.tensors), values)
        provider = (_PROVIDERS[kind], {"device_id": number or "0"} if kind == "cuda" else {})
        graph = onnx_graphs.obtain(weights)
        try:
            self._session = runtime.InferenceSession(graph, options, providers=[provider])
        except Exception as error:  # ONNX Runtime's exceptions have no common class of their own
            raise WeightError(f"{weights.source}: ONNX Runtime refuses the network with it: {error}") from error
        if self._session.get_providers()[0] != provider[0]:  # it goes on without CUDA where CUDA does not start
            raise RuntimeError(f"ONNX Runtime cannot use {device}; its own libraries for CUDA may be missing")
        self._names = [item.name for item in self._session.get_inputs()]
        self.device = device
        self.threads = options.intra_op_num_threads

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Return depth, deviation and inlier, float32 (1, 1, h, w) each, for inputs (1, C, h, w)."""
        return self._session.run(None, dict(zip(self._names, inputs, strict=True)))
