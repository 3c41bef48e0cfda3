"""Training on a recording: the configuration that is written for it, how many steps fit the time, and the run itself.

The run is that of training.train and training.train_estimation; ``config.yaml`` in the work folder holds every setting,
and any of them can be given as OPTION=VALUE.
"""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import logging
import math
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import yaml

from depth_perception.models import weights
from depth_perception.models.weights import Weights
from training.datasets.recorded import RecordedData
from training.datasets.video_data import VideoData
from training.learning.interrupt import Pace, gentle
from training.tasks.completion import CompletionTask
from training.tasks.monocular import MonocularTask
from training.train import TrainingCLI, run
from training.train_estimation import EstimationCLI

CONFIGS = Path(__file__).resolve().parents[1] / "configs"
PROBE = 8  # steps that tell how long one takes
PASSES = 400  # most samples drawn of each frame
LEAST_STEPS = 20
_GRID = (80, 112)  # cells of the refiner's grid in one sample, as its own training has them


@dataclass(frozen=True)
class Machine:
    """Where to train: ``device`` is cpu or cuda; more threads and workers where there are more cores."""

    device: str
    cores: int

    @property
    def workers(self) -> int:
        """Processes that prepare samples."""
        return 0 if self.cores < 2 else min(self.cores - 1, 8 if self.device == "cuda" else 1)

    @property
    def threads(self) -> int:
        """CPU threads of the network."""
        return max(1, min(self.cores - self.workers, 8))

    @property
    def batch(self) -> int:
        """Samples of a step."""
        return 16 if self.device == "cuda" else 8


@dataclass(frozen=True)
class Plan:
    """What is learned from: ``frames`` folder of recordings, ``work`` folder, ``posed``, ``points``: used or not.

    ``ends``: nearest and farthest depth the network can tell; ``held_out`` share; ``least`` frames that check.
    """

    frames: Path
    work: Path
    held_out: float
    least: int
    posed: bool = False
    points: bool = False
    ends: tuple[float, float] = (0.1, 10.0)


def estimation_config(start: Weights, start_from: str, plan: Plan, machine: Machine) -> dict[str, Any]:
    """Return the configuration that learns depth from video, starting from ``start_from``."""
    config = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(start.config).items()}
    config["nearest"], config["farthest"] = plan.ends
    taught: dict[str, Any] = {
        "mask": {"class_path": "training.losses.gradient_mask.GradientMask", "init_args": {"percentile": 97}},
        "deviation_from": "depth" if plan.points else "photometric",
    }
    if plan.points:
        taught |= {"known": 0.5, "supervision": {"class_path": "training.losses.measured.MetricLogError"}}
    source = {"folder": str(plan.frames), "held_out": plan.held_out, "least": plan.least}
    found = _common(plan, machine)
    found["model"] = {
        "criterion": {"class_path": "training.losses.monocular.GamDepthCriterion", "init_args": taught},
        "config": config,
        "offsets": [-1, 1],
        "known_poses": plan.posed,
        "learning_rate": 3e-4,
        "warmup": 20,
        "average": 0.99,
        "start_from": start_from,
        # pose networks are no part of a weight file: they learn first, so that depth is not spoiled by their guesses
        "settle": 0 if plan.posed or start_from.endswith(".ckpt") else 200,
    }
    found["data"] |= {
        "source": {
            "class_path": "training.datasets.recorded.RecordedSource",
            "init_args": source | {"points": plan.points, "posed": plan.posed},
        },
        "stride": 1,
        "validation": 32,
    }
    return found


