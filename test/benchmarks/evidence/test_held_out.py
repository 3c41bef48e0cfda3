import sys
import types

import numpy as np

from benchmarks.evidence import held_out
from depth_perception.evaluation import patterns


def write(folder, seed):
    depth = np.full((12, 16), 3, np.float32)
    depth[:2] = np.nan
    K = np.array([[20, 0, 8], [0, 20, 6], [0, 0, 1.0]])
    image = np.full((12, 16, 3), seed % 200, np.uint8)
    np.savez(folder / f"{seed:08d}.npz", image=image, depth=depth, K=K)


def test_seeds_lie_apart_and_beyond_training():
    assert min(held_out.seeds(24)) == 9_000_000
    worlds = {seed // 10 for seed in held_out.seeds(24)}  # ten frames share a world
    assert len(worlds) == 24


def test_frames_that_are_there_are_read(tmp_path):
    for seed in held_out.seeds(2):
        write(tmp_path, seed)
    frames = held_out.load_frames(2, tmp_path)
    assert [f.recording for f in frames] == ["worlds", "worlds"]
    assert frames[0].name != frames[1].name
    assert not frames[0].truth[:2].any()  # sky is not known
    assert np.isfinite(frames[0].truth).all()
    assert frames[0].camera.shape == (12, 16)
    assert patterns.sample("150", frames[0].truth, frames[0].camera) is not None


def test_only_what_is_missing_is_rendered(tmp_path, monkeypatch):
    first, second = held_out.seeds(2)
    write(tmp_path, first)
    asked = []

    def fake(out, numbers, size, device):
        asked.append((list(numbers), size, device))
        for number in numbers:
            write(out, number)
            yield number

    renderer = types.ModuleType("training.synthetic.frames")
    renderer.write_frames = fake
    monkeypatch.setitem(sys.modules, "training.synthetic.frames", renderer)
    assert len(held_out.load_frames(2, tmp_path, (12, 16))) == 2
    assert asked == [([second], (12, 16), "cpu")]


def test_the_command_says_what_is_there(tmp_path, capsys):
    write(tmp_path, held_out.seeds(1)[0])
    assert held_out.main(["--count", "1", "--folder", str(tmp_path)]) == 0
    assert "1 frames in" in capsys.readouterr().out
