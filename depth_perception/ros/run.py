"""Start one node as a process, and end it quietly on Ctrl-C whatever it is doing at that moment.

Nothing heavy is imported before the signal handlers are in place.
"""

from __future__ import annotations

import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from typing import Any

POLL = 0.1  # seconds between two looks at the stop flag
PATIENCE = 2.0  # seconds after the first signal until another one ends the process at once


class StartError(RuntimeError):
    """The node cannot start; the text is one readable line."""


class StopFlag:
    """Set by SIGINT and SIGTERM. Raising nothing, so no code is interrupted half-way and nothing is printed."""

    def __init__(self) -> None:
        """Take over both signals; outside the main thread Python allows no handlers and none are set."""
        self.since: float | None = None
        try:
            for number in (signal.SIGINT, signal.SIGTERM):
                signal.signal(number, self._on_signal)
        except ValueError:
            pass

    def __bool__(self) -> bool:
        """True once a signal arrived."""
        return self.since is not None

    def _on_signal(self, number: int, frame: Any) -> None:
        now = time.monotonic()
        if self.since is None:
            self.since = now
        elif now - self.since > PATIENCE:  # launch and the terminal both send one; a person insists later
            os._exit(128 + number)


def run(make_node: Callable[[], Any], name: str, args: list[str] | None = None) -> int:
    """Spin the node that ``make_node`` returns until a signal, a shutdown or its own wish; return the exit status.

    ``make_node`` is called after ``rclpy.init`` and imports what it needs. A node may have ``close()``, called
    before it is destroyed, ``exit_status`` (None while it wants to go on, else what to return) and ``is_loading``
    (True if a library is still busy in a thread that need not be waited for). Meant to be the last thing a process
    does: the signal handlers stay.
    """
    stop = StopFlag()
    use_fastdds_profile()
    # the node tells once what is wrong with an image; OpenCV would print it for every one
    os.environ.setdefault("OPENCV_LOG_LEVEL", "OFF")
    # NumPy's products are small here; on several threads, those that wait for the next one would spin through a core
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import rclpy
    except ImportError as error:
        print(
            f"{name}: cannot import rclpy ({error}); source a ROS 2 environment, or type: make build, "
            "then: . scripts/env.sh",
            file=sys.stderr,
        )
        return 2
    from rclpy.exceptions import ParameterException
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    from depth_perception.pipelines.parameters import ParameterError

    node, executor, status = None, None, 0
    try:
        _initialize(rclpy, args, SignalHandlerOptions.NO)
        executor = SingleThreadedExecutor()
        if not stop:
            node = make_node()
            executor.add_node(node)
        while not stop and rclpy.ok() and getattr(node, "exit_status", None) is None:
            _spin(executor, node, ExternalShutdownException)
    except (KeyboardInterrupt, ExternalShutdownException):
        pass
    except (StartError, ParameterError, ParameterException) as error:
        print(f"{name}: {' '.join(str(error).split())}", file=sys.stderr)
        status = 2
    finally:
        status = _finish(rclpy, node, executor, status)
    return status


def _spin(executor: Any, node: Any, shutdown: type[Exception]) -> None:
    """Run what is due. A callback that fails is a fault of the program; it is told, and the robot keeps its node."""
    try:
        executor.spin_once(timeout_sec=POLL)
    except (shutdown, StartError):
        raise
    except Exception:
        node.get_logger().error(f"a callback failed: {traceback.format_exc()}")


def use_fastdds_profile() -> None:
    """Point Fast DDS to the package's profile for large messages unless the user has set one."""
    from depth_perception.ros.fastdds import use_profile

    try:
        use_profile()
    except FileNotFoundError as error:  # the node works all the same, only large best-effort messages get lost
        print(f"Fast DDS keeps its small buffers: {error}", file=sys.stderr)


def _initialize(rclpy: Any, args: list[str] | None, handlers: Any) -> None:
    """Turn every complaint about command line and parameter files into one line."""
    try:
        rclpy.init(args=args, signal_handler_options=handlers)
    except Exception as error:  # rclpy has no common base class for these
        text = f"{type(error).__name__}: {error}" if str(error).startswith("[") else error  # only a list of words
        raise StartError(f"cannot start ROS: {text}") from error


def _finish(rclpy: Any, node: Any, executor: Any, status: int) -> int:
    wish = getattr(node, "exit_status", None)
    if node is not None:
        clean = node.close() if hasattr(node, "close") else True
        if clean is False:  # a thread is still inside a model and would crash on what is torn down below
            print("work in progress did not end in time; ending without waiting for it", file=sys.stderr)
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status or 1)
        node.destroy_node()
    if executor is not None:
        executor.shutdown(timeout_sec=1.0)
    rclpy.try_shutdown()
    status = status if wish is None else status or int(wish)
    if getattr(node, "is_loading", False):  # the interpreter's end would pull the library away under its feet
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    return status
