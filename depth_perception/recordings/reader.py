"""Open any ROS 1 or ROS 2 recording and read its messages in the order in which they were logged."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from depth_perception.recordings.qos import LATCHED_QOS, QosProfile, default_qos, from_rosbags, merge

STORAGE_SUFFIXES = (".mcap", ".db3")
# ROS 1's first tf package; layout and meaning are those of tf2_msgs.
_RENAMED = {"tf/msg/tfMessage": "tf2_msgs/msg/TFMessage"}


class RecordingError(RuntimeError):
    """A recording cannot be read or written; the text names the path, the reason and what to do."""


@dataclass(frozen=True)
class TopicInfo:
    """One topic of a recording: ROS 2 type name, number of messages, and the QoS to offer in playback."""

    name: str
    type: str
    count: int
    qos: QosProfile


class Recorded(NamedTuple):
    """One message: ``log_time`` in nanoseconds is when it was recorded, not its header's stamp."""

    topic: str
    type: str
    log_time: int
    message: Any


class RawRecorded(NamedTuple):
    """One message still serialised, as ROS 2 CDR with its 4-byte header."""

    topic: str
    type: str
    log_time: int
    data: bytes


class Recording:
    """A recording opened for reading; use it in a ``with`` statement or call ``close``.

    ``path`` is a ROS 1 ``.bag``, a ROS 2 folder (sqlite3 or mcap, compressed or not, with or without
    its metadata.yaml) or a single ``.mcap`` or ``.db3`` file. Message types come from the definitions
    in the recording; a ROS 2 recording without them is read with those of Jazzy.
    Raises RecordingError.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        self._reader = _open(self.path)
        self._cdr_store: Any = None  # of a ROS 1 recording, made on first use
        self._connections: dict[str, list[Any]] = {}
        for connection in self._reader.connections:
            self._connections.setdefault(connection.topic, []).append(connection)
        self._topics = {
            name: TopicInfo(name, _type_of(links), sum(link.msgcount for link in links), _qos(name, links))
            for name, links in sorted(self._connections.items())
        }

    def __enter__(self) -> Recording:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the files; the recording cannot be used afterwards."""
        if self._reader is not None:
            self._reader.close()
            self._reader = None

    @property
    def is_ros1(self) -> bool:
        """True for a ROS 1 ``.bag``."""
        return not self._open_reader().is2

    @property
    def start(self) -> int:
        """Log time of the first message in nanoseconds; 0 if there is none."""
        return self._open_reader().start_time if self.count else 0

    @property
    def end(self) -> int:
        """Log time of the last message in nanoseconds; 0 if there is none."""
        return self._open_reader().end_time - 1 if self.count else 0  # rosbags counts to just behind it

    @property
    def count(self) -> int:
        """Number of messages on all topics."""
        return sum(topic.count for topic in self._topics.values())

    def topics(self) -> dict[str, TopicInfo]:
        """Return every recorded topic by name, those without messages included."""
        return dict(self._topics)

    def messages(
        self, topics: Collection[str] | None = None, start: int | None = None, stop: int | None = None
    ) -> Iterator[Recorded]:
        """Yield messages in log-time order, read from their bytes as rosbags dataclasses.

        ``topics`` limits to these names; ``start`` (inclusive) and ``stop`` (exclusive) are log times in
        nanoseconds. Raises RecordingError for an unknown topic, a type without definition or damage.
        """
        reader = self._open_reader()
        for connection, log_time, data in self._read(topics, start, stop):
            try:
                message = reader.deserialize(data, connection.msgtype)
            except Exception as error:  # rosbags raises its own, struct.error, KeyError, UnicodeDecodeError...
                raise RecordingError(
                    f"{self.path}: cannot read the message of topic {connection.topic} [{connection.msgtype}] logged "
                    f"at {log_time} ns: {error!r}; leave this topic out or record it again"
                ) from error
            yield Recorded(connection.topic, _ros2_name(connection.msgtype), log_time, message)

    def raw_messages(
        self, topics: Collection[str] | None = None, start: int | None = None, stop: int | None = None
    ) -> Iterator[RawRecorded]:
        """Yield messages as ROS 2 CDR bytes in log-time order, ready for a serialised publish.

        ROS 1 messages are converted byte by byte, which drops ``header.seq``. Arguments as ``messages``.
        Raises RecordingError also for a ROS 1 topic named by ``unpublishable``.
        """
        convert = self._open_reader().is2 is False
        refused = self.unpublishable() if convert else {}
        for connection, log_time, data in self._read(topics, start, stop):
            name = _ros2_name(connection.msgtype)
            if connection.topic in refused:
                raise RecordingError(f"{self.path}: topic {connection.topic}: {refused[connection.topic]}")
            if convert:
                try:
                    data = bytes(self._ros1_store().ros1_to_cdr(data, connection.msgtype))
                except Exception as error:  # see messages
                    raise RecordingError(
                        f"{self.path}: cannot convert the message of topic {connection.topic} [{connection.msgtype}] "
                        f"logged at {log_time} ns to ROS 2: {error!r}; leave this topic out"
                    ) from error
            yield RawRecorded(connection.topic, name, log_time, data)

    def unpublishable(self) -> dict[str, str]:
        """Return the topics that ROS 2 cannot play, with the reason.

        Those are topics with more than one type, and ROS 1 topics whose message differs in ROS 2.
        """
        from rosbags.typesys import Stores, get_typestore

        reasons = {}
        for name, links in self._connections.items():
            kinds = sorted({_ros2_name(link.msgtype) for link in links})
            if len(kinds) > 1:
                reasons[name] = f"it carries several types ({', '.join(kinds)})"
        if self.is_ros1:
            modern, old = get_typestore(Stores.ROS2_JAZZY), self._reader.typestore
            for name, links in self._connections.items():
                kind = links[0].msgtype
                if not _same_layout(old, modern, kind, _ros2_name(kind)):
                    reasons.setdefault(name, f"the ROS 1 message {kind} has other fields in ROS 2")
        return reasons

    def _open_reader(self) -> Any:
        if self._reader is None:
            raise RecordingError(f"{self.path}: this recording has been closed; open it again")
        return self._reader

    def _ros1_store(self) -> Any:
        if self._cdr_store is None:
            from rosbags.typesys import Stores, get_typestore

            # With ROS 2's Header (without seq) in the store, rosbags skips the four bytes of seq.
            header = "std_msgs/msg/Header"
            types = dict(self._open_reader().typestore.fielddefs)
            types[header] = get_typestore(Stores.ROS2_JAZZY).fielddefs[header]
            self._cdr_store = get_typestore(Stores.EMPTY)
            self._cdr_store.register(types)
        return self._cdr_store

    def _read(self, topics, start, stop) -> Iterator[tuple[Any, int, bytes]]:
        reader = self._open_reader()
        if topics is None:
            wanted = [link for links in self._connections.values() for link in links]
        else:
            unknown = sorted(set(topics) - set(self._connections))
            if unknown:
                raise RecordingError(
                    f"{self.path}: no topic {', '.join(unknown)}; recorded are {', '.join(self._topics) or 'none'}"
                )
            wanted = [link for name in topics for link in self._connections[name]]
        if not wanted or not self.count:
            return
        try:
            yield from reader.messages(wanted, start=start, stop=stop)
        except Exception as error:  # rosbags, sqlite, zstd, struct: each tells damage in its own type
            raise RecordingError(f"{self.path}: damaged: {error}; {_advice(self.path)}") from error


