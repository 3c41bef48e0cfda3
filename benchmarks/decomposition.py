"""Taking scenes apart: our model against well-known methods, on generated scenes and a real shelf.

    python -m benchmarks.decomposition --out out/decomposition

Every method gets the same frames with the same spoiled labels, no number of which means anything in another frame.
Scored are panoptic quality over the whole scene and the surface of each object against the true one. Peers are granted
their best options, cell by cell. Every figure is kept in results.csv as soon as it is there: a run that is cut short
goes on where it was.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from benchmarks.evidence import object_documents as documents
from benchmarks.evidence import object_methods as methods
from benchmarks.evidence import object_pictures as pictures
from benchmarks.evidence import object_rows, object_scenes
from benchmarks.evidence.rows import Store
from depth_perception.evaluation.decomposition.label_corruption import CORRUPTIONS

QUICK = ("table-3",)
SHOWN = "table-8"  # the scene of the picture, and of labels that are spoiled less and more
OTHERS = ("light", "strong")
SMALL = documents.SMALL
LEARNED_DRAWS = 1  # of the peers that learn, which take long


class Job(NamedTuple):
    """One variant of a method on a scene with spoiled labels."""

    scene: str
    corruption: str
    method: str
    variant: str


def plan(scenes: Sequence[str], corruptions: Sequence[str], names: Sequence[str], draws: int = 1) -> list[Job]:
    """Return all jobs, scene by scene, with ``draws`` draws of each corruption."""
    return [
        Job(scene, drawn, method, variant)
        for scene in scenes
        for corruption in corruptions
        for number, drawn in enumerate(object_scenes.draws(corruption, draws))
        for method in names
        if number < LEARNED_DRAWS or method not in methods.LEARNED_PEERS
        for variant in methods.EVERY[method]
    ]


def run(jobs: Sequence[Job], store: Store, out: Path) -> None:
    """Measure what the store does not hold yet; our own answers are drawn as well."""
    held: tuple[str, object_scenes.LabelledScene] | None = None
    for job in jobs:
        key = (job.scene, job.corruption, job.method, job.variant, methods.VERSION)
        if key in store:
            continue
        if held is None or held[0] != job.scene:
            held = job.scene, object_scenes.load_scene(job.scene, out / "scenes")
        scene = held[1]
        frames = object_scenes.spoiled(scene, job.corruption)
        made = methods.EVERY[job.method][job.variant]()
        row, found = object_rows.measure(scene, frames, made, (*job[1:], methods.VERSION))
        store.add([row])
        name = " ".join(filter(None, job))
        print(f"{name}: PQ {row.pq:.3f}, Chamfer {1000 * row.chamfer:.1f} mm, {row.seconds:.1f} s", flush=True)
        if job.method == methods.OURS:
            picture = pictures.sheet(scene.frames, frames, found)
            pictures.write_sheet(out / f"{job.scene}-{job.corruption}.png", picture)


def main(arguments: list[str] | None = None) -> int:
    """Run from the command line; returns the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    scenes = list(QUICK) if options.quick else options.scenes
    names = [n for n in methods.METHODS if n not in methods.LEARNED_PEERS] if options.quick else options.methods
    store = object_rows.store(options.out / "results.csv")
    _one_thread()
    jobs = plan(scenes, options.corruptions, names, options.draws)
    if not options.quick:
        if SHOWN in scenes:
            jobs += plan([SHOWN], [c for c in OTHERS if c not in options.corruptions], names, options.draws)
        if options.ablation:
            jobs += plan([SMALL], options.corruptions[:1], list(methods.ABLATION), options.draws)
    run(jobs, store, options.out)
    rows = [row for row in store.rows.values() if row.version == methods.VERSION]
    text = documents.report(rows)
    (options.out / "decomposition.md").write_text(text)
    print(text)
    print(f"written: {options.out}/decomposition.md, results.csv and pictures")
    if options.docs:
        documents.publish(rows, options.out)
        print("updated docs/figures and docs/images; now run: python scripts/generate_docs.py")
    return 0


def _one_thread() -> None:
    """One thread each, so that seconds of the processor are those of one core."""
    import torch

    torch.set_num_threads(1)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    scenes = object_scenes.names()
    parser.add_argument("--scenes", nargs="+", default=scenes, choices=scenes, metavar="NAME", help=", ".join(scenes))
    parser.add_argument("--methods", nargs="+", default=list(methods.METHODS), choices=list(methods.EVERY),
                        metavar="NAME", help=", ".join(methods.METHODS))  # fmt: skip
    parser.add_argument("--corruptions", nargs="+", default=["usual"], choices=list(CORRUPTIONS))
    parser.add_argument("--ablation", action="store_true", help=f"also ours without each clustering term, on {SMALL}")
    parser.add_argument("--draws", type=int, default=3, help="of the spoiled labels; peers that learn get one")
    parser.add_argument("--quick", action="store_true", help="one small scene, no learned peers")
    parser.add_argument("--out", type=Path, default=Path("out/decomposition"))
    parser.add_argument("--docs", action="store_true", help="keep the figures and pictures for the documents")
    return parser


if __name__ == "__main__":
    raise SystemExit(main())
