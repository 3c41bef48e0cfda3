"""The one error of the way from messages to pipeline input: something cannot be used, and here is why."""

from __future__ import annotations


class FrontError(ValueError):
    """A message or a set that cannot be used.

    ``cause`` is a short word to count by, ``topic`` the input's name (``image``, ``camera_info``,
    ``points`` or ``sparse_depth``); the text says what was found and what to do.
    """

    def __init__(self, cause: str, topic: str, text: str):
        super().__init__(text)
        self.cause = cause
        self.topic = topic
