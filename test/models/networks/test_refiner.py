from __future__ import annotations

import numpy as np
import pytest
import torch

from depth_perception.models import networks
from depth_perception.models.candidates import ABOUT, HEARD, SIMPLE
from depth_perception.models.refiner import CHANNELS, RefinerConfig, RefinerMethod

torch.set_num_threads(1)  # the networks are tiny
SMALL = RefinerConfig(widths=(8, 8, 12), blocks=(1, 1, 1), hidden=8, step=1, dense=0)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return lively(networks.build("refiner", SMALL).eval())


def lively(network):
    """With an opinion of its own, as after training."""
    with torch.no_grad():
        for layer in (network.score, network.rest):
            torch.nn.init.normal_(layer.weight, std=0.3)
    return network


def inputs(height=32, width=64, batch=1, seed=0):
    generator = torch.Generator().manual_seed(seed)
    features = 0.5 * torch.randn(batch, CHANNELS, height, width, generator=generator)
    about = 0.3 * torch.randn(batch, HEARD, ABOUT, height, width, generator=generator)
    about[:, :, 1] = torch.log_softmax(5 * about[:, :, 1], 1)
    cell = torch.randint(height * width, (batch, HEARD, height, width), generator=generator).float()
    return features, about.flatten(1, 2), cell


def prepared(method, disputed=True, image=True):
    rng = np.random.default_rng(0)
    depth = np.where(np.arange(50) < 20, 2.0, 3.0 if disputed else 2.0) * np.ones((40, 1))
    sparse = np.where(rng.random(depth.shape) < 0.05, depth, 0).astype(np.float32)
    picture = rng.integers(0, 256, (40, 50, 3), dtype=np.uint8) if image else None
    return method.prepare(picture, sparse, None)


SHAPED = RefinerConfig(**{**vars(SMALL), "shape": "estimation-small"})
TRIANGLED = RefinerConfig(**{**vars(SMALL), "between": True})
SIMPLE_TOO = RefinerConfig(**{**vars(TRIANGLED), "simple": True})


class Seer:
    """An estimator's run and method: what it sees in an image is given."""

    def __init__(self, depth):
        self.depth, self.method = depth.astype(np.float32), self

    def prepare(self, image, sparse, camera):
        return type("Prepared", (), {"inputs": (image,)})

    def run(self, inputs):
        return (self.depth[None, None],)


def grown(config, seed=0):
    """A network that began where one that judges planes alone was, and that one."""
    torch.manual_seed(seed)
    plain = lively(networks.build("refiner", SMALL).eval())
    network = networks.build("refiner", config).eval()
    tensors = {name: tensor.numpy() for name, tensor in plain.state_dict().items()}
    more = network.grown(tensors)
    network.load_state_dict({name: torch.from_numpy(values) for name, values in more.items()})
    assert network.grown(more) is more
    assert plain.grown(tensors) is tensors
    return network, plain


def test_one_that_hears_of_shapes_begins_where_the_other_was():
    network, plain = grown(SHAPED)
    method = RefinerMethod(SHAPED, Seer(np.ones((3, 4))))
    assert method.input_names == ("features", "about", "cell", "moved")
    with torch.no_grad():
        without = prepared(method, image=False)
        assert not without.inputs[3].any()
        same = plain(*map(torch.from_numpy, prepared(RefinerMethod(SMALL), image=False).inputs))
        assert torch.allclose(network(*map(torch.from_numpy, without.inputs)).depth, same.depth, rtol=1e-4)
        output = network(*map(torch.from_numpy, prepared(method).inputs))
    weight = output.extra["weight"]
    assert weight.shape[1] == 2 * HEARD
    assert 0.1 < weight[:, HEARD:].sum(1).mean() < 0.4
    assert torch.allclose(weight.sum(1), torch.ones_like(weight[:, 0]), atol=1e-5)


def test_a_believed_shape_lies_through_the_points():
    network, _ = grown(SHAPED)
    rows, columns = np.mgrid[:40, :50]
    truth = np.exp(0.4 * np.sin(columns / 8) + 0.01 * rows)  # nothing that nine planes could say between few points
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random(truth.shape) < 0.01, truth, 0).astype(np.float32)
    method = RefinerMethod(SHAPED, Seer(7.0 * truth))
    given = method.prepare(np.zeros((40, 50, 3), np.uint8), sparse, None)
    misses = []
    for belief in (-20.0, 20.0):
        with torch.no_grad():
            network.shape_score.bias.fill_(belief)
            network.rest.weight.zero_()
            depth = network(*map(torch.from_numpy, given.inputs)).depth[0, 0, :40, :50].numpy() * given.scale
        misses.append(np.abs(depth / truth - 1).mean())
    assert misses[1] < 1e-3
    assert misses[0] > 0.01


