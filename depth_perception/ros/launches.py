"""The launches of this package: completion on a robot, evaluation of a recording."""

from __future__ import annotations

from collections.abc import Mapping

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.ros.launching import Argument, Launch, NodePlan, Value
from depth_perception.ros.share import share_file

TRUE_FALSE = ("true", "false")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

# launch argument -> parameter of the completion node; an empty argument leaves the parameter as the file has it
COMPLETION_SETTINGS = {
    "model": "model",
    "image_transport": "image.transport",
    "depth_transport": "input.depth_transport",
    "reliability": "qos.reliability",
    "fixed_frame": "transform.fixed_frame",
}

COMMON = (
    Argument("params_file", "", "Parameter file of the completion node; empty: config/completion.yaml of the package."),
    *(
        Argument(
            argument,
            "",
            f"{COMPLETION_PARAMETERS[parameter].description} Empty: as in params_file.",
            ("", *COMPLETION_PARAMETERS[parameter].choices) if COMPLETION_PARAMETERS[parameter].choices else (),
        )
        for argument, parameter in COMPLETION_SETTINGS.items()
    ),
    Argument("rviz", "false", "Start rviz2 with config/rviz/completion.rviz.", TRUE_FALSE),
    Argument("rviz_frame", "", "Fixed frame of rviz2; empty: that of its configuration."),
    Argument("log_level", "info", "Least severity that the nodes print.", LOG_LEVELS),
)

INPUTS = (
    Argument("image", "image", "Topic of the camera image; without the /compressed at its end."),
    Argument("camera_info", "", "Topic of the camera's calibration; empty: camera_info beside the image."),
    Argument("points", "points", "Topic of the range sensor's PointCloud2."),
    Argument("sparse_depth", "", "Topic of a sparse depth image to use instead of points; without /compressedDepth."),
)


def camera_info_beside(image: str) -> str:
    """Return where the calibration of ``image`` is by convention: ``/left/camera_info`` for ``/left/image_raw``."""
    return image.rpartition("/")[0] + "/camera_info" if "/" in image else "camera_info"


def input_remappings(values: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """Return how the completion node's inputs are renamed to the user's topics; what stays the same is left out."""
    targets = {
        "image": values["image"],
        "image/compressed": values["image"] + "/compressed",
        "camera_info": values["camera_info"] or camera_info_beside(values["image"]),
        "points": values["points"],
    }
    if values["sparse_depth"]:
        targets["sparse_depth"] = values["sparse_depth"]
        targets["sparse_depth/compressedDepth"] = values["sparse_depth"] + "/compressedDepth"
    return tuple((source, target) for source, target in targets.items() if source != target)


def completion_node(values: Mapping[str, str], use_sim_time: bool) -> NodePlan:
    """Return the completion node as the arguments ask for it."""
    parameters: dict[str, Value] = {
        parameter: values[argument] for argument, parameter in COMPLETION_SETTINGS.items() if values[argument]
    }
    if values["sparse_depth"]:
        parameters["input.source"] = "depth"
    if use_sim_time:
        parameters["use_sim_time"] = True
    if values.get("autostart") == "false":
        parameters["autostart"] = False
    return NodePlan(
        "completion_node",
        "completion_node",
        namespace=values.get("namespace", ""),
        parameter_file=values["params_file"] or str(share_file("config/completion.yaml")),
        parameters=parameters,
        remappings=input_remappings(values),
        log_level=values["log_level"],
    )


def rviz(values: Mapping[str, str], use_sim_time: bool) -> list[NodePlan]:
    """Return rviz2 if it is wanted; it sees the node's topics by the same names as the node."""
    if values["rviz"] != "true":
        return []
    frame = ("-f", values["rviz_frame"]) if values["rviz_frame"] else ()
    return [
        NodePlan(
            "rviz2",
            "rviz2",
            namespace=values.get("namespace", ""),
            package="rviz2",
            arguments=("-d", str(share_file("config/rviz/completion.rviz")), *frame),
            parameters={"use_sim_time": True} if use_sim_time else {},
            remappings=input_remappings(values),
            required=False,
        )
    ]


def plan_completion(values: Mapping[str, str]) -> list[NodePlan]:
    """Plan ``launch/completion.launch.py``."""
    use_sim_time = values["use_sim_time"] == "true"
    return [completion_node(values, use_sim_time), *rviz(values, use_sim_time)]


COMPLETION = Launch(
    "completion",
    "Dense depth and a coloured cloud from a running camera and range sensor.",
    (
        Argument("namespace", "", "Namespace of the node and its outputs, one for each camera."),
        *INPUTS,
        Argument("use_sim_time", "false", "Follow /clock: true in simulation and replay.", TRUE_FALSE),
        Argument("autostart", "true", "Activate at once; false leaves that to a lifecycle manager.", TRUE_FALSE),
        *COMMON,
    ),
    plan_completion,
)

LAUNCHES = {launch.name: launch for launch in (COMPLETION,)}
