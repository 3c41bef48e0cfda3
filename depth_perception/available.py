"""Floor 0: the one place that decides which optional Python packages this process may use.

The ROS packages are not on PyPI, so each has a replacement of our own; the others carry learned models. Setting the
environment variable ``DEPTH_PERCEPTION_WITHOUT`` to a comma-separated list of names hides them, which is how tests
compare both ways on a machine that has them.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
from types import ModuleType

OPTIONAL = (
    *("cv_bridge", "sensor_msgs_py", "tf2_ros", "message_filters", "launch_ros", "tf2_msgs", "std_srvs", "rosbags"),
    *("safetensors", "onnxruntime", "torch", "onnx"),
)
# ONNX Runtime 1.29 and newer tell Microsoft about every model that is loaded, unless this is set before the import
_ENVIRONMENT = {"onnxruntime": ("ORT_DISABLE_TELEMETRY", "1")}


@functools.cache
def optional(name: str) -> ModuleType | None:
    """Return the package ``name`` of OPTIONAL, or None if it is missing, broken or hidden.

    Raises ValueError for a name that is not in OPTIONAL, so that a typing error is not silence.
    """
    if _hidden(name):
        return None
    if name in _ENVIRONMENT:
        os.environ.setdefault(*_ENVIRONMENT[name])
    try:
        return importlib.import_module(name)
    except Exception:  # a compiled package built against another NumPy raises far more than ImportError
        return None


def installed(name: str) -> bool:
    """Say whether ``name`` of OPTIONAL is there and not hidden, without the time that importing it takes."""
    if _hidden(name):
        return False
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):  # what a module that somebody put into sys.modules by hand can raise
        return False


def _hidden(name: str) -> bool:
    if name not in OPTIONAL:
        raise ValueError(f"{name!r} is not an optional package; known: {', '.join(OPTIONAL)}")
    return name in os.environ.get("DEPTH_PERCEPTION_WITHOUT", "").split(",")
