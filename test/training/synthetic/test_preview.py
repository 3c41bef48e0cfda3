from __future__ import annotations

import cv2
import numpy as np

from training.synthetic.preview import main, row
from training.synthetic.recording import Settings, Studio


def test_a_row_shows_image_points_and_depth():
    picture = row(Studio(Settings("room", width=96, height=72)), 0.5)
    assert picture.shape == (72, 3 * 96, 3)
    image, points, depth = np.split(picture, 3, axis=1)
    assert image.std() > 20
    assert (points != image).any(2).mean() > 0.1
    assert len(np.unique(depth.reshape(-1, 3), axis=0)) > 20


def test_a_file_that_cannot_be_written_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.synthetic.preview.row", lambda studio, at: np.zeros((480, 1920, 3), np.uint8))
    monkeypatch.setattr("training.synthetic.preview.Studio", lambda *arguments: None)
    assert main([str(tmp_path / "new" / "sheet.png"), "--width", "4"]) == 0
    assert cv2.imread(str(tmp_path / "new" / "sheet.png")) is not None
    (tmp_path / "folder.png").mkdir()
    assert main([str(tmp_path / "folder.png")]) == 1
    assert "cannot write" in capsys.readouterr().err
