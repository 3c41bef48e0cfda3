"""What the completion and the estimation node share: a camera in, dense depth out, over the live ROS graph.

Callbacks only pair messages and hand the newest set over; one worker decodes, runs the model and publishes.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rclpy.parameter import Parameter as RosParameter
from rclpy.timer import Timer

from depth_perception.frames import DepthEstimate
from depth_perception.messages.front import CompletionFront, FrontError
from depth_perception.nodes.completion_inputs import CompletionInputs
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.nodes.depth_diagnostics import NANOSECONDS, Check, DepthDiagnostics
from depth_perception.pipelines import model_switch
from depth_perception.pipelines.completion import CompletionInput
from depth_perception.pipelines.model_selection import ModelChoice
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import ParameterError, ParameterTable, Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.ros.tf import TransformListener
from depth_perception.ros.worker import Worker

SENSIBLE_AGE = 10.0  # seconds
LIBRARY_THREADS = (model_switch.THREAD, "torch.compile")
POLL = 0.05  # seconds of a steady clock between two looks at what waits for a partner; each costs about 1 ms


class DepthNode(DepthDiagnostics):
    """A node around a pipeline of depth.

    A subclass says what it is made of: ``make_front``, ``make_pipeline``, ``make_outputs``, ``make_models``,
    ``choice_of`` and ``front_settings`` for values of its table, and ``compute`` for one frame.
    """

    optional_inputs: frozenset[str] = frozenset()  # roles whose silence is no fault

    def __init__(self, name: str, table: ParameterTable, check: Check, **options: Any):
        """Declare the parameters; raises ParameterError if their values cannot be used."""
        self._worker: Worker | None = None
        self._poll_timer: Timer | None = None
        super().__init__(name, table, check, **options)
        self._table = table
        self._had_demand = False
        self._failed_wish: ModelChoice | None = None  # the parameters must not go on naming it
        self._first_wish: ModelChoice | None = None

    # -- for subclasses -------------------------------------------------------------------------

    def choice_of(self, values: Mapping[str, Value]) -> ModelChoice:
        """Return the model that parameters ask for."""
        raise NotImplementedError

    def make_models(self, choice: ModelChoice) -> ModelSwitch:
        """Return what loads and changes the model."""
        raise NotImplementedError

    def make_pipeline(self, values: Mapping[str, Value], model: Any) -> Any:
        """Return the pipeline; it has ``settings`` and ``reset(reason)``."""
        raise NotImplementedError

    def make_front(self, values: Mapping[str, Value]) -> CompletionFront:
        """Return the front, over ``self._listener.transforms``, ``self._on_set`` and ``self._on_refused``."""
        raise NotImplementedError

    def make_outputs(self) -> CompletionOutputs:
        """Return the publishers."""
        raise NotImplementedError

    def apply(self, values: Mapping[str, Value]) -> None:
        """Bring front and pipeline up to date; on the worker's thread."""
        raise NotImplementedError

    def compute(self, given: CompletionInput, model: Any) -> DepthEstimate | None:
        """Return the estimate for one frame, None if there is nothing to publish; on the worker's thread."""
        raise NotImplementedError

    def afterwards(self, given: CompletionInput) -> None:
        """Do what need not be done before the depth of this frame is published; on the worker's thread."""

    def without_model(self) -> str:
        """Return what happens if the model that was asked for at start cannot be had."""
        raise NotImplementedError

    # -- transitions ----------------------------------------------------------------------------

    def set_up(self) -> None:
        """Begin to load the model, create publishers and listen to transforms."""
        values = self.parameters.values
        choice = self.choice_of(values)
        self._degraded, self._failed_wish, self._first_wish = "", None, choice
        self._models = self.make_models(choice)
        self._pipeline = self.make_pipeline(values, self._models.completer)
        self._listener = TransformListener(self, self.problem, float(values["transform.timeout"]))
        self._front = self.make_front(values)
        self._outputs = self.make_outputs()
        self._worker = Worker(self._work, self._on_worker_error)

    def begin(self) -> None:
        """Start the worker, then subscribe."""
        assert self._worker is not None
        self._apply(self.parameters.values)
        self._quiet_since = self.now()
        self._had_demand = False
        self._worker.start()
        self._inputs = CompletionInputs(
            self,
            self._front,
            lambda: self.parameters.values,
            self.now,
            self._on_set,
            self.problem,
            self.on_time_jump,
            self.optional_inputs,
        )
        self._poll_timer = self.create_timer(POLL, self._poll, clock=self.steady_clock)

    def end(self) -> bool:
        """Unsubscribe and stop the worker."""
        if self._poll_timer is not None:
            self.destroy_timer(self._poll_timer)
            self._poll_timer = None
        if self._inputs is not None:
            self._inputs.close()
            self._inputs = None
        self._front.reset("deactivated")
        return self._worker is None or self._worker.stop()

    def ready(self) -> bool:
        """Return True once the model has been loaded and warmed up, or has turned out not to be available."""
        return self._models is None or self._models.is_settled

    def tear_down(self) -> None:
        """Destroy publishers and forget the model."""
        self._worker = None
        if self._models is not None:
            self._models.cancel()
        for name in ("_listener", "_outputs"):
            if hasattr(self, name):
                getattr(self, name).close()
                delattr(self, name)
        if hasattr(self, "_pipeline"):
            del self._pipeline

    @property
    def is_loading(self) -> bool:
        """True while a thread is inside the libraries of a model."""
        return any(thread.name in LIBRARY_THREADS for thread in threading.enumerate())

    # -- executor's thread ----------------------------------------------------------------------

    def on_parameters(self, values: Mapping[str, Value]) -> None:
        """Take a change between two frames."""
        if self._inputs is not None:
            self._inputs.on_parameters()
        if self._worker is not None and self._worker.is_running:
            self._worker.between(lambda: self._apply(values))

    def check_change(self, old: Mapping[str, Value], new: Mapping[str, Value]) -> None:
        """Refuse a model that is known at once not to be available here."""
        choice = self.choice_of(new)
        if choice != self.choice_of(old) and (problem := choice.problem()):
            raise ParameterError(f"{choice}: {problem}")

    def on_time_jump(self, reason: str) -> None:
        """Forget all that was buffered; called for stamps and for /clock going back."""
        self.problem("time_jump", "", f"{reason}; all buffers were cleared")
        self._front.reset("time_jump")
        self._listener.transforms.clear()
        if self._worker is not None:
            if self._worker.clear():
                self._drops.add("time_jump")
            self._worker.between(lambda: self._pipeline.reset("time_jump"))
        if self._inputs is not None:
            self._inputs.reset()
        self._sets.reset()
        self._completed.reset()
        self._quiet_since = self.now()

    def _on_set(self, synced: SyncedSet) -> None:
        assert self._worker is not None
        self._sets.tick(self.now() or synced.image_stamp)
        if not self._outputs.wanted(bool(self.parameters.values["output.always_publish"])):
            self._skipped.add("nobody subscribes")
        elif self._worker.put((synced, time.perf_counter())):
            self._drops.add("superseded")

    def _poll(self) -> None:
        now = self.now()
        if now > 0:
            self._front.poll(now)
        demand = bool(self._outputs.wanted(bool(self.parameters.values["output.always_publish"])))
        if (demand and not self._had_demand) or self._quiet_since <= 0:  # 0: simulated time had not begun
            self._quiet_since = now
        self._had_demand = demand
        self._listener.review()
        if self._failed_wish is not None and self._has_name(self._models):
            wish, self._failed_wish = self._failed_wish, None
            if wish == self.choice_of(self.parameters.values):  # else something else was asked for since
                self._tell_what_runs()

    def _has_name(self, models: ModelSwitch | None) -> bool:
        """True if the model in use is one that the parameters can name."""
        return models is not None and models.choice.name in self._table["model"].choices

    def _tell_what_runs(self) -> None:
        """Bring the parameters back to the model in use."""
        assert self._models is not None
        choice = self._models.choice
        told = {"model": choice.name}
        if choice.is_learned:
            told |= {"backend": choice.backend, "device": choice.device, "model_file": choice.file}
        self.set_parameters_atomically([RosParameter(name, value=value) for name, value in told.items()])

    # -- worker's thread ------------------------------------------------------------------------

    def _work(self, item: tuple[SyncedSet, float]) -> None:
        assert self._models is not None
        synced, handed_over = item
        values = self.parameters.values
        wanted = self._outputs.wanted(bool(values["output.always_publish"]))
        if not wanted:
            self._skipped.add("nobody subscribes")
            return
        started = time.perf_counter()
        try:
            given = self._front.assemble(synced)
        except FrontError as error:
            self._on_unusable(error)
            return
        for note in given.notes:
            self.problem("note", "", note)
        given = replace(given, latency={"wait": started - handed_over, **given.latency})
        model = self._models.take(given.frame.camera.shape)
        self.hardware = str(getattr(getattr(model, "run", None), "device", "cpu"))
        estimate = self.compute(given, model)
        if estimate is None:
            return
        self._outputs.publish(given, estimate, wanted, values)
        latency = {**estimate.latency, "total": time.perf_counter() - handed_over}
        age = (self.now() - synced.image_stamp) / NANOSECONDS
        if 0 <= age < SENSIBLE_AGE:  # else the stamps are of another clock, as in a recording without /clock
            latency["age of image"] = age
        self._latency.add(latency)
        self._coverage = estimate.input_coverage
        self._transform_age = given.transform_age
        self._completed.tick(self.now() or synced.image_stamp)
        self.afterwards(given)

    def _on_worker_error(self, error: Exception) -> None:
        if self.context.ok():
            self._drops.add("exception")
            self.problem("exception", self.task, f"{type(error).__name__}: {error}")

    def _apply(self, values: Mapping[str, Value]) -> None:
        """Bring settings into force; another model is loaded in the background."""
        assert self._models is not None
        self._listener.transforms.timeout = float(values["transform.timeout"])
        self.apply(values)
        choice = self.choice_of(values)
        if choice not in (self._models.choice, self._first_wish):
            self._degraded = ""
        if choice != self._failed_wish:
            self._failed_wish = None  # something else was asked for since
            self._models.request(choice)

    def _on_model_failed(self, wish: ModelChoice, error: Exception) -> None:
        """Keep what runs; called on any thread."""
        self._failed_wish = wish  # before anybody can hear of it and ask for something else
        text = f"{wish} cannot be used: {error}"
        if wish is self._first_wish:
            self._degraded = f"{text}; {self.without_model()}"
            self.get_logger().warning(self._degraded)
        else:
            assert self._models is not None
            self.problem("model", "model", f"{text}; {self._models.choice} stays in use")
