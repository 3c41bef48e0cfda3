from __future__ import annotations

import numpy as np

from depth_perception.pipelines.object_colors import id_color, id_colors


def test_ids_have_colours_of_their_own():
    colors = [id_color(number) for number in range(1, 40)]
    apart = np.linalg.norm(np.diff(np.array(colors, float), axis=0), axis=1)
    assert apart.min() > 80
    assert len(set(colors)) > 35
    image = id_colors(np.array([[-1, 0], [1, 2]], np.int32))
    assert image.tolist() == [[[0, 0, 0], list(id_color(0))], [list(id_color(1)), list(id_color(2))]]
