"""Depth from one camera on real recordings and held-out worlds: one command, tables, CSV, pictures.

    python -m benchmarks.estimation --out out/estimation [--quick] [--docs]
    python -m benchmarks.estimation --models estimation-small estimation-small@mine.safetensors

Every method answers the same frames and is scored after each of four alignments (see estimation_evidence/scores.py);
references that do not look at the image, and completion with a few points, say what the figures are worth. Rows are
kept in results.csv as soon as they are there, under the method's version: a run that is cut short goes on where it
was. A recording that a training has seen is left out for what it trained.
"""

from __future__ import annotations

import argparse
import functools
import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch

from benchmarks.estimation_evidence import documents, methods, planes, scores
from benchmarks.estimation_evidence.rows import Row, cells_of, key_of
from benchmarks.estimation_evidence.sheet import Shown, draw
from benchmarks.estimation_evidence.tables import Figures
from benchmarks.evidence import held_out, latency
from benchmarks.evidence.rows import Store
from benchmarks.evidence.tables import WORLDS
from depth_perception.evaluation import real_data
from depth_perception.evaluation.machine import machine
from depth_perception.evaluation.real_data import RealFrame
from depth_perception.models import zoo

REPEATS = 5
PICTURED = ("kitchen", "hololens", "nyu", "kitti_drive", WORLDS)


def frames_of(recording: str, count: int) -> list[RealFrame]:
    """Return the frames of a real recording or of held-out worlds."""
    return held_out.load_frames(count) if recording == WORLDS else real_data.load_frames(recording, count)


def beside(frame: RealFrame) -> list[RealFrame]:
    """Return other frames of a frame's recording, none for worlds, which have nothing in common."""
    if frame.recording == WORLDS:
        return []
    return [f for f in _some_of(frame.recording) if f.name != frame.name][: methods.BESIDE]


@functools.lru_cache(maxsize=1)
def _some_of(recording: str) -> list[RealFrame]:
    return real_data.load_frames(recording, methods.BESIDE + 1)


def measure(frame: RealFrame, entries: Sequence[methods.Method], store: Store) -> None:
    """Score all ``entries`` on one frame, but what the store holds already."""
    wanted = [
        e
        for e in entries
        if (frame.recording, frame.name, e.name, e.version) not in store and not e.has_seen(frame.recording)
    ]
    if not wanted:
        return
    number = planes.planes(frame.truth)
    others = beside(frame) if any(not e.is_ours for e in wanted) else []
    for entry in wanted:
        if entry.name == methods.NEEDS_OTHERS and not others:
            continue
        try:
            answer = entry.predict(frame, others)
            figures = scores.score(answer.depth, frame, number, entry.is_metric, answer.given)
        except (ValueError, RuntimeError) as error:  # one broken method must not cost the figures of all others
            print(f"{entry.name} failed on {frame.recording} {frame.name}: {error}", file=sys.stderr)
            continue
        store.add([Row(frame.recording, frame.name, entry.name, entry.version, **figures)])


def times_of(entries: Sequence[methods.Method], frame: RealFrame) -> dict[str, float]:
    """Return the median milliseconds for one image of what looks at images."""
    found = {}
    for entry in entries:
        if entry.name in methods.REFERENCES:
            continue
        spent = []
        for _ in range(REPEATS + 1):
            start = time.perf_counter()
            entry.predict(frame, [])
            spent.append(1000 * (time.perf_counter() - start))
        found[entry.name] = float(np.median(spent[1:]))
    return found


