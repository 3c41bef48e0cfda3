"""Floor 4: scores that repeat to the byte, from a recording and the very objects the nodes run."""
