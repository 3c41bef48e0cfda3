"""Floor 6: the command ``depth_perception``, for people with and without ROS tools.

Each command imports what it needs only when it runs, so ``--help`` is quick and needs neither ROS nor
torch. Mistakes a user can make end in one line on standard error and status 2.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import depth_perception
from depth_perception.cli_evaluate import add_estimate, add_evaluate
from depth_perception.cli_options import (
    INTERRUPTED,
    ProgressBar,
    add_parameters,
    add_runner,
    add_topics,
    at_least,
    given_values,
    topic_choice,
    with_runner,
)
from depth_perception.cli_train import add_train

USAGE_ERROR = 2


def build_parser() -> argparse.ArgumentParser:
    """Return the parser with all commands."""
    parser = argparse.ArgumentParser(
        prog="depth_perception", description="Dense metric depth from a camera and sparse range data."
    )
    parser.add_argument("--version", action="version", version=f"depth_perception {depth_perception.__version__}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    add_evaluate(commands)
    add_estimate(commands)
    _add_decompose(commands)
    _add_view(commands)

    convert = commands.add_parser("convert", help="make a recording from a data set folder")
    convert.add_argument("kind", choices=("kitti", "rgbd"), help="layout of the folder")
    convert.add_argument("folder", type=Path)
    convert.add_argument("out", type=Path, help="recording to write (a folder with an .mcap file)")
    convert.add_argument(
        "--depth-format",
        choices=("millimetres", "rotated"),
        default="millimetres",
        help="of an rgbd folder's depth pictures; rotated: as the shelf data of the Amazon Picking Challenge",
    )
    convert.set_defaults(run=_convert)

    add_train(commands)

    launch = commands.add_parser("launch", help="start nodes as a launch file does, also without ROS 2 launch")
    launch.add_argument("name", help="launch file by name, for instance completion")
    launch.add_argument("arguments", nargs=argparse.REMAINDER, metavar="NAME:=VALUE", help="launch arguments")
    launch.set_defaults(run=_launch)

    demo = commands.add_parser("demo", help="play recordings through the nodes as processes and report")
    demo.add_argument("recordings", type=Path, help="folder of recordings")
    demo.add_argument("--out", type=Path, default=Path("out/demo"), metavar="DIR", help="default: out/demo")
    demo.add_argument("--model", default=None, metavar="NAME", help="runs live; see: depth_perception models")
    demo.add_argument(
        "--against",
        action="append",
        default=[],
        metavar="NAME",
        help="scored beside it, repeatable; default: a learned model beside one without weights, and vice versa",
    )
    add_runner(demo)
    demo.add_argument("--rate", type=float, default=1.0, help="playback speed; default 1")
    demo.add_argument("--timeout", type=float, default=300.0, metavar="S", help="longest time for one recording [s]")
    demo.add_argument("--verbose", action="store_true", help="show every line of the nodes")
    demo.set_defaults(run=_demo)

    models = commands.add_parser("models", help="list the models")
    models.set_defaults(run=_models)

    export = commands.add_parser("export", help="write a learned model's network as ONNX")
    export.add_argument("model", help="a learned model; see: depth_perception models")
    export.add_argument("out", type=Path, nargs="?", metavar="OUT.onnx", help="default: MODEL.onnx")
    export.add_argument("--model-file", type=Path, metavar="FILE", help="own weights, .safetensors")
    export.add_argument(
        "--graph-only",
        action="store_true",
        help="make the graph without weights that backend onnx needs; OUT is a folder, default: where it is looked for",
    )
    export.set_defaults(run=_export)

    parameters = commands.add_parser("parameters", help="print a node's parameters as a commented YAML file")
    parameters.add_argument("node", choices=tuple(_TABLES), nargs="?", default="completion")
    parameters.add_argument("--markdown", action="store_true", help="as a table")
    parameters.set_defaults(run=_parameters)

    info = commands.add_parser("info", help="show topics, types, counts and QoS of a recording")
    info.add_argument("recording", type=Path, metavar="BAG")
    info.set_defaults(run=_info)
    return parser


def _add_decompose(commands: Any) -> None:
    parser = commands.add_parser("decompose", help="build the surfaces of single objects from a recording or a folder")
    parser.add_argument("source", type=Path, metavar="BAG|FOLDER", help="recording, or folder of posed RGB-D images")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help="default: out/objects/<source>")
    parser.add_argument(
        "--labels", default="", metavar="TOPIC", help="label topic of a recording; found by encoding and name"
    )
    parser.add_argument(
        "--segmenter", default="builtin", metavar="NAME", help="what segments images without labels; default builtin"
    )
    parser.add_argument("--classes", metavar="YAML", help="lines like 48: cup, for labels that name classes")
    parser.add_argument("--fixed-frame", default="", metavar="FRAME", help="world frame; default: odom, map or world")
    parser.add_argument(
        "--depth-format", choices=("millimetres", "rotated"), default="millimetres", help="of a folder's depth pictures"
    )
    parser.add_argument("--profile", choices=("live", "paper", "tiny"), default="live", help="of the model")
    parser.add_argument("--device", default="cpu", metavar="NAME", help="where the model is fitted; default cpu")
    parser.add_argument("--cell", type=float, default=0.0, metavar="M", help="of the model [m]; default: the profile's")
    parser.add_argument("--block-size", type=float, default=3.0, metavar="M", help="side of a block [m]; default 3")
    parser.add_argument("--seconds", type=float, default=0.0, metavar="S", help="fit so much longer at the end")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="take every K-th frame only")
    parser.add_argument("--no-rerun", action="store_true", help="write no scene.rrd even if rerun-sdk is installed")
    add_topics(parser)
    parser.set_defaults(run=_decompose)


def _add_view(commands: Any) -> None:
    parser = commands.add_parser("view", help="look at a recording and its completed depth in Rerun")
    parser.add_argument("recording", type=Path, metavar="BAG")
    parser.add_argument("--save", type=Path, metavar="FILE.rrd", help="write a file instead of opening the viewer")
    parser.add_argument("--frames", type=int, default=0, metavar="N", help="stop after N frames")
    parser.add_argument("--every", type=int, default=1, metavar="K", help="show every K-th frame only")
    add_topics(parser)
    add_parameters(parser)
    parser.set_defaults(run=_view)


def _decompose(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.decompose import DecomposeSettings, decompose
    from depth_perception.evaluation.scene_sources import SourceChoice
    from depth_perception.pipelines.decomposition_settings import DecompositionSettings, read_categories

    settings = DecomposeSettings(
        source=options.source,
        out=options.out or Path("out") / "objects" / options.source.resolve().stem,
        choice=SourceChoice(topic_choice(options), options.labels, options.fixed_frame, options.depth_format),
        scene=DecompositionSettings(
            profile=options.profile,
            device=options.device,
            cell=options.cell,
            block_size=options.block_size,
            categories=read_categories(options.classes) if options.classes else {},
        ),
        every=at_least("--every", options.every, 1),
        frames=at_least("--frames", options.frames, 0),
        seconds=options.seconds,
        rerun=not options.no_rerun,
        segmenter=options.segmenter,
    )
    result = decompose(settings, progress=(bar := ProgressBar()))
    bar.close()
    left_out = f"; left out: {result.skipped}" if result.skipped else ""
    print(f"{result.objects} objects from {result.frames} frames in {result.seconds:.0f} s{left_out}")
    for path in (settings.out / "scene" / "manifest.json", result.report):
        print(path)
    return 0


def _view(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.viewing import view

    frames = view(
        options.recording,
        topic_choice(options),
        given_values(options),
        save=options.save,
        frames=at_least("--frames", options.frames, 0),
        every=at_least("--every", options.every, 1),
        progress=(bar := ProgressBar()),
    )
    bar.close()
    where = f" in {options.save}" if options.save else ""
    print(f"{frames} frames{where}")
    return 0


def _convert(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.convert import kitti_drive_to_bag, rgbd_folder_to_bag

    if options.kind == "kitti":
        kitti_drive_to_bag(options.folder, options.out)
    else:
        rgbd_folder_to_bag(options.folder, options.out, depth_format=options.depth_format)
    print(options.out)
    return 0


def _launch(options: argparse.Namespace) -> int:
    from depth_perception.nodes.launches import main as launch

    return launch([options.name, *options.arguments])


def _demo(options: argparse.Namespace) -> int:
    from depth_perception.demo import run_demo
    from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
    from depth_perception.pipelines.model_selection import ModelChoice

    named = [ModelChoice(options.model).name] if options.model else []
    choice = ModelChoice.from_parameters(with_runner(COMPLETION_PARAMETERS.defaults(), options, named))
    return run_demo(
        options.recordings, options.out, choice, options.against, options.rate, options.timeout, options.verbose
    )


def _models(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.model_list import model_list

    print(model_list())
    return 0


def _export(options: argparse.Namespace) -> int:
    from depth_perception.models import onnx_graphs, weights, zoo

    loaded = zoo.read_weights(options.model, options.model_file)
    if options.graph_only:
        out = onnx_graphs.export(loaded, options.out or onnx_graphs.cache_folder())
    else:
        out = options.out or Path(f"{options.model}.onnx")
        weights.replace(out, onnx_graphs.to_onnx(loaded))
    print(out)
    return 0


# node: module and name of its table
_TABLES = {
    "completion": ("depth_perception.pipelines.completion_parameters", "COMPLETION_PARAMETERS"),
    "estimation": ("depth_perception.pipelines.estimation_parameters", "ESTIMATION_PARAMETERS"),
    "decomposition": ("depth_perception.pipelines.decomposition_parameters", "DECOMPOSITION_PARAMETERS"),
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
