#!/usr/bin/env python3
"""Fill the generated parts of README.md and docs/ from the code.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``.
Usage: ``python scripts/generate_docs.py`` writes, ``--check`` only tells whether anything is stale.
"""

from __future__ import annotations

import functools
import re
import sys
from collections.abc import Callable
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))

from benchmarks import recovery_real, streaming  # noqa: E402
from benchmarks.estimation_evidence import documents as estimation  # noqa: E402
from benchmarks.evidence import documents as benchmark  # noqa: E402
from benchmarks.evidence import object_documents as decomposition  # noqa: E402
from depth_perception.nodes.bag_player_parameters import BAG_PLAYER_PARAMETERS  # noqa: E402
from depth_perception.nodes.evaluation_parameters import EVALUATION_PARAMETERS  # noqa: E402
from depth_perception.nodes.launches import argument_table  # noqa: E402
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS  # noqa: E402
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS  # noqa: E402
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS  # noqa: E402
from depth_perception.pipelines.parameter_docs import markdown_table  # noqa: E402
from depth_perception.pipelines.topics import (  # noqa: E402
    COMPLETION_FRAMES,
    COMPLETION_INPUTS,
    COMPLETION_OUTPUTS,
    DECOMPOSITION_FRAMES,
    DECOMPOSITION_INPUTS,
    DECOMPOSITION_OUTPUTS,
    DECOMPOSITION_SERVICES,
    ESTIMATION_FRAMES,
    ESTIMATION_INPUTS,
    ESTIMATION_OUTPUTS,
    frame_table,
    topic_table,
)
from training import card  # noqa: E402

PARTS: dict[str, Callable[[], str]] = {
    "completion inputs": lambda: topic_table(COMPLETION_INPUTS),
    "completion outputs": lambda: topic_table(COMPLETION_OUTPUTS),
    "completion frames": lambda: frame_table(COMPLETION_FRAMES),
    "completion parameters": lambda: markdown_table(COMPLETION_PARAMETERS),
    "estimation inputs": lambda: topic_table(ESTIMATION_INPUTS),
    "estimation outputs": lambda: topic_table(ESTIMATION_OUTPUTS),
    "estimation frames": lambda: frame_table(ESTIMATION_FRAMES),
    "estimation parameters": lambda: markdown_table(ESTIMATION_PARAMETERS),
    "decomposition inputs": lambda: topic_table(DECOMPOSITION_INPUTS),
    "decomposition outputs": lambda: topic_table(DECOMPOSITION_OUTPUTS),
    "decomposition services": lambda: topic_table(DECOMPOSITION_SERVICES).replace("| topic |", "| service |"),
    "decomposition frames": lambda: frame_table(DECOMPOSITION_FRAMES),
    "decomposition parameters": lambda: markdown_table(DECOMPOSITION_PARAMETERS),
    "decomposition launch": lambda: argument_table("decomposition"),
    "bag player parameters": lambda: markdown_table(BAG_PLAYER_PARAMETERS),
    "evaluation parameters": lambda: markdown_table(EVALUATION_PARAMETERS),
    "completion launch": lambda: argument_table("completion"),
    "estimation launch": lambda: argument_table("estimation"),
    "streaming figures": streaming.table,
    "recovery real": recovery_real.kept,
    "evaluation launch": lambda: argument_table("evaluation"),
    **benchmark.PARTS,
    **estimation.PARTS,
    **decomposition.PARTS,
    **{f"card {name}": functools.partial(card.card, name) for name in card.shipped()},
}
MARKED = re.compile(r"(<!-- generated: (?P<name>[^>]+?) -->\n).*?(<!-- end -->)", re.DOTALL)


def documents() -> list[Path]:
    """Return every file that may hold generated parts."""
    docs = REPOSITORY / "docs"
    return [REPOSITORY / "README.md", *sorted(docs.glob("*.md")), *sorted((docs / "models").glob("*.md"))]


def fill(text: str) -> str:
    """Return ``text`` with each generated part made anew; raises KeyError for an unknown name."""
    return MARKED.sub(lambda match: f"{match[1]}{PARTS[match['name']]()}\n{match[3]}", text)


def main(arguments: list[str]) -> int:
    """Write or check all documents; returns 1 if ``--check`` finds a stale one."""
    stale = [path for path in documents() if fill(path.read_text()) != path.read_text()]
    for path in stale:
        print(
            f"{path.relative_to(REPOSITORY)} is stale; run scripts/generate_docs.py" if arguments else f"wrote {path}"
        )
        if "--check" not in arguments:
            path.write_text(fill(path.read_text()))
    return int(bool(stale) and "--check" in arguments)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
