"""Model cards: ``python -m training.card [NAME ...]`` writes docs/models/NAME.md for weights that ship.

What is said comes from the header of the weight file and from the figures that ``benchmarks.completion`` kept. The card
stands between markers as other generated parts do; what is written by hand around them stays.
"""

from __future__ import annotations

import argparse
import dataclasses
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from depth_perception.models import weights, zoo
from depth_perception.models.weights import WeightInfo

REPOSITORY = Path(__file__).resolve().parents[1]
FOLDER = REPOSITORY / "docs" / "models"
_PART = re.compile(r"(<!-- generated: card (?P<name>\S+) -->\n).*?(<!-- end -->)", re.DOTALL)

_USE = """\
Dense metric depth with a standard deviation for a robot that has one camera and any sensor of depth registered to it:
spinning or solid-state LiDAR, ToF, stereo, corner points of visual odometry with metric scale. The image and the
camera's calibration may be missing; answers are better with them. Not for anything where a wrong depth can hurt
somebody without a second, independent measurement."""

_LIMITS = """\
- Trained on worlds rendered by this repository alone, and on no recording: what no world shows it never saw.
- **Sky** has no depth and was never a target. Up there the answer is what is nearest below it, with a large deviation;
  `depth.max_relative_deviation` removes it.
- **Mirrors, glass and water**: rendered surfaces are opaque. A sensor that measures through or by way of them is
  believed.
- **Corner points** lie where there is texture. On bare walls far from all of them the answer is a guess from the image,
  and its error is the largest of all patterns in the table.
- Points farther than 100 m were not part of training; neither were images of fisheye lenses that are not undistorted.
- The deviation is calibrated on held-out rendered worlds. On recordings of another kind its intervals may hold more or
  less than they promise; the table says how much in those measured."""

_ESTIMATOR_USE = """\
Dense depth with a standard deviation for a robot that has one camera and nothing else, or whose other sensors went
silent. Unless the table says metric, depth is right up to one factor, which the node finds while it runs from points,
odometry or the floor. Not for anything where a wrong depth can hurt somebody without a second, independent
measurement."""

_ESTIMATOR_LIMITS = """\
- Trained on video rendered by this repository alone, and on no recording: what no world shows it never saw. Training on
  your own recording is what changes that.
- **The factor** differs from place to place and from camera to camera; a depth in metres is only as good as what found
  the factor.
- **Sky, mirrors, glass and water**: there is no right answer for the first and no video to learn the others from.
- **Bare walls** are told from their edges alone; the deviation is larger there, and the middle of a wall may bulge.
- **Things that move with the camera** look infinitely far to whoever learns from video; pixels that do not change are
  left out of training, those that move otherwise are not.
- Images of fisheye lenses must be undistorted first, and a very different angle of view than that of training (45 to 90
  degrees) bends depth.
- The deviation is calibrated on held-out rendered video after each image was scaled to its truth: it does not know how
  sure the factor is."""

_METHODS = {
    "monocular": (
        "Cheng et al., GAM-Depth: depth from video with a gradient-aware mask and semantics from proxy labels; encoder "
        "and depth decoder are what runs. Written anew from the paper."
    ),
    "refiner": "A small U-Net that chooses, cell by cell, among the surfaces a weight-free completer offers.",
    "jarrn": (
        "Chen et al., JARRN: a visual branch and a refining branch that never sees colour, joined by scale, offset and "
        "probability per pixel. Written anew from the paper."
    ),
    "clude": (
        "CluDe: depth centres clustered by a transformer from colour and points, translated per pixel. Written anew "
        "from the paper."
    ),
}


def card(name: str, file: Path | None = None) -> str:
    """Return the card of shipped weights, or of those in ``file``, as markdown; raises as ``weights.inspect``."""
    info = weights.inspect(file or zoo.weight_file(name))
    known = {**zoo.LEARNED, **zoo.ESTIMATORS}
    estimates = name in zoo.ESTIMATORS or info.family == "monocular"
    summary = known[name][1] if name in known else f"Learned {'estimation' if estimates else 'completion'}"
    parts = [
        f"# {name}",
        f"{summary}. {_METHODS.get(info.family, '')}".strip(),
        _table([("", ""), *facts(info)]),
        "## Made by",
        f"```bash\nmake weights WEIGHTS={name}\n```",
        _made(info.training),
        "## Meant for",
        _ESTIMATOR_USE if estimates else _USE,
        "## Figures",
        figures(name),
        "## Limits",
        _ESTIMATOR_LIMITS if estimates else _LIMITS,
        "## Licence",
        "Apache-2.0, as the code. Nothing but this repository's own renderings went into it.",
    ]
    return "\n\n".join(parts)


def facts(info: WeightInfo) -> list[tuple[str, str]]:
    """Return what the header says, name and value each."""
    made = info.training
    config = dataclasses.asdict(info.config)
    settings = ", ".join(f"{k} {v}" for k, v in config.items() if v != getattr(type(info.config)(), k))
    found = [
        ("file", f"`{info.name}.safetensors`, {info.size / 1e6:.2f} MB"),
        ("version", info.version),
        ("parameters", f"{info.parameters:,}"),
        ("family", f"`{info.family}`: {settings or 'default settings'}"),
        ("scale", str(made.get("scale", "")).replace("_", " ")),
        ("data", _data(made)),
        ("training", _training(made)),
        ("machine", str(made.get("machine", ""))),
        ("precision", str(made.get("precision", ""))),
        ("software", ", ".join(f"{k} {made[k]}" for k in ("torch", "lightning") if k in made)),
        ("deviation", _deviation(info)),
    ]
    return [(key, value) for key, value in found if value]


