"""The commands ``depth_perception evaluate`` and ``estimate``: a recording in, scores, pictures and a report out."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from depth_perception.cli_options import (
    INTERRUPTED,
    ProgressBar,
    add_parameters,
    add_runner,
    add_topics,
    at_least,
    given_values,
    stem,
    topic_choice,
    with_runner,
)


def add_evaluate(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser("evaluate", help="score completion on a recording and write report.html")
    _add_recording(parser, "evaluation", "model to score, also NAME@FILE with own weights, or peer:NAME")
    parser.add_argument("--models", default="", metavar="A,B", help="the same as a comma-separated list")
    add_runner(parser)
    _add_protocol(parser)
    add_topics(parser)
    add_parameters(parser)
    parser.set_defaults(run=_evaluate)


def add_estimate(commands: Any) -> None:
    """Add the command to the parser."""
    parser = commands.add_parser(
        "estimate",
        help="depth of a recording from its images alone: pictures, scale over time, report.html",
        description="Estimate depth from a recording's images as the estimation node does. Points, odometry or the "
        "floor tell the scale where there are any; points that are held out only score it.",
    )
    _add_recording(parser, "estimation", "estimator, also NAME@FILE with own weights")
    add_runner(parser)
    _add_protocol(parser)
    parser.add_argument("--no-pictures", action="store_true", help="write no depth and preview of each frame")
    add_topics(parser)
    add_parameters(parser, "estimation")
    parser.set_defaults(run=_estimate)


def _add_recording(parser: argparse.ArgumentParser, folder: str, model: str) -> None:
    parser.add_argument("recording", type=Path, metavar="BAG", help="ROS 1 or ROS 2 recording")
    parser.add_argument("--out", type=Path, default=None, metavar="DIR", help=f"default: out/{folder}/<recording>")
    parser.add_argument(
        "--model", action="append", default=[], metavar="NAME", help=f"{model}; repeat to compare several"
    )


def _add_protocol(parser: argparse.ArgumentParser) -> None:
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


def _evaluate(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.model_choice import parse_models

    models = parse_models(",".join([*options.model, options.models]))
    return _score(options, "completion", models, options.out or Path("out/evaluation") / stem(options))


def _estimate(options: argparse.Namespace) -> int:
    from depth_perception.evaluation.depth_pictures import DepthPictures
    from depth_perception.evaluation.model_choice import parse_models

    models = parse_models(",".join(options.model))
    out = options.out or Path("out/estimation") / stem(options)
    return _score(
        options, "estimation", models, out, None if options.no_pictures else DepthPictures(out, len(models) > 1)
    )


def _score(options: argparse.Namespace, task: str, models: tuple[str, ...], out: Path, on_estimate: Any = None) -> int:
    """Run ``evaluate`` or ``estimate`` and show what it found."""
    from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
    from depth_perception.evaluation.holdout import Holdout
    from depth_perception.evaluation.report import write_report
    from depth_perception.evaluation.summary import summary_table
    from depth_perception.evaluation.tasks import TASKS

    is_folder = options.truth is not None and Path(options.truth).is_dir()
    truth, folder = (None, Path(options.truth)) if is_folder else (options.truth, None)
    settings = EvaluationSettings(
        recording=options.recording,
        topics=topic_choice(options, truth),
        models=models,
        holdout=None if options.holdout is None else Holdout.parse(options.holdout, options.seed),
        seed=options.seed,
        parameters=with_runner(given_values(options, task), options, models, task),
        task=TASKS[task],
        truth_folder=folder,
        truth_scale=options.truth_scale,
        frames=at_least("--frames", options.frames, 0),
        every=at_least("--every", options.every, 1),
    )
    bar = ProgressBar()
    result = evaluate(settings, progress=bar, on_estimate=on_estimate)
    bar.close()
    written = write_report(result, out)
    print(summary_table(result))
    for path in (*written["report"], *written["pictures"]):
        print(path)
    return INTERRUPTED if result.partial else 0
