"""The launch of decomposition: on a depth camera, or behind the node that makes depth from a camera and a LiDAR."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depth_perception.nodes.launch_parts import (
    DECOMPOSITION_SETTINGS,
    NAMESPACE,
    RUNNING,
    TABLES,
    camera_info_beside,
    common,
    depth_node,
    rviz,
    typed,
)
from depth_perception.ros.launching import Argument, Launch, LaunchError, NodePlan, Value
from depth_perception.ros.share import share_file

OWN_DEPTH = "depth/image_rect"  # what the other nodes of depth publish
TASKS = ("completion", "estimation")

INPUTS = (
    Argument("image", "image", "Topic of the camera image; without the /compressed at its end."),
    Argument("camera_info", "", "Topic of the camera's calibration; empty: camera_info beside the image."),
    Argument("depth", "", "Topic of depth registered to the image; empty: depth, or what depth_from makes."),
    Argument("labels", "labels", "Topic of label images; see labels_source."),
    Argument("odometry", "odometry", "Topic of nav_msgs/Odometry, for pose_source:=odometry."),
    Argument(
        "depth_from",
        "",
        "Start this node, too, and take its depth: completion, from the image and points; estimation, from the image.",
        ("", *TASKS),
    ),
    Argument("points", "points", "Topic of the range sensor's PointCloud2, for depth_from."),
    Argument("sparse_depth", "", "Topic of a sparse depth image to use instead of points; without /compressedDepth."),
    Argument("depth_params_file", "", "Parameter file of the node of depth_from; empty: that of the package."),
)


def remappings(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return how the node's inputs are renamed; what stays the same is left out."""
    depth = values["depth"] or (OWN_DEPTH if values["depth_from"] else "depth")
    targets = {
        "image": values["image"],
        "image/compressed": values["image"] + "/compressed",
        "camera_info": values["camera_info"] or camera_info_beside(values["image"]),
        "depth": depth,
        "depth/compressedDepth": depth + "/compressedDepth",
        "labels": values["labels"],
        "odometry": values["odometry"],
    }
    return tuple((source, target) for source, target in targets.items() if source != target)


def decomposition_node(values: Mapping[str, str], use_sim_time: bool) -> NodePlan:
    """Return the decomposition node as the arguments ask for it; raises LaunchError for what cannot be."""
    table, settings = TABLES["decomposition"]
    parameters: dict[str, Value] = {
        parameter: typed(argument, values[argument], table[parameter].default)
        for argument, parameter in settings.items()
        if values[argument]
    }
    file = values["params_file"]
    if file and not Path(file).is_file():
        raise LaunchError(f"params_file: {file}: no such file")
    if use_sim_time:
        parameters["use_sim_time"] = True
    if values["autostart"] == "false":
        parameters["autostart"] = False
    return NodePlan(
        "decomposition_node",
        "decomposition_node",
        namespace=values["namespace"],
        parameter_file=file or str(share_file("config/decomposition.yaml")),
        parameters=parameters,
        remappings=remappings(values),
        log_level=values["log_level"],
    )


def depth_maker(values: Mapping[str, str], use_sim_time: bool) -> list[NodePlan]:
    """Return the node that makes depth, if one is asked for; it bridges motion in the same fixed frame."""
    task = values["depth_from"]
    if not task:
        return []
    if values["depth"]:
        raise LaunchError(f"depth: {values['depth']!r} and depth_from: {task!r} are two ways to get depth; give one")
    _, settings = TABLES[task]
    passed_on = ("fixed_frame", "image_transport", "reliability")
    given = {argument: values[argument] if argument in passed_on else "" for argument in settings}
    return [depth_node({**values, **given, "params_file": values["depth_params_file"]}, use_sim_time, task)]


def plan_decomposition(values: Mapping[str, str]) -> list[NodePlan]:
    """Plan ``launch/decomposition.launch.py``."""
    use_sim_time = values["use_sim_time"] == "true"
    return [
        *depth_maker(values, use_sim_time),
        decomposition_node(values, use_sim_time),
        *rviz(values, use_sim_time, "decomposition"),
    ]


DECOMPOSITION = Launch(
    "decomposition",
    "Surfaces of single objects from a running camera with depth, or with a range sensor and depth_from:=completion.",
    (NAMESPACE, *INPUTS, *RUNNING, *common("decomposition")),
    plan_decomposition,
)
assert set(DECOMPOSITION_SETTINGS) <= {argument.name for argument in DECOMPOSITION.arguments}