def completion_config(
    start: Weights, start_from: str, plan: Plan, machine: Machine, shape: tuple[int, int]
) -> dict[str, Any]:
    """Return the configuration that learns completion from a recording's own points in images of ``shape``."""
    shipped = yaml.safe_load((CONFIGS / f"{_configured(start)}.yaml").read_text())
    values = {k: list(v) if isinstance(v, tuple) else v for k, v in dataclasses.asdict(start.config).items()}
    crop, overrides = list(shipped["data"].get("crop", (224, 320))), shipped["data"].get("overrides") or {}
    if start.family == "refiner":
        step = math.ceil(math.sqrt(shape[0] * shape[1] / start.config.cells))  # what the robot will use for this camera
        multiple = 1 << (len(start.config.widths) - 1)
        cells = [min(cell, side // step // multiple * multiple) for cell, side in zip(_GRID, shape)]
        if min(cells) < multiple:
            raise ValueError(f"images of {shape[1]} x {shape[0]} pixels are too small to cut samples from")
        crop, overrides = [step * cell for cell in cells], {"step": step, "dense": 0}
    found = _common(plan, machine)
    found["model"] = {
        "family": start.family,
        "criterion": shipped["model"]["criterion"],
        "config": values,
        "learning_rate": 3e-4,
        "warmup": 20,
        "average": 0.99,
        "start_from": start_from,
    }
    found["data"] |= {
        "folder": str(plan.frames),
        "held_out": plan.held_out,
        "least": plan.least,
        "overrides": overrides,
        "crop": [min(a, b) for a, b in zip(crop, shape)],
        "scan": {"class_path": "training.datasets.recorded.GivenShare"},
        # camera and points of a recording belong together as they are
        "augmentation": {"misaligned": 0.0},
        "validation": 16,
    }
    return found


def _configured(start: Weights) -> str:
    return start.name if (CONFIGS / f"{start.name}.yaml").is_file() else {"refiner": "completion-small"}[start.family]


def _common(plan: Plan, machine: Machine) -> dict[str, Any]:
    work = str(plan.work / "training")
    callbacks = [
        {"class_path": "training.learning.interrupt.StopWhenAsked"},
        {
            "class_path": "lightning.pytorch.callbacks.ModelCheckpoint",
            "init_args": {"save_last": True, "save_top_k": 0, "every_n_train_steps": 25, "dirpath": work},
        },
    ]
    return {
        "seed_everything": 1,
        "threads": machine.threads,
        "trainer": {
            "max_epochs": -1,
            "max_steps": LEAST_STEPS,
            "precision": "bf16-mixed",
            "accelerator": "gpu" if machine.device.startswith("cuda") else "cpu",
            "devices": 1,
            "log_every_n_steps": 10,
            "gradient_clip_val": 1.0,
            "reload_dataloaders_every_n_epochs": 1,
            "enable_model_summary": False,
            "default_root_dir": work,
            "callbacks": callbacks,
        },
        "data": {"batch_size": machine.batch, "workers": machine.workers, "epoch": 50 * machine.batch},
    }


def with_settings(config: dict[str, Any], settings: Sequence[str]) -> dict[str, Any]:
    """Return ``config`` with OPTION=VALUE texts such as model.learning_rate=1e-4 put in; values are read as YAML.

    Raises ValueError for a text without '=' or a part of a path that is a value.
    """
    out = copy.deepcopy(config)
    for text in settings:
        name, mark, value = text.partition("=")
        place, (*parents, last) = out, name.removeprefix("--").split(".")
        for parent in parents:
            place = place.setdefault(parent, {}) if isinstance(place, dict) else None
        if not mark or not isinstance(place, dict):
            raise ValueError(f"--set {text}: expected OPTION=VALUE, for instance model.learning_rate=1e-4")
        place[last] = _value(value)
    return out


def _value(text: str) -> Any:
    """Read YAML, and 1e-4 as the number that people mean by it."""
    found = yaml.safe_load(text)
    if isinstance(found, str):
        with contextlib.suppress(ValueError):
            return float(found)
    return found


def pace(kind: str, config: dict[str, Any], folder: Path) -> float:
    """Return how many seconds a step takes here, by trying some."""
    trial = copy.deepcopy(config)
    trial["trainer"] |= {
        "max_steps": PROBE,
        "limit_val_batches": 0,
        "num_sanity_val_steps": 0,
        "enable_progress_bar": False,
        "logger": False,
        "enable_checkpointing": False,
        "callbacks": [{"class_path": "training.learning.interrupt.Pace"}],
    }
    _run(kind, trial, folder / "pace.yaml", [])
    times = sorted(Pace.seconds[2:])
    return times[len(times) // 2]


def steps_within(seconds: float, step: float, frames: int, batch: int) -> int:
    """Return how many steps of ``step`` seconds fit, and no more than let every frame be seen PASSES times."""
    return max(LEAST_STEPS, min(int(seconds / step), PASSES * frames // batch))


def fit(kind: str, config: dict[str, Any], folder: Path) -> int:
    """Train to ``trainer.max_steps``, or go on with what was begun in ``folder``; return the steps made in all.

    SIGINT ends it after the step it is in. Raises RuntimeError if not one step was made.
    """
    last = folder / "training" / "last.ckpt"
    if steps_made(last) < config["trainer"]["max_steps"]:
        arguments = ["--ckpt_path", str(last)] if last.is_file() else []
        with gentle():
            _run(kind, config, folder / "config.yaml", arguments)
    made = steps_made(last)
    if not made:
        raise RuntimeError(f"training ended before its first step; the same command goes on in {folder}")
    return made


def steps_made(checkpoint: Path) -> int:
    """Return how many steps a checkpoint has behind it, 0 if there is none."""
    if not checkpoint.is_file():
        return 0
    return int(torch.load(checkpoint, map_location="cpu", weights_only=False)["global_step"])


def _run(kind: str, config: dict[str, Any], file: Path, arguments: Sequence[str]) -> None:
    weights.replace(file, yaml.safe_dump(config, sort_keys=False).encode())
    words = ["fit", "--config", str(file), *arguments]
    logging.getLogger("lightning.pytorch").setLevel(logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Lightning's advice on loaders and logging
        if kind == "estimation":
            run(EstimationCLI, MonocularTask, VideoData, "training.train_estimation", words)
        else:
            run(TrainingCLI, CompletionTask, RecordedData, "training.learning.fitting", words)
