"""Entry point of the decomposition node; light, so that Ctrl-C during start-up finds its handlers in place."""

from __future__ import annotations

from depth_perception.ros.run import run


def main(args: list[str] | None = None) -> int:
    """Run the node until a signal; returns the exit status."""

    def make():
        from depth_perception.nodes.decomposition import DecompositionNode

        node = DecompositionNode()
        if node.parameters.values["autostart"]:
            node.autostart()
        return node

    return run(make, "decomposition_node", args)
