"""What the launches of this package are made of: arguments, renamed topics, the nodes of depth, rviz."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.decomposition_parameters import DECOMPOSITION_PARAMETERS
from depth_perception.pipelines.estimation_parameters import ESTIMATION_PARAMETERS
from depth_perception.pipelines.parameters import ParameterTable
from depth_perception.ros.launching import Argument, LaunchError, NodePlan, Value
from depth_perception.ros.share import share_file

TRUE_FALSE = ("true", "false")
LOG_LEVELS = ("debug", "info", "warn", "error", "fatal")

# launch argument -> parameter of the completion node; an empty argument leaves the parameter as the file has it
COMPLETION_SETTINGS = {
    "model": "model",
    "backend": "backend",
    "device": "device",
    "model_file": "model_file",
    "image_transport": "image.transport",
    "depth_transport": "input.depth_transport",
    "reliability": "qos.reliability",
    "fixed_frame": "transform.fixed_frame",
}
# the same for the estimation node
ESTIMATION_SETTINGS = {
    **COMPLETION_SETTINGS,
    "source": "input.source",
    "floor_frame": "scale.floor_frame",
    "camera_height": "scale.camera_height",
}
# and for the decomposition node
DECOMPOSITION_SETTINGS = {
    "profile": "profile",
    "device": "device",
    "labels_source": "labels.source",
    "segmenter": "labels.segmenter",
    "class_file": "labels.class_file",
    "pose_source": "pose.source",
    "fixed_frame": "transform.fixed_frame",
    "image_transport": "image.transport",
    "depth_transport": "depth.transport",
    "reliability": "qos.reliability",
}
TABLES: dict[str, tuple[ParameterTable, dict[str, str]]] = {
    "completion": (COMPLETION_PARAMETERS, COMPLETION_SETTINGS),
    "estimation": (ESTIMATION_PARAMETERS, ESTIMATION_SETTINGS),
    "decomposition": (DECOMPOSITION_PARAMETERS, DECOMPOSITION_SETTINGS),
}


def common(task: str) -> tuple[Argument, ...]:
    """Return the arguments that every launch of the node of ``task`` has."""
    table, settings = TABLES[task]
    return (
        Argument("params_file", "", f"Parameter file of the {task} node; empty: config/{task}.yaml of the package."),
        *(
            Argument(
                argument,
                "",
                f"{table[parameter].description} Left out: as in params_file.",
                ("", *table[parameter].choices) if table[parameter].choices else (),
            )
            for argument, parameter in settings.items()
        ),
        Argument("rviz", "false", f"Start rviz2 with config/rviz/{task}.rviz.", TRUE_FALSE),
        Argument("rviz_frame", "", "Fixed frame of rviz2; empty: that of its configuration."),
        Argument("log_level", "info", "Least severity that the nodes print.", LOG_LEVELS),
    )


COMMON = common("completion")

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
    """Return how a node's inputs are renamed to the user's topics; what stays the same is left out."""
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


def depth_node(values: Mapping[str, str], use_sim_time: bool, task: str = "completion") -> NodePlan:
    """Return the node of ``task`` as the arguments ask for it; raises LaunchError for what cannot be."""
    table, settings = TABLES[task]
    parameters: dict[str, Value] = {
        parameter: typed(argument, values[argument], table[parameter].default)
        for argument, parameter in settings.items()
        if values[argument]
    }
    if values["params_file"] and not Path(values["params_file"]).is_file():
        raise LaunchError(f"params_file: {values['params_file']}: no such file")
    if values["sparse_depth"]:
        parameters["input.source"] = "depth"
    if use_sim_time:
        parameters["use_sim_time"] = True
    if values.get("autostart") == "false":
        parameters["autostart"] = False
    return NodePlan(
        f"{task}_node",
        f"{task}_node",
        namespace=values.get("namespace", ""),
        parameter_file=values["params_file"] or str(share_file(f"config/{task}.yaml")),
        parameters=parameters,
        remappings=input_remappings(values),
        log_level=values["log_level"],
    )


def typed(argument: str, text: str, default: Value) -> Value:
    """Return the text of an argument in the type of the parameter that it sets."""
    if not isinstance(default, float):
        return text
    try:
        return float(text)
    except ValueError:
        raise LaunchError(f"{argument}: {text!r} is not a number") from None


def rviz(values: Mapping[str, str], use_sim_time: bool, task: str = "completion") -> list[NodePlan]:
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
            arguments=("-d", str(share_file(f"config/rviz/{task}.rviz")), *frame),
            parameters={"use_sim_time": True} if use_sim_time else {},
            remappings=input_remappings(values),
            required=False,
        )
    ]


NAMESPACE = Argument("namespace", "", "Namespace of the node and its outputs, one for each camera.")
RUNNING = (
    Argument("use_sim_time", "false", "Follow /clock: true in simulation and replay.", TRUE_FALSE),
    Argument("autostart", "true", "Activate at once; false leaves that to a lifecycle manager.", TRUE_FALSE),
)
ON_A_ROBOT = (NAMESPACE, *INPUTS, *RUNNING)