@pytest.mark.parametrize("belief", [-20.0, 20.0])
def test_believed_triangles_say_what_lies_between_points(belief):
    network, plain = grown(TRIANGLED)
    rows, columns = np.mgrid[:40, :50]
    truth = 1 / (0.3 + 0.004 * columns + 0.002 * rows)
    truth[:, 25:] *= 1.5
    sparse = np.where((rows % 6 == 2) & (columns % 6 == 2), truth, 0).astype(np.float32)
    method = RefinerMethod(TRIANGLED)
    given = method.prepare(None, sparse, None)
    assert method.input_names == ("features", "about", "cell", "between")
    relative, inside = given.inputs[3][0, :, :40, :50]
    blend = np.exp(given.inputs[0][0, 3, :40, :50]) * given.scale
    assert 0.5 < inside.mean() < 1
    flat = (inside > 0) & (np.abs(columns - 25) > 6)  # where all three points of a triangle lie on one plane
    assert np.allclose((np.exp(relative) * blend)[flat], truth[flat], rtol=1e-3)
    with torch.no_grad():
        network.between_score.bias.fill_(belief)
        network.rest.weight.zero_()
        output = network(*map(torch.from_numpy, given.inputs))
        depth = output.depth[0, 0, :40, :50].numpy() * given.scale
    assert output.extra["weight"].shape[1] == HEARD + 1
    if belief > 0:
        assert np.allclose(depth, np.exp(relative) * blend, rtol=1e-3)
    else:
        plain.rest.weight.data.zero_()
        same = plain(*map(torch.from_numpy, given.inputs[:3])).depth
        assert torch.allclose(output.depth, same, rtol=1e-4)


