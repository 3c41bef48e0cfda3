"""Learn from your own recording: ``python -m training.learn estimation --bag my.mcap`` (or ``completion``).

Frames are chosen by motion and written once, weights are taken further on the earlier part of the recording and scored
before and after on its later part, and a report shows both. Kill it at any time: the same command goes on. Ctrl-C while
it trains ends training and keeps what was learned. ``depth_perception train`` is the same. See docs/learning.md.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence

from depth_perception.cli_options import ProgressBar
from training.learning.options import read_options

USAGE_ERROR = 2
INTERRUPTED = 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return its exit status: 0, 2 for a mistake or an unsuitable recording, 130 after Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    options = read_options(given)
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    began = time.monotonic()
    # only now: they load torch, and --help shall not wait for it
    from training.learning.interrupt import Asked
    from training.learning.report import claim, summary
    from training.learning.session import Session

    try:
        session = Session(options, lambda text: print(text, flush=True), _bars)
        outcome = session.run()
        written = session.write(outcome)
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on where it was, in {options.out}", file=sys.stderr)
        return INTERRUPTED
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        if os.environ.get("DEPTH_PERCEPTION_TRACEBACK"):
            raise
        print(f"train {options.kind}: {' '.join(str(error).split())}", file=sys.stderr)
        return USAGE_ERROR
    print(summary(outcome))
    print(claim(outcome))
    for notice in outcome.notices:
        print(notice)
    for path in written:
        print(path)
    print(f"done in {(time.monotonic() - began) / 60:.1f} minutes")
    return INTERRUPTED if Asked.stop else 0


class _bars:
    """A progress bar with a label before it."""

    def __init__(self, label: str):
        self._bar = ProgressBar()
        self._label = label
        self._told = False

    def __call__(self, done: int, total: int) -> None:
        """Say what is being done once, and draw the bar."""
        if not self._told:
            self._told = True
            print(self._label, file=sys.stderr, flush=True)
        self._bar(done, total)
        if done >= total:
            self._bar.close()


if __name__ == "__main__":
    raise SystemExit(main())
