"""One run of learning from recordings, step by step; every step keeps what it made, so the same command goes on.

The work folder holds ``frames/`` (and ``also/``), ``start.json``, ``budget.json``, ``config.yaml``, ``training/``,
``scores/``, the weights with their card, report.html and pictures.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch

from depth_perception.models import weights, zoo
from depth_perception.models.monocular import network_size
from depth_perception.models.weights import Weights
from training.datasets.recorded import RecordedSource, folders, frames_of, part
from training.datasets.windows import VideoWindows
from training.export import read_checkpoint
from training.learning import exporting, fitting, report, suitability
from training.learning.choice import EACH_ANOTHER_LOOK, ChoiceSettings
from training.learning.extraction import Extraction, ExtractionSettings, extract
from training.learning.fitting import Machine, Plan
from training.learning.frame_files import FrameFolder, Recorded, read_frame
from training.learning.interrupt import Asked
from training.learning.options import DEFAULTS, LearnOptions, bag_name
from training.learning.photometric import network_of, photometric_errors, task_of
from training.learning.report import ANOTHER, Comparison, Outcome, Source
from training.learning.running import estimator
from training.learning.scoring import Scores, asked, default_holdout, kept_scores, score
from training.learning.start import factor_from_points, factor_from_poses, moved_range

LATER = "later part"
_WIDTH = 320  # pixels across of frames that depth is learned from: a network that sees 128 wants no more
_LEAST = {"estimation": 4, "completion": 1}  # frames that check and that score
_USUAL_POINTS = 20
_POSED = 0.8  # share of frames whose place must be known
_PROBES = 24  # frames or windows that tell the factor


class Session:
    """Learns what ``options`` ask for; ``say`` prints a line, ``bar(label)`` gives a progress function."""

    def __init__(
        self,
        options: LearnOptions,
        say: Callable[[str], None] = print,
        bar: Callable[[str], Callable[[int, int], None]] | None = None,
    ):
        for bag in (*options.bags, *options.also):
            if not bag.exists():
                raise FileNotFoundError(f"{bag}: no such recording")
        names = [bag_name(bag) for bag in (*options.bags, *options.also)]
        if len(set(names)) < len(names):
            raise ValueError(f"recordings need different names, got {', '.join(names)}")
        self.options = options
        self.out = options.out
        self.say = say
        self.bar = bar or (lambda label: lambda done, total: None)
        self.names = names[: len(options.bags)]
        self.machine = Machine(_device(options.device), len(os.sched_getaffinity(0)))
        self.start, self.start_from = _start(options)
        self.posed = self.points = False
        self._claim()

    def run(self) -> Outcome:
        """Do all that is not done yet; return what the report tells.

        Raises UnsuitableError where nothing can be learned, and what reading recordings and training raises.
        """
        sources = self._extract_all()
        plan = self._plan(sources)
        config = self._config(plan)
        before = self._compare(self.start, plan, "before")
        made = fitting.fit(self.options.kind, config, self.out)
        after = self._export(plan, made, config["trainer"]["max_steps"])
        late = self._compare(after, plan, "after")
        comparisons = [
            Comparison(name, which, first, late[name][1], files)
            for name, (which, first, files) in before.items()
            if first.scored or not late[name][1].scored
        ]
        photometric = None
        if self.options.kind == "estimation" and not any(c.after.scored for c in comparisons if c.part == LATER):
            photometric = self._photometric(plan)
        outcome = Outcome(
            self.options.kind,
            self.start,
            after,
            comparisons,
            sources,
            photometric,
            self.options.command,
            self._facts(plan, made),
            [
                *report.warnings(self.options.kind, comparisons),
                *self._notices(sources, made, config["trainer"]["max_steps"]),
            ],
        )
        file = self._file()
        rows = [("taught by", self._taught())]
        text = exporting.card(after, file.stat().st_size, report.markdown(outcome), self.options.command, rows)
        weights.replace(file.with_suffix(".md"), text.encode())
        return outcome

    def write(self, outcome: Outcome) -> list[Path]:
        """Write the report; return what somebody may want to look at."""
        return [self._file(), *report.write_report(outcome, self.out, self._asked)]

    # steps, in their order

    def _extract_all(self) -> list[Source]:
        sources = []
        for bag in self.options.bags:
            found, folder = self._extract(bag, "frames")
            trained = len(part(len(folder.entries), "train", self.options.held_out, self._least()))
            sources.append(Source(found, folder.entries, trained))
        entries = [source.entries for source in sources]
        found_all = [source.found for source in sources]
        if self.options.kind == "estimation":
            self.posed = all(_share_posed(of) >= _POSED for of in entries)
            suitability.check_video(found_all, entries, self.posed)
            self.points = not self.options.video_only and any(_usual(of) >= _USUAL_POINTS for of in entries)
        else:
            suitability.check_points(found_all, entries)
            self.points = True
        for bag in self.options.also:
            self._extract(bag, "also")
        return sources

    def _extract(self, bag: Path, where: str) -> tuple[Extraction, FrameFolder]:
        options, name = self.options, bag_name(bag)
        completion = options.kind == "completion"
        settings = ExtractionSettings(
            topics=options.topics,
            choice=EACH_ANOTHER_LOOK if completion or where == "also" else ChoiceSettings(),
            rate=options.rate,
            frames=options.frames,
            width=0 if completion else max(_WIDTH, 2 * self.start.config.width),
            needs_points=completion,
        )
        folder = self.out / where / name
        found = extract(bag, folder, settings, self.bar(f"{name}: choosing frames"))
        frames = FrameFolder(folder)
        kept = (
            f"{found.considered} of {found.images} images looked at, {found.still} still, {len(frames.entries)} chosen"
        )
        places = f"poses in {found.world}" if found.world else "no poses"
        self.say(f"{name}: {kept}; {places}; measured depth: {found.source or 'none'}")
        return found, frames

    def _plan(self, sources: Sequence[Source]) -> Plan:
        options = self.options
        base = Plan(self.out / "frames", self.out, options.held_out, self._least(), self.posed, self.points)
        if options.kind == "completion":
            return base
        file = self.out / "start.json"
        if not file.is_file():
            weights.replace(file, json.dumps(self._found_start(base), indent=1).encode())
        start = json.loads(file.read_text())
        if start["factor"] != 1:
            self.say(f"one unit of {self.start.name}'s depth is {start['factor']:.3g} m here, told by {start['by']}")
        return Plan(base.frames, base.work, base.held_out, base.least, base.posed, base.points, tuple(start["ends"]))

    def _found_start(self, plan: Plan) -> dict[str, Any]:
        """Return the factor between the start's depth and metres, who told it, and the ends of depth with it."""
        nearest, farthest = self.start.config.nearest, self.start.config.farthest
        frames = exporting.check_frames(plan, "train")[:: max(1, len(folders(plan.frames)) * 4)] if self.points else []
        factor, by = 1.0, "nothing"
        curve: list[float] = []
        told = factor_from_points(estimator(self.start), frames) if frames else None
        if told is not None:
            factor, by = told, "points"
        elif self.posed:
            windows = self._windows(plan)
            count = min(_PROBES, len(windows))
            chosen = [windows[round(i * (len(windows) - 1) / max(count - 1, 1))] for i in range(count)]
            factor, curve = factor_from_poses(network_of(self.start), chosen)
            by = "known poses"
        return {"factor": factor, "by": by, "curve": curve, "ends": moved_range(nearest, farthest, factor, frames)}

    def _windows(self, plan: Plan, which: str = "train") -> VideoWindows:
        source = RecordedSource(str(plan.frames), plan.held_out, plan.least, plan.points, plan.posed)
        videos = source.part(which)
        size = network_size(videos[0][0].camera.shape, (self.start.config.height, self.start.config.width))
        return VideoWindows(videos, size, (-1, 1), seed=1)

    def _config(self, plan: Plan) -> dict[str, Any]:
        options = self.options
        if options.kind == "estimation":
            config = fitting.estimation_config(self.start, self.start_from, plan, self.machine)
        else:
            first = read_frame(frames_of(plan.frames, "train", plan.held_out, plan.least)[0])
            shape = first.camera.shape
            config = fitting.completion_config(self.start, self.start_from, plan, self.machine, shape)
        config = fitting.with_settings(config, options.settings)
        config["trainer"]["max_steps"] = self._steps(config, plan)
        if not options.steps:
            config["trainer"]["callbacks"][0]["init_args"] = {"seconds": 90.0 * options.minutes}
        self.say(f"learning for {config['trainer']['max_steps']} steps on {self.machine.device}")
        return config

    def _steps(self, config: dict[str, Any], plan: Plan) -> int:
        options, file = self.options, self.out / "budget.json"
        if options.steps:
            return options.steps
        if file.is_file() and (kept := json.loads(file.read_text()))["minutes"] == options.minutes:
            return int(kept["steps"])
        seconds = fitting.pace(options.kind, config, self.out)
        frames = len(frames_of(plan.frames, "train", plan.held_out, plan.least))
        steps = fitting.steps_within(60 * options.minutes, seconds, frames, config["data"]["batch_size"])
        budget = {"minutes": options.minutes, "steps": steps, "seconds_a_step": round(seconds, 4)}
        weights.replace(file, json.dumps(budget, indent=1).encode())
        return steps

    def _compare(self, found: Weights, plan: Plan, which: str) -> dict[str, tuple[str, Scores, dict[str, Path]]]:
        """Return for each recording what part of it was scored, the scores and its files."""
        stamp = self._fingerprint(found)
        out = {}
        jobs = [(folder, LATER, options_part(folder, self.options.held_out, self._least())) for folder in
                folders(self.out / "frames")]  # fmt: skip
        if self.options.also:
            jobs += [(f, ANOTHER, [f.path(e.name) for e in f.entries]) for f in folders(self.out / "also")]
        for folder, what, files in jobs:
            name = folder.folder.name
            holdout = None
            if self.options.kind == "completion":
                holdout = self.options.holdout or default_holdout(read_frame(files[0]))
            of = f"{stamp} {holdout} {len(files)}"
            progress = self.bar(f"{name}: scoring {which}")
            file = self.out / "scores" / f"{name}-{which}.json"
            scores = kept_scores(file, of, partial(score, found, files, holdout, progress))
            out[name] = (what, scores, {file.stem: file for file in files})
        return out

    def _export(self, plan: Plan, made: int, steps: int) -> Weights:
        file, note = self._file(), self.out / "exported.json"
        if file.is_file() and note.is_file() and json.loads(note.read_text()) == {"steps": made}:
            return weights.read(file)
        metric = self.options.kind == "completion" or plan.posed or plan.points
        about = {
            "recordings": self.names,
            "taught_by": self._taught(),
            "scale": "metric" if metric else "up_to_scale",
            "command": self.options.command,
            "started_from": f"{self.start.name} {self.start.version}",
            "planned_steps": steps,
        }
        version = exporting.version_of(self.start.version, self.names)
        found = exporting.learned(self.out / "training" / "last.ckpt", self.start, version, about, plan)
        exporting.write_all(found, file)
        weights.replace(note, json.dumps({"steps": made}).encode())
        return weights.read(file)

    def _photometric(self, plan: Plan) -> tuple[float, float, float, int] | None:
        task = task_of(self.out / "training" / "last.ckpt", self.out / "config.yaml")
        source = RecordedSource(str(plan.frames), plan.held_out, plan.least, False, plan.posed)
        videos = source.part("score")
        if not videos:
            return None
        size = network_size(videos[0][0].camera.shape, (self.start.config.height, self.start.config.width))
        found = photometric_errors(task, network_of(self.start), videos, size)
        return found if found[3] else None

    # what is said about it

    def _facts(self, plan: Plan, made: int) -> list[tuple[str, str]]:
        trained = len(frames_of(plan.frames, "train", plan.held_out, plan.least))
        return [
            ("Frames to learn from", str(trained)),
            ("Frames that score", str(len(frames_of(plan.frames, "score", plan.held_out, plan.least)))),
            ("Steps", str(made)),
            ("Taught by", self._taught()),
            ("Device", self.machine.device),
        ]

    def _taught(self) -> str:
        if self.options.kind == "completion":
            return "points held out from the input"
        parts = ["video", *(["known poses"] if self.posed else []), *(["measured points"] if self.points else [])]
        return ", ".join(parts)

    def _notices(self, sources: Sequence[Source], made: int, steps: int) -> list[str]:
        notices = []
        if made < steps:
            why = "on request" if Asked.stop else "when its time was over"
            notices.append(f"Stopped {why} after {made} of {steps} steps; the same command goes on from there.")
        notices += [
            f"{Path(s.found.recording).name}: stopped choosing at {len(s.entries)} frames (--frames)."
            for s in sources
            if s.found.full
        ]
        return notices

    def _asked(self, frame: Recorded) -> Any:
        if self.options.kind == "estimation":
            return asked(frame, None)
        return asked(frame, self.options.holdout or default_holdout(frame))

    def _file(self) -> Path:
        return self.out / f"{self.start.name}-{'-'.join(self.names)}.safetensors"

    def _least(self) -> int:
        return _LEAST[self.options.kind]

    def _fingerprint(self, found: Weights) -> str:
        digest = hashlib.sha256(json.dumps(found.header(), sort_keys=True).encode())
        for name in sorted(found.tensors):
            digest.update(found.tensors[name].tobytes())
        return digest.hexdigest()[:16]

    def _claim(self) -> None:
        """Say what the work folder is for; raises ValueError if it is for something else."""
        o = self.options
        about = {
            "kind": o.kind,
            "recordings": [str(bag.resolve()) for bag in o.bags],
            "start": self._fingerprint(self.start),
            "held_out": o.held_out,
            "video_only": o.video_only,
            "topics": asdict(o.topics),
        }
        file = self.out / "learn.json"
        if file.is_file():
            there = json.loads(file.read_text())
            for key, value in about.items():
                if there.get(key) != value:
                    raise ValueError(
                        f"{self.out} is a run with another {key.replace('_', ' ')} ({there.get(key)}, now {value}); "
                        "give another --out, or remove it"
                    )
        else:
            weights.replace(file, json.dumps(about, indent=1).encode())