def figures(name: str) -> str:
    """Return the kept benchmark figures of one model, medians over the real recordings, and of held-out worlds."""
    from benchmarks.evidence import documents, marks
    from benchmarks.evidence.tables import number, percent, table

    kept = documents.published()
    if name not in kept.methods:
        return "Not measured yet."
    found = marks.ratios(kept.cells, name, kept.peers, kept.recordings, kept.patterns)
    body = []
    for pattern in kept.patterns:
        if not kept.seen(pattern, kept.recordings):
            continue
        over = [found[r, pattern][0] for r in kept.recordings if (r, pattern) in found]
        get = [kept.median(name, pattern, figure, kept.recordings) for figure in ("mae", "abs_rel", "smear_rate")]
        held = [kept.median(name, pattern, figure, kept.recordings) for figure in ("within_1", "within_95")]
        world = kept.median(name, pattern, "mae", kept.worlds) if kept.worlds else np.nan
        ratio = float(np.median(over)) if over else np.nan
        mean, share, smear = (number(get[0]), number(get[1]), percent(get[2]))
        body.append([pattern, mean, share, smear, number(ratio, 2), *(percent(x) for x in held), number(world)])
    head = ["points", "MAE [m]", "AbsRel", "smear", "MAE / best peer", "in 1σ", "in 95 %", "worlds, MAE [m]"]
    times = ", ".join(f"{ms:.1f} ms with `{p}`" for p, ms in kept.times.get(name, {}).items())
    lines = [
        "Printed by `python -m benchmarks.completion --docs`, medians over the real recordings.",
        kept.how,
        table(head, body),
    ]
    return "\n\n".join([*lines, f"640x480 pixels: {times}."] if times else lines)


def write(name: str, folder: Path = FOLDER) -> Path:
    """Write or renew the card of shipped weights and return its file; what stands around the markers is kept."""
    file = folder / f"{name}.md"
    made = f"<!-- generated: card {name} -->\n{card(name)}\n<!-- end -->"
    text = file.read_text() if file.is_file() else ""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(_PART.sub(lambda _: made, text) if _PART.search(text) else f"{made}\n")
    return file


def shipped() -> list[str]:
    """Return the names of the weights that ship."""
    return [name for name in (*zoo.LEARNED, *zoo.ESTIMATORS) if zoo.weight_file(name).is_file()]


def _data(made: dict[str, Any]) -> str:
    samples = f"; {made['samples']:,} samples drawn from them" if "samples" in made else ""
    if "videos" in made:
        before = "single frames and " if any("train_geometry" in command for command in made.get("earlier", ())) else ""
        return f"{before}{made['videos']:,} videos of `training.synthetic.sequences`{samples}"
    if "frames" not in made:
        return ""
    return f"{made['frames']:,} frames of `training.synthetic.frames`{samples}"


def _training(made: dict[str, Any]) -> str:
    if "seconds" not in made:
        return ""
    minutes = made["seconds"] / 60
    spent = f"{minutes / 60:.1f} hours" if minutes > 90 else f"{minutes:.0f} minutes"
    if "started_from" in made:
        return f"{spent} in all; the last {made.get('steps', 0):,} steps went on from `{_short(made['started_from'])}`"
    return f"{made.get('steps', 0):,} steps in {spent}"


def _short(path: str) -> str:
    return "/".join(Path(path).parts[-2:]) if path.endswith(".ckpt") else Path(path).name  # all are called last.ckpt


def _deviation(info: WeightInfo) -> str:
    if info.calibration is None:
        return "not calibrated"
    check = info.training.get("calibration", {})
    text = f"the 95 % interval reaches {info.calibration.wide:.2f} deviations to either side"
    if "within_68" in check:
        text += (
            f"; calibrated on half of {check['frames']} held-out rendered frames, of the other half's pixels "
            f"{check['within_68']:.1%} lie in the 68 % interval and {check['within_95']:.1%} in the 95 % one"
        )
    return text


def _made(made: dict[str, Any]) -> str:
    commands = [*made.get("earlier", ()), *([made["command"]] if made.get("command") else [])]
    said = "The run itself was\n\n```bash\n" + "\n".join(commands) + "\n```\n\n" if commands else ""
    if "videos" in made or "offsets" in made:
        how = "`training.export_estimation`; see [training](../training_estimation.md)."
    else:
        how = "`training.export`; see [training](../training.md)."
    return f"{said}then calibrated and written by {how}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    lines = [f"| {key} | {value} |" for key, value in rows]
    return "\n".join([lines[0], "| --- | --- |", *lines[1:]])


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m training.card", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="weights that ship (default: all)")
    options = parser.parse_args(arguments)
    for name in options.names or shipped():
        if name not in shipped():
            parser.error(f"no weights of that name ship: {name!r} (there are {', '.join(shipped()) or 'none'})")
        print(write(name))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
