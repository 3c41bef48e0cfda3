"""Completers against well-known methods on real recordings and held-out worlds: one command, tables, CSV, a plot.

    python -m benchmarks.completion --out out/completion

Every method gets the same seeded points and is scored on the measured pixels it was not given. Families of peers with
options are granted their best option set in every single cell of the tables, chosen by the score itself; our completers
run as they ship. Where a peer answers nothing, the nearest point is scored. Every figure is kept in results.csv as
soon as it is there, under the method's version: a run that is cut short goes on where it was, and only what is new
is measured. Times are taken afresh at the end of each run, on one frame, as medians from arrays to result.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path
from typing import NamedTuple

import cv2

from benchmarks.evidence import documents, held_out, latency, marks, methods, plot, scoring
from benchmarks.evidence.rows import Cells, Key, Row, Store, best_cells
from benchmarks.evidence.tables import WORLDS, Figures
from depth_perception.evaluation import patterns, real_data
from depth_perception.evaluation.machine import machine
from depth_perception.models import zoo

THINNED = ("64-40", "16-40", "8-40", "5%-40", "500-40")
SPOILED = (
    *("500+noisy", "500+outliers", "500+outliers10", "500+shift", "8+outliers"),
    *("64+outliers", "64+outliers10", "64+shift2", "64+shift", "64+shift8"),
)
DEFAULT = (*patterns.CLEAN_PATTERNS, *THINNED, *SPOILED)
WORLD_PATTERNS = (*patterns.CLEAN_PATTERNS, *(p for p in marks.PATTERNS if "+" in p))
FULL = (*patterns.CLEAN_PATTERNS, *(f"{p}{c}" for p in patterns.CLEAN_PATTERNS for c in (
    patterns.THINNED, *(f"+{name}" for name in patterns.CORRUPTIONS))))  # fmt: skip


class Job(NamedTuple):
    """One pattern on frame ``number`` of the ``frames`` frames taken from a recording."""

    recording: str
    frames: int
    number: int
    pattern: str


@functools.cache
def frames_of(recording: str, count: int) -> list[real_data.RealFrame]:
    """Return the frames of a real recording or of held-out worlds."""
    return held_out.load_frames(count) if recording == WORLDS else real_data.load_frames(recording, count)


@functools.cache
def entries_of(names: tuple[str, ...]) -> list[methods.Entry]:
    """Return the loaded methods, once per process."""
    return methods.load(names)


def plan(recordings: Sequence[str], names: Sequence[str], frames: int, worlds: int) -> list[Job]:
    """Return all jobs, one frame of every recording first: a run cut short has seen everything once."""
    jobs = []
    for recording in recordings:
        count = worlds if recording == WORLDS else frames
        wanted = [p for p in names if recording != WORLDS or p in WORLD_PATTERNS]
        jobs += [Job(recording, count, i, p) for i in range(len(frames_of(recording, count))) for p in wanted]
    return sorted(jobs, key=lambda job: job.number)


def run_job(job: Job, names: tuple[str, ...], known: frozenset[Key]) -> list[Row]:
    """Measure one job; rows that are known are left out."""
    frame = frames_of(job.recording, job.frames)[job.number]
    return scoring.measure(frame, job.number, job.pattern, entries_of(names), known)


def _one_thread() -> None:
    cv2.setNumThreads(1)
    os.environ["OMP_NUM_THREADS"] = "1"


def run(jobs: Sequence[Job], names: tuple[str, ...], store: Store, processes: int = 1) -> None:
    """Measure what the store does not hold yet."""
    known: dict[tuple[str, int, str], set[Key]] = {}  # only what concerns a job travels to the process that does it
    for key in store.rows:
        known.setdefault((key[0], key[2], key[3]), set()).add(key)
    tasks = [(job, names, frozenset(known.get((job.recording, job.number, job.pattern), ()))) for job in jobs]
    for done, rows in enumerate(_results(tasks, processes), 1):
        store.add(rows)
        if done % 20 == 0 or done == len(jobs):
            print(f"{done} of {len(jobs)}", flush=True)


def _results(tasks: Sequence[tuple[Job, tuple[str, ...], frozenset[Key]]], processes: int) -> Iterator[list[Row]]:
    if processes <= 1:
        for task in tasks:
            yield run_job(*task)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, initializer=_one_thread) as pool:
        for future in as_completed([pool.submit(run_job, *task) for task in tasks]):
            yield future.result()


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    if options.quick:
        options.frames, options.worlds = 1, 0
    wanted = options.patterns or (list(marks.PATTERNS) if options.quick else list(DEFAULT))
    wanted = list(FULL) if wanted == ["full"] else wanted
    try:
        for pattern in wanted:
            patterns.parse(pattern)
        entries = entries_of(tuple(options.methods))
        recordings = _present(options.recordings, options.worlds)
    except (ValueError, FileNotFoundError) as error:
        parser.error(str(error))
    store = Store(options.out / "results.csv")
    run(plan(recordings, wanted, options.frames, options.worlds), tuple(options.methods), store, options.processes)
    chosen = _chosen(store, entries, recordings, wanted, options)
    cells = best_cells(chosen)
    times = _times(entries, cells, _frame_to_time(recordings))
    figures = Figures(cells, times, _how(chosen))
    (options.out / "completion.md").write_text(documents.report(figures))
    plot.draw(figures, options.out / "completion.png")
    print(documents.report(figures))
    print(f"written: {options.out}/completion.md, completion.png, results.csv")
    if options.docs:
        documents.publish(figures)
        print("updated docs/figures and docs/images; now run: python scripts/generate_docs.py")
    return 0


def _parser() -> argparse.ArgumentParser:
    everything, known = methods.everything(), [*real_data.recordings(), WORLDS]
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--recordings", nargs="+", default=known, choices=known, metavar="NAME", help=", ".join(known))
    parser.add_argument(
        "--methods", nargs="+", default=everything, help=f"of {', '.join(everything)}, one peer:options, or NAME@FILE"
    )
    parser.add_argument("--patterns", nargs="+", help="like 64, 5%%, corners500, 500+outliers; full: all combinations")
    parser.add_argument("--frames", type=int, default=2, help="frames of each recording, spread evenly over it")
    parser.add_argument("--worlds", type=int, default=4, help="frames of held-out worlds, 0 for none")
    parser.add_argument("--quick", action="store_true", help="one frame of each recording, the patterns of the marks")
    parser.add_argument("--processes", type=int, default=1, help="jobs at a time")
    parser.add_argument("--out", type=Path, default=Path("out/completion"), help="folder of results")
    parser.add_argument("--docs", action="store_true", help="keep the figures for the documents, too")
    return parser


def _present(wanted: Sequence[str], worlds: int) -> list[str]:
    """Return the recordings that are there; raises FileNotFoundError where none is."""
    found = [r for r in wanted if r == WORLDS and worlds > 0]
    real = [r for r in wanted if r != WORLDS]
    try:
        if real:
            real_data.data_folder()
            found = real + found
    except FileNotFoundError as error:
        if not found:
            raise
        print(f"held-out worlds only: {error}")
    return found


def _chosen(store: Store, entries, recordings, wanted, options) -> list[Row]:
    """Return the rows of this run's methods, frames and patterns, among all that the store holds."""
    variants = {(e.variant, e.version) for e in entries}
    names = {(r, f.name, i) for r in recordings
             for i, f in enumerate(frames_of(r, options.worlds if r == WORLDS else options.frames))}  # fmt: skip
    return [
        row
        for row in store.rows.values()
        if (row.variant, row.version) in variants
        and (row.recording, row.frame, row.seed) in names
        and row.pattern in wanted
    ]


