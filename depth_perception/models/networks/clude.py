"""CluDe's network: an encoder, a transformer that finds the depth centres, steps that move them, an expectation.

See ``depth_perception.models.clude`` for the source and for what is ours. Log depths relative to the prepared scale are
used throughout; the softmax over centres is always taken in float32.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from depth_perception.models.clude import CludeConfig
from depth_perception.models.networks.clude_centres import ClusteringTransformer, find_span
from depth_perception.models.networks.clude_encoder import Encoder, points_at_full_size, pool_points
from depth_perception.models.networks.clude_enlargement import ConvexEnlargement
from depth_perception.models.networks.clude_translation import (
    LaplaceScores,
    State,
    Translation,
    agreement,
    expectation,
    head,
)
from depth_perception.models.networks.output import NetworkOutput

_LEVELS = 4  # halvings down to where the centres are found
_LEAST = 1e-3  # relative deviation


class CludeNetwork(nn.Module):
    """Image (B, 3, H, W) and points (B, 2, H, W), sides multiples of 16, to depth in units of the prepared scale.

    ``extra``, for the losses: ``log_depth/S`` (B, 1, H/S, W/S), ``scores/S`` and ``centres/S`` (B, K, ...) at each
    scale S, ``local/S`` the last local move over its greatest possible, ``centres`` (B, K) the first ones,
    ``log_deviation`` and ``inlier_logit`` (B, 1, H, W), ``measured`` (B, 1, H, W) 1 at points that passed the filter.
    """

    def __init__(self, config: CludeConfig):
        super().__init__()
        self.config = config
        widths, decoder = config.widths, config.decoder
        self.encoder = Encoder(widths, config.blocks, config.normalized)
        self.clustering = ClusteringTransformer(config, widths[_LEVELS])
        self.read = head(config.channels, config.channels)
        self.laplace = LaplaceScores() if config.laplace else None
        inputs = (widths[_LEVELS] + config.channels, *decoder)
        self.steps = nn.ModuleList(
            Translation(config, inputs[i], widths[_LEVELS - 1 - i], decoder[i], i) for i in range(len(decoder))
        )
        self.factor = 2 ** (_LEVELS - len(decoder))
        self.deviation = DeviationHead(decoder[-1])
        self.convex = (
            ConvexEnlargement(decoder[-1], widths[0], self.factor, config.expectation == "mode")
            if self.factor > 1
            else None
        )
        self.inlier = InlierHead()

    def forward(self, image: Tensor, points: Tensor) -> NetworkOutput:
        """See ``NetworkOutput``."""
        measured = (points[:, :1] > 0).float()
        logs = torch.log(torch.where(points[:, :1] > 0, points[:, :1], torch.ones_like(points[:, :1]))).float()
        passed = measured * points[:, 1:2].float()
        span = find_span(self.config, logs, passed)
        shown = torch.cat([span.place(logs).clamp(-2, 2) * measured, measured, passed], 1)
        features = self.encoder(image, shown)
        embeddings, cells, shared = self.clustering(features[_LEVELS], span)
        pyramid = [points_at_full_size(logs, passed)]
        for _ in range(_LEVELS):
            pyramid.append(pool_points(pyramid[-1], self.config.pooling))
        scores, centres = agreement(self.read(cells), embeddings), shared[:, :, None, None]
        gap = span.gap(self.config.centres_count)
        if self.laplace is not None:
            scores = self.laplace(scores, pyramid[_LEVELS], centres, gap)
        bottom = torch.cat([features[_LEVELS], cells.to(features[_LEVELS].dtype)], 1)
        share = torch.softmax(scores, 1)
        state = State(bottom, shared, None, scores, share, centres, expectation(share, centres))
        extra = {"centres": shared, **_traces(state, _LEVELS)}
        for index, step in enumerate(self.steps):
            level = _LEVELS - 1 - index
            state = step(state, features[level], pyramid[level], embeddings, span)
            extra.update(_traces(state, level))
        spread = mixture_deviation(state)
        log_depth, relative = state.log_depth, self.deviation(state.features, spread)
        trust = state.trust
        if self.convex is not None:
            log_depth, relative = self.convex(state.features, features[0], log_depth, relative, pyramid[0], gap)
            extra["log_depth/1"] = log_depth
            trust = None if trust is None else F.interpolate(trust, scale_factor=float(self.factor), mode="nearest")
        logit = self.inlier(log_depth, relative, logs, gap, trust)
        extra.update({"log_deviation": torch.log(relative), "inlier_logit": logit, "measured": passed})
        depth = torch.exp(log_depth)
        return NetworkOutput(depth, depth * relative, torch.sigmoid(logit), extra)


def _traces(state: State, level: int) -> dict[str, Tensor]:
    size = 2**level
    parts = {"log_depth": state.log_depth, "scores": state.scores, "centres": state.centres, "local": state.step}
    return {f"{name}/{size}": part for name, part in parts.items() if part is not None}


def mixture_deviation(state: State) -> Tensor:
    """Return the standard deviation (B, 1, h, w) in log depth of the mixture of centres around its expectation."""
    share = state.share.detach()
    away = state.centres.detach() - state.log_depth.detach()
    return torch.sqrt((share * away * away).sum(1, keepdim=True) + 1e-8)


class DeviationHead(nn.Module):
    """Relative deviation: a learned share of the mixture's own, plus a learned term.

    Sees detached features only: being honest must not make the depth worse.
    """

    def __init__(self, inputs: int):
        super().__init__()
        self.layer = nn.Conv2d(inputs, 2, 1)
        nn.init.normal_(self.layer.weight, std=0.01)
        with torch.no_grad():
            assert self.layer.bias is not None
            self.layer.bias.copy_(torch.tensor([-1.0, math.log(math.expm1(0.03))]))

    def forward(self, features: Tensor, spread: Tensor) -> Tensor:
        """Return (B, 1, h, w) > 0."""
        out = self.layer(features.detach()).float()
        return torch.sigmoid(out[:, :1]) * spread + F.softplus(out[:, 1:]) + _LEAST


class InlierHead(nn.Module):
    """Logit that a point is right: what the last step trusted it, less its Laplace distance from the final surface."""

    def __init__(self) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.tensor(1.0))
        self.rate = nn.Parameter(torch.tensor([0.0, -1.0]))

    def forward(self, log_depth: Tensor, relative: Tensor, logs: Tensor, gap: Tensor, trust: Tensor | None) -> Tensor:
        """Return (B, 1, H, W); ``logs`` is the points' log depth. The surface itself gets no gradient from it."""
        miss = (logs - log_depth.detach()).abs()
        rate = F.softplus(self.rate)
        logit = self.bias - rate[0] * (miss / gap.detach()).clamp_max(20.0)
        logit = logit - rate[1] * (miss / relative.detach()).clamp_max(20.0)
        return logit if trust is None else logit + trust
