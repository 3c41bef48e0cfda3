"""Entry point of the evaluation node; light, so that Ctrl-C during start-up finds its handlers in place."""

from __future__ import annotations

from depth_perception.ros.run import run


def main(args: list[str] | None = None) -> int:
    """Watch, score and report; returns the exit status."""

    def make():
        from depth_perception.nodes.evaluation import EvaluationNode

        return EvaluationNode()

    return run(make, "evaluation_node", args)
