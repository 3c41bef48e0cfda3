"""Live transforms: fed by /tf and /tf_static, asked by the worker, which may wait a bounded time for late ones.

What is kept, and how it is looked up, is a :class:`Store`: tf2's own buffer where ``tf2_ros`` imports, otherwise
our transform tree. Both listen through the same subscriptions and raise the same exceptions.
"""

from __future__ import annotations

import functools
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from depth_perception.available import optional
from depth_perception.geometry.transform_tree import (
    DisconnectedError,
    ExtrapolationError,
    TransformError,
    TransformTree,
    UnknownFrameError,
)
from depth_perception.geometry.transforms import make_transform
from depth_perception.messages.transform import transform_from_message
from depth_perception.messages.types import rclpy_types
from depth_perception.ros.qos import incompatible_publisher, node_names, policy_name, static_tf_qos, tf_qos

Matrix = NDArray[np.float64]
Answer = TypeVar("Answer")
CACHE_TIME = 10.0  # seconds, as in tf2
STATIC_ENOUGH = 50  # look-ups without a moving transform after which /tf is not worth listening to


class Store(Protocol):
    """Where transforms are kept."""

    def insert(self, message: Any, static: bool) -> None:
        """Take one TransformStamped; raises ValueError if it cannot be used."""

    def lookup(self, target: str, source: str, stamp: int | None) -> Matrix:
        """See :class:`TransformSource`."""

    def lookup_full(
        self, target: str, target_stamp: int | None, source: str, source_stamp: int | None, fixed: str
    ) -> Matrix:
        """See :class:`TransformSource`."""

    def newest(self, target: str, source: str) -> int | None:
        """Newest stamp at which a look-up works; None if every transform on the way is static."""

    def clear(self) -> None:
        """Forget moving transforms."""


class TreeStore(TransformTree):
    """Our own tree."""

    def __init__(self) -> None:
        """Keep as long as tf2 does."""
        super().__init__(CACHE_TIME)

    def insert(self, message: Any, static: bool = False) -> None:  # type: ignore[override]
        """Take one TransformStamped."""
        parent, child, stamp, T = transform_from_message(message)
        super().insert(parent, child, stamp, T, static=static)


class BufferStore:
    """The buffer of ``tf2_ros``, for those who have it: compiled, and known to behave like every other node's."""

    def __init__(self) -> None:
        """Create a buffer without a node, whose service and clock callback would outlive it; ``clear`` is up to us."""
        from rclpy.duration import Duration

        tf2_ros = optional("tf2_ros")
        if tf2_ros is None:
            raise RuntimeError("tf2_ros cannot be imported")
        self._tf2 = tf2_ros
        self._buffer = tf2_ros.Buffer(cache_time=Duration(seconds=CACHE_TIME))

    def insert(self, message: Any, static: bool) -> None:
        """Take one TransformStamped."""
        transform_from_message(message)  # tf2 only prints what is wrong with a transform
        insert = self._buffer.set_transform_static if static else self._buffer.set_transform
        try:
            insert(message, "depth_perception")
        except self._tf2.TransformException as error:
            raise ValueError(str(error)) from error

    def lookup(self, target: str, source: str, stamp: int | None) -> Matrix:
        """Return T_target_source; of a frame to itself even if nobody publishes it, which tf2 refuses."""
        if _is_same(target, source):
            return np.eye(4)
        return self._ask(lambda: self._buffer.lookup_transform_core(target, source, _time(stamp)))

    def lookup_full(
        self, target: str, target_stamp: int | None, source: str, source_stamp: int | None, fixed: str
    ) -> Matrix:
        """Return T_target_source through the fixed frame."""
        return self._ask(
            lambda: self._buffer.lookup_transform_full_core(
                target, _time(target_stamp), source, _time(source_stamp), fixed
            )
        )

    def newest(self, target: str, source: str) -> int | None:
        """Return the newest common stamp, None if all is static."""
        if _is_same(target, source):
            return None
        stamp = self._translate(lambda: self._buffer.get_latest_common_time(target, source)).nanoseconds
        return stamp or None

    def clear(self) -> None:
        """Forget moving transforms; tf2 keeps static ones."""
        self._buffer.clear()

    def _ask(self, lookup: Callable[[], Any]) -> Matrix:
        answer = self._translate(lookup).transform  # may be of a frame to itself, at two times
        shift, turn = answer.translation, answer.rotation
        return make_transform((shift.x, shift.y, shift.z), (turn.x, turn.y, turn.z, turn.w))

    def _translate(self, lookup: Callable[[], Answer]) -> Answer:
        try:
            return lookup()
        except self._tf2.LookupException as error:
            raise UnknownFrameError(str(error)) from error
        except self._tf2.ConnectivityException as error:
            raise DisconnectedError(str(error)) from error
        except self._tf2.ExtrapolationException as error:
            raise ExtrapolationError(str(error)) from error
        except self._tf2.TransformException as error:
            raise TransformError(str(error)) from error


def make_store() -> Store:
    """Return tf2's buffer where ``tf2_ros`` imports, else our own tree."""
    return TreeStore() if optional("tf2_ros") is None else BufferStore()


def _is_same(target: str, source: str) -> bool:
    return target.lstrip("/") == source.lstrip("/")


