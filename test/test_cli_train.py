"""The command that hands over to training; what it does there is tested in test/training/learning."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time

import pytest

from depth_perception import cli_train
from depth_perception.cli import main


def fake(root, text):
    """A checkout whose training.learn is ``text``."""
    (root / "training").mkdir(parents=True)
    (root / "training" / "__init__.py").touch()
    (root / "training" / "learn.py").write_text(text)
    return root


@pytest.fixture
def everything_installed(monkeypatch):
    monkeypatch.setattr(cli_train, "_PACKAGES", ())


def test_every_word_goes_to_training_and_its_status_comes_back(tmp_path, monkeypatch, everything_installed, capfd):
    root = fake(tmp_path, "import sys\nprint(sys.argv[1:])\nsys.exit(7)\n")
    monkeypatch.chdir(root)
    assert main(["train", "estimation", "--bag", "my.mcap", "--help"]) == 7
    assert "['estimation', '--bag', 'my.mcap', '--help']" in capfd.readouterr().out


def test_without_a_checkout_one_line_says_so(monkeypatch, capsys):
    monkeypatch.setattr(cli_train, "checkout", lambda: None)
    assert main(["train", "completion", "--bag", "x"]) == 2
    error = capsys.readouterr().err
    assert "training is part of the repository" in error
    assert len(error.strip().splitlines()) == 1


def test_missing_packages_are_named(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cli_train, "checkout", lambda: fake(tmp_path, ""))
    monkeypatch.setattr(cli_train, "_PACKAGES", ("torch", "no_such_package"))
    assert main(["train", "completion", "--bag", "x"]) == 2
    assert "training needs no_such_package: pip install -r" in capsys.readouterr().err


def test_the_first_place_with_training_is_taken(tmp_path, repository, monkeypatch):
    monkeypatch.chdir(tmp_path)
    found = fake(tmp_path / "b", "")
    assert cli_train.checkout([tmp_path / "a", found, repository]) == found
    assert cli_train.checkout([tmp_path / "a"]) is None
    assert cli_train.checkout() == repository


def test_ctrl_c_waits_for_what_runs_to_keep_its_work(tmp_path, repository):
    slow = fake(
        tmp_path,
        "import signal, sys, time\n"
        "def stop(*_):\n    time.sleep(0.3)\n    print('kept', flush=True)\n    sys.exit(130)\n"
        "signal.signal(signal.SIGINT, stop)\nprint('running', flush=True)\ntime.sleep(30)\n",
    )
    code = (
        "import sys\nfrom depth_perception import cli_train\ncli_train._PACKAGES = ()\n"
        "sys.exit(cli_train.train(['estimation']))\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        cwd=slow,
        env={**os.environ, "PYTHONPATH": str(repository)},
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout.readline() == "running\n"
    time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to both
    assert process.stdout.readline() == "kept\n"
    assert process.wait(timeout=20) == 130
