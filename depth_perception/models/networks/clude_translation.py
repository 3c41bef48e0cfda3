"""The hierarchical translation module: step by step, shared discrete centres become every pixel's own continuous ones.

Each step hands down a ``State``: centres shared by all pixels, each pixel's displacement of them as a fraction of the
half gap, and the scores. Local moves of all steps together stay below that half gap, so that the order of a pixel's
centres is kept by construction.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.clude_centres import Span, move, reach
from depth_perception.models.networks.clude_encoder import Pooled, conv

_CUE = 16
_SMALLEST = 0.01  # of b, in log depth: keeps the scores finite
_FLOOR = 0.01  # probability that no earlier step takes away
_NARROW = 2.0  # fall of the first weights with squared distance in cells
_BELIEVED = 3.0  # logit with which a point is trusted at first


class State(NamedTuple):
    """What a step hands on. h and w are those of its scale.

    ``features`` (B, C, h, w); ``shared`` (B, K) centres; ``local`` (B, K, h, w) in (-1, 1), each pixel's displacement
    of them in half gaps, or None; ``scores`` (B, K, h, w), their softmax ``share`` and the ``centres`` they are about,
    (B, K, h, w) or (B, K, 1, 1); ``log_depth`` (B, 1, h, w), their expectation. ``step`` (B, K, h, w) is this step's
    part in ``local`` over its greatest possible, ``trust`` (B, 1, h, w) the logit with which points were believed; both
    None without.
    """

    features: Tensor
    shared: Tensor
    local: Tensor | None
    scores: Tensor
    share: Tensor
    centres: Tensor
    log_depth: Tensor
    step: Tensor | None = None
    trust: Tensor | None = None


def pixel_centres(shared: Tensor, local: Tensor | None) -> Tensor:
    """Return shared centres (B, K) displaced by ``local`` (B, K, h, w) half gaps; (B, K, 1, 1) without."""
    still = shared[:, :, None, None]
    return still if local is None else torch.addcmul(still, local, reach(shared)[:, :, None, None])


def expectation(share: Tensor, centres: Tensor) -> Tensor:
    """Return the expected centre (B, 1, h, w) under probabilities ``share``."""
    return (share * centres).sum(1, keepdim=True)


def mode_expectation(share: Tensor, centres: Tensor) -> Tensor:
    """Return the expected centre (B, 1, h, w) among the five around the most probable three.

    Where two surfaces are likely this is on one of them; a plain expectation would be between them.
    """
    still = share.detach()
    mode = 1 + (still[:, :-2] + still[:, 1:-1] + still[:, 2:]).argmax(1, keepdim=True)  # (B, 1, h, w)
    index = torch.arange(share.shape[1], device=share.device, dtype=share.dtype)[None, :, None, None]
    around = torch.where((index - mode.to(share.dtype)).abs() < 2.5, share, torch.zeros_like(share[:, :1]))
    return expectation(around, centres) / around.sum(1, keepdim=True)


def enlarge(x: Tensor) -> Tensor:
    """Double height and width by repetition: anything smoother would put depths between two surfaces."""
    return F.interpolate(x, scale_factor=2.0, mode="nearest")


def laplace_scores(distance: Tensor) -> Tensor:
    """Return the log density, up to a constant, of an approximate Laplace law at ``distance`` over its scale b.

    -sqrt(x^2 + 1): tails as Laplace's, but round at the top. A true Laplace peak would pull an expectation over few
    centres to the closest of them.
    """
    return -torch.sqrt(distance * distance + 1)


class LaplaceScores(nn.Module):
    """Scores of the centres by the measured depth; learned scale b, in mean gaps of the image's first centres."""

    def __init__(self) -> None:
        super().__init__()
        self.log_scale = nn.Parameter(torch.zeros(()))

    def forward(
        self, scores: Tensor, pooled: Pooled, centres: Tensor, gap: Tensor, trust: Tensor | None = None
    ) -> Tensor:
        """Return ``scores`` (B, K, h, w) with those of the points added, weighted by the sigmoid of ``trust`` if given.

        Of the least and the greatest measured depth the one closer to a centre counts. ``gap`` is (B, 1, 1, 1). Scores
        do not move centres: they would spread them apart, as few centres far from each other are easy to tell apart.
        """
        weight = pooled.known if trust is None else pooled.known * torch.sigmoid(trust)
        rate = 1 / (torch.exp(self.log_scale) * gap).clamp_min(_SMALLEST)
        middle, half = (0.5 * rate * x for x in (pooled.least + pooled.greatest, pooled.greatest - pooled.least))
        distance = (centres.detach() * rate - middle).abs() - half  # to the closer of the two, but for the sign
        return torch.addcmul(scores, laplace_scores(distance), weight)


