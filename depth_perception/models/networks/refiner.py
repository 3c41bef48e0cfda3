"""The refiner's network: a U-Net that looks, and a judge that weighs what nine points say to each cell.

The judge starts from the hand-made weights and adds to their logarithms, so that an untrained network already answers
as the surface model does. It sees what is known about a candidate and what the U-Net saw at the cell and at the point:
attention (Vaswani et al., NeurIPS 2017) over planes instead of tokens. With a ``shape`` in the configuration it judges
nine more: the shape that an estimator saw, moved through each of the nine points. With ``between`` it judges the
triangles between points as well, with ``simple`` what other simple completers say.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from depth_perception.models.candidates import ABOUT, HEARD, SIMPLE
from depth_perception.models.networks.output import NetworkOutput
from depth_perception.models.refiner import CHANNELS, RefinerConfig

# brings the numbers about a candidate (see ``candidates.Candidates``) to about one
_UNITS = (5.0, 0.3, 0.7, 1.0, 0.3, 1.0, 0.4, 1.0, 5.0)
_LARGEST = 4.0
_SHARPEST = 30.0  # largest logit; its exponential must not overflow
_AGREEING = (0.2, 0.05)  # differences of log depth at which a candidate counts half, one step after the other
_NARROWEST = 4e-3  # relative spread that is never undercut
_ALIKE = 0.03  # difference of log depth at which a plane counts half as saying what a triangle says
# logits against all planes at the start: a quarter, and an eighth of the weight
_DOUBT, _DOUBT_BETWEEN = -1.1, -2.0
_ABOUT_BETWEEN = 4  # numbers about what triangles say
_ABOUT_SIMPLE = 4  # numbers about what each simple completer says
# the same for planes spread along colours, depths spread along colours, triangles linear in metres, the closest point
_DOUBT_SIMPLE = (0.0, -1.0, 0.0, -2.5)
_SIMPLE_CHANNELS = SIMPLE + 3  # what the U-Net is shown of it: what each says, triangles, quarrel, misfit


class RefinerNetwork(nn.Module):
    """Inputs of ``RefinerMethod.prepare``, sides multiples of 16, to depth in units of the prepared scale."""

    units: Tensor
    pairs: Tensor
    incidence: Tensor

    def __init__(self, config: RefinerConfig):
        super().__init__()
        self.config = config
        widths, hidden = config.widths, config.hidden
        self.register_buffer("units", torch.tensor(_UNITS), persistent=False)
        self.stem = _conv(_channels(config), widths[0])
        self.encoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths, config.blocks))
        self.down = nn.ModuleList(_conv(a, b, stride=2) for a, b in pairwise(widths))
        self.up = nn.ModuleList(_conv(b, a, kernel=1) for a, b in pairwise(widths))
        self.decoders = nn.ModuleList(_blocks(w, n) for w, n in zip(widths[:-1], config.blocks))
        self.here = nn.Conv2d(widths[0], 2 * hidden, 1)
        self.there = nn.Conv2d(widths[0], 2 * hidden, 1, bias=False)
        self.about = nn.Linear(ABOUT, hidden, bias=False)
        self.judge = nn.Linear(hidden, hidden)
        self.score = nn.Linear(hidden, 1)
        if config.shape:
            self.shape_about = nn.Linear(ABOUT, hidden, bias=False)
            self.shape_judge = nn.Linear(hidden, hidden)
            self.shape_score = nn.Linear(hidden, 1)
        if config.between:
            self.between_about = nn.Conv2d(_ABOUT_BETWEEN, hidden, 1, bias=False)
            self.between_judge = nn.Conv2d(hidden, hidden, 1)
            self.between_score = nn.Conv2d(hidden, 1, 1)
        if config.simple:
            pairs = list(combinations(range(SIMPLE + 1), 2))
            self.register_buffer("pairs", torch.tensor(pairs).T.contiguous(), persistent=False)
            incidence = torch.tensor([[float(i in pair) for pair in pairs] for i in range(SIMPLE)])
            self.register_buffer("incidence", incidence[..., None, None], persistent=False)
            self.simple_about = nn.Conv2d(SIMPLE * _ABOUT_SIMPLE, SIMPLE * hidden, 1, groups=SIMPLE, bias=False)
            self.simple_judge = nn.Conv2d(SIMPLE * hidden, SIMPLE * hidden, 1, groups=SIMPLE)
            self.simple_score = nn.Conv2d(SIMPLE * hidden, SIMPLE, 1, groups=SIMPLE)
        self.rest = nn.Conv2d(widths[0], 3, 1)  # what is added to depth, log deviation, inlier
        with torch.no_grad():
            doubts: list[tuple[nn.Module, Sequence[float]]] = [(self.score, (0.0,)), (self.rest, (0.0, 0.0, 0.0))]
            doubts += [(self.shape_score, (_DOUBT,))] if config.shape else []
            doubts += [(self.between_score, (_DOUBT_BETWEEN,))] if config.between else []
            doubts += [(self.simple_score, _DOUBT_SIMPLE)] if config.simple else []
            for layer, doubt in doubts:
                assert isinstance(layer.bias, Tensor)
                assert isinstance(layer.weight, Tensor)
                layer.weight.zero_()
                layer.bias.copy_(torch.tensor(doubt))
            assert self.rest.bias is not None
            self.rest.bias[2] = 2.0  # most points are right

    def grown(self, tensors: dict[str, NDArray[np.float32]]) -> dict[str, NDArray[np.float32]]:
        """Return the tensors of a network that judges less as those of this one, which begins near where that one was.

        Shapes are judged as planes were, and get a quarter of the weight; triangles get an eighth everywhere, simple
        completers what they are worth on their own. Tensors that lack nothing come back as they are.
        """
        out = dict(tensors)
        if self.config.shape and "shape_about.weight" not in tensors:
            for name in ("about.weight", "judge.weight", "judge.bias", "score.weight", "score.bias"):
                out[f"shape_{name}"] = out[name] + np.float32(_DOUBT if name == "score.bias" else 0)
        stem = out["stem.0.weight"]
        missing = _channels(self.config) - stem.shape[1]
        if missing > 0:
            out["stem.0.weight"] = np.pad(stem, ((0, 0), (0, missing), (0, 0), (0, 0)))
        for name, tensor in self.state_dict().items():
            if name.startswith(("between_", "simple_")) and name not in tensors:
                out[name] = tensor.numpy().copy()
        return tensors if out.keys() == tensors.keys() else out

    def forward(self, features: Tensor, about: Tensor, cell: Tensor, *more: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``; ``extra``: ``log_depth``, ``log_deviation``, ``inlier_logit`` (B, 1, h, w).

        ``more``: moved, between and simple, as far as the configuration has them.
        """
        left = iter(more)
        moved = next(left) if self.config.shape else None
        between = next(left) if self.config.between else None
        simple = next(left) if self.config.simple else None
        batch, _, height, width = features.shape
        words = about.reshape(batch, HEARD, ABOUT, height, width)
        shown = [features]
        if simple is not None and between is not None:
            shown.append(self._shown(words, between, simple))
        if moved is not None:
            moved = moved.reshape(batch, HEARD, 2, height, width)
            shown.append(_mean(words, moved[:, :, 0]).clamp(-_LARGEST, _LARGEST).to(features.dtype))
        x = self.stem(torch.cat(shown, 1) if len(shown) > 1 else features)
        skips = []
        for level, encoder in enumerate(self.encoders):
            x = encoder(x)
            if level < len(self.down):
                skips.append(x)
                x = self.down[level](x)
        for level in reversed(range(len(self.up))):
            x = F.interpolate(self.up[level](x), scale_factor=2.0, mode="nearest") + skips[level]
            x = self.decoders[level](x)

        cells = height * width
        here, there = (layer(x).flatten(2).transpose(1, 2) for layer in (self.here, self.there))  # (B, n, 2 hidden)
        first = torch.arange(batch, device=cell.device)[:, None, None] * cells
        where = cell.reshape(batch, HEARD, cells).long() + first
        there = there.reshape(batch * cells, -1)
        own, match = (part.reshape(batch * cells, -1) for part in here.chunk(2, -1))
        theirs, matched = there.chunk(2, -1)
        # in this order a runtime multiplies what is transposed without transposing it
        told = (words * self.units[:, None, None]).clamp(-_LARGEST, _LARGEST).flatten(3)
        if moved is not None:
            ends = self.units[:: ABOUT - 1, None, None]
            moved_told = (moved * ends.to(moved.dtype)).clamp(-_LARGEST, _LARGEST).to(told.dtype).flatten(3)
        scores, shape_scores = [], []
        for heard in range(HEARD):  # one after the other stays in the cache: a third faster than all at once
            at = where[:, heard].reshape(-1)
            known = told[:, heard]  # (B, 9, n)
            looks = own + theirs.index_select(0, at) + match * matched.index_select(0, at)
            seen = self.about(known.transpose(1, 2)).reshape(batch * cells, -1)
            scores.append(self.score(F.relu(self.judge(F.relu(seen + looks)))).reshape(batch, 1, height, width))
            if moved is not None:
                far, rise = moved_told[:, heard].chunk(2, 1)
                known = torch.cat([far, known[:, 1 : ABOUT - 1], rise], 1)
                seen = self.shape_about(known.transpose(1, 2)).reshape(batch * cells, -1)
                judged = self.shape_score(F.relu(self.shape_judge(F.relu(seen + looks))))
                shape_scores.append(judged.reshape(batch, 1, height, width))
        words = words.float()
        relative, logit = words[:, :, 0], torch.cat(scores, 1).float() + words[:, :, 1]
        if moved is not None:
            no_image = _SHARPEST * (1 - features[:, 7:8].float())
            logit = torch.cat([logit, torch.cat(shape_scores, 1).float() + words[:, :, 1] - no_image], 1)
            relative = torch.cat([relative, moved[:, :, 0].float()], 1)
        if between is not None:
            own_look = own.reshape(batch, height, width, -1).permute(0, 3, 1, 2)
            score, triangles = self._triangles(words, between, own_look)
            logit, relative = torch.cat([logit, score], 1), torch.cat([relative, triangles], 1)
            if simple is not None:
                score = self._simple(words, between, simple, own_look)
                logit, relative = torch.cat([logit, score], 1), torch.cat([relative, simple.float()], 1)
        # a softmax over candidates, written out: ONNX Runtime's own takes many times as long in this direction
        weight = torch.exp((logit - logit.amax(1, keepdim=True)).clamp(-_SHARPEST, 0.0))
        weight = weight / weight.sum(1, keepdim=True)
        change = (weight * relative).sum(1, keepdim=True)
        # steps towards the surface most of the weight is on: a mean of two surfaces is on neither
        for scale in _AGREEING:
            agreed = weight / (1 + ((relative - change) * (1 / scale)) ** 2)
            change = (agreed * relative).sum(1, keepdim=True) / agreed.sum(1, keepdim=True)
        spread = (weight * (relative - change).abs()).sum(1, keepdim=True)
        rest = self.rest(x).float()
        log_depth = features[:, 3:4].float() + change + 0.1 * rest[:, :1]
        log_deviation = (torch.log(spread + _NARROWEST) + rest[:, 1:2]).clamp(-9.0, 1.5)
        depth = torch.exp(log_depth.clamp(-12.0, 12.0))
        logit = rest[:, 2:3]
        extra = {"log_depth": log_depth, "log_deviation": log_deviation, "inlier_logit": logit, "weight": weight}
        return NetworkOutput(depth, depth * torch.exp(log_deviation), torch.sigmoid(logit), extra)

    def _triangles(self, words: Tensor, between: Tensor, own: Tensor) -> tuple[Tensor, Tensor]:
        """Return logit and relative log depth (B, 1, h, w) of what the triangles say."""
        relative = between[:, :1].float()
        share = torch.exp(words[:, :, 1])
        alike = (share / (1 + ((words[:, :, 0] - relative) * (1 / _ALIKE)) ** 2)).sum(1, keepdim=True)
        closest = words[:, :, 2].amin(1, keepdim=True)
        known = torch.cat([relative * self.units[0], alike, between[:, 1:2].float(), closest * self.units[2]], 1)
        seen = self.between_about(known.clamp(-_LARGEST, _LARGEST).to(own.dtype))
        score = self.between_score(F.relu(self.between_judge(F.relu(seen + own))))
        return score.float(), relative

    def _shown(self, words: Tensor, between: Tensor, simple: Tensor) -> Tensor:
        """Return what the U-Net is shown of simple completers (B, 7, h, w)."""
        quarrel = _mean(words, words[:, :, 0].abs())
        misfit = _mean(words, words[:, :, 6])
        told = torch.cat([torch.cat([simple, between[:, :1], quarrel], 1) * self.units[0], misfit * self.units[6]], 1)
        return told.clamp(-_LARGEST, _LARGEST)

    def _simple(self, words: Tensor, between: Tensor, simple: Tensor, own: Tensor) -> Tensor:
        """Return logits (B, 4, h, w) of what simple completers say: a judge of its own for each."""
        batch, _, height, width = simple.shape
        relative = simple.float()
        five = torch.cat([relative, between[:, :1].float()], 1)
        one, other = (five.index_select(1, self.pairs[i]) for i in range(2))
        alike = 1 / (1 + ((one - other) * (1 / _ALIKE)) ** 2)
        accord = F.conv2d(alike, self.incidence) - 1  # how many of the others say the same, beyond one
        closest = words[:, :, 2].amin(1, keepdim=True) * self.units[2]
        everywhere = [x.expand(batch, SIMPLE, height, width) for x in (between[:, 1:2].float(), closest)]
        known = torch.stack([relative * self.units[0], accord, *everywhere], 2).flatten(3)  # (B, 4, 4, n)
        known = known.clamp(-_LARGEST, _LARGEST).to(own.dtype)
        # products of matrices: libraries are slow at convolutions in groups this small
        seen = _grouped(self.simple_about, known) + own.flatten(2)[:, None]
        judged = F.relu(_grouped(self.simple_judge, F.relu(seen)))
        return _grouped(self.simple_score, judged).reshape(batch, SIMPLE, height, width).float()


