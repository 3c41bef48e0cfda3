"""Every parameter of the evaluation node."""

from __future__ import annotations

from depth_perception.pipelines.parameters import Parameter as P
from depth_perception.pipelines.parameters import ParameterTable

EVALUATION_PARAMETERS = ParameterTable(
    [
        P("bag", "", "Recording to score, the one that is being played.", read_only=True),
        P("out", "evaluation", "Folder for report.html, scores and pictures.", read_only=True),
        P("params_file", "", "Parameter file of the completion node; empty: its defaults.", read_only=True),
        P("models", "", "Comma-separated models to score; empty: the one of the parameters.", read_only=True),
        P(
            "holdout",
            "",
            "What to keep back for scoring: points:SHARE, rings:N or none; empty: points:0.2, none with ground truth.",
            read_only=True,
        ),
        P("seed", 0, "Seed of the hold-out.", "", 0, 2**31 - 1, read_only=True),
        P("frames", 0, "Score this many frames; 0: all.", "", 0, 10**9, read_only=True),
        P("every", 1, "Score every n-th frame.", "", 1, 10**6, read_only=True),
        P("topics.image", "", "Image topic in the recording; empty: found by type.", read_only=True),
        P("topics.camera_info", "", "Its camera_info in the recording; empty: found by type.", read_only=True),
        P("topics.points", "", "Point cloud topic in the recording; empty: found by type.", read_only=True),
        P("topics.depth", "", "Sparse depth topic in the recording; empty: found by type.", read_only=True),
        P("topics.truth", "", "Depth image topic with ground truth; empty: one named ground_truth.", read_only=True),
        P("truth_folder", "", "Folder of 16-bit depth PNGs with ground truth, instead of a topic.", read_only=True),
        P("truth_scale", 0.001, "Metres per unit in those PNGs.", "m", 1e-9, 1.0, read_only=True),
        P("live", True, "Watch the running graph first: rates, latency by stage, losses.", read_only=True),
        P(
            "completion_node",
            "completion_node",
            "Name of the node to watch; its outputs are expected in its namespace.",
            read_only=True,
        ),
        P("start_timeout", 30.0, "Longest wait for the first /clock or output.", "s", 0.1, 3600.0, read_only=True),
        P("silence", 2.0, "Playing has ended when /clock and outputs were silent for this long.", "s", 0.1, 600.0,
          read_only=True),
        P("exit_when_done", True, "End the process after the report is written.", read_only=True),
    ]
)  # fmt: skip
