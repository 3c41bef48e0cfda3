"""The launches of this package: completion, estimation, decomposition, evaluation; and the command that runs them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import yaml

from depth_perception.nodes.decomposition_launch import DECOMPOSITION
from depth_perception.nodes.launch_parts import (
    COMMON,
    COMPLETION_SETTINGS,
    ON_A_ROBOT,
    camera_info_beside,
    common,
    depth_node,
    input_remappings,
    rviz,
)
from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.parameters import ParameterError, read_parameter_file
from depth_perception.ros import launching
from depth_perception.ros.launching import Argument, Launch, LaunchError, NodePlan, Value

__all__ = ["COMPLETION", "DECOMPOSITION", "ESTIMATION", "EVALUATION", "LAUNCHES", "camera_info_beside", "main"]

# launch argument -> what the evaluator calls that topic
RECORDED = {
    "image": "image",
    "camera_info": "camera_info",
    "points": "points",
    "sparse_depth": "depth",
    "truth": "truth",
}
RECORDED_INPUTS = (
    Argument("image", "", "Image topic in the recording; empty: found by type."),
    Argument("camera_info", "", "Its camera_info in the recording; empty: found by type."),
    Argument("points", "", "Point cloud topic in the recording; empty: found by type."),
    Argument("sparse_depth", "", "Sparse depth image in the recording, to use instead of points."),
    Argument("truth", "", "Depth image topic with ground truth; empty: one named ground_truth, if any."),
)


def plan_completion(values: Mapping[str, str]) -> list[NodePlan]:
    """Plan ``launch/completion.launch.py``."""
    use_sim_time = values["use_sim_time"] == "true"
    return [depth_node(values, use_sim_time), *rviz(values, use_sim_time)]


def plan_estimation(values: Mapping[str, str]) -> list[NodePlan]:
    """Plan ``launch/estimation.launch.py``."""
    use_sim_time = values["use_sim_time"] == "true"
    return [depth_node(values, use_sim_time, "estimation"), *rviz(values, use_sim_time, "estimation")]


COMPLETION = Launch(
    "completion",
    "Dense depth and a coloured cloud from a running camera and range sensor.",
    (*ON_A_ROBOT, *COMMON),
    plan_completion,
)

ESTIMATION = Launch(
    "estimation",
    "Dense depth and a coloured cloud from a running camera alone; metric as soon as something tells its scale.",
    (*ON_A_ROBOT, *common("estimation")),
    plan_estimation,
)


def completion_values(values: Mapping[str, str]) -> dict[str, Value]:
    """Return every parameter of the completion node as arguments and params_file have it; raises LaunchError."""
    try:
        file = values["params_file"]
        settings = read_parameter_file(file, COMPLETION_PARAMETERS, "completion_node") if file else {}
        for argument, parameter in COMPLETION_SETTINGS.items():
            if values.get(argument):
                settings[parameter] = values[argument]
        if values["sparse_depth"]:
            settings["input.source"] = "depth"
        return COMPLETION_PARAMETERS.resolve(settings)
    except (ParameterError, OSError, ValueError) as error:
        raise LaunchError(f"params_file: {error}") from error


def find_topics(values: Mapping[str, str], settings: Mapping[str, Value]) -> dict[str, str]:
    """Return the recorded topic behind each input, empty where there is none; raises LaunchError if it is in doubt."""
    from depth_perception.evaluation.recording_topics import TopicChoice, TopicError
    from depth_perception.evaluation.replay import Replay
    from depth_perception.recordings.reader import Recording, RecordingError

    given = TopicChoice(**{field: values[argument] or None for argument, field in RECORDED.items()})
    try:
        with Recording(Path(values["bag"])) as recording:
            found = Replay(recording, given, settings).topics
    except (RecordingError, TopicError, OSError) as error:
        raise LaunchError(f"bag: {error}") from error
    return {argument: getattr(found, field) or "" for argument, field in RECORDED.items()}


def plan_evaluation(values: Mapping[str, str]) -> list[NodePlan]:
    """Plan ``launch/evaluation.launch.py``: bag player, completion node, evaluation node.

    Writes the parameters that completion and scoring share to ``completion.yaml`` in the folder ``out``.
    """
    settings = completion_values(values)
    topics = find_topics(values, settings)
    bag, out = str(Path(values["bag"]).resolve()), Path(values["out"]).resolve()
    shared = write_parameters(out / "completion.yaml", {**settings, **_transports(topics)})
    live = {**values, **dict.fromkeys(COMPLETION_SETTINGS, ""), **_base_names(topics), "params_file": shared}
    scoring: dict[str, Value] = {
        "bag": bag,
        "out": str(out),
        "params_file": shared,
        "holdout": values["holdout"],
        "frames": _number("frames", values, int),
        "every": _number("every", values, int),
        **{f"topics.{field}": topics[argument] for argument, field in RECORDED.items()},
    }
    playing: dict[str, Value] = {
        "bag": bag,
        "rate": _number("rate", values, float),
        "start_offset": _number("start_offset", values, float),
        "wait_for_subscribers": _listeners(topics),
    }
    level, names = values["log_level"], input_remappings(live)
    return [
        NodePlan("evaluation_node", "evaluation_node", parameters=scoring, remappings=names, log_level=level),
        depth_node(live, use_sim_time=True),
        NodePlan("bag_player_node", "bag_player_node", parameters=playing, log_level=level, required=False),
        *rviz(live, use_sim_time=True),
    ]


def write_parameters(file: Path, values: Mapping[str, Value]) -> str:
    """Write a parameter file for any node and return its path as text."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(yaml.safe_dump({"/**": {"ros__parameters": dict(values)}}, sort_keys=False))
    return str(file)


def _transports(topics: Mapping[str, str]) -> dict[str, Value]:
    """Return the parameters that follow from how the recorded topics end."""
    told: dict[str, Value] = {"image.transport": "compressed" if topics["image"].endswith("/compressed") else "raw"}
    if topics["sparse_depth"]:
        is_compressed = topics["sparse_depth"].endswith("/compressedDepth")
        told["input.depth_transport"] = "compressedDepth" if is_compressed else "raw"
    return told


def _listeners(topics: Mapping[str, str]) -> str:
    """Return whom the player waits for: the completion node everywhere, the evaluation node at all but camera_info."""
    return ",".join(
        topic if name == "camera_info" else f"{topic}:2" for name, topic in topics.items() if topic and name != "truth"
    )


def _base_names(topics: Mapping[str, str]) -> dict[str, str]:
    """Return topics as the arguments of a completion node, which adds a transport's ending itself."""
    return {
        "image": topics["image"].removesuffix("/compressed"),
        "camera_info": topics["camera_info"],
        "points": topics["points"] or "points",
        "sparse_depth": topics["sparse_depth"].removesuffix("/compressedDepth"),
    }


def _number(name: str, values: Mapping[str, str], kind: type[int] | type[float]) -> int | float:
    try:
        return kind(values[name])
    except ValueError:
        raise LaunchError(f"{name}: {values[name]!r} is not a number") from None


EVALUATION = Launch(
    "evaluation",
    "Play a recording through the completion node, watch it, score the recording, write a report.",
    (
        Argument("bag", None, "Recording: ROS 1 .bag, ROS 2 folder, .mcap or .db3."),
        Argument("out", "evaluation", "Folder for report.html, scores and pictures."),
        *RECORDED_INPUTS,
        Argument("holdout", "", "What to keep back for scoring: points:SHARE, rings:N or none; empty: as fits."),
        Argument("rate", "1.0", "Speed of playback."),
        Argument("start_offset", "0.0", "Seconds of the beginning that are not played."),
        Argument("frames", "0", "Score this many frames; 0: all."),
        Argument("every", "1", "Score every n-th frame."),
        *(argument for argument in COMMON if not argument.name.endswith("_transport")),  # told by the topics
    ),
    plan_evaluation,
)

LAUNCHES = {launch.name: launch for launch in (COMPLETION, ESTIMATION, DECOMPOSITION, EVALUATION)}


def argument_table(name: str) -> str:
    """Return the arguments of the launch ``name`` as a GitHub markdown table; raises KeyError."""
    return launching.argument_table(LAUNCHES[name])


def main(words: Sequence[str]) -> int:
    """Run ``NAME [argument:=value ...]``, or show a launch's arguments with ``--show-args``; return the exit status."""
    name, rest = (words[0], list(words[1:])) if words else ("", [])
    launch = LAUNCHES.get(name)
    if launch is None:
        print(f"depth_perception launch: {name!r} is not one of {', '.join(LAUNCHES)}", file=sys.stderr)
        return 2
    if {"-s", "--show-args"} & set(rest):
        print(launching.describe(launch))
        return 0
    try:
        return launching.run_without_ros(launch, launching.parse_arguments(rest))
    except LaunchError as error:
        print(f"depth_perception launch {name}: {error}", file=sys.stderr)
        return 2