def _open(path: Path) -> Any:
    """Return an opened rosbags AnyReader; raises RecordingError."""
    from depth_perception.available import optional

    if optional("rosbags") is None:
        raise RecordingError(f"{path}: reading recordings needs the package rosbags: pip install rosbags")
    from rosbags.highlevel import AnyReader
    from rosbags.typesys import Stores, get_typestore

    files = _files(path)
    jazzy = get_typestore(Stores.ROS2_JAZZY)
    try:
        reader = AnyReader(files, default_typestore=jazzy)
        reader.open()
    except Exception as error:  # rosbags, sqlite, zstd, struct: each tells damage in its own type
        reason = str(error.args[0]) if error.args and not isinstance(error, OSError) else str(error)
        raise RecordingError(f"{path}: not readable: {reason or type(error).__name__}; {_advice(path)}") from error
    _add_missing_types(reader, jazzy)
    return reader


def _files(path: Path) -> list[Path]:
    """Return what to hand to rosbags; raises RecordingError where there is nothing to open."""
    if not path.exists():
        raise RecordingError(f"{path}: no such file or folder; give a .bag, .mcap or .db3 file or a ROS 2 bag folder")
    if path.is_dir():
        if (path / "metadata.yaml").is_file():
            _refuse_open_databases(path.glob("*.db3"))
            return [path]
        # A recorder that was killed leaves no metadata.yaml, but its files may be whole.
        files = sorted(file for file in path.iterdir() if file.suffix in STORAGE_SUFFIXES)
        if not files:
            raise RecordingError(f"{path}: holds neither metadata.yaml nor .mcap or .db3 files; is it a ROS 2 bag?")
        _refuse_open_databases(files)
        return files
    if path.suffix == ".active":
        raise RecordingError(f"{path}: still being recorded, or the recorder died; {_advice(path)}")
    if path.name == "metadata.yaml":
        return _files(path.parent)
    if path.suffix not in (".bag", *STORAGE_SUFFIXES):
        raise RecordingError(f"{path}: {path.suffix or 'no suffix'} is not a recording; known are .bag, .mcap and .db3")
    _refuse_open_databases([path])
    return [path]


