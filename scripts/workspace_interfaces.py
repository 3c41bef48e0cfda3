"""tf2_msgs as a package to be generated: no wheel carries /tf's message type. Standard library only."""

from __future__ import annotations

from pathlib import Path

TF2_MSGS = {
    "package.xml": """<?xml version="1.0"?>
<package format="3">
  <name>tf2_msgs</name>
  <version>0.36.0</version>
  <description>The message type of /tf, generated because no wheel carries it.</description>
  <maintainer email="maintainers@users.noreply.b-seed-0c96f959.example">depth_perception maintainers</maintainer>
  <license>Apache-2.0</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>geometry_msgs</depend>
  <exec_depend>rosidl_default_runtime</exec_depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export>
    <build_type>ament_cmake</build_type>
  </export>
</package>
""",
    "CMakeLists.txt": """cmake_minimum_required(VERSION 3.16)
project(tf2_msgs)
find_package(ament_cmake REQUIRED)
find_package(geometry_msgs REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(${PROJECT_NAME} "msg/TFMessage.msg" DEPENDENCIES geometry_msgs)
ament_export_dependencies(rosidl_default_runtime)
ament_package()
""",
    "msg/TFMessage.msg": "geometry_msgs/TransformStamped[] transforms\n",
}


def write_tf2_msgs(folder: Path) -> None:
    """Write the package into ``folder``; files that already say the same keep their times, so nothing is rebuilt."""
    for name, text in TF2_MSGS.items():
        file = folder / name
        if not file.is_file() or file.read_text() != text:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
