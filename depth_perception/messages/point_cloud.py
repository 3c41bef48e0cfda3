"""``sensor_msgs/msg/PointCloud2`` to arrays and back, for any layout of fields."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from depth_perception.frames import PointCloud
from depth_perception.messages.point_time import relative_times
from depth_perception.messages.types import MessageError, MessageTypes, byte_view, header, require_fields, stamp_of

POINT_CLOUD = "sensor_msgs/msg/PointCloud2"

#: ``PointField.datatype`` to NumPy, and back.
DATATYPES = {1: "i1", 2: "u1", 3: "i2", 4: "u2", 5: "i4", 6: "u4", 7: "f4", 8: "f8"}
_CODES = {name: code for code, name in DATATYPES.items()}

#: Field names by meaning, the most specific first.
INTENSITY_FIELDS = ("intensity", "reflectivity", "i")
RING_FIELDS = ("ring", "channel", "line", "laser_id")
TIME_FIELDS = ("t", "time", "timestamp", "time_stamp", "offset_time")


def decode_cloud(message: Any, time_unit: str = "auto") -> PointCloud:
    """Return the valid points of a cloud, organised or not, with intensity, ring and time where it has them.

    Points with a NaN or infinite coordinate and points at exactly (0, 0, 0) are dropped. Coordinates of
    any PointField type become float32 metres. ``time_unit`` is that of the per-point time: ``s``, ``ms``,
    ``us``, ``ns``, ``auto`` (see :func:`relative_times`) or ``none`` to leave it out. A cloud without
    points may lack fields. Raises MessageError for a layout that contradicts itself or lacks x, y or z.
    """
    require_fields(message, POINT_CLOUD, "height", "width", "fields", "point_step", "row_step", "data", "is_bigendian")
    stamp, frame_id = stamp_of(message.header), message.header.frame_id
    columns = field_columns(message)
    if not columns and message.width * message.height == 0:
        return PointCloud(stamp, frame_id, np.zeros((0, 3), np.float32))
    xyz = []  # one contiguous column each: NumPy is far slower from one strided array to another
    for name in "xyz":
        if name not in columns:
            has = ", ".join(field.name for field in message.fields) or "none"
            raise MessageError(f"fields: no single number {name}, expected x, y and z; the cloud has {has}")
        xyz.append(_float32(columns[name]))
    # NaN and infinity survive a sum of magnitudes, and only (0, 0, 0) gives 0.
    magnitude = np.abs(xyz[0])
    magnitude += np.abs(xyz[1])
    magnitude += np.abs(xyz[2])
    valid = (magnitude > 0) & (magnitude < np.inf)
    chosen = None if valid.all() else np.flatnonzero(valid)
    points = np.empty((magnitude.size if chosen is None else chosen.size, 3), np.float32)
    for axis, column in enumerate(xyz):
        points[:, axis] = column if chosen is None else column.take(chosen)

    def pick(names: tuple[str, ...]) -> NDArray | None:
        name = next((name for name in names if name in columns), None)
        if name is None:
            return None
        column = np.ascontiguousarray(columns[name])
        return column if chosen is None else column.take(chosen)

    intensity, ring, time = pick(INTENSITY_FIELDS), pick(RING_FIELDS), pick(TIME_FIELDS)
    return PointCloud(
        stamp,
        frame_id,
        points,
        None if intensity is None else _float32(intensity),
        None if ring is None else _ring_numbers(ring),
        None if time is None or time_unit == "none" else relative_times(time, stamp, time_unit),
    )


def field_columns(message: Any) -> dict[str, NDArray]:
    """Return every single-valued field of a PointCloud2 as a flat array over its points.

    Arrays are strided views into the message where rows are not padded; a field with ``count`` above 1
    is left out. Raises MessageError for a duplicated name, an unknown ``datatype``, a field that does
    not fit into ``point_step``, a ``row_step`` shorter than a row, or truncated data.
    """
    width, height, point_step = int(message.width), int(message.height), int(message.point_step)
    row_step = int(message.row_step)
    data = byte_view(message.data)
    if width < 0 or height < 0:
        raise MessageError(f"width x height: {width} x {height} points")
    row = width * point_step
    if height == 1:  # row_step then says nothing, and some drivers leave it 0
        row_step = row
    if row_step < row and height > 0:
        raise MessageError(
            f"row_step: {row_step} bytes are less than a row of {width} points with point_step {point_step}, "
            f"expected at least {row}"
        )
    needed = row_step * (height - 1) + row if width and height else 0
    if data.size < needed:
        raise MessageError(
            f"data: {data.size} bytes, expected {needed} for {width} x {height} points with point_step "
            f"{point_step} and row_step {row_step} (a truncated cloud?)"
        )
    if row_step != row and needed:  # drop the padding once for all fields
        data = np.ndarray((height, row), np.uint8, data, 0, (row_step, 1)).reshape(-1)
    columns: dict[str, NDArray] = {}
    seen: set[str] = set()
    for field in message.fields:
        if field.name in seen:
            raise MessageError(f"fields: {field.name!r} occurs twice")
        seen.add(field.name)
        if field.datatype not in DATATYPES:
            raise MessageError(f"fields: {field.name}.datatype is {field.datatype}, expected 1 to 8")
        dtype = np.dtype(DATATYPES[field.datatype]).newbyteorder(">" if message.is_bigendian else "<")
        count = max(int(field.count), 1)  # old publishers leave it 0
        if field.offset < 0 or field.offset + count * dtype.itemsize > point_step:
            raise MessageError(
                f"fields: {field.name} ({count} x {dtype.name} at byte {field.offset}) does not fit into point_step "
                f"{point_step}"
            )
        if count == 1:
            size = width * height
            columns[field.name] = (
                np.ndarray((size,), dtype, data, field.offset, (point_step,)) if size else np.zeros(0, dtype)
            )
    return columns


def encode_cloud(
    types: MessageTypes,
    points: NDArray[np.float32],
    stamp: int,
    frame_id: str,
    colors: NDArray[np.uint8] | None = None,
    organized_shape: tuple[int, int] | None = None,
    **extra_fields: NDArray,
) -> Any:
    """Return a little-endian PointCloud2 of ``points`` (n, 3) or (height, width, 3) in metres.

    Fields: x, y, z float32 at bytes 0, 4, 8; with ``colors`` (RGB uint8, as many) rgb at 12, the packed
    0x00RRGGBB in a float32 that rviz and PCL expect; then ``extra_fields`` in the order given, one number
    a point, each at a multiple of its own size. The cloud is organised, row-major, if
    ``organized_shape`` (height, width) is given or ``points`` has three axes; invalid points are NaN
    there, and ``is_dense`` tells whether there are none. Raises MessageError for sizes that differ.
    """
    shape = organized_shape or (points.shape[:2] if points.ndim == 3 else (1, int(np.prod(points.shape[:-1]))))
    if points.ndim < 2 or points.shape[-1] != 3 or shape[0] * shape[1] * 3 != points.size:
        raise MessageError(f"points: array {points.shape}, expected {shape[0]} x {shape[1]} points of 3 numbers")
    xyz = points.reshape(-1, 3)
    layout: list[tuple[str, str, int]] = [("x", "f4", 0), ("y", "f4", 4), ("z", "f4", 8)]
    values: dict[str, NDArray] = {name: xyz[:, axis] for axis, name in enumerate("xyz")}
    end = 12
    if colors is not None:
        if colors.dtype != np.uint8 or colors.size != xyz.size or colors.shape[-1] != 3:
            raise MessageError(f"colors: {colors.dtype} {colors.shape}, expected uint8 RGB for {len(xyz)} points")
        layout.append(("rgb", "f4", end))
        values["rgb"] = pack_rgb(colors.reshape(-1, 3))
        end = 16
    for name, column in extra_fields.items():
        column = np.asarray(column)
        kind = "u1" if column.dtype == bool else column.dtype.str[1:]
        if kind not in _CODES or name in values or column.size != len(xyz):
            raise MessageError(
                f"field {name}: {column.dtype} {column.shape}, expected one number of 8 to 32 bits or float64 for "
                f"each of {len(xyz)} points, under a name not taken by {', '.join(values)}"
            )
        size = np.dtype(kind).itemsize
        end = -(-end // size) * size
        layout.append((name, kind, end))
        values[name] = column.reshape(-1)
        end += size
    alignment = 8 if any(np.dtype(kind).itemsize == 8 for _, kind, _ in layout) else 4
    point_step = -(-end // alignment) * alignment
    dtype = np.dtype(
        {
            "names": [name for name, _, _ in layout],
            "formats": ["<" + kind for _, kind, _ in layout],
            "offsets": [offset for _, _, offset in layout],
            "itemsize": point_step,
        }
    )
    table = np.zeros(len(xyz), dtype)
    for name, column in values.items():
        table[name] = column
    fields = [
        types.make("sensor_msgs/msg/PointField", name=name, offset=offset, datatype=_CODES[kind], count=1)
        for name, kind, offset in layout
    ]
    return types.make(
        POINT_CLOUD,
        header=header(types, stamp, frame_id),
        height=int(shape[0]),
        width=int(shape[1]),
        fields=fields,
        is_bigendian=False,
        point_step=point_step,
        row_step=point_step * int(shape[1]),
        data=table.view(np.uint8),
        is_dense=bool(np.isfinite(xyz).all()),
    )


def pack_rgb(colors: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return float32 (n,) whose bits are 0x00RRGGBB of RGB uint8 (n, 3)."""
    if colors.size == 0:
        return np.zeros(0, np.float32)
    bgra = cv2.cvtColor(colors.reshape(1, -1, 3), cv2.COLOR_RGB2BGRA)  # bytes B G R A: little-endian 0xAARRGGBB
    packed = np.ascontiguousarray(bgra, np.uint8).reshape(-1).view("<u4") & np.uint32(0x00FFFFFF)
    return packed.astype(np.uint32).view(np.float32)


def _float32(column: NDArray) -> NDArray[np.float32]:
    """Return a contiguous float32 copy or view; float64 values beyond float32 become infinite."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.ascontiguousarray(column, np.float32)


def _ring_numbers(ring: NDArray) -> NDArray[np.int32]:
    """Return int32 rings; -1 where a floating-point ring is no number that int32 can hold."""
    if np.issubdtype(ring.dtype, np.floating):
        ring = np.where(np.abs(ring) < 2**31, ring, -1)
    return np.ascontiguousarray(ring).astype(np.int32)