@pytest.mark.parametrize("word", range(SIMPLE))
def test_a_believed_simple_completer_is_followed(word):
    network, _ = grown(SIMPLE_TOO)
    rows, columns = np.mgrid[:40, :50]
    truth = 2 + 0.03 * columns + 0.02 * rows + np.where(columns < 25, 0.0, 1.0)
    sparse = np.where((rows % 6 == 2) & (columns % 6 == 2), truth, 0).astype(np.float32)
    picture = np.full((40, 50, 3), np.where(columns < 25, 60, 190)[..., None], np.uint8)
    method = RefinerMethod(SIMPLE_TOO)
    given = method.prepare(picture, sparse, None)
    assert method.input_names == ("features", "about", "cell", "between", "simple")
    said = np.exp(given.inputs[4][0, :, :40, :50] + given.inputs[0][0, 3, :40, :50]) * given.scale
    assert said.shape[0] == SIMPLE
    error = np.abs(said / truth - 1).reshape(SIMPLE, -1).mean(1)
    spread_planes, spread_depths, _, closest = error
    assert spread_planes < 0.5 * min(spread_depths, closest)  # planes know of slopes, the other two do not
    assert 0.005 < closest < 0.1
    inside = given.inputs[3][0, 1, :40, :50] > 0
    away = np.abs(columns - 25) > 6  # where all three points of a triangle are on one side
    assert np.allclose(said[2][inside & away], truth[inside & away], rtol=1e-3)
    nearest = truth[np.clip((rows + 1) // 6 * 6 + 2, 2, 38), np.clip((columns + 1) // 6 * 6 + 2, 2, 44)]
    clear = (rows % 6 != 5) & (columns % 6 != 5) & (columns < 47)  # not half-way between two points
    assert np.allclose(said[3][clear], nearest[clear], rtol=1e-3)
    with torch.no_grad():
        network.simple_score.bias[word] = 20.0
        network.rest.weight.zero_()
        output = network(*map(torch.from_numpy, given.inputs))
    assert output.extra["weight"].shape[1] == HEARD + 1 + SIMPLE
    assert np.allclose(output.depth[0, 0, :40, :50].numpy() * given.scale, said[word], rtol=1e-3)


def test_simple_completers_need_triangles():
    with pytest.raises(ValueError, match="between: true"):
        RefinerConfig(simple=True)


@pytest.mark.parametrize("shape", [(32, 32), (64, 96), (16, 4)])
def test_answers_are_as_large_as_the_grid(network, shape):
    with torch.no_grad():
        output = network(*inputs(*shape, batch=2))
    for part in output[:3]:
        assert part.shape == (2, 1, *shape)
        assert torch.isfinite(part).all()
    assert (output.depth > 0).all()
    assert (output.deviation > 0).all()
    assert ((output.inlier >= 0) & (output.inlier <= 1)).all()
    assert torch.allclose(output.extra["log_depth"].exp(), output.depth, rtol=1e-4)
    assert torch.allclose(torch.sigmoid(output.extra["inlier_logit"]), output.inlier)
    assert torch.allclose(output.extra["weight"].sum(1), torch.ones(2, *shape), atol=1e-5)


@pytest.mark.parametrize("image", [True, False])
def test_an_untrained_network_answers_as_the_hand_made_blend_does(image):
    torch.manual_seed(1)
    fresh = networks.build("refiner", SMALL).eval()
    given = prepared(RefinerMethod(SMALL), image=image)
    features, about, _ = arrays = [torch.from_numpy(x) for x in given.inputs]
    with torch.no_grad():
        output = fresh(*arrays)
    # the blend is a mean of inverse depths, this one of their logarithms, and then takes two more steps of agreement
    change = (output.extra["log_depth"] - features[:, 3:4]).abs()
    assert change.max() < 0.2
    assert change.mean() < 0.01
    assert change.median() < 2e-3
    share = torch.exp(about.reshape(1, HEARD, ABOUT, *features.shape[2:])[:, :, 1]) - 1e-4
    assert torch.allclose(output.extra["weight"], share, atol=1e-3)
    assert (output.inlier > 0.8).all()


def test_where_candidates_disagree_the_deviation_is_larger():
    torch.manual_seed(1)
    fresh = networks.build("refiner", SMALL).eval()
    features, about, cell = inputs()
    words = about.reshape(1, HEARD, ABOUT, *features.shape[2:])
    words[:, :, 1] = -np.log(HEARD)
    words[..., :32][:, :, 0] = 0.01 * torch.tensor([-1.0, 1, -1, 1, 0, 1, -1, 1, -1]).reshape(1, HEARD, 1, 1)
    words[..., 32:][:, :, 0] = 0.3 * torch.tensor([-1.0, 1, -1, 1, 0, 1, -1, 1, -1]).reshape(1, HEARD, 1, 1)
    with torch.no_grad():
        relative = torch.exp(fresh(features, about, cell).extra["log_deviation"])
    assert torch.allclose(relative[..., :32], torch.tensor(0.01 * 8 / 9 + 4e-3), rtol=1e-3)
    assert torch.allclose(relative[..., 32:], torch.tensor(0.3 * 8 / 9 + 4e-3), rtol=1e-3)


def test_an_answer_never_leaves_what_the_candidates_say_by_much(network):
    features, about, cell = inputs()
    said = about.reshape(1, HEARD, ABOUT, *features.shape[2:])[:, :, 0]
    with torch.no_grad():
        network.rest.weight.mul_(0)
        change = (network(features, about, cell).extra["log_depth"] - features[:, 3:4])[:, 0]
        torch.nn.init.normal_(network.rest.weight, std=0.3)
    assert (change <= said.amax(1) + 1e-4).all()
    assert (change >= said.amin(1) - 1e-4).all()


def test_two_frames_at_once_answer_as_one_after_the_other(network):
    """Cells are told within each frame."""
    both = inputs(batch=2)
    with torch.no_grad():
        together = network(*both)
        alone = [network(*(x[i : i + 1] for x in both)) for i in range(2)]
    for number, part in enumerate(together[:3]):
        assert torch.allclose(part, torch.cat([one[number] for one in alone]), rtol=1e-4, atol=1e-5)


def test_the_blend_moves_the_answer_with_it(network):
    """Depth is told relative to the blend: all twice as far is another scale, and nothing else."""
    method = RefinerMethod(SMALL)
    rng = np.random.default_rng(0)
    sparse = np.where(rng.random((40, 50)) < 0.05, rng.uniform(1, 9, (40, 50)), 0).astype(np.float32)
    one, two = (method.prepare(None, s * sparse, None) for s in (1, 2))
    with torch.no_grad():
        answers = [network(*(torch.from_numpy(x) for x in p.inputs)).depth * p.scale for p in (one, two)]
    assert torch.allclose(2 * answers[0], answers[1], rtol=2e-3)


def test_extreme_features_stay_finite(network):
    for value in (-50.0, 50.0):
        features, about, cell = inputs()
        with torch.no_grad():
            output = network(torch.full_like(features, value), value * about, cell)
        assert all(torch.isfinite(part).all() for part in output[:3])
        assert (output.depth > 0).all()


def test_training_under_bfloat16_gives_float32_and_soon_reaches_every_weight():
    torch.manual_seed(0)
    fresh = networks.build("refiner", SMALL).train()
    optimizer = torch.optim.AdamW(fresh.parameters(), 1e-2)
    for _ in range(2):  # the last layers start at zero, so that the first step moves nothing but them
        with torch.autocast("cpu", dtype=torch.bfloat16):
            output = fresh(*inputs(16, 32, batch=2))
        for part in (*output[:3], *output.extra.values()):
            assert part.dtype == torch.float32
        optimizer.zero_grad()
        sum(part.square().mean() for part in (*output[:3], *output.extra.values())).backward()
        optimizer.step()
    missing = [name for name, p in fresh.named_parameters() if not torch.isfinite(p.grad).all() or not p.grad.any()]
    assert set(missing) <= {"score.bias"}  # what is added to all candidates alike changes no weight


def toy(batch, generator, size=16):
    """Frames whose left is bright: points there are right, all others wrong.

    Whether the right ones are the near ones differs from frame to frame, so only the picture at the point tells.
    """
    features = torch.zeros(batch, CHANNELS, size, size)
    side = torch.where(torch.arange(size) < size // 2, 1.0, -1.0).expand(batch, size, size)
    features[:, 0] = 0.5 * side
    near = torch.where(torch.rand(batch, 1, 1, 1, generator=generator) < 0.5, 0.5, -0.5)
    cell = torch.randint(size * size, (batch, HEARD, size, size), generator=generator)
    theirs = side.flatten(1).gather(1, cell.flatten(1)).reshape(cell.shape)
    about = torch.zeros(batch, HEARD, ABOUT, size, size)
    about[:, :, 0] = near * theirs
    about[:, :, 1] = 0.1 * torch.randn(cell.shape, generator=generator)  # exact ties teach nothing: see the clamp
    return (features, about.flatten(1, 2), cell.float()), near, theirs > 0


def test_it_learns_which_points_to_listen_to():
    torch.manual_seed(0)
    made = networks.build("refiner", RefinerConfig(widths=(8, 8), blocks=(1, 1), hidden=8)).train()
    optimizer = torch.optim.AdamW(made.parameters(), 2e-2)
    generator = torch.Generator().manual_seed(0)
    losses, heard = [], []
    for _ in range(20):
        given, truth, right = toy(4, generator)
        output = made(*given)
        loss = (output.extra["log_depth"] - truth).abs().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
        heard.append((output.extra["weight"] * right).sum(1).mean().item())
    assert heard[0] == pytest.approx(0.5, abs=0.03)
    assert heard[-1] > 0.7, heard
    assert losses[-1] < 0.7 * losses[0], losses


def test_widths_and_blocks_are_those_of_the_configuration():
    def count(**settings):
        made = networks.build("refiner", RefinerConfig(**{"hidden": 8, **settings}))
        return sum(p.numel() for p in made.parameters())

    base = count(widths=(8, 8, 12, 16))
    assert count(widths=(8, 8, 12, 32)) > base
    assert count(widths=(8, 8, 12, 16), blocks=(1, 1, 1, 3)) > base
    assert count(widths=(8, 8, 12, 16), hidden=16) > base


def test_it_takes_what_the_method_prepares(network):
    method = RefinerMethod(SMALL)
    given = prepared(method)
    with torch.no_grad():
        output = network(*(torch.from_numpy(x) for x in given.inputs))
    prediction = method.finish([part.numpy() for part in output[:3]], given)
    assert prediction.depth.shape == (40, 50)
    assert np.isfinite(prediction.depth).all()


def test_an_unknown_family_is_told():
    with pytest.raises(ValueError, match=r"unknown family .*refiner"):
        networks.build("guesser", None)
