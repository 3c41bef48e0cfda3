"""Ground truth for a recording: a depth topic in it, or a folder of depth pictures beside it."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from depth_perception.frames import FloatImage
from depth_perception.messages.types import stamp_of

TOLERANCE = 1_000_000  # ns between the stamps of an image and its truth; drivers round stamps


class TruthError(ValueError):
    """Ground truth cannot be read or does not belong to the images."""


class TopicTruth:
    """Depth messages of one topic, found by the stamp of the image; reads ahead as far as needed.

    ``messages`` yields the topic's messages in order of time. Memory is bounded: messages much older
    than the last image asked for are forgotten.
    """

    KEPT = 64

    def __init__(self, messages: Iterator[Any]):
        self._messages = messages
        self._seen: deque[tuple[int, Any]] = deque(maxlen=self.KEPT)

    def message(self, stamp: int) -> Any | None:
        """Return the message for the image with this stamp, or None."""
        while not self._seen or self._seen[-1][0] < stamp + TOLERANCE:
            message = next(self._messages, None)
            if message is None:
                break
            self._seen.append((stamp_of(message.header), message))
        best = min(self._seen, key=lambda item: abs(item[0] - stamp), default=None)
        return best[1] if best is not None and abs(best[0] - stamp) <= TOLERANCE else None


class FolderTruth:
    """Depth pictures in a folder: 16-bit PNG times ``scale`` (metres a unit), or .npy / .tiff in metres.

    A file named by a number of at least 16 digits belongs to the image with that stamp in
    nanoseconds. Otherwise the files in order of name belong to the images in order of time, which
    needs as many files as images.
    """

    SUFFIXES = (".png", ".npy", ".tif", ".tiff")

    def __init__(self, folder: str | Path, stamps: list[int], scale: float = 0.001):
        """``stamps``: those of all images of the recording. Raises TruthError if files do not match."""
        self._scale = scale
        folder = Path(folder)
        files = sorted(path for path in folder.glob("*") if path.suffix.lower() in self.SUFFIXES)
        if not files:
            raise TruthError(f"{folder}: no depth pictures ({', '.join(self.SUFFIXES)})")
        if all(path.stem.isdigit() and len(path.stem) >= 16 for path in files):
            self._by_stamp = {int(path.stem): path for path in files}
        elif len(files) == len(stamps):
            self._by_stamp = dict(zip(sorted(stamps), files))
        else:
            raise TruthError(
                f"{folder}: {len(files)} depth pictures for {len(stamps)} images; name each file by the stamp "
                "of its image in nanoseconds, or give one file per image"
            )
        self._sorted = np.array(sorted(self._by_stamp), np.int64)

    def depth(self, stamp: int) -> FloatImage | None:
        """Return metres, NaN unknown, for the image with this stamp; None if there is no file."""
        index = int(np.searchsorted(self._sorted, stamp))
        near = [int(s) for s in self._sorted[max(index - 1, 0) : index + 1] if abs(int(s) - stamp) <= TOLERANCE]
        if not near:
            return None
        return read_depth(self._by_stamp[min(near, key=lambda s: abs(s - stamp))], self._scale)


def read_depth(path: str | Path, scale: float = 0.001) -> FloatImage:
    """Return the depth picture at ``path`` as float32 (height, width) metres, NaN unknown.

    Integer files are multiplied by ``scale``, 0 is unknown; floating-point files are metres.
    Raises TruthError naming the file.
    """
    path = Path(path)
    data = np.load(path) if path.suffix == ".npy" else cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if data is None or data.ndim != 2:
        raise TruthError(f"{path}: not a depth picture with one channel")
    if data.dtype == np.uint8:
        raise TruthError(f"{path}: 8-bit pictures cannot hold depth; give 16-bit PNG or floating point")
    is_integer = np.issubdtype(data.dtype, np.integer)
    depth = (data * float(scale) if is_integer else data).astype(np.float32)
    depth[~(np.isfinite(depth) & (depth > 0))] = np.nan
    return depth
