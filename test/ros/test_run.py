"""The way a node process starts and ends, with a node that is none."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("rclpy")

REPOSITORY = Path(__file__).resolve().parents[2]

PROGRAM = """
import sys
from depth_perception.ros.run import StartError, run

class Subject:
    exit_status = None
    def __new__(cls):
        import rclpy
        class Subject(rclpy.node.Node):
            exit_status = None
            def close(self):
                print("closed", flush=True)
                return {clean}
        node = Subject("subject")
        {body}
        print("ready", flush=True)
        return node

assert "rclpy" not in sys.modules, "nothing of ROS may be imported before the signal handlers are in place"
import rclpy.node
sys.exit(run(Subject, "subject", {arguments}))
"""


@pytest.fixture
def start(local_domain, tmp_path):
    started = []

    def start(body="pass", clean="True", arguments="None"):
        variables = {**os.environ, "ROS_DOMAIN_ID": str(local_domain), "PYTHONPATH": path()}
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM.format(body=body, clean=clean, arguments=arguments)],
            env=variables,
            text=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def path():
    return os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_it_quietly(start, number):
    process = start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(number)
    output, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert output == "closed\n"
    assert errors == ""


def test_two_signals_at_once_are_one(start):
    process = start()
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.send_signal(signal.SIGTERM)
    assert process.communicate(timeout=20) == ("closed\n", "")
    assert process.returncode == 0


def test_the_node_may_end_by_itself_with_a_status(start):
    process = start("node.exit_status = 3")
    output, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (3, "")
    assert output == "ready\nclosed\n"


def test_a_start_error_is_one_line(start):
    process = start("raise StartError('no such thing,' + chr(10) + '   try another')")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert errors == "subject: no such thing, try another\n"


@pytest.mark.parametrize(
    ("arguments", "texts"),
    [(["--params-file", "/nowhere.yaml"], ["/nowhere.yaml"]), (["--sped", "3"], ["Unknown", "--sped"])],
)
def test_bad_ros_arguments_are_one_line(start, arguments, texts):
    process = start(arguments=repr(["program", "--ros-args", *arguments]))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert all(text in errors for text in texts)
    assert "Traceback" not in errors
    assert errors.splitlines()[-1].startswith("subject: cannot start ROS")


def test_a_parameter_of_rclpy_with_a_wrong_type_is_one_line(start):
    process = start(arguments=repr(["program", "--ros-args", "-p", "use_sim_time:=maybe"]))
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 2
    assert "use_sim_time" in errors
    assert "Traceback" not in errors


def test_opencv_does_not_print_beside_the_node(start):
    body = "import cv2, numpy; cv2.imdecode(numpy.frombuffer(bytes([137]) + b'PNG' + bytes(30), numpy.uint8), -1)"
    body += "; cv2.imdecode(cv2.imencode('.png', numpy.zeros((8, 8), 'u1'))[1][:12], -1); node.exit_status = 0"
    process = start(body)
    _, errors = process.communicate(timeout=20)
    assert errors == ""


def test_a_failing_callback_is_told_and_survived(start):
    body = "node.create_timer(0.05, lambda: 1 / 0)"
    process = start(body)
    assert process.stdout.readline() == "ready\n"
    while "ZeroDivisionError" not in process.stderr.readline():
        assert process.poll() is None
    while "a callback failed" not in process.stderr.readline():  # again: it goes on
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 0


def test_a_worker_that_never_ends_does_not_keep_the_process(start):
    process = start(clean="False")
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 1


def test_a_library_that_is_still_loading_is_left_behind_quietly(start):
    body = "import threading, time; threading.Thread(target=time.sleep, args=(60,)).start(); node.is_loading = True"
    process = start(body)
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=20) == ("closed\n", "")
    assert process.returncode == 0


def test_a_start_error_that_comes_late_ends_it_too(start):
    body = "node.create_timer(0.05, lambda: (_ for _ in ()).throw(StartError('too late')))"
    _, errors = start(body).communicate(timeout=20)
    assert errors == "subject: too late\n"


def test_without_rclpy_it_says_what_to_do(tmp_path):
    (tmp_path / "rclpy.py").write_text("raise ImportError('no ROS here')")
    program = "import sys; from depth_perception.ros.run import run; sys.exit(run(None, 'subject'))"
    started = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{path()}"},
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode == 2, time.monotonic() - started
    assert "subject: cannot import rclpy (no ROS here)" in done.stderr
    assert "make build" in done.stderr


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="threads are counted by /proc")
@pytest.mark.parametrize("asked", ["", "2"])
def test_products_of_matrices_start_no_threads_unless_asked_for(local_domain, asked):
    """OpenBLAS's threads spin after every product, which takes a core from the sensors' drivers."""
    program = """
import os, sys
from depth_perception.ros.run import StartError, run

def make():
    before = len(os.listdir("/proc/self/task"))
    import numpy as np
    np.ones((600, 600)) @ np.ones((600, 600))
    raise StartError(f"{os.environ['OPENBLAS_NUM_THREADS']} {len(os.listdir('/proc/self/task')) - before}")

sys.exit(run(make, "subject"))
"""
    variables = {k: v for k, v in os.environ.items() if k != "OPENBLAS_NUM_THREADS"}
    variables |= {"ROS_DOMAIN_ID": str(local_domain), "PYTHONPATH": path()}
    variables |= {"OPENBLAS_NUM_THREADS": asked} if asked else {}
    done = subprocess.run([sys.executable, "-c", program], env=variables, text=True, capture_output=True, timeout=60)
    assert done.returncode == 2
    limit, started = done.stderr.split()[-2:]
    assert limit == (asked or "1")
    if not asked:
        assert started == "0"
