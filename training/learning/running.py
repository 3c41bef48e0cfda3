"""Weights as something that answers, in torch: on a GPU where there is one."""

from __future__ import annotations

from depth_perception.models import backends, families
from depth_perception.models.estimator import LearnedEstimator
from depth_perception.models.learned import LearnedCompleter
from depth_perception.models.weights import Weights


def estimator(found: Weights) -> LearnedEstimator:
    """Return an estimator that runs these weights."""
    run = backends.make_runner(found, "torch")
    method = families.method(found.family, found.config)
    return LearnedEstimator(found.name, found.version, method, run, found.calibration)


def completer(found: Weights) -> LearnedCompleter:
    """Return a completer that runs these weights."""
    run = backends.make_runner(found, "torch")
    method = families.method(found.family, found.config)
    return LearnedCompleter(found.name, found.version, method, run, found.calibration)
