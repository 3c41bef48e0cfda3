"""A completion node with fakes for its learned models, started as the node's own script is.

``completion-small`` loads slowly and then is as slow with its first frame of every size as if it were compiled;
``completion-large`` fails after a while; the others are as they are.
"""

import sys
import time

import numpy as np

from depth_perception.frames import DepthPrediction
from depth_perception.models import backends, zoo
from depth_perception.nodes.completion_node import main

LOADING, COMPILING = 1.5, 1.5  # seconds


class Slow:
    """Answers 2 m everywhere."""

    name, version = "completion-small", "fake"

    def __init__(self):
        self.seen = set()

    def infer(self, image, sparse, camera=None):
        if sparse.shape not in self.seen:
            time.sleep(COMPILING)
            self.seen.add(sparse.shape)
        depth = np.full(sparse.shape, 2.0, np.float32)
        return DepthPrediction(depth, 0.1 * depth)


def load(name, **given):
    if name in ("diffusion", "fast"):
        return weight_free(name)
    time.sleep(LOADING)
    if name == "completion-large":
        raise RuntimeError("not enough memory")
    return Slow()


weight_free, zoo.load = zoo.load, load
zoo.names = lambda: ("completion-small", "completion-large", "diffusion", "fast")
zoo.describe = lambda name, file=None: None
backends.why_not = lambda backend: None

if __name__ == "__main__":
    sys.exit(main())
