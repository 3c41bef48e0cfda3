from __future__ import annotations

import cv2
import numpy as np

from training.synthetic.preview import contact_sheet, main, row
from training.synthetic.recording import Settings, Studio


def test_a_row_shows_image_points_and_depth():
    picture = row(Studio(Settings("room", width=96, height=72)), 0.5)
    assert picture.shape == (72, 3 * 96, 3)
    image, points, depth = np.split(picture, 3, axis=1)
    assert image.std() > 20
    assert (points != image).any(2).mean() > 0.1
    assert len(np.unique(depth.reshape(-1, 3), axis=0)) > 20


def test_a_contact_sheet_has_a_picture_and_a_depth_for_every_world():
    sheet = contact_sheet(3, seed=3, width=32, columns=2)
    assert sheet.shape == (2 * 24, 2 * 2 * 32, 3)
    assert all(
        sheet[r : r + 24, c : c + 32].std() > 5 for r, c in ((0, 0), (0, 32), (0, 64), (0, 96), (24, 0), (24, 32))
    )
    assert not sheet[24:, 64:].any()


def test_a_file_that_cannot_be_written_is_said(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("training.synthetic.preview.row", lambda studio, at: np.zeros((480, 1920, 3), np.uint8))
    monkeypatch.setattr("training.synthetic.preview.Studio", lambda *arguments: None)
    assert main([str(tmp_path / "new" / "sheet.png"), "--width", "4"]) == 0
    assert cv2.imread(str(tmp_path / "new" / "sheet.png")) is not None
    (tmp_path / "folder.png").mkdir()
    assert main([str(tmp_path / "folder.png")]) == 1
    assert "cannot write" in capsys.readouterr().err