def _refuse_open_databases(files) -> None:
    """A write-ahead log beside a database holds messages that are not in it yet; do not lose them silently."""
    for file in files:
        log = file.with_name(file.name + "-wal")
        if file.suffix == ".db3" and log.is_file() and log.stat().st_size:
            raise RecordingError(
                f"{file}: was not closed and {log.name} holds messages that are not in it yet; "
                f'merge them with: sqlite3 {file} "PRAGMA wal_checkpoint(TRUNCATE)"'
            )


def _advice(path: Path) -> str:
    """Return the command that repairs a damaged or unindexed recording of this kind."""
    if path.suffix in (".bag", ".active"):
        return f"repair the index with: rosbag reindex {path}"
    if path.suffix == ".mcap":
        return f"recover what is there with: mcap recover {path} -o recovered.mcap"
    if path.suffix == ".db3":
        return f'recover what is there with: sqlite3 {path} ".recover" | sqlite3 recovered.db3'
    if any(path.glob("*.mcap")):
        return f"rebuild it with: mcap recover on its .mcap files, or ros2 bag reindex {path}"
    return f"rebuild its metadata.yaml with: ros2 bag reindex {path}"


def _add_missing_types(reader: Any, jazzy: Any) -> None:
    """Give types that the recording itself does not define their Jazzy definition, where there is one."""
    if not reader.is2:
        return
    store = reader.typestore
    missing = [link.msgtype for link in reader.connections if link.msgtype not in store.fielddefs]
    if any(name in jazzy.fielddefs for name in missing):
        store.register({name: fields for name, fields in jazzy.fielddefs.items() if name not in store.fielddefs})


def _ros2_name(name: str) -> str:
    return _RENAMED.get(name, name)


def _type_of(connections: list[Any]) -> str:
    return " | ".join(dict.fromkeys(_ros2_name(link.msgtype) for link in connections))


def _qos(topic: str, connections: list[Any]) -> QosProfile:
    profiles = []
    for link in connections:
        if hasattr(link.ext, "latching"):  # ROS 1: TCP is reliable, a latched publisher keeps one message
            latched = bool(link.ext.latching)
            default = default_qos(topic)
            profiles.append(LATCHED_QOS if latched else default)
        else:
            profiles += [from_rosbags(profile, topic) for profile in link.ext.offered_qos_profiles]
    return merge(profiles, topic)


def _same_layout(old: Any, modern: Any, old_name: str, modern_name: str) -> bool:
    """True if ROS 2 has no such message (it is the user's own) or one with the same fields in the same order."""
    if modern_name not in modern.fielddefs or modern_name == "std_msgs/msg/Header":
        return True
    old_fields, modern_fields = old.fielddefs[old_name][1], modern.fielddefs[modern_name][1]
    return len(old_fields) == len(modern_fields) and all(
        _same_field(old, modern, a, b) for (_, a), (_, b) in zip(old_fields, modern_fields)
    )


def _same_field(old: Any, modern: Any, a: Any, b: Any) -> bool:
    if a[0] != b[0]:
        return False
    kind = a[0].name
    if kind == "BASE":
        alike = {"byte": "uint8", "octet": "uint8", "char": "uint8"}
        return alike.get(a[1][0], a[1][0]) == alike.get(b[1][0], b[1][0])
    if kind == "NAME":
        return a[1].rsplit("/", 1)[-1] == b[1].rsplit("/", 1)[-1] and _same_layout(old, modern, a[1], b[1])
    return (kind == "SEQUENCE" or a[1][1] == b[1][1]) and _same_field(old, modern, a[1][0], b[1][0])
