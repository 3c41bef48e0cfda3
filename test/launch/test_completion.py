"""launch/completion.launch.py with the real launch_ros: the node gets the topics and parameters that were asked for."""

import os

import pytest

pytestmark = pytest.mark.graph


@pytest.fixture
def observer(domain):
    """A node that looks at the graph."""
    rclpy = pytest.importorskip("rclpy")
    context = rclpy.Context()
    rclpy.init(context=context, domain_id=domain)
    node = rclpy.create_node("observer", context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_two_cameras_in_two_namespaces(run_launch, observer):
    arguments = ("points:=/lidar", "model:=fast", "fixed_frame:=1")
    left = run_launch("completion", "namespace:=left", "image:=/left/image_raw", *arguments)
    right = run_launch("completion", "namespace:=right", "image:=/right/image_raw", *arguments)

    def listeners(topic):
        return {info.node_namespace for info in observer.get_subscriptions_info_by_topic(topic)}

    left.wait_until(lambda: listeners("/left/image_raw") == {"/left"}, "left listens to its image")
    right.wait_until(lambda: listeners("/right/image_raw") == {"/right"}, "right listens to its image")
    left.wait_until(lambda: listeners("/lidar") == {"/left", "/right"}, "both listen to the LiDAR")
    assert listeners("/left/camera_info") == {"/left"}
    assert ("completion_node", "/left") in observer.get_node_names_and_namespaces()
    for side in ("left", "right"):
        assert observer.get_publishers_info_by_topic(f"/{side}/depth/image_rect")
    for launch in (left, right):
        launch.interrupt()
        assert "Traceback" not in launch.output
        assert "process has finished cleanly" in launch.output


def test_parameters_arrive_with_their_types(run_launch, observer):
    from rcl_interfaces.srv import GetParameters

    launch = run_launch("completion", "fixed_frame:=1", "use_sim_time:=true", "autostart:=false", "model:=fast")
    client = observer.create_client(GetParameters, "/completion_node/get_parameters")
    launch.wait_until(client.service_is_ready, "the node answers")
    names = ["transform.fixed_frame", "use_sim_time", "autostart", "model", "depth.max"]
    future = client.call_async(GetParameters.Request(names=names))
    import rclpy

    executor = rclpy.executors.SingleThreadedExecutor(context=observer.context)
    executor.add_node(observer)
    executor.spin_until_future_complete(future, timeout_sec=20.0)
    frame, sim_time, autostart, model, far = future.result().values
    assert (frame.string_value, model.string_value, far.double_value) == ("1", "fast", 80.0)
    assert (sim_time.bool_value, autostart.bool_value, autostart.type) == (True, False, 1)
    executor.shutdown()


def test_the_profile_for_large_messages_is_set(run_launch, monkeypatch, tmp_path):
    """A node reads its environment; so does this stand-in, found before Python on the search path of scripts."""
    for name in ("FASTDDS_DEFAULT_PROFILES_FILE", "FASTRTPS_DEFAULT_PROFILES_FILE"):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "python3").write_text('#!/bin/sh\necho "profile $FASTRTPS_DEFAULT_PROFILES_FILE"\n')
    (tmp_path / "python3").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    launch = run_launch("completion")
    launch.wait()
    assert "profile /" in launch.output
    assert "/config/fastdds_" in launch.output


@pytest.mark.parametrize(
    ("argument", "text"),
    [("model:=slow", "slow"), ("params_file:=/no/such.yaml", "/no/such.yaml"), ("log_level:=loud", "loud")],
)
def test_a_bad_argument_ends_the_launch_and_is_named(run_launch, argument, text):
    launch = run_launch("completion", argument)
    assert launch.wait() != 0 or "process has died" in launch.output
    assert text in launch.output
