import os
import sys

import pytest

from depth_perception.ros.share import share_file, share_folders


def test_the_checkout_comes_first(repository):
    assert share_folders({})[0] == repository
    assert share_file("config/fastdds_large_messages.xml", {}) == repository / "config" / "fastdds_large_messages.xml"


def test_prefixes_in_their_order(tmp_path):
    environment = {"AMENT_PREFIX_PATH": f"{tmp_path}/a{os.pathsep}{tmp_path}/b"}
    (tmp_path / "b" / "share" / "depth_perception").mkdir(parents=True)
    wanted = tmp_path / "b" / "share" / "depth_perception" / "only_here.yaml"
    wanted.touch()
    assert share_file("only_here.yaml", environment) == wanted
    assert str(share_folders(environment)[-1]).startswith(sys.prefix)


def test_a_missing_file_is_named():
    with pytest.raises(
        FileNotFoundError, match=r"config/nothing\.yaml is not installed with depth_perception; looked in"
    ):
        share_file("config/nothing.yaml", {})
