"""Names given to ``--models``: models of the zoo, or ``peer:NAME`` for a published method to compare with."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from depth_perception.evaluation import peers
from depth_perception.frames import CameraModel, DepthPrediction, FloatImage
from depth_perception.models import zoo
from depth_perception.models.completer import Completer

PREFIX = "peer:"


class PeerCompleter:
    """A peer behind the interface of our models; it claims no standard deviation."""

    version = "published algorithm"

    def __init__(self, name: str):
        """Raise ValueError, listing the names, for an unknown peer."""
        self.name = PREFIX + name
        self._peer = peers.load(name)

    def infer(
        self, image: NDArray[np.uint8] | None, sparse: FloatImage, camera: CameraModel | None = None
    ) -> DepthPrediction:
        """Complete ``sparse`` (height, width) metres, 0 = none; see models.completer.Completer."""
        if image is None:
            image = np.zeros((*sparse.shape, 3), np.uint8)
        depth = np.asarray(self._peer.infer(image, sparse, camera), np.float32)
        return DepthPrediction(depth, np.full_like(depth, np.nan))


def peer_names() -> tuple[str, ...]:
    """Return the peers that this OpenCV build can run, without the prefix."""
    return peers.available()


def load_model(name: str) -> Completer:
    """Return the model called ``name``; raises ValueError listing what there is."""
    if name.startswith(PREFIX):
        return PeerCompleter(name[len(PREFIX) :])
    return zoo.load(name)
