"""Options that several commands share, what they mean, and a progress bar. Nothing heavy is imported at the top."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

INTERRUPTED = 130  # exit status after Ctrl-C, with what was done so far kept


def stem(options: argparse.Namespace) -> str:
    """Return what results of a recording are named after."""
    return str(options.recording.resolve().stem)


def add_topics(parser: argparse.ArgumentParser) -> None:
    """Let the user choose topics of a recording."""
    topics = parser.add_argument_group("topics (found by type when there is only one)")
    topics.add_argument("--image", metavar="TOPIC")
    topics.add_argument("--camera-info", metavar="TOPIC")
    topics.add_argument("--points", metavar="TOPIC")
    topics.add_argument("--depth", metavar="TOPIC", help="sparse depth image instead of points")


def add_runner(parser: argparse.ArgumentParser) -> None:
    """Let the user choose what runs learned models."""
    group = parser.add_argument_group("learned models (default: as in the parameters)")
    group.add_argument("--backend", choices=("auto", "torch", "compiled", "onnx"), help="what runs them")
    group.add_argument("--device", metavar="NAME", help="where: auto, cpu, cuda, cuda:1")
    group.add_argument("--model-file", type=Path, metavar="FILE", help="own weights for the first model, .safetensors")


def add_parameters(parser: argparse.ArgumentParser, task: str = "completion") -> None:
    """Let the user set parameters of the node of ``task``."""
    group = parser.add_argument_group(f"parameters of the {task} node")
    group.add_argument("--params", type=Path, metavar="YAML", help="parameter file as the node reads it")
    group.add_argument("--set", action="append", default=[], metavar="NAME:=VALUE", help="one parameter; repeatable")


def parameter_table(task: str) -> Any:
    """Return the parameters of the node of ``task``."""
    from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
    from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS

    return {"completion": COMPLETION_PARAMETERS, "estimation": ESTIMATION_PARAMETERS}[task]


def parameter_values(file: Path | None, settings: Sequence[str], task: str = "completion") -> dict[str, Any]:
    """Return parameter values of the node of ``task`` from a YAML file and ``NAME:=VALUE`` texts, which win.

    Values are read as YAML, as ``ros2 run -p`` does. Raises ParameterError, ValueError, OSError.
    """
    import yaml

    from depth_perception.pipelines.parameters import ParameterError, read_parameter_file

    table, values = parameter_table(task), dict[str, Any]()
    if file is not None:
        try:
            values.update(read_parameter_file(file, table, f"{task}_node"))
        except (yaml.YAMLError, UnicodeError) as error:
            raise ParameterError(f"--params {file}: not a YAML file: {error}") from error
    for setting in settings:
        name, mark, text = setting.partition(":=")
        if not mark:
            raise ParameterError(f"--set {setting}: expected NAME:=VALUE, for instance model:=fast")
        parameter = table.get(name)
        # a text parameter takes its value as it stands, so that frame names such as 1 or on need no quotes
        is_text = parameter is not None and isinstance(parameter.default, str)
        try:
            values[name] = text.strip("\"'") if is_text else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ParameterError(f"--set {setting}: the value is not YAML") from error
    return table.resolve(values)


def topic_choice(options: argparse.Namespace, truth: str | None = None) -> Any:
    """Return the TopicChoice that the options of ``add_topics`` make."""
    from depth_perception.evaluation.recording_topics import TopicChoice

    return TopicChoice(options.image, options.camera_info, options.points, options.depth, truth)


def given_values(options: argparse.Namespace, task: str = "completion") -> dict[str, Any]:
    """Return the parameter values that the options of ``add_parameters`` and ``add_topics`` give."""
    values = parameter_values(options.params, options.set, task)
    if options.depth is not None:
        values["input.source"] = "depth"
    return values


def with_runner(
    values: dict[str, Any], options: argparse.Namespace, models: Sequence[str], task: str = "completion"
) -> dict[str, Any]:
    """Return parameter values with the options of ``add_runner``; the first of ``models`` is the one of model_file."""
    from depth_perception.pipelines.model_selection import ESTIMATORS, MODELS

    named = [name for name in models if name in (*MODELS, *ESTIMATORS)]
    given = {"model": named[0] if named else None, "backend": options.backend, "device": options.device}
    given["model_file"] = None if options.model_file is None else str(options.model_file)
    return parameter_table(task).resolve({**values, **{name: value for name, value in given.items() if value}})


def at_least(option: str, value: int, least: int) -> int:
    """Return ``value``; raises ValueError naming the option if it is below ``least``."""
    if value < least:
        raise ValueError(f"{option} {value}: must be at least {least}")
    return value


class ProgressBar:
    """``progress(done, expected)`` as a bar on a terminal's standard error, and silence elsewhere."""

    WIDTH = 30

    def __init__(self, stream: Any = None):
        """``stream`` defaults to standard error."""
        self._stream = sys.stderr if stream is None else stream
        self._live = self._stream.isatty()
        self._started = time.monotonic()
        self._shown = 0.0

    def __call__(self, done: int, expected: int) -> None:
        """Draw at most ten times a second, and once at the end."""
        now = time.monotonic()
        if not self._live or (done < expected and now - self._shown < 0.1):
            return
        self._shown = now
        filled = self.WIDTH * done // max(expected, 1)
        rate = done / max(now - self._started, 1e-6)
        bar = "█" * filled + "·" * (self.WIDTH - filled)
        print(f"\r{bar} {done}/{expected} frames, {rate:.1f} a second ", end="", file=self._stream, flush=True)

    def close(self) -> None:
        """End the line if a bar was drawn; frames that could not be used leave it short of the end."""
        if self._shown:
            print(file=self._stream)
