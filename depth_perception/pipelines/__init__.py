"""Floor 2: frames in, estimates out; the nodes and the offline evaluator run the very same objects."""
