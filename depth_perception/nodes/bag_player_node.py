"""Entry point of the bag player node; light, so that Ctrl-C during start-up finds its handlers in place."""

from __future__ import annotations

from depth_perception.ros.run import run


def main(args: list[str] | None = None) -> int:
    """Play until the end of the recording or a signal; returns the exit status."""

    def make():
        from depth_perception.nodes.bag_player import BagPlayerNode

        return BagPlayerNode()

    return run(make, "bag_player_node", args)
