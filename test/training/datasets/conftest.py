"""A rendered sequence small enough to read in milliseconds."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from training.synthetic.sequences import Settings, render_sequence

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def sequences(tmp_path_factory):
    """A folder with sequence 0, which is held out, and 1 and 2 to train on: 8 frames of 72 x 96 pixels each."""
    folder = tmp_path_factory.mktemp("sequences")
    for number in range(3):
        arrays = render_sequence(number, Settings(frames=8, size=(72, 96), rate=8.0, kinds=("indoor",)))
        np.savez(folder / f"{number:08d}.npz", **arrays)
    return folder
