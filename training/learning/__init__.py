"""Learning from a robot's own recording: choose its frames, train on them, score before and after."""
