"""Floor 6: play recordings through the real nodes, as separate processes over DDS, and report.

Bag player, completion node and evaluation node know each other only by topics, as on a robot. The
nodes see a private ROS domain on this machine only, unless the user has chosen one. Where an estimator ships, the same
recordings are then estimated from the camera alone, offline. Recordings with label images instead of points become
surfaces of single objects, offline, too.
"""

from __future__ import annotations

import json
import math
import os
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from depth_perception import demo_estimation, demo_objects
from depth_perception.evaluation import comparison
from depth_perception.evaluation.recording_topics import TopicChoice
from depth_perception.evaluation.replay import Replay
from depth_perception.evaluation.report import format_figure
from depth_perception.evaluation.results import TRUTH
from depth_perception.evaluation.summary import table
from depth_perception.models import zoo
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import WEIGHT_FREE, ModelChoice
from depth_perception.pipelines.scene_model import ModelError
from depth_perception.recordings.reader import STORAGE_SUFFIXES, Recording, RecordingError
from depth_perception.ros.launching import NodePlan, command_line
from depth_perception.ros.processes import Child, ProcessGroup

NODES = ("evaluation_node", "completion_node", "bag_player_node")
SHOWN = ("mae", "rmse", "abs_rel", "delta1", "boundary_mae", "smear_rate", "inside_68", "inside_95")
HOLDOUT = "points:0.2"  # the share of points that no model is given, besides the recording's own ground truth


class DemoError(RuntimeError):
    """The demo cannot run, or one of its nodes failed; the text ends with that node's last lines."""


@dataclass(frozen=True)
class Demo:
    """What is played and how: ``model`` runs live and is scored beside ``others``; ``timeout`` [s] a recording."""

    recording: Path
    out: Path
    model: ModelChoice
    others: tuple[str, ...] = ()
    rate: float = 1.0
    timeout: float = 300.0


