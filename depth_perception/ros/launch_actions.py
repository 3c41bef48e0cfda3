"""Turn a ``Launch`` into what ``ros2 launch`` runs. Needs the ROS packages launch and launch_ros, imported on use."""

from __future__ import annotations

from typing import Any

from depth_perception.ros.fastdds import profile_variables
from depth_perception.ros.launches import LAUNCHES
from depth_perception.ros.launching import Launch, LaunchError, NodePlan


def launch_description(name: str) -> Any:
    """Return the ``launch.LaunchDescription`` of one of ``LAUNCHES``; raises KeyError for another name."""
    from launch import LaunchDescription
    from launch.actions import DeclareLaunchArgument, OpaqueFunction, SetEnvironmentVariable

    description = LAUNCHES[name]
    declared = [
        DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in description.arguments
    ]
    variables = [SetEnvironmentVariable(key, value) for key, value in profile_variables().items()]
    return LaunchDescription([*declared, *variables, OpaqueFunction(function=_start, args=[description])])


def _start(context: Any, description: Launch) -> list[Any]:
    """Plan with the values of this launch's context; included launch files may bring arguments of their own."""
    values = {argument.name: context.launch_configurations[argument.name] for argument in description.arguments}
    try:
        return [node_action(node) for node in description.plan(description.resolve(values))]
    except LaunchError as error:
        raise RuntimeError(str(error)) from error


def node_action(node: NodePlan) -> Any:
    """Return the ``launch_ros.actions.Node`` that starts ``node``."""
    from launch.actions import Shutdown
    from launch_ros.actions import Node
    from launch_ros.parameter_descriptions import ParameterValue

    typed = {name: ParameterValue(value, value_type=type(value)) for name, value in node.parameters.items()}
    return Node(
        package=node.package,
        executable=node.executable,
        name=node.name,
        namespace=node.namespace or None,
        arguments=list(node.arguments),
        parameters=([node.parameter_file] if node.parameter_file else []) + ([typed] if typed else []),
        remappings=list(node.remappings),
        ros_arguments=["--log-level", node.log_level],
        output="screen",
        emulate_tty=True,
        on_exit=[Shutdown(reason=f"{node.name} ended")] if node.required else None,
    )
