"""Runs a network by torch, as it is or compiled. Imported only where torch is to be used."""

from __future__ import annotations

import atexit
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from depth_perception.models import networks
from depth_perception.models.learned import Array
from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.weights import Weights

PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_MOST_COMPILED = 6  # sizes; torch itself gives up at eight
_LONGEST_COMPILATION = 60.0  # seconds that the end of the process waits for
_LOG = logging.getLogger(__name__)

Shapes = tuple[tuple[int, ...], ...]


def load_network(weights: Weights) -> nn.Module:
    """Return the network with these weights in evaluation mode; raises WeightError if they do not fit it."""
    network: nn.Module = networks.build(weights.family, weights.config)
    state = network.state_dict()
    weights.check({name: tuple(tensor.shape) for name, tensor in state.items()})
    with torch.no_grad():
        for name, tensor in weights.tensors.items():
            state[name].copy_(torch.from_numpy(np.array(tensor)))
    return network.eval().requires_grad_(False)


def fold_batch_norm(network: nn.Module) -> nn.Module:
    """Merge every batch normalisation into the convolution before it in the same Sequential; returns ``network``."""
    for module in network.modules():
        if not isinstance(module, nn.Sequential):
            continue
        for i in range(len(module) - 1):
            conv, norm = module[i], module[i + 1]
            if isinstance(conv, (nn.Conv2d, nn.ConvTranspose2d)) and isinstance(norm, nn.BatchNorm2d):
                module[i] = fuse_conv_bn_eval(conv, norm, isinstance(conv, nn.ConvTranspose2d))
                module[i + 1] = nn.Identity()
    return network


def channels_last(network: nn.Module) -> nn.Module:
    """Lay out the weights of convolutions as their inputs are; returns ``network``.

    ``Module.to`` would do the same, and refuse parameters of five dimensions.
    """
    for parameter in network.parameters():
        if parameter.ndim == 4:
            parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
    return network


def has_cuda() -> bool:
    """Say whether torch can use a GPU here."""
    return torch.cuda.is_available()


class TorchRunner:
    """A ``Runner``; may be called from several threads.

    ``precision``: float32, or bfloat16 or float16 for what torch's autocast thinks fit.
    """

    backend = "torch"

    def __init__(self, weights: Weights, device: str = "cpu", precision: str = "float32", threads: int | None = None):
        """``device``: cpu, cuda or cuda:N. ``threads`` sets those of the whole process; by default torch's own choice.

        Raises WeightError, RuntimeError if there is no such device, ValueError for an unknown precision.
        """
        if precision not in PRECISIONS:
            raise ValueError(f"unknown precision {precision!r}; known: {', '.join(PRECISIONS)}")
        if device.startswith("cuda") and not has_cuda():
            raise RuntimeError(f"torch {torch.__version__} finds no usable GPU for device {device}")
        if threads:
            torch.set_num_threads(threads)
        self.device = device
        self.precision = precision
        self.threads = torch.get_num_threads()
        self._network = channels_last(fold_batch_norm(load_network(weights)).to(device))

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """Return depth, deviation and inlier, float32 (1, 1, h, w) each, for inputs (1, C, h, w)."""
        return self._run(self._network, inputs)

    def _run(self, network: Callable[..., NetworkOutput], inputs: Sequence[Array]) -> list[Array]:
        with torch.inference_mode(), self._autocast():
            output = network(*(self._tensor(values) for values in inputs))
            return [part.float().cpu().numpy() for part in (output.depth, output.deviation, output.inlier)]

    def _tensor(self, values: Array) -> Tensor:
        if not values.flags.writeable:  # torch has no read-only tensors
            values = values.copy()
        layout = torch.channels_last if values.ndim == 4 else torch.contiguous_format
        return torch.from_numpy(values).to(self.device, memory_format=layout)

    def _autocast(self) -> contextlib.AbstractContextManager[Any]:
        if self.precision == "float32":
            return contextlib.nullcontext()
        return torch.autocast(self.device.partition(":")[0], dtype=PRECISIONS[self.precision])


class CompiledRunner(TorchRunner):
    """Runs as ``TorchRunner`` until torch.compile is done with inputs of that size, which it is in the background.

    ``problem`` says why compiling failed if it did; then everything goes on uncompiled.
    """

    backend = "compiled"

    def __init__(self, weights: Weights, device: str = "cpu", precision: str = "float32", threads: int | None = None):
        """See ``TorchRunner``."""
        super().__init__(weights, device, precision, threads)
        self.problem: str | None = None
        self._ready: dict[Shapes, Callable[..., NetworkOutput]] = {}
        self._begun: dict[Shapes, threading.Thread] = {}
        self._lock = threading.Lock()
        self._one_at_a_time = threading.Lock()

    def __call__(self, inputs: Sequence[Array]) -> list[Array]:
        """See ``TorchRunner``."""
        shapes = tuple(values.shape for values in inputs)
        network = self._ready.get(shapes)
        if network is None:
            self._begin(shapes)
            network = self._network
        return self._run(network, inputs)

    def wait(self) -> None:
        """Return when nothing is being compiled any more."""
        for thread in list(self._begun.values()):
            thread.join()

    def _begin(self, shapes: Shapes) -> None:
        with self._lock:
            if shapes in self._begun or len(self._begun) >= _MOST_COMPILED or self.problem:
                return
            thread = threading.Thread(target=self._compile, args=(shapes,), name="torch.compile", daemon=True)
            self._begun[shapes] = thread
            # a compiler cut off in the middle takes the process down with it
            atexit.register(thread.join, _LONGEST_COMPILATION)
            thread.start()

    def _compile(self, shapes: Shapes) -> None:
        try:
            with self._one_at_a_time:
                compiled = torch.compile(self._network, dynamic=False)
                zeros = [np.zeros(shape, np.float32) for shape in shapes]
                for _ in range(2):  # the second run finds everything made
                    self._run(compiled, zeros)
            self._ready[shapes] = compiled
        except Exception as error:  # no compiler, no Triton, a layer it cannot do: all of them end as plain torch
            self.problem = f"{type(error).__name__}: {error}".splitlines()[0]
            _LOG.warning("torch.compile failed, running without it: %s", self.problem)
