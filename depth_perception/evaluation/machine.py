"""What the figures were made with: versions and machine, without anything that changes from run to run."""

from __future__ import annotations

import os
import platform
from importlib import metadata
from pathlib import Path

import depth_perception


def versions() -> dict[str, str]:
    """Return the versions of Python, of the package and of the libraries that touch the numbers."""
    import cv2
    import numpy

    found = {
        "depth_perception": depth_perception.__version__,
        "Python": platform.python_version(),
        "NumPy": numpy.__version__,
        "OpenCV": cv2.__version__,
    }
    installed = {name: _version(name) for name in ("scipy", "torch", "rosbags")}
    return found | {name: version for name, version in installed.items() if version}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return ""


def machine() -> dict[str, str]:
    """Return processor, number of cores, memory and operating system."""
    return {
        "Processor": _processor(),
        "Cores": str(os.cpu_count()),
        "Memory": _memory(),
        "System": f"{platform.system()} {platform.machine()}",
    }


def _processor() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass  # not Linux: platform knows what there is to know
    return platform.processor() or "unknown"


def _memory() -> str:
    try:
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError, AttributeError):
        return "unknown"
    return f"{pages * size / 2**30:.0f} GiB"
