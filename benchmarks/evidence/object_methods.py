"""The methods of the decomposition benchmark by name, with the options that peers are granted."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from depth_perception.evaluation.decomposition.decomposed import Method
from depth_perception.evaluation.decomposition.ours import Ours
from depth_perception.evaluation.decomposition.peers.contrastive import Contrastive
from depth_perception.evaluation.decomposition.peers.given import Given
from depth_perception.evaluation.decomposition.peers.label_field import LabelField
from depth_perception.evaluation.decomposition.peers.split_sdf import SplitSdf
from depth_perception.evaluation.decomposition.peers.voting import Voting
from depth_perception.models.decomposition.config import SceneConfig

OURS = "ours"
LEARNED_PEERS = ("label-field", "contrastive")
VERSION = "2"  # of all methods here; another one is measured afresh

_VOTING: dict[str, Voting] = {
    "union": Voting(),
    "cover": Voting(by_union=False, overlap=0.3),
}


def _ours(**changes) -> Callable[[], Method]:
    return lambda: replace(Ours(), **changes)


def _alone(without: tuple[str, ...] = ()) -> Callable[[], Method]:
    """Channels that begin at random, as in the paper: here the clustering terms have to do all the work."""
    return lambda: Ours(config=SceneConfig.self_organised(), cell=0.015, steps=400, without=without)


METHODS: dict[str, dict[str, Callable[[], Method]]] = {
    OURS: {"": _ours()},
    "given": {"": Given},
    "voting": {name: (lambda v=v: v) for name, v in _VOTING.items()},
    "split-sdf": {"union": SplitSdf},
    "label-field": {"": LabelField},
    "contrastive": {"": Contrastive},
}
TERMS = (("differentiation",), ("regularization",), ("one_hot",), ("background", "foreground"))
ABLATION: dict[str, dict[str, Callable[[], Method]]] = {
    "self-organised": {"": _alone()},
    **{f"without {' and '.join(terms)}": {"": _alone(terms)} for terms in TERMS},
}
EVERY = METHODS | ABLATION


def peers() -> list[str]:
    """Return the names of what is not ours."""
    return [name for name in METHODS if not name.startswith(OURS)]
