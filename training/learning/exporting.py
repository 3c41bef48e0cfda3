"""What was learned as a weight file that the nodes take, calibrated, and its card, which says where it is from."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from depth_perception.models import onnx_graphs, weights
from depth_perception.models.weights import WeightInfo, Weights
from training import calibrate, calibrate_estimation
from training.card import facts
from training.datasets.recorded import GivenShare, RecordedSource, frames_of
from training.datasets.video import VideoFrame, spread
from training.export import as_stored, read_checkpoint
from training.learning.fitting import Plan
from training.learning.running import completer, estimator
from training.learning.scoring import mean_error

_FRAMES = 100  # that are calibrated on
_DRAWS = 4  # shares of the points of each
_SEEN = 2_000  # errors below which the start's calibration is the better one


def version_of(start: str, recordings: Sequence[str]) -> str:
    """Return a version that names what the weights were taken further with, such as 2+kitchen."""
    return "+".join([start, *dict.fromkeys(recordings)])


def check_frames(plan: Plan, which: str = "check") -> list[VideoFrame]:
    """Return frames of one part with what was measured in them, evenly spread."""
    source = RecordedSource(str(plan.frames), plan.held_out, plan.least)
    return spread(source.part(which), _FRAMES)


def learned(checkpoint: Path, start: Weights, version: str, about: Mapping[str, Any], plan: Plan) -> Weights:
    """Return the weights of a checkpoint of ``training.learning``, calibrated on the frames that check.

    ``about`` goes into the header. Where too little was measured in those frames, the calibration that learning
    started with is kept, and the header says so.
    """
    found = as_stored(read_checkpoint(checkpoint, start.name, version))
    if start.family == "monocular":
        calibration, how = _calibrated_estimator(found, start, plan)
    else:
        found = dataclasses.replace(found, config=_asked_when(found, plan))
        calibration, how = _calibrated_completer(found, start, plan)
    training = {**found.training, **about, "calibrated_on": how}
    return dataclasses.replace(found, calibration=calibration, training=training)


def _calibrated_estimator(found: Weights, start: Weights, plan: Plan) -> tuple[Any, str]:
    try:
        errors = calibrate_estimation.collect(estimator(found), check_frames(plan))
    except ValueError:
        return start.calibration, "nothing of the recording: as the weights it started from"
    if len(errors.error) < _SEEN:
        return start.calibration, f"nothing of the recording, for want of points ({len(errors.error)}): as it was"
    return calibrate_estimation.calibrate(errors), f"{len(errors.error)} points of the recording's frames that check"


def _calibrated_completer(found: Weights, start: Weights, plan: Plan) -> tuple[Any, str]:
    files = frames_of(plan.frames, "check", plan.held_out, plan.least)[:_FRAMES]
    try:
        errors = calibrate.collect(completer(found), files * _DRAWS, scan=GivenShare())
    except ValueError:
        return start.calibration, "nothing of the recording: as the weights it started from"
    if len(errors.error) < _SEEN:
        return start.calibration, f"nothing of the recording, for want of points ({len(errors.error)}): as it was"
    return calibrate.fit(errors), f"{len(errors.error)} points of the recording's frames that check"


def _asked_when(found: Weights, plan: Plan) -> Any:
    """Return the configuration with the limit of density that serves the frames that check best.

    Where points are dense the network is not asked, as it was no better than its surface model on rendered worlds;
    after learning from this very sensor it may be.
    """
    if not getattr(found.config, "dense", 0):
        return found.config
    files = frames_of(plan.frames, "check", plan.held_out, plan.least)[:_FRAMES]
    always = dataclasses.replace(found.config, dense=0.0)
    errors = [mean_error(dataclasses.replace(found, config=config), files) for config in (found.config, always)]
    return always if errors[1] < errors[0] else found.config


def write_all(found: Weights, file: Path) -> None:
    """Write the graph for ONNX Runtime and then the weight file: where that is, all is there."""
    onnx_graphs.export(found, file.parent)
    weights.write(found, file)


def card(found: Weights, size: int, table: str, command: str, rows: Sequence[tuple[str, str]]) -> str:
    """Return the card as markdown: what was learned from, the figures before and after, and how to use it."""
    shapes = found.shapes
    info = WeightInfo(
        Path(f"{found.name}.safetensors"),
        found.family,
        found.name,
        found.version,
        found.config,
        found.calibration,
        found.training,
        shapes,
        size,
    )
    lines = [f"| {key} | {value} |" for key, value in [("", ""), *facts(info), *rows]]
    node = "estimation" if found.family == "monocular" else "completion"
    head = "\n".join([lines[0], "| --- | --- |", *lines[1:]])
    return "\n\n".join(
        [
            f"# {found.name}, learned from {', '.join(found.training.get('recordings', []))}",
            head,
            "## Figures",
            table,
            "## Use",
            f"```bash\nros2 launch depth_perception {node}.launch.py model:={found.name} model_file:=FILE\n```",
            "## Made by",
            f"```bash\n{command}\n```",
            "These weights know one recording's camera and places best. Whether they are better elsewhere only figures "
            "of another recording can say.",
            "",
        ]
    )
