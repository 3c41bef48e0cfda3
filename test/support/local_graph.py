"""Nodes inside the test's own process, in a context of their own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from ros_domains import own_domain


class LocalGraph:
    """Nodes of one context and an executor that spins only while the test waits."""

    def __init__(self, domain: int):
        import rclpy
        from rclpy.context import Context
        from rclpy.executors import SingleThreadedExecutor

        self.context = Context()
        rclpy.init(context=self.context, domain_id=domain)
        self.executor = SingleThreadedExecutor(context=self.context)
        self._nodes: list = []

    def add(self, node: Any) -> Any:
        self._nodes.append(node)
        self.executor.add_node(node)
        return node

    def node(self, name: str = "observer", **options: Any) -> Any:
        import rclpy

        return self.add(rclpy.create_node(name, context=self.context, **options))

    def wait(self, condition: Callable[[], Any], what: str, timeout: float = 20.0) -> Any:
        deadline = time.monotonic() + timeout
        while not (result := condition()):
            assert time.monotonic() < deadline, f"not within {timeout} s: {what}"
            self.executor.spin_once(timeout_sec=0.02)
        return result

    def close(self) -> None:
        for node in self._nodes:
            if hasattr(node, "close"):
                node.close()
            self.executor.remove_node(node)
            node.destroy_node()
        self.executor.shutdown()
        self.context.try_shutdown()


@pytest.fixture(scope="module")
def local_domain() -> Iterator[int]:
    with own_domain() as domain:
        yield domain


@pytest.fixture
def ros(local_domain) -> Iterator[LocalGraph]:
    pytest.importorskip("rclpy", reason="needs ROS 2; type: make build, then: . scripts/env.sh")
    graph = LocalGraph(local_domain)
    try:
        yield graph
    finally:
        graph.close()