def picture(frames: Sequence[RealFrame], entries: Sequence[methods.Method]) -> bytes | None:
    """Return the sheet of the first estimator on one frame of each recording, as JPEG; None without an estimator."""
    first = next((e for e in entries if e.is_ours), None)
    chosen = {f.recording: f for f in reversed(frames) if f.recording in PICTURED}
    if first is None or not chosen:
        return None
    shown = [Shown(chosen[n], first.predict(chosen[n], []).depth, first.name) for n in PICTURED if n in chosen]
    drawn = cv2.imdecode(np.frombuffer(draw(shown), np.uint8), cv2.IMREAD_COLOR)
    return cv2.imencode(".jpg", drawn, [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick:
        options.frames, options.worlds = 1, min(options.worlds, 2)
    torch.set_num_threads(options.threads)
    cv2.setNumThreads(options.threads)
    names = list(zoo.estimators()) if options.models is None else options.models
    if not names:
        print("no estimator ships; the references alone are scored. Name weights with --models NAME@FILE")
    try:
        entries = methods.load(names, options.completer)
        frames = _frames(options)
    except (ValueError, OSError, ImportError) as error:
        parser.error(str(error))
    store = Store(options.out / "results.csv", Row, key_of)
    for done, frame in enumerate(frames, 1):
        measure(frame, entries, store)
        print(f"\r{done} of {len(frames)} frames", end="", flush=True)
    print()
    timed = next((f for f in frames if f.image.shape[:2] == (480, 640)), None) or latency.stand_in()
    figures = Figures(cells_of(_chosen(store, entries, frames)), times_of(entries, timed), _how(frames))
    sheet = picture(frames, entries)
    text = documents.report(figures)
    (options.out / "estimation.md").write_text(text)
    if sheet is not None:
        (options.out / "estimation.jpg").write_bytes(sheet)
    print(text)
    print(f"written: {options.out}/estimation.md, results.csv{', estimation.jpg' if sheet else ''}")
    if options.docs:
        documents.publish(figures, sheet)
        print("updated docs/figures and docs/images; now run: python scripts/generate_docs.py")
    return 0


def _parser() -> argparse.ArgumentParser:
    known = [*real_data.recordings(), WORLDS]
    parser = argparse.ArgumentParser(prog="python -m benchmarks.estimation", description=__doc__.split("\n")[0])
    parser.add_argument("--models", nargs="*", help="estimators, NAME or NAME@FILE; default: all that ship")
    parser.add_argument("--recordings", nargs="+", default=known, choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument("--frames", type=int, default=4, help="frames of each recording, spread evenly over it")
    parser.add_argument("--worlds", type=int, default=8, help="frames of held-out worlds, 0 for none")
    parser.add_argument("--completer", default=zoo.names()[0], help="what a few points are given to")
    parser.add_argument("--quick", action="store_true", help="one frame of each recording, two worlds")
    parser.add_argument("--threads", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--out", type=Path, default=Path("out/estimation"), help="folder of results")
    parser.add_argument("--docs", action="store_true", help="keep the figures for the documents, too")
    return parser


def _frames(options: argparse.Namespace) -> list[RealFrame]:
    """Return all frames that are there; raises FileNotFoundError where none is."""
    found: list[RealFrame] = []
    real = [r for r in options.recordings if r != WORLDS]
    worlds = WORLDS in options.recordings and options.worlds > 0
    try:
        for recording in real:
            found += frames_of(recording, options.frames)
    except FileNotFoundError as error:
        if not worlds:
            raise
        print(f"without real recordings: {error}")
    return found + (frames_of(WORLDS, options.worlds) if worlds else [])


def _chosen(store: Store, entries: Sequence[methods.Method], frames: Sequence[RealFrame]) -> list[Row]:
    """Return the rows of this run among all that the store holds, in the order of methods and recordings."""
    keys = [(f.recording, f.name, e.name, e.version) for e in entries for f in frames]
    return [store.rows[key] for key in keys if key in store]


def _how(frames: Sequence[RealFrame]) -> str:
    """Say in a sentence what the figures were made with."""
    real = [f for f in frames if f.recording != WORLDS]
    info = machine()
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{len(real)} frames of {len({f.recording for f in real})} real recordings, {len(frames) - len(real)} of "
        f"held-out worlds; {info['Processor']}, {info['Cores']} cores{load}; ms for one image of 640x480."
    )


if __name__ == "__main__":
    raise SystemExit(main())