def _times(entries: Sequence[methods.Entry], cells: Cells, frame: real_data.RealFrame) -> latency.Times:
    """Take the times of all methods, and of learned ones by every backend."""
    chosen = latency.favourite(entries, cells)
    for name in [n for n in zoo.names() if n in methods.learned([e.method for e in entries])]:
        chosen += [e._replace(method=f"{name}, {backend}") for backend, e in methods.by_backend(name).items()]
    return latency.measure(chosen, frame)


def _frame_to_time(recordings: Sequence[str]) -> real_data.RealFrame:
    """Return a frame of 640x480 pixels."""
    return frames_of("kitchen", 1)[0] if "kitchen" in recordings else latency.stand_in()


def _how(rows: Sequence[Row]) -> str:
    """Say in a sentence what the figures were made with."""
    frames = {(r.recording, r.frame) for r in rows}
    real = len({f for f in frames if f[0] != WORLDS})
    info = machine()
    load = f", load average {os.getloadavg()[0]:.1f}" if hasattr(os, "getloadavg") else ""
    return (
        f"{real} frames of {len({f[0] for f in frames} - {WORLDS})} real recordings, {len(frames) - real} of held-out "
        f"worlds; {info['Processor']}, {info['Cores']} cores{load}; peers in OpenCV {cv2.__version__}."
    )


if __name__ == "__main__":
    raise SystemExit(main())
