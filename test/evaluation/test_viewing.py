from __future__ import annotations

import pytest

from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.viewing import view


def need_rerun():
    """Skip where rerun-sdk is missing or does not fit the other packages (it needs NumPy 2)."""
    try:
        import rerun  # noqa: F401
    except ImportError as error:
        pytest.skip(f"rerun-sdk: {error}")


@pytest.mark.parametrize(("options", "frames"), [({}, 6), ({"frames": 2}, 2), ({"every": 4}, 2)])
def test_frames_are_written_to_a_file(recording, tmp_path, options, frames):
    need_rerun()
    file = tmp_path / "sub" / "out.rrd"
    steps = []
    done = view(recording, TopicChoice(), {"model": "fast"}, save=file, progress=lambda *s: steps.append(s), **options)
    assert done == frames
    assert steps[-1] == (frames, frames)
    assert file.stat().st_size > 10_000


def test_a_frame_that_cannot_be_completed_does_not_end_it(make_recording, tmp_path):
    need_rerun()
    path = make_recording(tmp_path / "bag", frames=2, tf=False)
    assert view(path, TopicChoice(), {"model": "fast"}, save=tmp_path / "out.rrd") == 0