def find_recordings(folder: str | Path) -> list[Path]:
    """Return the recordings in ``folder`` by name, or ``folder`` itself if it is one. Raises DemoError."""
    folder = Path(folder)
    if not folder.exists():
        raise DemoError(f"{folder}: no such folder; make the demo recordings with: make demo")
    if folder.is_file() or (folder / "metadata.yaml").is_file():
        return [folder]
    found = sorted(
        entry
        for entry in folder.iterdir()
        if (entry.is_dir() and any(file.suffix in STORAGE_SUFFIXES for file in entry.iterdir()))
        or entry.suffix in (".bag", *STORAGE_SUFFIXES)
    )
    if not found:
        raise DemoError(f"{folder}: holds no recordings; make the demo recordings with: make demo")
    return found


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return ``given`` with a private ROS domain on this machine, unless it names one already."""
    made = dict(given)
    made.setdefault("ROS_AUTOMATIC_DISCOVERY_RANGE", "LOCALHOST")
    made.setdefault("ROS_DOMAIN_ID", str(1 + os.getpid() % 100))  # ports above 101 collide with ephemeral ones
    made["PYTHONUNBUFFERED"] = "1"
    return made


def commands(demo: Demo, topics: TopicChoice, parameters: Path) -> dict[str, list[str]]:
    """Return the command of each node; completion runs live and in the evaluation with the file ``parameters``."""
    remaps = {"image": topics.image, "camera_info": topics.camera_info, "points": topics.points}
    used = {name: topic for name, topic in remaps.items() if topic is not None}
    bag = str(demo.recording.resolve())
    # completion and evaluation both listen to image and points; camera_info matters to completion only
    awaited = [f"{topic}:{1 if name == 'camera_info' else 2}" for name, topic in used.items()]
    remappings = tuple(used.items())
    plans = (
        NodePlan(
            "evaluation_node",
            "evaluation_node",
            parameters={
                "bag": bag,
                "out": str(demo.out.resolve()),
                "models": ",".join([demo.model.name, *demo.others]),
                "holdout": HOLDOUT,
                "params_file": str(parameters.resolve()),
                "exit_when_done": True,
            },
            remappings=remappings,
        ),
        NodePlan(
            "completion_node",
            "completion_node",
            parameter_file=str(parameters.resolve()),
            parameters={"use_sim_time": True},
            remappings=remappings,
        ),
        NodePlan(
            "bag_player_node",
            "bag_player_node",
            parameters={"bag": bag, "rate": demo.rate, "wait_for_subscribers": ",".join(awaited)},
        ),
    )
    return {plan.name: command_line(plan) for plan in plans}


def look_into(recording: Path) -> tuple[TopicChoice, str]:
    """Return the topics of a recording that can be told by type, and its world frame; raises TopicError."""
    with Recording(recording) as opened:
        replay = Replay(opened, TopicChoice(), COMPLETION_PARAMETERS.defaults())
        return replay.topics, replay.world_frame()


def write_parameters(demo: Demo, fixed_frame: str) -> Path:
    """Write the parameters that differ from the defaults as a ROS 2 parameter file into ``demo.out``."""
    demo.out.mkdir(parents=True, exist_ok=True)
    path = demo.out / "completion.yaml"
    choice = demo.model
    values: dict[str, Any] = {"model": choice.name, "backend": choice.backend, "device": choice.device}
    values |= {"model_file": choice.file, "transform": {"fixed_frame": fixed_frame}}
    path.write_text(json.dumps({"/**": {"ros__parameters": values}}, indent=2) + "\n", encoding="utf-8")
    return path


def play(demo: Demo, output: TextIO | None = None) -> Path:
    """Run the three nodes on one recording; return the path of the report. Raises DemoError.

    ``output`` gets every line of the nodes; without it only the last ones of a node that failed are shown.
    """
    deadline = time.monotonic() + demo.timeout
    report = demo.out / "report.html"
    report.unlink(missing_ok=True)  # an old one must not pass for a new one
    surroundings = environment(os.environ)
    topics, fixed_frame = look_into(demo.recording)
    parameters = write_parameters(demo, fixed_frame)
    with ProcessGroup(output) as group:
        children = {
            name: group.start(name, command, surroundings)
            for name, command in commands(demo, topics, parameters).items()
        }
        evaluation = children["evaluation_node"]
        while evaluation.returncode is None:
            ended = group.wait_any(max(deadline - time.monotonic(), 0.0))
            if ended is None:
                raise DemoError(f"{demo.recording.name}: no report after {demo.timeout:g} s\n{_last(evaluation)}")
            if ended.returncode != 0 or ended.name == "completion_node":
                raise DemoError(f"{demo.recording.name}: {ended.name} ended too early\n{_last(ended)}")
        if evaluation.returncode != 0 or not report.is_file():
            raise DemoError(f"{demo.recording.name}: the evaluation failed\n{_last(evaluation)}")
    return report


def _last(child: Child) -> str:
    status = "is still running" if child.returncode is None else f"ended with status {child.returncode}"
    return "\n".join([f"{child.name} {status}; its last lines:", *(f"  {line}" for line in child.tail())])


def result_rows(recording: str, out: Path) -> list[list[str]]:
    """Return one table row per target and model from the files beside a report."""
    rows = []
    for target, found in _scores(out).items():
        for model, figures in found.items():
            cells = [format_figure(key, figures[key]) for key in SHOWN]
            ms = figures[comparison.TIME]
            rows.append([recording, model, target, *cells, f"{ms:.0f}" if math.isfinite(ms) else "–"])
    return rows


def verdict(recording: str, out: Path) -> str:
    """Return in one line how the model that ran live compares with the others, empty if there are none."""
    found = _scores(out)
    target = TRUTH if TRUTH in found else next(iter(found), "")
    if len(found.get(target, {})) < 2:
        return ""
    frames = int(next(iter(found[target].values()))["frames"])
    return f"{recording}, {target}: {comparison.sentence(found[target], frames)}"


def _scores(out: Path) -> dict[str, dict[str, dict[str, float]]]:
    """Return the figures of a report by target and model, with the median milliseconds of each model."""
    scores = json.loads((out / "scores.json").read_text(encoding="utf-8"))
    timing = json.loads((out / "timing.json").read_text(encoding="utf-8"))
    found: dict[str, dict[str, dict[str, float]]] = {}
    for model, entry in scores["models"].items():
        stages = timing.get(model, {}).get("stages", {})
        ms = stages.get("complete", {}).get("median_ms", math.nan)
        for target, figures in entry["scores"].items():
            known = {key: math.nan if value is None else value for key, value in figures.items()}
            found.setdefault(target, {})[model] = {**known, comparison.TIME: ms}
    return found


def live_row(recording: str, out: Path) -> list[str] | None:
    """Return the row of the live table, or None if the graph was not seen."""
    path = out / "live.json"
    if not path.is_file():
        return None
    live = json.loads(path.read_text(encoding="utf-8"))

    def ms(value: float | None) -> str:
        return "–" if value is None else f"{value:.0f}"

    rates = [row["rate_hz"] for row in live["topics"] if row["role"] == "depth"]
    rate = f"{rates[0]:.1f}" if rates and rates[0] else "–"
    times = [ms(live["end_to_end"].get(key)) for key in ("median_ms", "p95_ms")]
    drops = ", ".join(f"{n} {cause.replace('_', ' ')}" for cause, n in live["drops"].items() if n) or "none"
    return [recording, live["model"], str(live["images"]), str(live["completed"]), rate, *times, drops]


def run_demo(
    recordings: str | Path,
    out: str | Path,
    model: ModelChoice | None = None,
    others: Sequence[str] = (),
    rate: float = 1.0,
    timeout: float = 300.0,
    verbose: bool = False,
) -> int:
    """Play every recording, print tables and the paths of reports and pictures; return the exit status.

    ``model`` runs live, the default one if None; ``others`` are scored beside it; if empty, a learned model
    beside one without weights and the other way round.
    Raises DemoError, RecordingError, TopicError, ValueError.
    """
    if rate <= 0:
        raise ValueError(f"--rate {rate:g}: must be above 0")
    model = model or ModelChoice(str(COMPLETION_PARAMETERS["model"].default))
    compared = tuple(others) or (_beside(model),)
    for choice in (model, *(ModelChoice(name) for name in compared)):
        if problem := choice.problem():
            raise DemoError(f"{choice}: {problem}")
    estimator = demo_estimation.chosen(model.backend, model.device)
    rows: list[list[str]] = []
    estimated: list[list[str]] = []
    live: list[list[str]] = []
    objects: list[list[str]] = []
    verdicts: list[str] = []
    made: list[Path] = []
    for recording in find_recordings(recordings):
        folder = Path(out) / recording.stem
        if demo_objects.label_topic(recording):
            made += _decompose(recording, folder / "objects", objects)
            continue
        seconds = _seconds(recording) / rate
        print(f"{recording.name}: playing {seconds:.0f} s through {', '.join(NODES)} ...", flush=True)
        report = play(Demo(recording, folder, model, compared, rate, timeout), sys.stdout if verbose else None)
        rows += result_rows(recording.name, folder)
        verdicts.append(verdict(recording.name, folder))
        row = live_row(recording.name, folder)
        live += [row] if row else []
        made += [report, *sorted((folder / "pictures").glob("*_side_by_side.png"))]
        if estimator is not None:
            print(f"{recording.name}: estimating depth from the camera alone by {estimator} ...", flush=True)
            alone = folder / "estimation"
            result = demo_estimation.run(recording, alone, estimator, HOLDOUT, look_into(recording)[1])
            estimated += demo_estimation.rows(recording.name, result)
            made += [alone / "report.html", *sorted((alone / "pictures").glob("best_*[!d].png"))]
    if rows:
        _print(rows, verdicts, live)
    if estimated:
        print(demo_estimation.text(estimated, HOLDOUT), end="\n\n")
    if objects:
        print(demo_objects.text(objects), end="\n\n")
    for path in made:
        print(path)
    return 0


def _decompose(recording: Path, out: Path, rows: list[list[str]]) -> list[Path]:
    """Add the row of a recording of objects to ``rows``; return its pages. Says so where the model cannot run."""
    print(f"{recording.name}: finding the surfaces of single objects ...", flush=True)
    try:
        found = demo_objects.run(recording, out)
    except ModelError as error:
        print(f"{recording.name}: left out: {error}")
        return []
    rows.append(demo_objects.row(recording.name, found))
    return [found.result.report, out / "scene.png", *sorted((out / "turntable").glob("*.png"))]


def _beside(model: ModelChoice) -> str:
    """Return the model to compare with: of the other kind, learned or not, if one can run here."""
    other = [name for name in zoo.names() if (name in WEIGHT_FREE) != (model.name in WEIGHT_FREE)]
    able = [name for name in other if not ModelChoice(name).problem()]
    return next(iter([*able, *(name for name in WEIGHT_FREE if name != model.name)]))


def _print(rows: list[list[str]], verdicts: list[str], live: list[list[str]]) -> None:
    """Print the tables of scores and of what was live."""
    head = ["recording", "model", "against", "MAE [m]", "RMSE [m]", "AbsRel", "δ<1.25", "edge MAE [m]", "smear"]
    head += ["in 1σ", "in 95 %", "ms"]
    print(f"\nScores, from the recording with {HOLDOUT} held out:")
    print(table(head, rows, right=range(3, len(head))))
    print("\n".join(["", *filter(None, verdicts)]))
    if live:
        head = ["recording", "live model", "images", "depth", "Hz", "median [ms]", "95 % [ms]", "drops"]
        print("\nLive, image to depth:")
        print(table(head, live, right=range(2, 7)))
    print()


def _seconds(recording: Path) -> float:
    with Recording(recording) as opened:
        if not opened.count:
            raise RecordingError(f"{recording}: holds no messages")
        return (opened.end - opened.start) * 1e-9
