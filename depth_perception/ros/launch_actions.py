"""Turn a ``Launch`` into what ``ros2 launch`` runs.

The ROS packages launch and launch_ros are imported by name and on use: they are not on PyPI, and a linter that looks
for ``launch`` from the checkout's root finds the folder of launch files.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from depth_perception.ros.fastdds import profile_variables
from depth_perception.ros.launching import Launch, LaunchError, NodePlan


def launch_description(description: Launch) -> Any:
    """Return the ``launch.LaunchDescription`` of ``description``."""
    launch, actions = import_module("launch"), import_module("launch.actions")
    declared = [
        actions.DeclareLaunchArgument(
            argument.name,
            default_value=argument.default,
            description=argument.description,
            choices=list(argument.choices) or None,
        )
        for argument in description.arguments
    ]
    variables = [actions.SetEnvironmentVariable(key, value) for key, value in profile_variables().items()]
    return launch.LaunchDescription(
        [*declared, *variables, actions.OpaqueFunction(function=_start, args=[description])]
    )


def _start(context: Any, description: Launch) -> list[Any]:
    """Plan with the values of this launch's context; included launch files may bring arguments of their own."""
    values = {argument.name: context.launch_configurations[argument.name] for argument in description.arguments}
    try:
        return [node_action(node) for node in description.plan(description.resolve(values))]
    except LaunchError as error:
        raise RuntimeError(str(error)) from error


def node_action(node: NodePlan) -> Any:
    """Return the ``launch_ros.actions.Node`` that starts ``node``."""
    shutdown, launch_ros = import_module("launch.actions").Shutdown, import_module("launch_ros.actions")
    descriptions = import_module("launch_ros.parameter_descriptions")
    typed = {
        name: descriptions.ParameterValue(value, value_type=type(value)) for name, value in node.parameters.items()
    }

    def ended(event: Any, context: Any) -> list[Any]:
        """End everything with a required node, and with any node that failed."""
        return [shutdown(reason=f"{node.name} ended")] if node.required or event.returncode else []

    return launch_ros.Node(
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
        on_exit=ended,
    )
