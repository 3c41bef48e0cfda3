"""Where the ONNX graph of a network comes from: shipped beside the weights, made earlier, or made now.

Graphs hold no weights, so they are small, and one serves all weights of a configuration. Their file names say what they
are made from: a hash of family, configuration and tensor shapes, and one of the source of the network.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import logging
import os
import re
import threading
from pathlib import Path

import numpy as np

from depth_perception import available
from depth_perception.models import families
from depth_perception.models.learned import Array
from depth_perception.models.weights import FOLDER, Weights, replace

_SOURCES = Path(__file__).resolve().parent / "networks"
_IMPORT = re.compile(r"^\s*from depth_perception\.models\.networks\.(\w+) import", re.MULTILINE)
_EXPORTING = threading.Lock()
# height and width, share of measured pixels: the first for which a method wants its network is an example to trace
_EXAMPLES = (((96, 128), 0.03), ((96, 128), 0.004), ((240, 320), 0.003), ((480, 640), 0.002))
_LOG = logging.getLogger(__name__)


class GraphError(RuntimeError):
    """There is no ONNX graph for some weights and none can be made here; the text says what to type."""


def cache_folder() -> Path:
    """Return where graphs that were made here are kept, as the XDG base directory specification has it."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    # relative paths are to be ignored, says the specification
    root = Path(base) if os.path.isabs(base) else Path.home() / ".cache"
    return root / "depth_perception"


def file_name(weights: Weights) -> str:
    """Return the name of the graph that belongs to these weights and to the network as it is written now."""
    return f"{_purpose(weights)}-{source_digest(weights.family)}.onnx"


def find(weights: Weights) -> Path | None:
    """Return the graph of these weights: shipped, beside their own file, or made earlier; None if there is none."""
    for folder in _folders(weights):
        if (folder / file_name(weights)).is_file():
            return folder / file_name(weights)
    return None


def _folders(weights: Weights) -> list[Path]:
    return [FOLDER, *([weights.file.parent] if weights.file else []), cache_folder()]


def obtain(weights: Weights) -> bytes:
    """Return the graph of these weights, made now by torch and kept in the cache if need be.

    Raises GraphError saying what to install if it cannot be made, WeightError if the weights do not fit the network.
    """
    with _EXPORTING:  # two models loaded at once share the work; torch's exporter is not for two threads either
        file = find(weights)
        if file is not None:
            return file.read_bytes()
        if can_export():
            graph = to_onnx(weights, embed=False)
            try:
                replace(cache_folder() / file_name(weights), graph)
            except OSError as error:  # a robot's home may be read-only; then every start makes it anew
                _LOG.warning("cannot keep the ONNX graph of %s: %s", weights.name, error)
            return graph
    # no torch to make one from the source as it is: what was shipped with the same configuration is what there is
    for folder in _folders(weights):
        for file in sorted(folder.glob(f"{_purpose(weights)}-*.onnx")):
            return file.read_bytes()
    places = ", ".join(str(folder) for folder in _folders(weights))
    raise GraphError(
        f"{weights.source}: there is no ONNX graph for it in {places}, and torch and onnx, which make one, are not "
        f"both installed; type: pip install torch onnx. Or on a machine that has them, type: "
        f"depth_perception export {weights.name} --graph-only, and copy what it writes to {cache_folder()}"
    )


def can_export() -> bool:
    """Say whether this machine can make graphs."""
    return available.installed("torch") and available.installed("onnx")


def export(weights: Weights, folder: Path) -> Path:
    """Make the graph without weights in ``folder`` and return its file; older ones for the same purpose are removed.

    Raises WeightError if the weights do not fit the network, ImportError without torch or onnx, OSError.
    """
    file = folder / file_name(weights)
    replace(file, to_onnx(weights, embed=False))
    for old in folder.glob(f"{_purpose(weights)}-*.onnx"):
        if old != file:
            old.unlink()
    return file


def to_onnx(weights: Weights, embed: bool = True) -> bytes:
    """Return the graph of these weights; with them inside, it also says in its metadata what the weight file says.

    Raises ImportError without torch or onnx, WeightError if the weights do not fit the network.
    """
    if not can_export():
        raise ImportError("making ONNX graphs needs torch and onnx; type: pip install torch onnx")
    from depth_perception.models.networks import export as exporter
    from depth_perception.models.torch_runner import load_network

    names, examples = example_inputs(weights)
    return exporter.to_onnx(load_network(weights), names, examples, embed, weights.header() if embed else None)


def example_inputs(weights: Weights) -> tuple[tuple[str, ...], tuple[Array, ...]]:
    """Return names and values of the inputs that a made-up image gives; the same ones each time.

    Raises ValueError if the method asks its network about none of the images it is shown.
    """
    method = families.method(weights.family, weights.config)
    for shape, share in _EXAMPLES:
        rng = np.random.default_rng(0)
        image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        sparse = np.where(rng.random(shape) < share, rng.uniform(1, 10, shape), 0).astype(np.float32)
        inputs = method.prepare(image, sparse, None).inputs
        if inputs:
            return method.input_names, inputs
    raise ValueError(f"{weights.source}: {weights.family} prepares no inputs from {_EXAMPLES}")


def _purpose(weights: Weights) -> str:
    shapes = sorted((name, list(shape)) for name, shape in weights.shapes.items())
    text = json.dumps([weights.family, dataclasses.asdict(weights.config), shapes], sort_keys=True)
    return f"{weights.family}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


@functools.cache
def source_digest(family: str) -> str:
    """Return a hash of the files that a family's network and its export are written in."""
    total = hashlib.sha256()
    todo, done = {family, "export"}, set[str]()
    while todo - done:
        name = min(todo - done)
        done.add(name)
        file = _SOURCES / f"{name}.py"
        text = file.read_text() if file.is_file() else ""
        total.update(text.encode())
        todo.update(_IMPORT.findall(text))
    return total.hexdigest()[:8]
