import threading

import pytest

from depth_perception.nodes.read_ahead import ReadAhead


class Source:
    path = "somewhere"

    def __init__(self, count, fail_at=None):
        self.count, self.fail_at, self.read = count, fail_at, 0

    def raw_messages(self, topics=None, start=None):
        for index in range(self.count):
            if index == self.fail_at:
                raise RuntimeError("damaged")
            self.read += 1
            yield (topics, start, index)


def wait_until(condition):
    for _ in range(1000):
        if condition():
            return True
        threading.Event().wait(0.01)
    return False


def test_same_messages_in_the_same_order_with_the_same_arguments():
    ahead = ReadAhead(Source(100), 8)
    assert list(ahead.raw_messages(["/a"], start=5)) == [(["/a"], 5, index) for index in range(100)]
    assert ahead.path == "somewhere"
    ahead.close()


def test_it_reads_ahead_but_not_more_than_allowed():
    source = Source(100)
    ahead = ReadAhead(source, 8)
    messages = ahead.raw_messages()
    next(messages)
    assert wait_until(lambda: source.read >= 9)
    threading.Event().wait(0.05)
    assert source.read <= 10  # eight waiting, one taken, one in the reader's hand
    messages.close()
    ahead.close()


def test_an_error_comes_where_the_message_would_have():
    messages = ReadAhead(Source(5, fail_at=3), 8).raw_messages()
    assert [next(messages)[2] for _ in range(3)] == [0, 1, 2]
    with pytest.raises(RuntimeError, match="damaged"):
        next(messages)


def test_close_ends_readers_and_threads():
    ahead = ReadAhead(Source(10**9), 2)
    messages = ahead.raw_messages()
    next(messages)
    before = threading.active_count()
    ahead.close()
    assert threading.active_count() < before
    assert next(messages, None) is None


def test_size_must_be_positive():
    with pytest.raises(ValueError, match="read ahead: 0"):
        ReadAhead(Source(1), 0)
