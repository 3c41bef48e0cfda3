from __future__ import annotations

import argparse
import io

import pytest

from depth_perception.cli_options import ProgressBar, add_runner, parameter_values, with_runner
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameters import ParameterError


def test_parameter_values_keep_their_types():
    values = parameter_values(
        None, ["depth.max:=20", "sync.queue_size:=3", "cloud.deskew:=false", "transform.fixed_frame:=on", "model:=fast"]
    )
    assert values["depth.max"] == 20.0
    assert values["sync.queue_size"] == 3
    assert values["cloud.deskew"] is False
    assert values["transform.fixed_frame"] == "on"
    assert values["model"] == "fast"
    with pytest.raises(ParameterError, match="queue_size"):
        parameter_values(None, ["sync.queue_size:=3.5"])


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_progress_bar_is_for_terminals_only():
    quiet, live = io.StringIO(), Terminal()
    for stream in (quiet, live):
        bar = ProgressBar(stream)
        bar(1, 2)
        bar(2, 2)
        bar.close()
    assert quiet.getvalue() == ""
    assert "2/2 frames" in live.getvalue()
    assert live.getvalue().endswith("\n")


def given(*words):
    parser = argparse.ArgumentParser()
    add_runner(parser)
    return parser.parse_args(words)


def test_what_runs_a_learned_model_goes_into_the_parameters():
    defaults = COMPLETION_PARAMETERS.defaults()
    assert with_runner(defaults, given(), ()) == defaults
    options = given("--backend", "onnx", "--device", "cpu", "--model-file", "w.safetensors")
    values = with_runner(defaults, options, ("peer:nearest", "jarrn", "fast"))
    assert (values["model"], values["backend"], values["device"]) == ("jarrn", "onnx", "cpu")
    assert values["model_file"] == "w.safetensors"


def test_parameters_are_those_of_the_task():
    values = parameter_values(None, ["scale.camera_height:=1.2"], "estimation")
    assert values["scale.camera_height"] == 1.2
    with pytest.raises(ParameterError, match="scale"):
        parameter_values(None, ["scale.camera_height:=1.2"])
    options = given("--model-file", "w.safetensors")
    made = with_runner(values, options, ("estimation-large",), "estimation")
    assert (made["model"], made["model_file"]) == ("estimation-large", "w.safetensors")