class LiveTransforms:
    """A TransformSource over a store that other threads fill; look-ups wait up to ``timeout`` seconds.

    Only the worker may call ``lookup``, ``lookup_full`` and ``newest``: they block.
    """

    def __init__(self, store: Store, timeout: float = 0.1):
        """Answer from ``store``."""
        self.timeout = timeout
        self._store = store
        self._arrived = threading.Condition()
        self._closed = False
        self.static_streak = 0  # look-ups in a row that needed no moving transform
        self.failures = 0
        self.waited = 0  # look-ups that had to wait and then succeeded

    def insert(self, message: Any, static: bool) -> None:
        """Take one TransformStamped and wake whoever waits; raises ValueError if it cannot be used."""
        with self._arrived:
            self._store.insert(message, static)
            self._arrived.notify_all()

    def lookup(self, target: str, source: str, stamp: int | None) -> Matrix:
        """Return T_target_source at ``stamp``, None for the newest; raises TransformError naming both frames."""
        return self._wait(lambda: self._store.lookup(target, source, stamp), (target, source, stamp))

    def lookup_full(
        self, target: str, target_stamp: int | None, source: str, source_stamp: int | None, fixed: str
    ) -> Matrix:
        """Return T_target_source between two stamps through ``fixed``; raises TransformError naming two frames."""
        return self._wait(
            lambda: self._store.lookup_full(target, target_stamp, source, source_stamp, fixed),
            (target, fixed, target_stamp),
            (fixed, source, source_stamp),
        )

    def newest(self, target: str, source: str) -> int | None:
        """Return the newest stamp at which both frames are known, None if all is static."""
        with self._arrived:
            stamp = self._store.newest(target, source)
            self.static_streak = self.static_streak + 1 if stamp is None else 0
            return stamp

    def clear(self) -> None:
        """Forget moving transforms, as after a time jump."""
        with self._arrived:
            self._store.clear()
            self._arrived.notify_all()

    def close(self) -> None:
        """Let whoever waits give up at once; the node is going away."""
        with self._arrived:
            self._closed = True
            self._arrived.notify_all()

    def _wait(self, ask: Callable[[], Answer], *steps: tuple[str, str, int | None]) -> Answer:
        deadline = time.monotonic() + self.timeout
        has_waited = False
        with self._arrived:
            while True:
                try:
                    answer = ask()
                except TransformError as error:  # noqa: PERF203 - it is the loop's purpose
                    left = deadline - time.monotonic()
                    if left <= 0 or self._closed or self._is_too_old(error, steps):
                        self.failures += 1
                        self.static_streak = 0
                        raise _naming_both(error, steps[0][0], steps[-1][1]) from error
                    self._arrived.wait(left)
                    has_waited = True
                else:
                    self.waited += has_waited
                    return answer

    def _is_too_old(self, error: TransformError, steps: tuple[tuple[str, str, int | None], ...]) -> bool:
        """True if every stamp lies before the newest that is known: no message to come will help."""
        if not isinstance(error, ExtrapolationError):
            return False
        for target, source, stamp in steps:
            try:
                newest = self._store.newest(target, source)
            except TransformError:
                return False
            if newest is not None and stamp is not None and stamp > newest:
                return False
        return True


class TransformListener:
    """Subscribes to /tf and /tf_static and fills ``transforms``.

    A busy /tf costs Python a good part of a core. So ``review``, called now and then, stops listening
    to it while every look-up is answered by static transforms, and begins again when one fails.
    """

    def __init__(self, node: Any, on_problem: Callable[[str, str, str], None], timeout: float = 0.1):
        """Subscribe at once; ``on_problem(cause, subject, text)`` hears of transforms that cannot be used."""
        self.transforms = LiveTransforms(make_store(), timeout)
        self.incompatible = ""
        self._node = node
        self._on_problem = on_problem
        self._static = self._subscribe("/tf_static", static_tf_qos(), static=True)
        self._moving = self._subscribe("/tf", tf_qos(), static=False)

    def review(self) -> None:
        """Listen to /tf only as long as it is needed; to be called on the executor's thread."""
        streak = self.transforms.static_streak
        if self._moving is None and streak == 0:
            self._moving = self._subscribe("/tf", tf_qos(), static=False)
        elif self._moving is not None and streak >= STATIC_ENOUGH:
            self._node.destroy_subscription(self._moving)
            self._moving = None

    @property
    def hears_moving(self) -> bool:
        """True while /tf is subscribed to."""
        return self._moving is not None

    def close(self) -> None:
        """Unsubscribe and let whoever waits give up."""
        self.transforms.close()
        for subscription in (self._static, self._moving):
            if subscription is not None:
                self._node.destroy_subscription(subscription)
        self._static = self._moving = None

    def _subscribe(self, topic: str, qos: Any, static: bool) -> Any:
        from rclpy.event_handler import SubscriptionEventCallbacks

        return self._node.create_subscription(
            rclpy_types().message_class("tf2_msgs/msg/TFMessage"),
            topic,
            functools.partial(self._take, static),
            qos,
            event_callbacks=SubscriptionEventCallbacks(
                incompatible_qos=functools.partial(self._on_incompatible, topic)
            ),
        )

    def _take(self, static: bool, message: Any) -> None:
        for transform in message.transforms:
            try:
                self.transforms.insert(transform, static)
            except ValueError as error:  # noqa: PERF203 - one bad transform must not lose the others
                self._on_problem("tf", "/tf_static" if static else "/tf", str(error))

    def _on_incompatible(self, topic: str, event: Any) -> None:
        policy = policy_name(event.last_policy_kind)
        nodes = node_names(self._node.get_publishers_info_by_topic(topic))
        asked = "transient_local" if policy == "durability" else "reliable"
        self.incompatible = incompatible_publisher(topic, policy, nodes, asked, "")
        self._on_problem("tf", "", self.incompatible)


def _naming_both(error: TransformError, target: str, source: str) -> TransformError:
    text = str(error)
    if target in text and source in text:
        return error
    return type(error)(f"no transform from {source!r} to {target!r}: {text}")


def _time(stamp: int | None) -> Any:
    from rclpy.time import Time

    return Time(nanoseconds=stamp or 0)
