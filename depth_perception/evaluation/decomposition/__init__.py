"""How well a scene falls apart into its objects: spoiled labels, scores, and well-known methods to compare with."""
