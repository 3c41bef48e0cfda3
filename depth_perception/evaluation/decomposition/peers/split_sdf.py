"""One signed distance field for the whole scene, cut up by label: what surfaces of objects cost nothing extra.

The scene's fused surface is extracted once, and each face goes to the label that most views give to its place, with
labels made consistent by voting.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from depth_perception.evaluation.decomposition.decomposed import Decomposed
from depth_perception.evaluation.decomposition.peers.voting import Voting
from depth_perception.frames import PosedDepth


@dataclass(frozen=True)
class SplitSdf:
    """``voting``: where the labels come from."""

    voting: Voting = field(default_factory=Voting)

    def decompose(self, frames: Sequence[PosedDepth]) -> Decomposed:
        """Vote, fuse one surface, and cut it."""
        return replace(self.voting, own_tsdf=False).decompose(frames)
