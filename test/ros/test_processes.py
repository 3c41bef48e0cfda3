from __future__ import annotations

import io
import os
import signal
import sys
import time

import pytest

from depth_perception.ros.processes import ProcessGroup


def python(code):
    return [sys.executable, "-u", "-c", code]


WAITS = (
    "import signal, sys, time\nprint('ready')\ntry:\n    time.sleep(60)\nexcept KeyboardInterrupt:\n    print('bye')\n"
)
STUBBORN = "import signal, time\nsignal.signal(signal.SIGINT, signal.SIG_IGN)\nprint('ready')\ntime.sleep(60)\n"


def until(condition, seconds=20.0):
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


def test_output_carries_the_name_and_is_kept():
    output = io.StringIO()
    with ProcessGroup(output) as group:
        child = group.start("talker", python("import sys; print('one'); print('two', file=sys.stderr)"))
        assert child.wait(20) == 0
    assert output.getvalue() == "[talker] one\n[talker] two\n"
    assert child.tail() == ["one", "two"]


def test_last_lines_only_and_broken_text_survive():
    with ProcessGroup(None, kept_lines=3) as group:
        code = "import sys\nfor i in range(9): print(i)\nsys.stdout.buffer.write(b'\\xff\\xfe\\n')"
        child = group.start("a", python(code))
        child.wait(20)
    assert child.tail()[:2] == ["7", "8"]


def test_end_is_by_sigint():
    with ProcessGroup(None) as group:
        child = group.start("a", python(WAITS))
        until(lambda: child.tail() == ["ready"])
        assert group.running() == [child]
    assert child.returncode == 0
    assert child.tail() == ["ready", "bye"]


def test_a_child_hears_interrupts_that_this_process_ignores():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in the background of a shell
    try:
        with ProcessGroup(None) as group:
            child = group.start("a", python(WAITS))
            until(lambda: child.tail() == ["ready"])
    finally:
        signal.signal(signal.SIGINT, before)
    assert child.returncode == 0
    assert child.tail() == ["ready", "bye"]


def test_a_stubborn_process_is_terminated_after_the_patience():
    group = ProcessGroup(None, patience=0.4)
    child = group.start("a", python(STUBBORN))
    until(lambda: child.tail() == ["ready"])
    group.stop()
    assert child.returncode == -signal.SIGTERM


@pytest.mark.parametrize("ignores", ["pass", "signal.signal(signal.SIGINT, signal.SIG_IGN)"])
def test_its_own_children_end_too(ignores):
    inner = f"import signal, time; {ignores}; print('ready', flush=True); time.sleep(60)"
    code = (
        "import subprocess, sys, time\n"
        f"p = subprocess.Popen([sys.executable, '-c', {inner!r}])\n"
        "print(p.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    group = ProcessGroup(None, patience=2.0)
    child = group.start("a", python(code))
    until(lambda: len(child.tail()) == 2)
    grandchild = next(int(line) for line in child.tail() if line != "ready")
    group.stop()

    def gone():
        try:
            with open(f"/proc/{grandchild}/stat") as stat:
                return stat.read().rsplit(")", 1)[1].split()[0] == "Z"
        except FileNotFoundError:
            return True

    until(gone)


def test_wait_any_returns_the_first_to_end():
    with ProcessGroup(None) as group:
        slow = group.start("slow", python(WAITS))
        quick = group.start("quick", python("raise SystemExit(3)"))
        assert group.wait_any(20) is quick
        assert group.failed() == [quick]
        assert group.wait_any(0.1) is None
        assert group.running() == [slow]
    assert group.wait_any(1) is slow
    assert group.wait_any(1) is None


def test_wait_any_does_not_miss_a_process_that_ended_before_the_call():
    with ProcessGroup(None) as group:
        children = [group.start(name, python("pass")) for name in "ab"]
        until(lambda: not group.running())
        assert {child.name for child in (group.wait_any(5), group.wait_any(5))} == {child.name for child in children}
        assert group.wait_any(5) is None


def test_failing_to_start_ends_the_others():
    with pytest.raises(FileNotFoundError), ProcessGroup(None) as group:  # noqa: PT012
        child = group.start("a", python(WAITS))
        until(lambda: bool(child.tail()))
        group.start("b", ["/nonexistent/program"])
    assert child.returncode is not None


def test_only_its_own_process_group_is_signalled():
    with ProcessGroup(None) as group:
        child = group.start("a", python("import os; print(os.getpgid(0))"))
        child.wait(20)
    assert int(child.tail()[0]) == child.pid != os.getpgid(0)
