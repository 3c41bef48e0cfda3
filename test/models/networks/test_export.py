import warnings

import numpy as np
import pytest

from depth_perception.models import backends, families, onnx_graphs
from depth_perception.models.learned import LearnedCompleter

from ..conftest import random_weights, scene

torch = pytest.importorskip("torch")
onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

# smaller than what ships, of the same structure
SMALL = {
    "refiner": {"widths": [8, 8, 12, 12, 16]},
    "jarrn": {"widths": [8, 8, 8], "bottlenecks": [1, 1, 1], "working_pixels": 20_000},
    "clude": {"widths": [8] * 5, "blocks": [0, 1, 1, 1, 1], "centres_count": 6, "channels": 16, "decoder": [16, 8]},
    "monocular": {"widths": [8] * 5, "blocks": [1] * 4, "decoder": [8] * 5, "height": 64, "width": 96},
}
NOT_PLAIN = {
    "If",
    "Loop",
    "Scan",
    "SequenceAt",
    "SequenceConstruct",
    "ConcatFromSequence",
    "SplitToSequence",
    "NonZero",
}
# height, width and share of measured pixels
INPUTS = [((96, 128), 0.01), ((33, 47), 0.6), ((81, 130), 0.002), ((70, 60), 0.004)]


@pytest.fixture(params=["tiny", *families.names(), "refiner with all"])
def untrained(request, tiny):
    family, _, more = request.param.partition(" ")
    pytest.importorskip(f"depth_perception.models.networks.{family}")
    return random_weights(
        family,
        {**SMALL.get(family, {}), **({"shape": "estimation-small", "between": True, "simple": True} if more else {})}
        or None,
    )


def graph_of(weights, embed, made={}):  # noqa: B006
    """The graph, made once."""
    key = weights.family, str(weights.config), embed
    if key not in made:
        made[key] = onnx_graphs.to_onnx(weights, embed)
    return made[key]


def test_operators_are_plain(untrained):
    model = onnx.load_from_string(graph_of(untrained, True))
    onnx.checker.check_model(model, full_check=True)
    assert {(item.domain, item.version) for item in model.opset_import} == {("", 17)}
    assert not model.functions
    assert {node.domain for node in model.graph.node} == {""}
    assert {node.op_type for node in model.graph.node} & NOT_PLAIN == set()
    assert [item.name for item in model.graph.output] == ["depth", "deviation", "inlier"]
    assert [item.name for item in model.graph.input] == list(
        families.method(untrained.family, untrained.config).input_names
    )


def test_a_graph_without_weights_is_small_and_names_them(untrained):
    graph = graph_of(untrained, False)
    model = onnx.load_from_string(graph)
    outside = {t.name: tuple(t.dims) for t in model.graph.initializer if t.data_location == onnx.TensorProto.EXTERNAL}
    assert outside == untrained.shapes
    assert len(graph) < 1_000_000
    assert b"/work" not in graph, "it says where it was made"
    assert b".py" not in graph, "it says where it was made"


def test_torch_and_onnx_runtime_agree_at_every_size(untrained):
    """Within a millimetre, and in what else comes out; image and points mean nothing, which is the worst case."""
    (onnx_graphs.FOLDER / onnx_graphs.file_name(untrained)).write_bytes(graph_of(untrained, False))
    method = families.method(untrained.family, untrained.config)
    models = [
        LearnedCompleter("x", "0", method, backends.make_runner(untrained, backend, "cpu"))
        for backend in ("torch", "onnx")
    ]
    for shape, share in INPUTS:
        image, sparse = scene(shape, share)
        one, two = (model.infer(image, sparse) for model in models)
        assert np.abs(one.depth - two.depth).max() < 1e-3, (shape, share)
        np.testing.assert_allclose(one.standard_deviation, two.standard_deviation, rtol=1e-2, atol=1e-3)
        np.testing.assert_allclose(one.inlier, two.inlier, atol=1e-3)


def test_exporting_is_quiet_and_leaves_the_network_as_it_was(untrained):
    from depth_perception.models.networks import export
    from depth_perception.models.torch_runner import load_network

    network = load_network(untrained).train()
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        again = export.to_onnx(network, *onnx_graphs.example_inputs(untrained), notes=untrained.header())
    assert again == graph_of(untrained, True), "the same each time"
    assert network.training
    for name, tensor in network.state_dict().items():
        assert torch.equal(tensor, before[name]), name
