from __future__ import annotations

import csv

import pytest
import torch

from benchmarks.rendering import Speed, main, mixed, table


def test_figures_are_printed_and_written(tmp_path, capsys):
    words = ["--kind", "corridor", "--size", "24x32", "--batch", "2", "--worlds", "1", "--csv", str(tmp_path / "a.csv")]
    assert main(words) == 0
    assert "| corridor | cpu | 24x32 | 2 |" in capsys.readouterr().out
    with (tmp_path / "a.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [row["kind"] for row in rows] == ["corridor", "all, as mixed"]
    assert float(rows[0]["frame_s"]) > 0 and float(rows[0]["rays_per_s"]) > 0  # noqa: PT018


def test_the_mean_follows_the_mix():
    slow = Speed("indoor", "cpu", "24x32", 1, 100, 0.0, 0.3, 1e6)
    fast = slow._replace(kind="corridor", frame_s=0.1, rays_per_s=3e6)
    both = mixed([slow, fast])
    assert both.frame_s == pytest.approx((0.45 * 0.3 + 0.10 * 0.1) / 0.55)
    assert 1e6 < both.rays_per_s < 1.2e6  # of all rays over all the time
    assert table([both]).splitlines()[-1].startswith("| all, as mixed | cpu | 24x32 | 1 | 100 | 0 | 264 | 3.8 |")


def test_without_a_gpu_it_says_so(monkeypatch, capsys):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--device", "cuda"]) == 1
    assert "no CUDA device" in capsys.readouterr().err
