"""One file per data set, all behind one sample type."""
