"""From a network in torch to an ONNX graph of plain operators with free height and width.

Made by torch's tracing exporter: it keeps the names of parameters, which lets a graph be stored without its weights,
and needs a tenth of the time of the exporter built on torch.export. A trace has one path only, so networks must not
branch on sizes; the tests hold every family's graph against its network at several sizes.
"""

from __future__ import annotations

import math
import tempfile
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from depth_perception.models.learned import Array

OPSET = 17
EXTERNAL = "weights"
OUTPUTS = ("depth", "deviation", "inlier")
_PREFIX = "network."
_EXPECTED: tuple[tuple[str, type[Warning]], ...] = (
    # why this exporter is used stands above
    (".*legacy TorchScript-based ONNX export", DeprecationWarning),
    ("The feature will be removed", DeprecationWarning),
    # a number of channels becomes a constant, and is one; that no height or width does is what the tests hold
    ("Converting a tensor to a Python", torch.jit.TracerWarning),
    ("Constant folding", UserWarning),
)


class _Plain(nn.Module):
    """A network whose output is a plain tuple: losses' extras are no part of a graph."""

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, *inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        output = self.network(*inputs)
        return output.depth, output.deviation, output.inlier


def to_onnx(
    network: nn.Module,
    names: Sequence[str],
    examples: Sequence[Array],
    embed: bool = True,
    notes: Mapping[str, str] | None = None,
) -> bytes:
    """Return the graph of ``network`` in evaluation mode; ``examples``: inputs (1, C, h, w) of any usable size.

    Without ``embed`` the parameters are left out: the graph names them as the network's state does, as external data
    that whoever runs it provides. ``notes`` are written into the metadata. Raises ImportError without the package onnx.
    """
    import onnx

    was_training = network.training
    network.eval()
    inputs = tuple(torch.from_numpy(example.copy()) for example in examples)
    free = {name: {axis: f"{name}_{axis}" for axis in range(2, example.ndim)} for name, example in zip(names, examples)}
    free.update({name: {2: "height", 3: "width"} for name in OUTPUTS})
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings(), torch.no_grad():
        file = Path(folder) / "network.onnx"
        for message, category in _EXPECTED:
            warnings.filterwarnings("ignore", message=message, category=category)
        torch.onnx.export(
            _Plain(network),
            inputs,
            file,
            dynamo=False,
            opset_version=OPSET,
            input_names=list(names),
            output_names=list(OUTPUTS),
            dynamic_axes=free,
            do_constant_folding=False,  # ONNX Runtime folds when it loads
            training=torch.onnx.TrainingMode.PRESERVE,  # the mode set above; otherwise layers are merged and renamed
        )
        model = onnx.load(file)
    network.train(was_training)
    onnx.checker.check_model(model)
    model.producer_name, model.producer_version = "depth_perception", ""
    _rename(model.graph)
    if not embed:
        _leave_out(model.graph, {k: tuple(v.shape) for k, v in network.state_dict().items() if v.is_floating_point()})
    for key, value in sorted((notes or {}).items()):
        model.metadata_props.add(key=key, value=value)
    content: bytes = model.SerializeToString(deterministic=True)
    return content


def _rename(graph: Any) -> None:
    """Name parameters as the network does, without the wrapper around it."""
    for tensor in graph.initializer:
        tensor.name = tensor.name.removeprefix(_PREFIX)
    for node in graph.node:
        for i, name in enumerate(node.input):
            node.input[i] = name.removeprefix(_PREFIX)


def _leave_out(graph: Any, shapes: dict[str, tuple[int, ...]]) -> None:
    """Let the graph name every tensor of the state as external data that is nowhere.

    Those it does not compute with get a node that nobody listens to: ONNX Runtime takes no tensor that no node has.
    """
    used = {name for node in graph.node for name in node.input}
    kept = [tensor for tensor in graph.initializer if tensor.name not in shapes]
    del graph.initializer[:]
    graph.initializer.extend(kept)
    for name, shape in sorted(shapes.items()):
        # 1 is FLOAT as a type and EXTERNAL as a location
        tensor = graph.initializer.add(name=name, dims=shape, data_type=1, data_location=1)
        for key, value in (("location", EXTERNAL), ("offset", "0"), ("length", str(4 * math.prod(shape)))):
            tensor.external_data.add(key=key, value=value)
        if name not in used:
            graph.node.add(op_type="Identity", name=f"unused.{name}", input=[name], output=[f"unused.{name}"])
