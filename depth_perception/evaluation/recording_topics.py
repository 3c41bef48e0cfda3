"""Find the topics of a recording: camera, calibration, range sensor, ground truth.

Topics are told by type and by the encoding of their first message. Where more than one would do,
nothing is guessed: the error lists the candidates and the option that decides.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

IMAGE = "sensor_msgs/msg/Image"
COMPRESSED = "sensor_msgs/msg/CompressedImage"
INFO = "sensor_msgs/msg/CameraInfo"
CLOUD = "sensor_msgs/msg/PointCloud2"
DEPTH_ENCODINGS = ("16UC1", "32FC1", "mono16")
LABEL_WORD = "labels"
TRUTH_WORD = "ground_truth"  # a depth topic with this in its name is taken as truth unasked


class TopicError(ValueError):
    """A topic is missing, of the wrong type, or cannot be told from others."""


@dataclass(frozen=True)
class TopicChoice:
    """Topic names; None: not given by the user, or not used."""

    image: str | None = None
    camera_info: str | None = None
    points: str | None = None
    depth: str | None = None
    truth: str | None = None

    def names(self) -> list[str]:
        """Return the topics in use."""
        chosen = (self.image, self.camera_info, self.points, self.depth, self.truth)
        return [name for name in chosen if name is not None]


def is_depth(encoding: str) -> bool:
    """Return True if an ``Image.encoding`` or ``CompressedImage.format`` announces depth."""
    return "compressedDepth" in encoding or encoding.split(";")[0].strip() in DEPTH_ENCODINGS


def is_labels(name: str, encoding: str) -> bool:
    """Return True for an image topic of object labels: by its encoding, or grey and called so."""
    return encoding == "32SC1" or (
        encoding in ("mono8", "mono16", "8UC1", "16UC1") and LABEL_WORD in name.split("/")[-1]
    )


def choose_topics(
    types: Mapping[str, str], encoding_of: Callable[[str], str], given: TopicChoice, source: str = "points"
) -> TopicChoice:
    """Return every topic an evaluation needs.

    ``types`` maps topic to message type; ``encoding_of`` returns the encoding (or format) of the
    first message of an image topic and is only called for image topics; ``given`` holds what the user
    typed; ``source`` is ``points`` or ``depth`` (parameter ``input.source``), or ``none`` where images are all that is
    asked for. Raises TopicError.
    """
    _check_given(types, given)
    images = [name for name, kind in types.items() if kind in (IMAGE, COMPRESSED)]
    encodings = {name: encoding_of(name) for name in images}
    colour = [name for name in images if not is_depth(encodings[name]) and not is_labels(name, encodings[name])]
    depths = [name for name in images if is_depth(encodings[name]) and encodings[name].split(";")[0] != "mono16"]
    depths = [name for name in depths if not is_labels(name, encodings[name])]
    infos = [name for name, kind in types.items() if kind == INFO]

    for role, wanted in (("image", False), ("depth", True), ("truth", True)):
        name = getattr(given, role)
        if name is not None and is_depth(encodings[name]) is not wanted:
            what = "depth" if wanted else "a camera image"
            raise TopicError(f"--{role} {name}: its encoding {encodings[name]!r} is not {what}")

    truth = given.truth
    if truth is None:
        named = [name for name in depths if TRUTH_WORD in name]
        truth = named[0] if len(named) == 1 else None

    image = given.image or _only(_prefer_raw(_with_info(colour, infos)), "colour image", "--image", types)
    info = given.camera_info or _info_for(image, infos, types)
    if source == "none":
        return TopicChoice(image, info, None, None, truth)
    if source == "depth":
        inputs = [name for name in depths if name != truth and TRUTH_WORD not in name]
        depth = given.depth or _only(_prefer_raw(inputs), "sparse depth image", "--depth", types)
        return TopicChoice(image, info, None, depth, truth)
    clouds = [name for name, kind in types.items() if kind == CLOUD]
    points = given.points or _only(clouds, "point cloud", "--points", types)
    return TopicChoice(image, info, points, None, truth)


def range_source(types: Mapping[str, str], encoding_of: Callable[[str], str], given: TopicChoice) -> str:
    """Return which range data a recording has: ``points``, else ``depth``, else ``none``; what was given goes first."""
    if given.points or given.depth:
        return "points" if given.points else "depth"
    if CLOUD in types.values():
        return "points"
    images = [name for name, kind in types.items() if kind in (IMAGE, COMPRESSED) and TRUTH_WORD not in name]
    found = [encoding_of(name) for name in images if name != given.truth]
    return "depth" if any(is_depth(e) and e.split(";")[0] != "mono16" for e in found) else "none"


def _check_given(types: Mapping[str, str], given: TopicChoice) -> None:
    allowed = {
        "image": (IMAGE, COMPRESSED),
        "camera_info": (INFO,),
        "points": (CLOUD,),
        "depth": (IMAGE, COMPRESSED),
        "truth": (IMAGE, COMPRESSED),
    }
    for role, kinds in allowed.items():
        name = getattr(given, role)
        if name is None:
            continue
        option = "--" + role.replace("_", "-")
        if name not in types:
            raise TopicError(f"{option} {name}: the recording has no such topic; it has {_listing(types)}")
        if types[name] not in kinds:
            raise TopicError(f"{option} {name}: its type is {types[name]}, not {' or '.join(kinds)}")


def _listing(types: Mapping[str, str]) -> str:
    return ", ".join(f"{name} [{kind}]" for name, kind in sorted(types.items())) or "no topics at all"


def _only(candidates: list[str], what: str, option: str, types: Mapping[str, str]) -> str:
    if len(candidates) == 1:
        return candidates[0]
    if not candidates:
        raise TopicError(f"the recording has no {what} topic; it has {_listing(types)}")
    raise TopicError(f"the recording has several {what} topics, choose with {option}: {', '.join(sorted(candidates))}")


def _prefer_raw(candidates: list[str]) -> list[str]:
    """Drop ``x/compressed`` and the like where ``x`` itself was recorded."""
    return [name for name in candidates if name.rpartition("/")[0] not in candidates]


def _namespace(name: str) -> str:
    """Return the namespace of a camera topic: of ``/left/image/compressed`` it is ``/left``."""
    base = name.rpartition("/")[0]
    if name.endswith(("/compressed", "/compressedDepth")):
        base = base.rpartition("/")[0]
    return base


def _with_info(images: list[str], infos: list[str]) -> list[str]:
    """Return the images that have a camera_info beside them, or all if none has."""
    spaces = {_namespace(name) for name in infos}
    beside = [name for name in images if _namespace(name) in spaces]
    return beside or images


def _info_for(image: str, infos: list[str], types: Mapping[str, str]) -> str:
    beside = [name for name in infos if _namespace(name) == _namespace(image)]
    return _only(beside or infos, "camera_info", "--camera-info", types)
