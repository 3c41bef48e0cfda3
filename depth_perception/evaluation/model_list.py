"""The text of ``depth_perception models``: every model with what it needs, and what can run learned ones here."""

from __future__ import annotations

from depth_perception.evaluation.model_choice import PREFIX, peer_options
from depth_perception.evaluation.summary import table
from depth_perception.models import backends, zoo
from depth_perception.pipelines.model_selection import ESTIMATORS, MODELS, EstimatorChoice, ModelChoice

_HEAD = ["model", "version", "scale", "parameters", "size", "what it is"]


def model_list() -> str:
    """Return a table of models for completion and estimation, the peers to compare with, and the backends."""
    rows = [_row(ModelChoice(name)) for name in MODELS] + [_row(EstimatorChoice(name)) for name in ESTIMATORS]
    for family, sets in peer_options().items():
        choices = f" with options {' | '.join(sets)}" if sets[0] else ""
        rows.append([PREFIX + family, "", "metric", "", "", f"published, to compare with in evaluate{choices}"])
    default = zoo.names()[0]
    lines = [table(_HEAD, rows, right=(3, 4)), "", f"default: {default}", "backends of learned models:"]
    lines += [f"  {backend:9} {backends.why_not(backend) or 'installed'}" for backend in backends.BACKENDS[1:]]
    return "\n".join(lines)


def _row(choice: ModelChoice) -> list[str]:
    name, kind = choice.name, "" if choice.kind == "estimation" else "metric"
    if name not in choice.available():
        return [name, "", kind, "", "", "its weights did not come with this installation"]
    problem = choice.problem()
    try:
        about = zoo.describe(name)
    except (ValueError, OSError, ImportError):  # the problem says it
        return [name, "", kind, "", "", problem]
    if not about.family:
        return [name, about.version, about.scale, "", "no weights", about.summary]
    summary = about.summary if not problem else f"{about.summary}; {problem}"
    return [name, about.version, about.scale, _count(about.parameters), f"{about.size / 1e6:.1f} MB", summary]


def _count(parameters: int) -> str:
    return f"{parameters / 1e6:.1f} M" if parameters >= 1e6 else f"{parameters / 1e3:.0f} k"
