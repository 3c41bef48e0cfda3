import os
from xml.etree import ElementTree

from workspace_interfaces import write_tf2_msgs


def test_package_is_complete_and_names_match(tmp_path):
    write_tf2_msgs(tmp_path / "tf2_msgs")
    manifest = ElementTree.parse(tmp_path / "tf2_msgs" / "package.xml").getroot()
    assert manifest.findtext("name") == "tf2_msgs"
    cmake = (tmp_path / "tf2_msgs" / "CMakeLists.txt").read_text()
    assert "project(tf2_msgs)" in cmake
    assert '"msg/TFMessage.msg"' in cmake
    assert (tmp_path / "tf2_msgs" / "msg" / "TFMessage.msg").read_text() == (
        "geometry_msgs/TransformStamped[] transforms\n"
    )


def test_same_files_keep_their_times_and_others_are_mended(tmp_path):
    write_tf2_msgs(tmp_path)
    message, cmake = tmp_path / "msg" / "TFMessage.msg", tmp_path / "CMakeLists.txt"
    os.utime(message, (1, 1))
    cmake.write_text("changed by hand")
    write_tf2_msgs(tmp_path)
    assert message.stat().st_mtime == 1
    assert "project(tf2_msgs)" in cmake.read_text()