def _grouped(layer: nn.Conv2d, values: Tensor) -> Tensor:
    """Apply a 1 x 1 convolution in SIMPLE groups to ``values`` (B, SIMPLE, k, n)."""
    weight = layer.weight.reshape(SIMPLE, layer.out_channels // SIMPLE, -1)
    out = weight @ values
    return out if layer.bias is None else out + layer.bias.reshape(SIMPLE, -1, 1)


def _channels(config: RefinerConfig) -> int:
    """Return how many channels the U-Net sees: those of every refiner, of simple completers, of a shape."""
    return CHANNELS + _SIMPLE_CHANNELS * config.simple + bool(config.shape)


def _mean(words: Tensor, values: Tensor) -> Tensor:
    """Return the mean (B, 1, h, w) of ``values`` (B, 9, h, w) by the hand-made weights."""
    share = torch.exp(words[:, :, 1])
    return (share * values).sum(1, keepdim=True) / share.sum(1, keepdim=True)


def _conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(conv, nn.BatchNorm2d(outputs), nn.ReLU())


def _blocks(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(_Residual(width) for _ in range(count)))


class _Residual(nn.Module):
    """Two convolutions beside a shortcut."""

    def __init__(self, width: int):
        super().__init__()
        self.first = _conv(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.second(self.first(x)))
