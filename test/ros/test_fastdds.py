import subprocess
import sys
from xml.etree import ElementTree

import pytest

from depth_perception.ros import fastdds

SPACE = "{http://www.eprosima.com/XMLSchemas/fastRTPS_Profiles}"


def test_both_variables_are_set_and_name_a_profile(repository):
    variables = fastdds.profile_variables({})
    assert set(variables) == {"FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"}
    assert set(variables.values()) <= {str(repository / fastdds.LARGE), str(repository / fastdds.SMALL)}


@pytest.mark.parametrize("name", fastdds.VARIABLES)
def test_the_users_choice_stays(name):
    environment = {name: "/home/robot/dds.xml"}
    assert fastdds.use_profile(environment) == {}
    assert environment == {name: "/home/robot/dds.xml"}


def test_an_empty_variable_is_no_choice():
    environment = dict.fromkeys(fastdds.VARIABLES, "")
    fastdds.use_profile(environment)
    assert environment["FASTRTPS_DEFAULT_PROFILES_FILE"].endswith(".xml")


@pytest.mark.parametrize(("free", "profile"), [(64 << 20, fastdds.SMALL), (8 << 30, fastdds.LARGE)])
def test_the_profile_fits_the_shared_memory(tmp_path, monkeypatch, free, profile):
    monkeypatch.setattr(fastdds.shutil, "disk_usage", lambda folder: fastdds.shutil._ntuple_diskusage(free, 0, free))
    assert fastdds.profile_name(tmp_path) == profile


def test_without_such_a_folder(tmp_path):
    assert fastdds.profile_name(tmp_path / "nothing") == fastdds.LARGE


@pytest.mark.parametrize("name", [fastdds.LARGE, fastdds.SMALL])
def test_profiles_can_hold_images(repository, name):
    root = ElementTree.parse(repository / name).getroot()
    transports = {element.findtext(f"{SPACE}type"): element for element in root.iter(f"{SPACE}transport_descriptor")}
    assert set(transports) == {"SHM", "UDPv4"}
    segment = int(transports["SHM"].findtext(f"{SPACE}segment_size"))
    message = int(transports["SHM"].findtext(f"{SPACE}maxMessageSize"))
    assert 640 * 480 * 4 < message <= segment
    assert root.findtext(f".//{SPACE}useBuiltinTransports") == "false"
    (participant,) = root.iter(f"{SPACE}participant")
    assert participant.get("is_default_profile") == "true"


def test_lines_for_the_shell():
    command = [sys.executable, "-m", "depth_perception.ros.fastdds"]
    environment = {"PATH": "/usr/bin:/bin"}
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    lines = done.stdout.splitlines()
    assert [line.partition("=")[0] for line in lines] == [f"export {name}" for name in fastdds.VARIABLES]


PING = """
import sys, time
import rclpy
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image

rclpy.init()
node = rclpy.create_node("ping")
publisher = node.create_publisher(Image, "image", QoSProfile(depth=5))
message = Image(height=480, width=640, encoding="32FC1", step=2560)
message.data.frombytes(bytes(480 * 2560))
while True:
    publisher.publish(message)
    time.sleep(0.05)
"""


@pytest.mark.graph
@pytest.mark.parametrize("name", [fastdds.LARGE, fastdds.SMALL])
def test_fast_dds_takes_the_profile_and_images_pass(repository, name, local_domain, monkeypatch, tmp_path):
    """A profile with an error in it makes Fast DDS print a complaint and go on without it."""
    pytest.importorskip("rclpy")
    pong = PING.replace("ping", "pong").partition("publisher =")[0] + (
        "got = []\n"
        "node.create_subscription(Image, 'image', got.append, QoSProfile(depth=5))\n"
        "end = time.monotonic() + 30\n"
        "while not got and time.monotonic() < end: rclpy.spin_once(node, timeout_sec=0.1)\n"
        "print('bytes', len(got[0].data) if got else 0)\n"
    )
    for variable in fastdds.VARIABLES:
        monkeypatch.setenv(variable, str(repository / name))
    monkeypatch.setenv("ROS_DOMAIN_ID", str(local_domain))
    sender = subprocess.Popen([sys.executable, "-c", PING], stderr=subprocess.DEVNULL)
    try:
        done = subprocess.run([sys.executable, "-c", pong], capture_output=True, text=True, timeout=60, check=False)
    finally:
        sender.terminate()
        sender.wait(10)
    assert done.stdout == "bytes 1228800\n"
    assert "Error" not in done.stderr, done.stderr
