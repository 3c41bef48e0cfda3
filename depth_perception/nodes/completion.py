"""The completion node: one camera and one range sensor in, dense depth out, over the live ROS graph.

Callbacks only pair messages and hand the newest set over; one worker decodes, completes and publishes.
"""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from rclpy.parameter import Parameter as RosParameter
from rclpy.timer import Timer

from depth_perception.available import optional
from depth_perception.messages.front import CompletionFront, FrontError, FrontSettings
from depth_perception.nodes.completion_inputs import CompletionInputs
from depth_perception.nodes.completion_outputs import CompletionOutputs
from depth_perception.pipelines import model_switch
from depth_perception.pipelines.completion import CompletionPipeline, CompletionSettings
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.model_selection import FALLBACK, ModelChoice
from depth_perception.pipelines.model_switch import ModelSwitch
from depth_perception.pipelines.parameters import ParameterError, Value
from depth_perception.pipelines.synchronizer import SyncedSet
from depth_perception.ros.diagnostics import Level, Status
from depth_perception.ros.node_base import PerceptionNode
from depth_perception.ros.statistics import Counters, LatencyMeter, RateMeter
from depth_perception.ros.tf import TransformListener
from depth_perception.ros.worker import Worker

NANOSECONDS = 1_000_000_000
SENSIBLE_AGE = 10.0  # seconds
LIBRARY_THREADS = (model_switch.THREAD, "torch.compile")
POLL = 0.05  # seconds of a steady clock between two looks at what waits for a partner; each costs about 1 ms


def check_values(values: Mapping[str, Value]) -> None:
    """Raise ValueError if the parameters make no sense together or ask for what is not installed."""
    FrontSettings.from_parameters(values)
    CompletionSettings.from_parameters(values)
    for low, high in (("cloud.min_range", "cloud.max_range"), ("output.preview_min", "output.preview_max")):
        if 0 < float(values[high]) <= float(values[low]):
            raise ParameterError(f"{low} {values[low]:g} must be below {high} {values[high]:g}")
    if values["sync.policy"] == "approximate" and optional("message_filters") is None:
        raise ParameterError(
            "sync.policy: approximate needs the ROS package message_filters, which cannot be imported; "
            "install it or use nearest"
        )


