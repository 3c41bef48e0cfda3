"""Floor 3: pictures of depth. Colour maps for the live preview; plots, sheets and Rerun for people."""