class Carry(nn.Module):
    """What a coarse step believed, at the cells of the next: each mixes the four coarse cells closest to it.

    Probabilities are mixed, not depths, and not their logarithms: what lies between two surfaces stays as unlikely as
    it was. A cell that is sure counts for more.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.weigh = head(inputs, 4)
        self.gain = nn.Parameter(torch.tensor(1.0))
        self.sureness = nn.Parameter(torch.tensor(2.0))
        away = torch.tensor([0.25**2 + 0.25**2, 0.25**2 + 0.75**2, 0.75**2 + 0.25**2, 0.75**2 + 0.75**2])
        with torch.no_grad():
            assert self.weigh.bias is not None
            self.weigh.bias.copy_(-_NARROW * away)

    def forward(self, share: Tensor, features: Tensor) -> Tensor:
        """Return scores (B, K, 2h, 2w) for probabilities (B, K, h, w) and features (B, C, 2h, 2w)."""
        batch, _, height, width = share.shape
        weights = F.pixel_unshuffle(self.weigh(features).float(), 2).reshape(batch, 4, 4, height, width)
        padded = F.pad(share, (1, 1, 1, 1), mode="replicate")
        sure = self.sureness * torch.log(padded.detach().amax(1, keepdim=True))
        quarters = []
        for quarter, (down, right) in enumerate(((0, 0), (0, 2), (2, 0), (2, 2))):
            # the cell itself, then the closest one beside it, above or below it, and across the corner
            corners = [(i, j) for i in (1, down) for j in (1, right)]
            sures = [sure[:, :, i : i + height, j : j + width] for i, j in corners]
            weight = torch.softmax(weights[:, :, quarter] + torch.cat(sures, 1), 1)  # (B, 4, h, w)
            mixed = share * weight[:, :1]
            for k, (i, j) in enumerate(corners[1:], 1):
                mixed = torch.addcmul(mixed, padded[:, :, i : i + height, j : j + width], weight[:, k : k + 1])
            quarters.append(mixed)
        mixed = torch.stack(quarters, 2).flatten(1, 2)  # (B, 4 K, h, w)
        return self.gain * torch.log(F.pixel_shuffle(mixed, 2) + _FLOOR)


class Translation(nn.Module):
    """One step down to half the cell size."""

    def __init__(self, config: CludeConfig, inputs: int, skip: int, outputs: int, index: int):
        super().__init__()
        count, channels, norm = config.centres_count, config.channels, config.normalized
        self.limit = 0.5 ** (index + 1)  # of the half gap: 1/2 + 1/4 + ... stays below 1
        self.count = count
        last_step = index == len(config.decoder) - 1
        self.expect = mode_expectation if last_step and config.expectation == "mode" else expectation
        self.merge = nn.Sequential(conv(inputs + skip, outputs, 1, norm), conv(outputs, outputs, 1, norm))
        self.cue = conv(4, _CUE, 1, norm) if config.cue else None
        seen = outputs + (_CUE if config.cue else 0)
        self.fuse = conv(seen, outputs, 1, norm)
        self.project = head(outputs, channels)
        self.laplace = LaplaceScores() if config.laplace else None
        self.carry = Carry(outputs) if config.carry else None
        self.trust = head(outputs, 1) if config.laplace and config.trust else None
        if self.trust is not None:
            assert self.trust.bias is not None
            nn.init.constant_(self.trust.bias, _BELIEVED)
        self.weight = self.shared = self.local = None
        if config.offsets != "none":
            self.weight = head(outputs, 1)
            last = nn.Linear(channels, 2)
            nn.init.normal_(last.weight, std=0.02)
            nn.init.zeros_(last.bias)
            self.shared = nn.Sequential(nn.Linear(outputs + channels, channels), nn.ReLU(), last)
        if config.offsets == "both":
            self.local = head(outputs, count)

    def forward(self, state: State, skip: Tensor, pooled: Pooled, embeddings: Tensor, span: Span) -> State:
        """``skip`` (B, C, h, w) and ``pooled`` are at the new scale; ``embeddings`` (B, K, M)."""
        before, gap = enlarge(state.log_depth), span.gap(self.count)
        features = self.merge(torch.cat([enlarge(state.features), skip.to(state.features.dtype)], 1))
        if self.cue is not None:
            near, far = ((x - before) / gap * (0.25 * pooled.known) for x in (pooled.least, pooled.greatest))
            cue = torch.cat([near.clamp(-4, 4), far.clamp(-4, 4), pooled.known, span.place(before)], 1)
            features = torch.cat([features, self.cue(cue).to(features.dtype)], 1)
        features = self.fuse(features)
        shared = self._move(state.shared, features, embeddings)
        local = None if state.local is None else enlarge(state.local)
        step = None
        if self.local is not None:
            step = torch.tanh(self.local(features).float())
            local = self.limit * step if local is None else local + self.limit * step
        centres = pixel_centres(shared, local)
        scores = agreement(self.project(features), embeddings)
        if self.carry is not None:
            scores = scores + self.carry(state.share, features)
        trust = None
        if self.laplace is not None:
            trust = None if self.trust is None else self.trust(features).float()
            scores = self.laplace(scores, pooled, centres, gap, trust)
        share = torch.softmax(scores, 1)
        return State(features, shared, local, scores, share, centres, self.expect(share, centres), step, trust)

    def _move(self, centres: Tensor, features: Tensor, embeddings: Tensor) -> Tensor:
        """Return the shared centres (B, K), moved by what the scene as a whole asks for."""
        if self.shared is None or self.weight is None:
            return centres
        weight = torch.sigmoid(self.weight(features).float())
        pooled = (features.float() * weight).sum((2, 3)) / weight.sum((2, 3))  # (B, C)
        pooled = pooled.unsqueeze(1).expand(-1, embeddings.shape[1], -1).to(embeddings.dtype)
        moves = self.shared(torch.cat([pooled, embeddings], 2)).float()  # (B, K, 2)
        return move(centres, moves[:, :, 0], moves[:, :, 1].mean(1, keepdim=True))


def agreement(features: Tensor, embeddings: Tensor) -> Tensor:
    """Return scores (B, K, h, w): scaled dot products of features (B, M, h, w) and embeddings (B, K, M), float32."""
    batch, channels, height, width = features.shape
    product = torch.matmul(embeddings * (1 / math.sqrt(channels)), features.flatten(2).to(embeddings.dtype))
    return product.float().reshape(batch, embeddings.shape[1], height, width)


def head(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 1 x 1 convolution that starts out saying little."""
    layer = nn.Conv2d(inputs, outputs, 1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    return layer
