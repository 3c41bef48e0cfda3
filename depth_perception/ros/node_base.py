"""What all lifecycle nodes of the package share: parameters, own start, time jumps, diagnostics, orderly end."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from rclpy.clock import Clock, ClockType, JumpThreshold, TimeJump
from rclpy.duration import Duration
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.lifecycle import LifecycleNode, LifecycleState, TransitionCallbackReturn

from depth_perception.pipelines.parameters import ParameterTable, Value
from depth_perception.ros.diagnostics import DiagnosticsPublisher, Level, Status
from depth_perception.ros.parameters import NodeParameters
from depth_perception.ros.run import StartError
from depth_perception.ros.statistics import ProblemBook

START_PATIENCE = 30.0  # seconds that an automatic start waits for a node to be ready
READY_POLL = 0.05
SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


class PerceptionNode(LifecycleNode):
    """A lifecycle node around a pure pipeline.

    A subclass implements ``set_up``, ``begin``, ``end`` and ``tear_down`` for the four transitions,
    ``statuses`` for the diagnostics, ``on_parameters`` and ``on_time_jump``. Its table of parameters
    must hold ``diagnostics.period``, ``time_jump.backward`` and ``autostart``.
    """

    def __init__(
        self,
        name: str,
        table: ParameterTable,
        check: Callable[[Mapping[str, Value]], None] | None = None,
        **options: Any,
    ):
        """Declare parameters and start diagnostics; raises ParameterError for start-up values that cannot be used."""
        super().__init__(name, **options)
        self._service_change_state.callback = self._refusing(self._service_change_state.callback)
        self.problems = ProblemBook()
        self.hardware = "cpu"
        self.parameters = NodeParameters(self, table, check, self.on_parameters, self.check_change)
        self.is_active = False
        self._is_configured = False
        self._jump = self.get_clock().create_jump_callback(
            JumpThreshold(min_forward=None, min_backward=Duration(nanoseconds=-1), on_clock_change=False),
            post_callback=self._on_clock_jump,
        )
        self.steady_clock = Clock(clock_type=ClockType.STEADY_TIME)
        self._diagnostics = DiagnosticsPublisher(
            self, float(self.parameters.values["diagnostics.period"]), self._all_statuses, lambda: self.hardware
        )

    # -- for subclasses -------------------------------------------------------------------------

    def set_up(self) -> None:
        """Load models and create publishers (configure)."""

    def begin(self) -> None:
        """Start the worker and subscribe (activate)."""

    def end(self) -> bool:
        """Undo ``begin`` (deactivate); returns False if the worker could not be stopped."""
        return True

    def tear_down(self) -> None:
        """Undo ``set_up`` (clean up)."""

    def ready(self) -> bool:
        """Return False while activation had better wait, as for a model that is being loaded."""
        return True

    def statuses(self) -> list[Status]:
        """Return the state of every task."""
        return []

    def on_parameters(self, values: Mapping[str, Value]) -> None:
        """Take accepted changes; called on the executor's thread."""

    def check_change(self, old: Mapping[str, Value], new: Mapping[str, Value]) -> None:
        """Refuse a change at run time by raising ValueError; called on the executor's thread."""

    def on_time_jump(self, reason: str) -> None:
        """Forget everything that depends on the order of time; called on the executor's thread once configured."""

    # -- services for subclasses ----------------------------------------------------------------

    def now(self) -> int:
        """Return the node's clock in nanoseconds; 0 under simulated time before the first /clock."""
        return self.get_clock().now().nanoseconds

    def problem(self, cause: str, subject: str, text: str) -> None:
        """Remember a problem for the diagnostics and log it if it is new."""
        if self.problems.add(cause, subject, text, time.monotonic()):
            self.get_logger().warning(f"{subject}: {text}" if subject else text)

    def autostart(self) -> None:
        """Configure and activate without a manager; raises StartError if that does not work.

        A node that says after configuration that it is not ``ready`` is activated as soon as it is, at the latest
        after ``START_PATIENCE`` seconds.
        """
        self._trigger(self.trigger_configure, "configured")
        if self.ready():
            self._trigger(self.trigger_activate, "activated")
            return
        deadline = time.monotonic() + START_PATIENCE

        def look() -> None:
            if self.ready() or time.monotonic() > deadline:
                self.destroy_timer(timer)
                if self._is_configured and not self.is_active:  # a manager may have been quicker
                    self._trigger(self.trigger_activate, "activated")

        timer = self.create_timer(READY_POLL, look, clock=self.steady_clock)

    def close(self) -> bool:
        """End from whatever state; returns False if the worker is still busy and nothing may be torn down."""
        clean = True
        if self.is_active:
            clean = self.end()
            self.is_active = False
        self._is_configured = False
        if clean:
            self.tear_down()
        self._jump.unregister()
        return clean

    def _trigger(self, transition: Callable[[], Any], verb: str) -> None:
        self._reason = ""
        if transition() != SUCCESS:
            raise StartError(f"could not be {verb}: {self._reason or 'see the log'}")

    # -- lifecycle ------------------------------------------------------------------------------

    def on_configure(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See :meth:`set_up`."""
        result = self._transition(self.set_up, self.tear_down, "configure")
        self._is_configured = result == SUCCESS
        return result

    def on_activate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See :meth:`begin`."""
        result = self._transition(self.begin, self.end, "activate")
        self.is_active = result == SUCCESS
        if self.is_active:
            for name in self.parameters.unused_overrides():
                self.get_logger().warning(f"parameter {name} has no effect: this node has no such topic")
        return result

    def on_deactivate(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See :meth:`end`."""
        self.is_active = False
        return self._transition(self.end, None, "deactivate")

    def on_cleanup(self, state: LifecycleState) -> TransitionCallbackReturn:
        """See :meth:`tear_down`."""
        self._is_configured = False
        return self._transition(self.tear_down, None, "clean up")

    def on_shutdown(self, state: LifecycleState) -> TransitionCallbackReturn:
        """End for good."""
        if self.is_active:
            self.is_active = False
            self._transition(self.end, None, "shut down")
        self._is_configured = False
        return self._transition(self.tear_down, None, "shut down")

    def _refusing(self, change_state: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
        """Answer a transition that the present state does not have with false; rclpy lets it end the node."""

        def answer(request: Any, response: Any) -> Any:
            try:
                return change_state(request, response)
            except rclpy_implementation.RCLError as error:
                self.get_logger().warning(f"transition {request.transition.label or request.transition.id}: {error}")
                response.success = False
                return response

        return answer

    def _transition(
        self, action: Callable[[], Any], undo: Callable[[], Any] | None, verb: str
    ) -> TransitionCallbackReturn:
        # rclpy swallows what a transition raises, so it must be said here
        try:
            action()
        except Exception as error:
            self._reason = str(error)
            self.get_logger().error(f"cannot {verb}: {error}")
            if undo is not None:
                undo()
            return FAILURE
        return SUCCESS

    def _on_clock_jump(self, jump: TimeJump) -> None:
        seconds = jump.delta.nanoseconds / 1e9
        # an inactive node holds transforms, too
        if self._is_configured and -seconds >= float(self.parameters.values["time_jump.backward"]):
            self.on_time_jump(f"/clock jumped by {seconds:.3f} s")

    def _all_statuses(self) -> list[Status]:
        try:
            return self.statuses()
        except Exception as error:  # diagnostics must not end the node they describe
            status = Status("diagnostics")
            status.remark(Level.ERROR, f"cannot be collected: {error!r}")
            return [status]
