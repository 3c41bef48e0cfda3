"""Every parameter of the bag player node."""

from __future__ import annotations

from depth_perception.pipelines.parameters import Parameter as P
from depth_perception.pipelines.parameters import ParameterTable

BAG_PLAYER_PARAMETERS = ParameterTable(
    [
        P(
            "bag",
            "",
            "Recording to play: ROS 1 .bag, ROS 2 folder, .mcap or .db3.",
            read_only=True,
        ),
        P("rate", 1.0, "Speed of playback: 2.0 is twice as fast.", "", 0.001, 1000.0),
        P("loop", False, "Start again at the end, for ever; /clock jumps back.", read_only=True),
        P("start_offset", 0.0, "Skip this much of the beginning.", "s", 0.0, 1e9, read_only=True),
        P("paused", False, "Hold playback; /clock stands still."),
        P("topics", "", "Comma-separated topics to play; empty: all that can be played.", read_only=True),
        P(
            "prefix",
            "",
            "Put before every topic except /tf, /tf_static and /clock, for instance /left.",
            read_only=True,
        ),
        P(
            "wait_for_subscribers",
            "",
            "TOPIC or TOPIC:COUNT, comma-separated, or all: what must be subscribed before playback; empty: nothing.",
            read_only=True,
        ),
        P("wait_timeout", 30.0, "Longest wait for subscribers; then playback starts anyway.", "s", 0.0, 3600.0),
        P("clock_rate", 20.0, "Rate of /clock between messages; it also ticks before each one.", "Hz", 1.0, 1000.0),
        P("read_ahead", 50, "Messages read from disk in advance; 0: read when due.", "", 0, 10000, read_only=True),
        P("exit_when_done", True, "End the process after the last message.", read_only=True),
    ]
)
