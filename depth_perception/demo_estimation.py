"""Floor 6: the second part of the demo, depth from the camera alone on the recordings that were played.

It is scored offline, by the objects of the estimation node, from the same recording: points that are not held out and
the recording's own odometry tell the scale. Nothing happens where no estimator ships or none can run.
"""

from __future__ import annotations

import math
from pathlib import Path

from depth_perception.evaluation.evaluator import EvaluationSettings, evaluate
from depth_perception.evaluation.holdout import Holdout
from depth_perception.evaluation.report import format_figure, write_report
from depth_perception.evaluation.results import EvaluationResult
from depth_perception.evaluation.scales import summary
from depth_perception.evaluation.summary import table
from depth_perception.evaluation.tasks import ESTIMATION
from depth_perception.models import zoo
from depth_perception.pipelines.model_selection import EstimatorChoice

HEAD = ("recording", "model", "against", "AbsRel", "δ<1.25", "RMSE [m]", "AbsRel, median aligned", "in metres",
        "told last by", "scale off", "ms")  # fmt: skip


def chosen(backend: str = "auto", device: str = "auto") -> EstimatorChoice | None:
    """Return the first estimator that ships and can run here; None if there is none."""
    choices = (EstimatorChoice(name, backend, device) for name in zoo.estimators())
    return next((choice for choice in choices if not choice.problem()), None)


def run(recording: Path, out: Path, choice: EstimatorChoice, holdout: str, fixed_frame: str) -> EvaluationResult:
    """Estimate depth of every second frame of a recording, write its report into ``out`` and return what was found."""
    result = evaluate(
        EvaluationSettings(
            recording,
            models=(choice.name,),
            holdout=Holdout.parse(holdout),
            parameters={
                "model": choice.name,
                "backend": choice.backend,
                "device": choice.device,
                "transform.fixed_frame": fixed_frame,
            },
            every=2,  # half of the frames say as much in half of the time
            examples=1,
            task=ESTIMATION,
        )
    )
    write_report(result, out)
    return result


def rows(recording: str, result: EvaluationResult) -> list[list[str]]:
    """Return one table row per target."""
    found = []
    for (model, target), total in result.totals.items():
        figures, scale = total.figures(), summary(result.scales[model])
        seconds = sorted(result.latency[model]["estimate"])
        told = ", ".join(f"{source} {count}" for source, count in scale["sources"].items()) or "nothing"
        cells = [format_figure(key, figures[key]) for key in ("abs_rel", "delta1", "rmse")]
        cells += [format_figure("abs_rel", scale["aligned"]) if target == result.targets()[0] else "–"]
        cells += [_percent(scale["metric"]), told, _percent(scale["off"]), f"{1e3 * seconds[len(seconds) // 2]:.0f}"]
        found.append([recording, model, target, *cells])
    return found


def text(found: list[list[str]], holdout: str) -> str:
    """Return the table under its title."""
    title = f"Depth from the camera alone; {holdout} held out, all other points and odometry tell the scale:"
    return f"{title}\n{table(HEAD, found, right=(3, 4, 5, 6, 7, 9, 10))}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %" if math.isfinite(share) else "–"