def options_part(folder: FrameFolder, held_out: float, least: int) -> list[Path]:
    """Return the frames of a recording that score."""
    return [folder.path(folder.entries[i].name) for i in part(len(folder.entries), "score", held_out, least)]


def _start(options: LearnOptions) -> tuple[Weights, str]:
    """Return the weights learning starts from and the path that training is told."""
    text = options.start_from or DEFAULTS[options.kind]
    family = {"estimation": "monocular"}.get(options.kind)
    path = Path(text)
    if path.suffix == ".ckpt":
        found = read_checkpoint(path, DEFAULTS[options.kind], "0")
        if (found.family == "monocular") != (family == "monocular"):
            raise ValueError(f"{path} holds a network of family {found.family}, which is not for {options.kind}")
        return found, str(path)
    if path.suffix != ".safetensors":
        known = zoo.ESTIMATORS if family else zoo.LEARNED
        if text not in known:
            raise ValueError(f"--start-from {text}: neither a weight file nor one of {', '.join(known)}")
        path = zoo.weight_file(text)
        if not path.is_file():
            raise FileNotFoundError(f"no weights ship for {text} ({path}): give --start-from FILE.safetensors")
    found = weights.read(path, family)
    if family is None and found.family == "monocular":
        raise ValueError(f"{path} holds a network that estimates, which is not for completion")
    return found, str(path)


def _device(text: str) -> str:
    if text == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    if text.startswith("cuda") and not torch.cuda.is_available():
        raise ValueError(f"--device {text}: PyTorch sees no such GPU here")
    return text


def _share_posed(entries: Sequence[Any]) -> float:
    return sum(e.pose for e in entries) / len(entries) if entries else 0.0


def _usual(entries: Sequence[Any]) -> float:
    counts = sorted(e.points for e in entries)
    return counts[len(counts) // 2] if counts else 0
