"""Floor 6: the command ``depth_perception``, for people with and without ROS tools.

Each command imports what it needs only when it runs, so ``--help`` is quick and needs neither ROS nor
torch. Mistakes a user can make end in one line on standard error and status 2.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import depth_perception

USAGE_ERROR = 2
INTERRUPTED = 130


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="depth_perception", description="Dense metric depth from a camera and sparse range data."
    )
    parser.add_argument("--version", action="version", version=f"depth_perception {depth_perception.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    _add_evaluate(commands)
    _add_view(commands)

    convert = commands.add_parser("convert", help="make a recording from a data set folder")
    convert.add_argument("kind", choices=("kitti", "rgbd"), help="layout of the folder")
    convert.add_argument("folder", type=Path)
    convert.add_argument("out", type=Path, help="recording to write (a folder with an .mcap file)")
    convert.set_defaults(run=_convert)

    launch = commands.add_parser("launch", help="start nodes as a launch file does, also without ROS 2 launch")
    launch.add_argument("name", help="launch file by name, for instance completion")
    launch.add_argument("arguments", nargs=argparse.REMAINDER, metavar="NAME:=VALUE", help="launch arguments")
    launch.set_defaults(run=_launch)

    demo = commands.add_parser("demo", help="play recordings through the nodes as processes and report")
    demo.add_argument("recordings", type=Path, help="folder of recordings")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: out/demo")
    demo.add_argument("--model", default=None, help="completion model; see: depth_perception models")
    demo.add_argument("--rate", type=float, default=1.0, help="playback speed; default 1")
    demo.add_argument("--timeout", type=float, default=300.0, metavar="S", help="longest time for one recording [s]")
    demo.add_argument("--verbose", action="store_true", help="show every line of the nodes")
    demo.set_defaults(run=_demo)

    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_models)

    parameters = commands.add_parser("parameters", help="print a node's parameters as a commented YAML file")
    parameters.add_argument("node", choices=tuple(_TABLES), nargs="?", default="completion")
    parameters.add_argument("--markdown", action="store_true", help="as a table")
    parameters.set_defaults(run=_parameters)

    info = commands.add_parser("info", help="show topics, types, counts and QoS of a recording")
    info.add_argument("recording", type=Path, metavar="BAG")
    info.set_defaults(run=_info)
    return parser


def _add_topics(parser: argparse.ArgumentParser) -> None:
    topics = parser.add_argument_group("topics (found by type when there is only one)")
    topics.add_argument("--image", metavar="TOPIC")
    topics.add_argument("--camera-info", metavar="TOPIC")
    topics.add_argument("--points", metavar="TOPIC")
    topics.add_argument("--depth", metavar="TOPIC", help="sparse depth image instead of points")


def _add_runner(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("learned models (default: as in the parameters)")
    group.add_argument("--backend", choices=("auto", "torch", "compiled", "onnx"), help="what runs them")
    group.add_argument("--device", metavar="NAME", help="where: auto, cpu, cuda, cuda:1")
    group.add_argument("--model-file", type=Path, metavar="FILE", help="own weights for the first model, .safetensors")


def _add_parameters(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("parameters of the completion node")
    group.add_argument("--params", type=Path, metavar="YAML", help="parameter file as the node reads it")
    group.add_argument("--set", action="append", default=[], metavar="NAME:=VALUE", help="one parameter; repeatable")


def _add_evaluate(commands: Any) -> None:
    parser = commands.add_parser("evaluate", help="score completion on a recording and write report.html")
    parser.add_argument("recording", type=Path, metavar="BAG", help="ROS 1 or ROS 2 recording")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: out/evaluation/<recording>")
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="NAME",
        help="model to score, also peer:NAME; repeat to compare several",
    )
    parser.add_argument("--models", default="", metavar="A,B", help="the same as a comma-separated list")
    _add_runner(parser)
    parser.add_argument(
        "--holdout",
        default=None,
        metavar="HOW",
        help="points:SHARE, rings:N or none; default points:0.2, or none with ground truth",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the hold-out; default 0")
    parser.add_argument("--truth", metavar="TOPIC|FOLDER", help="depth topic, or folder of depth pictures")
    parser.add_argument(
        "--truth-scale", type=float, default=0.001, metavar="M", help="metres a unit of 16-bit pictures; default 0.001"
    )
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="evaluate every K-th frame only")
    _add_topics(parser)
    _add_parameters(parser)
    parser.set_defaults(run=_evaluate)


def _add_view(commands: Any) -> None:
    parser = commands.add_parser("view", help="look at a recording and its completed depth in Rerun")
    parser.add_argument("recording", type=Path, metavar="BAG")
    parser.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a file instead of opening the viewer")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="show every K-th frame only")
    _add_topics(parser)
    _add_parameters(parser)
    parser.set_defaults(run=_view)


def parameter_values(file: Path | None, settings: Sequence[str]) -> dict[str, Any]:
    """Return parameter values from a YAML file and ``NAME:=VALUE`` texts, which win.

    Values are read as YAML, as ``ros2 run -p`` does. Raises ParameterError, ValueError, OSError.
    """
    import yaml

    from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
    from depth_perception.pipelines.parameters import ParameterError, read_parameter_file

    values: dict[str, Any] = {}
    if file is not None:
        try:
            values.update(read_parameter_file(file, COMPLETION_PARAMETERS, "completion_node"))
        except (yaml.YAMLError, UnicodeError) as error:
            raise ParameterError(f"--params {file}: not a YAML file: {error}") from error
    for setting in settings:
        name, mark, text = setting.partition(":=")
        if not mark:
            raise ParameterError(f"--set {setting}: expected NAME:=VALUE, for instance model:=fast")
        parameter = COMPLETION_PARAMETERS.get(name)
        # a text parameter takes its value as it stands, so that frame names such as 1 or on need no quotes
        is_text = parameter is not None and isinstance(parameter.default, str)
        try:
            values[name] = text.strip("\"'") if is_text else yaml.safe_load(text)
        except yaml.YAMLError as error:
            raise ParameterError(f"--set {setting}: the value is not YAML") from error
    return COMPLETION_PARAMETERS.resolve(values)


def _choice(options: argparse.Namespace, truth: str | None = None) -> Any:
    from depth_perception.evaluation.recording_topics import TopicChoice

    return TopicChoice(options.image, options.camera_info, options.points, options.depth, truth)


def _values(options: argparse.Namespace) -> dict[str, Any]:
    values = parameter_values(options.params, options.set)
    if options.depth is not None:
        values["input.source"] = "depth"
    return values


def _with_runner(values: dict[str, Any], options: argparse.Namespace, models: Sequence[str]) -> dict[str, Any]:
    """Return parameter values with the options of ``_add_runner``; the first of ``models`` is the one of model_file."""
    from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
    from depth_perception.pipelines.model_selection import MODELS

    named = [name for name in models if name in MODELS]
    given = {"model": named[0] if named else None, "backend": options.backend, "device": options.device}
    given["model_file"] = None if options.model_file is None else str(options.model_file)
    return COMPLETION_PARAMETERS.resolve({**values, **{name: value for name, value in given.items() if value}})


def _at_least(option: str, value: int, least: int) -> int:
    if value < least:
        raise ValueError(f"{option} {value}: must be at least {least}")
    return value


def _evaluate(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
    from depth_perception.evaluation.holdout import Holdout
    from depth_perception.evaluation.model_choice import parse_models
    from depth_perception.evaluation.report import write_report
    from depth_perception.evaluation.summary import summary_table

    is_folder = options.truth is not None and Path(options.truth).is_dir()
    truth, folder = (None, Path(options.truth)) if is_folder else (options.truth, None)
    models = parse_models(",".join([*options.model, options.models]))
    settings = EvaluationSettings(
        recording=options.recording,
        topics=_choice(options, truth),
        models=models,
        holdout=None if options.holdout is None else Holdout.parse(options.holdout, options.seed),
        seed=options.seed,
        parameters=_with_runner(_values(options), options, models),
        truth_folder=folder,
        truth_scale=options.truth_scale,
        frames=_at_least("--frames", options.frames, 0),
        every=_at_least("--every", options.every, 1),
    )
    bar = ProgressBar()
    result = evaluate(settings, progress=bar)
    bar.close()
    out = options.out or Path("out") / "evaluation" / options.recording.resolve().stem
    written = write_report(result, out)
    print(summary_table(result))
    for path in (*written["report"], *written["pictures"]):
        print(path)
    return INTERRUPTED if result.partial else 0


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


def _view(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.viewing import view

    frames = view(
        options.recording,
        _choice(options),
        _values(options),
        save=options.save,
        frames=_at_least("--frames", options.frames, 0),
        every=_at_least("--every", options.every, 1),
        progress=(bar := ProgressBar()),
    )
    bar.close()
    where = f" in {options.save}" if options.save else ""
    print(f"{frames} frames{where}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.convert import kitti_drive_to_bag, rgbd_folder_to_bag

    make = kitti_drive_to_bag if options.kind == "kitti" else rgbd_folder_to_bag
    make(options.folder, options.out)
    print(options.out)
    return 0


def _launch(options: argparse.Namespace) -> int:
    from depth_perception.nodes.launches import main as launch

    return launch([options.name, *options.arguments])


def _demo(options: argparse.Namespace) -> int:
    from depth_perception.demo import run_demo

    return run_demo(
        options.recordings, options.out, options.model, options.rate, options.timeout, verbose=options.verbose
    )


def _models(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.model_choice import PREFIX, peer_options
    from depth_perception.models import zoo
    from depth_perception.pipelines.model_selection import MODELS, ModelChoice

    shipped = zoo.names()
    for name in MODELS:
        choice = ModelChoice(name)
        about = choice.problem() or ("learned" if choice.is_learned else _first_line(choice.load()))
        print(f"{name:24} {'(default) ' if name == shipped[0] else ''}{about}")
    for family, sets in peer_options().items():
        choices = f" with options {' | '.join(sets)}" if sets[0] else ""
        print(f"{PREFIX + family:24} Published method, to compare with in evaluate only{choices}")
    return 0


def _first_line(thing: object) -> str:
    return (type(thing).__doc__ or "").strip().partition("\n")[0]


# node: module and name of its table
_TABLES = {
    "completion": ("depth_perception.pipelines.completion_parameters", "COMPLETION_PARAMETERS"),
    "bag_player": ("depth_perception.nodes.bag_player_parameters", "BAG_PLAYER_PARAMETERS"),
    "evaluation": ("depth_perception.nodes.evaluation_parameters", "EVALUATION_PARAMETERS"),
}


def _parameters(options: argparse.Namespace) -> int:
    from depth_perception.pipelines.parameter_docs import markdown_table, yaml_text

    module, name = _TABLES[options.node]
    table = getattr(importlib.import_module(module), name)
    if options.markdown:
        print(markdown_table(table))
    else:
        print(yaml_text(table, f"{options.node}_node"), end="")
    return 0


def _info(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.summary import table
    from depth_perception.recordings.reader import Recording

    with Recording(options.recording) as recording:
        seconds = (recording.end - recording.start) * 1e-9
        print(f"{options.recording}: {recording.count} messages in {seconds:.3f} s")
        rows = []
        for name, topic in recording.topics().items():
            rate = f"{topic.count / seconds:.1f}" if seconds > 0 else "-"
            qos = topic.qos
            policies = f"{qos.reliability}, {qos.durability}, {qos.history} {qos.depth}"
            rows.append([name, topic.type, str(topic.count), rate, policies])
    print(table(["topic", "type", "messages", "Hz", "QoS"], rows, right=(2, 3)))
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0, 2 for a mistake, 130 after Ctrl-C."""
    options = build_parser().parse_args(arguments)
    try:
        return options.run(options)
    except KeyboardInterrupt:
        print(f"depth_perception {options.command}: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader, head for one, has gone
        return 0
    except Exception as error:
        if not _is_known(error) or os.environ.get("DEPTH_PERCEPTION_TRACEBACK"):
            raise
        print(f"depth_perception {options.command}: {_one_line(error)}", file=sys.stderr)
        return USAGE_ERROR


def _is_known(error: Exception) -> bool:
    """Return True for the package's own exceptions and for those a wrong file, value or missing package raises."""
    module = type(error).__module__
    known = (OSError, ValueError, ImportError)
    return module.startswith("depth_perception") or type(error) in known or isinstance(error, (OSError, ImportError))


def _one_line(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    else:
        text = str(error) or type(error).__name__
    return " ".join(text.split())
