"""Well-known ways to take a scene apart, each in one file, in good faith and in its best mode."""