class CompletionNode(PerceptionNode):
    """See the module; topics and parameters are listed in pipelines/topics.py and completion_parameters.py."""

    def __init__(self, **options: Any):
        """Declare the parameters; raises ParameterError if their values cannot be used."""
        self._worker: Worker | None = None
        self._inputs: CompletionInputs | None = None
        self._poll_timer: Timer | None = None
        super().__init__("completion_node", COMPLETION_PARAMETERS, check_values, **options)
        self._drops = Counters()
        self._skipped = Counters()
        self._latency = LatencyMeter()
        self._sets = RateMeter()
        self._completed = RateMeter()
        self._last_pairing = (0, 0)  # sets and images without a partner when diagnostics last saw a new set
        self._coverage = 0.0
        self._transform_age: float | None = None
        self._quiet_since = 0  # node clock when a frame could first be expected
        self._had_demand = False
        self._models: ModelSwitch | None = None
        self._failed_wish: ModelChoice | None = None  # the parameters must not go on naming it
        self._first_wish: ModelChoice | None = None
        self._degraded = ""  # why the node runs without the model it was started with

    # -- transitions ----------------------------------------------------------------------------

    def set_up(self) -> None:
        """Begin to load the model, create publishers and listen to transforms."""
        values = self.parameters.values
        settings = CompletionSettings.from_parameters(values)
        self._degraded, self._failed_wish, self._first_wish = "", None, settings.model
        self._models = ModelSwitch(settings.model, self._on_model_failed)
        self._pipeline = CompletionPipeline(settings, self._models.completer)
        self._listener = TransformListener(self, self.problem, float(values["transform.timeout"]))
        self._front = CompletionFront(
            FrontSettings.from_parameters(values), self._listener.transforms, self._on_set, self._on_refused
        )
        self._outputs = CompletionOutputs(self, self.problem)
        self._worker = Worker(self._work, self._on_worker_error)

    def begin(self) -> None:
        """Start the worker, then subscribe."""
        assert self._worker is not None
        self._apply(self.parameters.values)
        self._quiet_since = self.now()
        self._had_demand = False
        self._worker.start()
        self._inputs = CompletionInputs(
            self, self._front, lambda: self.parameters.values, self.now, self._on_set, self.problem, self.on_time_jump
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

    def close(self) -> bool:
        """End from whatever state; the worker may be waiting for a transform."""
        if hasattr(self, "_listener"):
            self._listener.transforms.close()
        return super().close()

    # -- executor's thread ----------------------------------------------------------------------

    def on_parameters(self, values: Mapping[str, Value]) -> None:
        """Take a change between two frames."""
        if self._inputs is not None:
            self._inputs.on_parameters()
        if self._worker is not None and self._worker.is_running:
            self._worker.between(lambda: self._apply(values))

    def check_change(self, old: Mapping[str, Value], new: Mapping[str, Value]) -> None:
        """Refuse a model that is known at once not to be available here."""
        choice = ModelChoice.from_parameters(new)
        if choice != ModelChoice.from_parameters(old) and (problem := choice.problem()):
            raise ParameterError(f"{choice}: {problem}")

    def on_time_jump(self, reason: str) -> None:
        """Forget all that was buffered; called for stamps and for /clock going back."""
        self.problem("time_jump", "", f"{reason}; all buffers were cleared")
        self._front.reset("time_jump")
        self._listener.transforms.clear()
        if self._worker is not None and self._worker.clear():
            self._drops.add("time_jump")
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

    def _on_refused(self, error: FrontError) -> None:
        self.problem(error.cause, self._topic(error.topic), str(error))

    def _poll(self) -> None:
        now = self.now()
        if now > 0:
            self._front.poll(now)
        demand = bool(self._outputs.wanted(bool(self.parameters.values["output.always_publish"])))
        if (demand and not self._had_demand) or self._quiet_since <= 0:  # 0: simulated time had not begun
            self._quiet_since = now
        self._had_demand = demand
        self._listener.review()
        if self._failed_wish is not None:
            wish, self._failed_wish = self._failed_wish, None
            if wish == ModelChoice.from_parameters(self.parameters.values):  # else something else was asked for since
                self._tell_what_runs()

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
            self._drops.add(error.cause)
            self.problem(error.cause, self._topic(error.topic), str(error))
            return
        for note in given.notes:
            self.problem("note", "", note)
        given = replace(given, latency={"wait": started - handed_over, **given.latency})
        self._pipeline.completer = completer = self._models.take(given.frame.camera.shape)
        self.hardware = str(getattr(getattr(completer, "run", None), "device", "cpu"))
        estimate = self._pipeline.run(given)
        self._outputs.publish(given, estimate, wanted, values)
        latency = {**estimate.latency, "total": time.perf_counter() - handed_over}
        age = (self.now() - synced.image_stamp) / NANOSECONDS
        if 0 <= age < SENSIBLE_AGE:  # else the stamps are of another clock, as in a recording without /clock
            latency["age of image"] = age
        self._latency.add(latency)
        self._coverage = estimate.input_coverage
        self._transform_age = given.transform_age
        self._completed.tick(self.now() or synced.image_stamp)

    def _on_worker_error(self, error: Exception) -> None:
        if self.context.ok():
            self._drops.add("exception")
            self.problem("exception", "completion", f"{type(error).__name__}: {error}")

    def _apply(self, values: Mapping[str, Value]) -> None:
        """Bring settings into force; another model is loaded in the background."""
        assert self._models is not None
        self._front.settings = FrontSettings.from_parameters(values)
        self._listener.transforms.timeout = float(values["transform.timeout"])
        self._pipeline.settings = settings = CompletionSettings.from_parameters(values)
        if settings.model not in (self._models.choice, self._first_wish):
            self._degraded = ""
        if settings.model != self._failed_wish:
            self._models.request(settings.model)

    def _on_model_failed(self, wish: ModelChoice, error: Exception) -> None:
        """Keep what runs; called on any thread."""
        text = f"{wish} cannot be used: {error}"
        if wish is self._first_wish:
            self._degraded = f"{text}; {FALLBACK} answers instead"
            self.get_logger().warning(self._degraded)
        else:
            assert self._models is not None
            self.problem("model", "model", f"{text}; {self._models.choice} stays in use")
        self._failed_wish = wish

    # -- diagnostics ----------------------------------------------------------------------------

    def statuses(self) -> list[Status]:
        """Return the state of inputs, synchronisation, transforms and completion."""
        if self._inputs is None:
            status = Status("completion")
            status.remark(Level.OK, "not active")
            return [status]
        values, now = self.parameters.values, self.now()
        silence = float(values["diagnostics.silence"])
        wanted = sorted(self._outputs.wanted(bool(values["output.always_publish"])))
        inputs = self._inputs.status(now, silence, bool(wanted))
        if now <= 0:
            inputs.remark(Level.WARN, "use_sim_time is true but nothing has arrived on /clock yet")
        return [inputs, self._sync_status(now), self._transform_status(), self._completion_status(now, silence, wanted)]

    def drops(self) -> dict[str, int]:
        """Return everything lost since the start, by cause."""
        return dict(Counter(self._front.statistics().drops) + Counter(self._drops.snapshot()))

    def _sync_status(self, now: int) -> Status:
        status, found = Status("synchronization"), self._front.statistics().sync
        status.set("policy", self.parameters.values["sync.policy"])
        status.set("pair rate [Hz]", self._sets.rate(now))
        status.set("pairs", self._sets.count)
        if found.pairs:
            status.set("interval mean [s]", found.interval_mean)
            status.set("interval max [s]", found.interval_max)
        for cause, count in sorted(found.drops.items()):
            status.set(f"drops.{cause}", count)
        sets, without = self._sets.count, found.drops.get("no_partner", 0)
        if sets > self._last_pairing[0]:
            self._last_pairing = (sets, without)
        if without > self._last_pairing[1] and not self._sets.rate(now):
            status.remark(Level.WARN, self._unpaired(found.missed))
        return status

    def _unpaired(self, missed: float | None) -> str:
        """Return why images find no range data; ``missed`` as in SyncStatistics."""
        values, image, other = (
            self.parameters.values,
            self._topic("image"),
            self._topic(self._front.settings.other_topic),
        )
        if missed is None:
            return f"images on {image} find nothing on {other} to pair with"
        bound = "0 s of sync.policy exact" if values["sync.policy"] == "exact" else f"{values['sync.max_interval']:g} s"
        side = "later" if missed > 0 else "earlier"
        return (
            f"the nearest stamp on {other} is {abs(missed):.3f} s {side} than the image on {image}, and only "
            f"{bound} are allowed; check the drivers' clocks, or change sync.offset or sync.max_interval"
        )

    def _transform_status(self) -> Status:
        status, transforms = Status("transforms"), self._listener.transforms
        age = self._transform_age
        if self._completed.count:
            status.set("age of the newest transform [s]", "static" if age is None else age)
        status.set("failed look-ups", transforms.failures)
        status.set("look-ups that had to wait", transforms.waited)
        for problem in self._recent_problems():
            if problem.cause in ("no_transform", "tf"):
                status.remark(Level.WARN, problem.text)
        if self._listener.incompatible:
            status.remark(Level.ERROR, self._listener.incompatible)
        return status

    def _completion_status(self, now: int, silence: float, wanted: list[str]) -> Status:
        status = Status("completion")
        rate, expected = self._completed.rate(now), float(self.parameters.values["diagnostics.expected_rate"])
        self._tell_model(status)
        status.set("output rate [Hz]", rate)
        status.set("frames", self._completed.count)
        status.set("share of image covered by points", self._coverage)
        for stage, (mean, p95) in self._latency.summary().items():
            status.set(f"latency {stage} mean [s]", mean)
            status.set(f"latency {stage} p95 [s]", p95)
        for cause, count in sorted(self.drops().items()):
            status.set(f"drops.{cause}", count)
        status.set("skipped because nobody subscribes", self._skipped.snapshot().get("nobody subscribes", 0))
        status.set("subscribed outputs", ", ".join(wanted) or "none")
        if self._outputs.too_far:
            status.set("pixels beyond 65.534 m in 16UC1", self._outputs.too_far)
        for problem in self._recent_problems():
            if problem.cause not in ("no_transform", "tf", "incompatible_qos"):
                subject = f"{problem.subject}: " if problem.subject else ""
                status.remark(Level.OK if problem.cause == "note" else Level.WARN, subject + problem.text)
        if not wanted:
            status.remark(Level.OK, "nobody subscribes, so nothing is computed")
            return status
        last = self._completed.newest or 0
        quiet = (now - max(last, self._quiet_since)) / NANOSECONDS
        if now > 0 and quiet >= silence:
            status.remark(Level.ERROR, f"no frame completed for {quiet:.1f} s")
        elif 0 < rate < 0.9 * expected:
            status.remark(Level.WARN, f"output rate {rate:.1f} Hz is below 90 % of the expected {expected:g} Hz")
        return status

    def _tell_model(self, status: Status) -> None:
        """Add what runs, where, and what is being loaded to take its place."""
        assert self._models is not None
        completer = self._models.completer
        status.set("model", f"{completer.name} {completer.version}")
        for key in ("backend", "device"):
            if value := getattr(getattr(completer, "run", None), key, ""):
                status.set(key, value)
        if (wish := self._models.wish) is not None:
            choice, since = wish
            settled = "ready" if self._models.is_settled else f"loading for {time.monotonic() - since:.0f} s"
            status.set("next model", f"{choice}: {settled}")
        if self._degraded:
            status.remark(Level.WARN, self._degraded)

    def _recent_problems(self) -> list:
        values = self.parameters.values
        window = max(float(values["diagnostics.silence"]), 2 * float(values["diagnostics.period"]))
        return self.problems.recent(time.monotonic() - window)

    def _topic(self, role: str) -> str:
        inputs = self._inputs
        return role if inputs is None else inputs.topic(role)
