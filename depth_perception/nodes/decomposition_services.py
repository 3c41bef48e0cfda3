"""What can be asked of the decomposition node: save, load, reset, get one object, merge two."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rclpy.node import Node
from rclpy.task import Future

from depth_perception.available import optional
from depth_perception.messages.object_surface import surface_message
from depth_perception.messages.types import rclpy_types
from depth_perception.pipelines.decomposition import Decomposition

NOT_CONFIGURED = "the node is not configured, so there is no scene"
Answer = Callable[[Decomposition], str]


class DecompositionServices:
    """The services of the node.

    While the node is active its worker answers, between two slices of fitting, and the executor goes on meanwhile;
    while it is only configured nobody else uses the scene, and the answer comes at once.
    """

    def __init__(
        self,
        node: Node,
        scene: Callable[[], Decomposition | None],
        run_on_worker: Callable[[Callable[[], None]], bool],
    ):
        """Offer them; ``run_on_worker`` returns False if no worker runs."""
        self._node = node
        self._scene = scene
        self._run_on_worker = run_on_worker
        self._waiting: list[Future] = []
        types = importlib.import_module("depth_perception.srv")
        for name, kind, answer in (
            ("save_scene", types.SaveScene, self._save),
            ("load_scene", types.LoadScene, self._load),
            ("get_object", types.GetObject, self._get),
            ("merge_objects", types.MergeObjects, self._merge),
        ):
            node.create_service(kind, f"~/{name}", answer)
        if optional("std_srvs") is None:
            node.get_logger().warning("the service ~/reset needs the ROS package std_srvs, which cannot be imported")
        else:
            node.create_service(importlib.import_module("std_srvs.srv").Trigger, "~/reset", self._reset)

    def give_up(self, reason: str) -> None:
        """Answer what is still waiting with ``reason``; the worker has stopped."""
        for future in self._waiting:
            if not future.done():
                future.set_result((False, reason))

    async def _ask(self, response: Any, answer: Answer) -> Any:
        """Fill ``success`` and ``message`` of a response by ``answer(scene)``, wherever that may run."""
        scene = self._scene()
        if scene is None:
            response.success, response.message = False, NOT_CONFIGURED
            return response
        future: Future = Future(executor=self._node.executor)
        future.add_done_callback(lambda done: None)  # it wakes the executor

        def work() -> None:
            future.set_result(_told(answer, scene))

        self._waiting = [other for other in self._waiting if not other.done()] + [future]
        if self._run_on_worker(work):
            await future
        else:
            work()
        response.success, response.message = future.result()
        return response

    async def _save(self, request: Any, response: Any) -> Any:
        def answer(scene: Decomposition) -> str:
            response.objects = scene.save(_folder(request.folder))
            return f"{response.objects} objects in {_folder(request.folder)}"

        return await self._ask(response, answer)

    async def _load(self, request: Any, response: Any) -> Any:
        def answer(scene: Decomposition) -> str:
            response.objects = scene.load(_folder(request.folder))
            return f"{response.objects} objects from {_folder(request.folder)}"

        return await self._ask(response, answer)

    async def _get(self, request: Any, response: Any) -> Any:
        def answer(scene: Decomposition) -> str:
            surface = scene.get(int(request.id))
            response.object = surface_message(rclpy_types(), surface)
            return "" if surface.id == request.id else f"object {request.id} was merged into {surface.id}"

        return await self._ask(response, answer)

    async def _merge(self, request: Any, response: Any) -> Any:
        def answer(scene: Decomposition) -> str:
            scene.merge(int(request.kept), int(request.merged))
            return f"object {request.merged} is part of {request.kept}"

        return await self._ask(response, answer)

    async def _reset(self, request: Any, response: Any) -> Any:
        def answer(scene: Decomposition) -> str:
            scene.reset()
            return "the scene is forgotten"

        return await self._ask(response, answer)


def _folder(text: str) -> Path:
    if not text:
        raise ValueError("folder is empty, expected a path")
    return Path(text).expanduser()


def _told(answer: Answer, scene: Decomposition) -> tuple[bool, str]:
    try:
        return True, answer(scene)
    except Exception as error:  # whatever goes wrong, whoever asked must hear of it
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        return False, str(text) or type(error).__name__
