"""Write messages to a ROS 2 recording (mcap) that ``ros2 bag play`` and any rosbag2 tool reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from depth_perception.recordings.qos import QosProfile, default_qos, to_rosbags
from depth_perception.recordings.reader import RecordingError


class RecordingWriter:
    """A new recording: a folder with one mcap file and metadata.yaml.

    Leaving the ``with`` block always finishes the file, also when an exception passes through, so
    what was written until then can be read. ``typestore`` is a rosbags type store that knows every
    type written (default: Jazzy's); ``qos`` gives profiles by topic, others get ``default_qos``.
    ``compress`` stores chunks with zstd, which rosbag2's mcap plugin reads without being told.
    Raises RecordingError if ``path`` exists or cannot be created.
    """

    def __init__(
        self,
        path: str | Path,
        typestore: Any = None,
        qos: Mapping[str, QosProfile] | None = None,
        compress: bool = True,
    ):
        from depth_perception.available import optional

        self.path = Path(path)
        if optional("rosbags") is None:
            raise RecordingError(f"{self.path}: writing recordings needs the package rosbags: pip install rosbags")
        from rosbags.rosbag2 import CompressionFormat, CompressionMode, StoragePlugin, Writer
        from rosbags.typesys import Stores, get_typestore

        if self.path.exists():
            raise RecordingError(f"{self.path}: exists already; give another name or remove it first")
        self._typestore = typestore or get_typestore(Stores.ROS2_JAZZY)
        self._qos = dict(qos or {})
        self._connections: dict[str, Any] = {}
        self._writer: Any = Writer(self.path, version=9, storage_plugin=StoragePlugin.MCAP)
        if compress:
            self._writer.set_compression(CompressionMode.STORAGE, CompressionFormat.ZSTD)
        try:
            self._writer.open()
        except OSError as error:
            raise RecordingError(
                f"{self.path}: cannot be created: {error}; choose a folder you may write to"
            ) from error

    def __enter__(self) -> RecordingWriter:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Write index and metadata; calling it again does nothing. Raises RecordingError."""
        if self._writer is None:
            return
        writer, self._writer = self._writer, None
        if not self._connections:  # a file without messages would claim the largest possible start time
            writer.min_timestamp = writer.max_timestamp = 0
        try:
            writer.close()
        except OSError as error:
            writer.abort()
            raise RecordingError(
                f"{self.path}: the file could not be finished: {error}; free space and record again, or recover what "
                "is there with: mcap recover"
            ) from error

    def write(self, topic: str, message: Any, log_time: int) -> None:
        """Append a rosbags message (any dataclass of the type store); ``log_time`` in nanoseconds."""
        name = getattr(message, "__msgtype__", None)
        if name is None:
            raise RecordingError(
                f"{self.path}: topic {topic}: {type(message).__module__}.{type(message).__name__} is not a rosbags "
                "message; make it with rosbags_types(), or hand its serialised bytes to write_raw"
            )
        try:
            data = self._typestore.serialize_cdr(message, name)
        except Exception as error:  # rosbags raises whatever the wrong field's packing raises
            raise RecordingError(f"{self.path}: topic {topic}: cannot serialise {name}: {error!r}") from error
        self.write_raw(topic, name, data, log_time)

    def write_raw(self, topic: str, type_name: str, data: bytes | memoryview, log_time: int) -> None:
        """Append a message that is already CDR, as ``rclpy.serialization.serialize_message`` returns it."""
        if self._writer is None:
            raise RecordingError(f"{self.path}: this recording is closed; nothing can be added")
        connection = self._connections.get(topic)
        if connection is None:
            connection = self._connections[topic] = self._connect(topic, type_name)
        if connection.msgtype != type_name:
            raise RecordingError(
                f"{self.path}: topic {topic} holds {connection.msgtype}; a {type_name} cannot be added to it"
            )
        if not 0 <= log_time < 2**63:
            raise RecordingError(f"{self.path}: topic {topic}: log time {log_time} ns cannot be stored")
        try:
            self._writer.write(connection, int(log_time), data)
        except OSError as error:
            raise RecordingError(f"{self.path}: topic {topic}: cannot write: {error}; is the disk full?") from error

    def _connect(self, topic: str, type_name: str) -> Any:
        if type_name not in self._typestore.fielddefs:
            raise RecordingError(
                f"{self.path}: topic {topic}: no definition of {type_name}; pass a typestore that has it"
            )
        profile = self._qos.get(topic, default_qos(topic))
        return self._writer.add_connection(
            topic, type_name, typestore=self._typestore, offered_qos_profiles=[to_rosbags(profile)]
        )
