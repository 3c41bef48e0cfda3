"""Clouds of any layout, held to a loop over points with struct, and to sensor_msgs_py where it is installed."""

from __future__ import annotations

import math
import struct
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from depth_perception.messages.point_cloud import decode_cloud, encode_cloud, field_columns, pack_rgb
from depth_perception.messages.types import MessageError, byte_view, rclpy_types

STAMP = 1_700_000_000_500_000_000
LETTERS = {1: "b", 2: "B", 3: "h", 4: "H", 5: "i", 6: "I", 7: "f", 8: "d"}
INT8, UINT16, UINT32, FLOAT32, FLOAT64 = 1, 4, 6, 7, 8


def field(name, offset, datatype, count=1):
    return SimpleNamespace(name=name, offset=offset, datatype=datatype, count=count)


def cloud(fields, point_step, data, width, height=1, row_step=None, big=False, stamp=STAMP):
    seconds, nanoseconds = divmod(stamp, 10**9)
    return SimpleNamespace(
        header=SimpleNamespace(stamp=SimpleNamespace(sec=seconds, nanosec=nanoseconds), frame_id="lidar"),
        height=height,
        width=width,
        fields=fields,
        is_bigendian=big,
        point_step=point_step,
        row_step=width * point_step if row_step is None else row_step,
        data=data,
        is_dense=True,
    )


def xyz(points, extra=(), **keywords):
    """A plain cloud: x y z float32 and float32 columns behind it."""
    names = ["x", "y", "z", *dict(extra)]
    table = np.column_stack([np.float32(points), *dict(extra).values()]).astype("<f4")
    fields = [field(name, 4 * i, FLOAT32) for i, name in enumerate(names)]
    return cloud(fields, 4 * len(names), table.tobytes(), len(table), **keywords)


@st.composite
def clouds(draw):
    """A cloud with fields in any order, of any type, with gaps, row padding and both byte orders."""
    names = ["x", "y", "z"]
    names += draw(st.lists(st.sampled_from(["intensity", "reflectivity", "i", "ring", "channel", "tag"]), unique=True))
    names = draw(st.permutations(names))
    fields, end = [], draw(st.integers(0, 3))
    for name in names:
        count = draw(st.integers(2, 3)) if name == "tag" and draw(st.booleans()) else 1
        datatype = draw(st.sampled_from(sorted(LETTERS)))
        fields.append(field(name, end, datatype, draw(st.sampled_from([0, 1])) if count == 1 else count))
        end += count * struct.calcsize(LETTERS[datatype]) + draw(st.integers(0, 3))
    width, height = draw(st.integers(1, 6)), draw(st.integers(1, 3))
    row_step = width * end + draw(st.integers(0, 5))
    big = draw(st.booleans())
    data = bytearray(draw(st.binary(min_size=row_step * height, max_size=row_step * height)))
    for row in range(height):
        for column in range(width):
            special = draw(st.sampled_from(["as it is", "number", "number", "zero", "nan"]))
            for f in fields:
                letter = LETTERS[f.datatype]
                at = row * row_step + column * end + f.offset
                if special == "as it is" and letter not in "fd":
                    continue
                whole = draw(st.integers(0, 100))
                value = 0 if special == "zero" and f.name in "xyz" else whole
                if letter in "fd" and special != "zero":
                    value = math.nan if special == "nan" and f.name == "y" else whole - 50.25
                struct.pack_into((">" if big else "<") + letter, data, at, value)
    return cloud(fields, end, bytes(data), width, height, row_step, big)


def by_hand(message):
    """Every kept point as a dict, one number after the other."""
    kept = []
    order = ">" if message.is_bigendian else "<"
    for row in range(message.height):
        for column in range(message.width):
            base = row * message.row_step + column * message.point_step
            point = {}
            for f in message.fields:
                if f.count <= 1:
                    value = struct.unpack_from(order + LETTERS[f.datatype], message.data, base + f.offset)[0]
                    point[f.name] = value
            position = [float(np.float32(point[axis])) for axis in "xyz"]
            if all(map(math.isfinite, position)) and any(position):
                kept.append(point)
    return kept


@settings(max_examples=250, deadline=None)
@given(clouds())
def test_any_layout(message):
    wanted = by_hand(message)
    found = decode_cloud(message)
    assert found.points.dtype == np.float32
    assert found.points.shape == (len(wanted), 3)
    assert found.points.flags.c_contiguous
    assert np.array_equal(found.points, np.array([[p[a] for a in "xyz"] for p in wanted]).reshape(-1, 3).astype("f4"))
    present = {f.name for f in message.fields}
    for names, values, dtype in (
        (("intensity", "reflectivity", "i"), found.intensity, np.float32),
        (("ring", "channel"), found.ring, np.int32),
    ):
        name = next((n for n in names if n in present), None)
        if name is None:
            assert values is None
            continue
        assert values.dtype == dtype
        expected = np.array([p[name] for p in wanted], np.float64)
        if dtype == np.int32:
            expected = np.where(np.isfinite(expected), expected, -1).astype(np.int64).astype(np.int32)
        assert np.array_equal(values, expected.astype(dtype), equal_nan=True)
    assert found.time is None
    assert (found.stamp, found.frame_id) == (STAMP, "lidar")


def test_invalid_points_are_dropped_with_all_that_belongs_to_them():
    points = [[1, 2, 3], [0, 0, 0], [np.nan, 1, 1], [1, np.inf, 1], [0, 0, 5], [1, 1, -np.inf], [-0.0, 0, 0]]
    found = decode_cloud(xyz(points, {"intensity": np.arange(7), "ring": np.arange(7), "time": np.arange(7) / 100}))
    assert found.points.tolist() == [[1, 2, 3], [0, 0, 5]]
    assert found.intensity.tolist() == [0, 4]
    assert found.ring.tolist() == [0, 4]
    assert found.time == pytest.approx([0.0, 0.04])


def test_a_cloud_is_not_changed_by_reading():
    message = xyz([[1, 2, 3], [0, 0, 0]])
    before = bytes(message.data)
    decode_cloud(message)
    assert message.data == before


def test_float64_coordinates_beyond_float32_are_dropped():
    data = struct.pack("<6d", 1e39, 0, 1, 1, 2, 3)
    fields = [field(n, 8 * i, FLOAT64) for i, n in enumerate("xyz")]
    assert decode_cloud(cloud(fields, 24, data, 2)).points.tolist() == [[1, 2, 3]]


def test_intensity_is_preferred_to_reflectivity():
    extra = {"reflectivity": [1.0], "intensity": [2.0]}
    assert decode_cloud(xyz([[1, 1, 1]], extra)).intensity.tolist() == [2.0]


def test_laser_id_and_line_are_rings_and_broken_rings_are_minus_one():
    assert decode_cloud(xyz([[1, 1, 1]] * 2, {"laser_id": [63.0, np.nan]})).ring.tolist() == [63, -1]
    assert decode_cloud(xyz([[1, 1, 1]], {"line": [3.0]})).ring.tolist() == [3]


def test_time_units_reach_the_reader():
    message = xyz([[1, 1, 1]] * 2, {"t": [0.0, 50.0]})
    assert decode_cloud(message).time == pytest.approx([0.0, 0.05])
    assert decode_cloud(message, time_unit="us").time == pytest.approx([0.0, 5e-5])
    assert decode_cloud(message, time_unit="none").time is None
    with pytest.raises(MessageError, match="time unit 'hours' is not one of s, ms, us, ns, auto, none"):
        decode_cloud(message, time_unit="hours")


@pytest.mark.parametrize("fields", [[], [field(n, 4 * i, FLOAT32) for i, n in enumerate("xyz")]])
@pytest.mark.parametrize(("width", "height"), [(0, 1), (0, 0), (5, 0)])
def test_empty_clouds(fields, width, height):
    found = decode_cloud(cloud(fields, 12 if fields else 0, b"", width, height))
    assert found.points.shape == (0, 3)
    assert len(found) == 0


def test_row_step_is_ignored_in_a_single_row():
    message = xyz([[1, 2, 3], [4, 5, 6]], row_step=0)
    assert len(decode_cloud(message)) == 2


XYZ = [field(n, 4 * i, FLOAT32) for i, n in enumerate("xyz")]


@pytest.mark.parametrize(
    ("message", "text"),
    [
        (cloud(XYZ[:2], 12, bytes(12), 1), "fields: no single number z, expected x, y and z; the cloud has x, y"),
        (cloud([], 12, bytes(12), 1), "no single number x, expected x, y and z; the cloud has none"),
        (cloud([*XYZ, field("x", 0, FLOAT32)], 12, bytes(12), 1), "fields: 'x' occurs twice"),
        (cloud([*XYZ[:2], field("z", 8, FLOAT32, 2)], 16, bytes(16), 1), "no single number z"),
        (cloud([*XYZ[:2], field("z", 8, 9)], 12, bytes(12), 1), "fields: z.datatype is 9, expected 1 to 8"),
        (cloud(XYZ, 11, bytes(11), 1), r"z \(1 x float32 at byte 8\) does not fit into point_step 11"),
        (cloud(XYZ, 0, b"", 3), r"x \(1 x float32 at byte 0\) does not fit into point_step 0"),
        (cloud(XYZ, 12, bytes(35), 3), "data: 35 bytes, expected 36 for 3 x 1 points with point_step 12"),
        (cloud(XYZ, 12, bytes(48), 2, 2, 23), "row_step: 23 bytes are less than a row of 2 points with point_step 12"),
        (cloud(XYZ, 12, bytes(50), 2, 2, 30), "data: 50 bytes, expected 54 for 2 x 2 points"),
    ],
)
def test_contradicting_clouds_are_refused(message, text):
    with pytest.raises(MessageError, match=text):
        decode_cloud(message)


def test_the_old_point_cloud_is_refused(read_types):
    old = read_types.make("sensor_msgs/msg/PointCloud")
    with pytest.raises(MessageError, match="got a sensor_msgs/msg/PointCloud, expected a sensor_msgs/msg/PointCloud2"):
        decode_cloud(old)


def test_columns_are_views():
    data = np.zeros(24, np.uint8)
    columns = field_columns(cloud(XYZ, 12, data, 2))
    assert all(np.shares_memory(column, data) for column in columns.values())


def test_clouds_survive_writing_and_reading(read_types):
    rng = np.random.default_rng(1)
    points = rng.normal(size=(50, 3)).astype(np.float32)
    extra = {
        "intensity": rng.random(50).astype(np.float32),
        "ring": rng.integers(0, 64, 50).astype(np.uint16),
        "t": np.arange(50, dtype=np.uint32) * 2_000_000,
    }
    found = decode_cloud(encode_cloud(read_types, points, STAMP, "lidar", **extra))
    assert np.array_equal(found.points, points)
    assert np.array_equal(found.intensity, extra["intensity"])
    assert np.array_equal(found.ring, extra["ring"])
    assert found.time == pytest.approx(np.arange(50) * 0.002)
    assert (found.stamp, found.frame_id) == (STAMP, "lidar")


def test_the_layout_that_rviz_and_pcl_expect(types):
    colors = np.uint8([[0x11, 0x22, 0x33], [255, 0, 1]])
    message = encode_cloud(
        types,
        np.float32([[1, 2, 3], [4, 5, 6]]),
        STAMP,
        "camera",
        colors,
        label=np.uint8([7, 9]),
        score=np.float64([1, 2]),
    )
    assert [(f.name, f.offset, f.datatype, f.count) for f in message.fields] == [
        ("x", 0, 7, 1), ("y", 4, 7, 1), ("z", 8, 7, 1), ("rgb", 12, 7, 1), ("label", 16, 2, 1), ("score", 24, 8, 1),
    ]  # fmt: skip
    assert (message.point_step, message.row_step, message.width, message.height) == (32, 64, 2, 1)
    assert message.is_dense
    assert not message.is_bigendian
    first, second = (struct.unpack_from("<3fIB7xd", bytes(message.data), at) for at in (0, 32))
    assert first == (1, 2, 3, 0x00112233, 7, 1.0)
    assert second == (4, 5, 6, 0x00FF0001, 9, 2.0)


def test_organised_clouds_keep_unknown_points(types):
    points = np.arange(18, dtype=np.float32).reshape(2, 3, 3)
    points[1, 1] = np.nan
    message = encode_cloud(types, points, STAMP, "camera")
    assert (message.height, message.width, message.point_step, message.row_step) == (2, 3, 12, 36)
    assert not message.is_dense
    assert np.array_equal(byte_view(message.data).view("<f4").reshape(2, 3, 3), points, equal_nan=True)
    same = encode_cloud(types, points.reshape(-1, 3), STAMP, "camera", organized_shape=(2, 3))
    assert (same.height, same.width, bytes(same.data)) == (2, 3, bytes(message.data))
    assert len(decode_cloud(message)) == 5


def test_colours_of_an_organised_cloud_may_have_its_shape(types):
    colors = np.random.default_rng(0).integers(0, 256, (2, 3, 3)).astype(np.uint8)
    message = encode_cloud(types, np.ones((2, 3, 3), np.float32), STAMP, "camera", colors)
    packed = byte_view(message.data).view("<u4").reshape(-1, 4)[:, 3]
    assert packed.tolist() == [(int(r) << 16) + (int(g) << 8) + int(b) for r, g, b in colors.reshape(-1, 3)]


def test_empty_clouds_are_written(types):
    nothing = np.zeros((0, 3))
    message = encode_cloud(types, nothing.astype("f4"), STAMP, "camera", nothing.astype("u1"), ring=np.zeros(0, "u2"))
    assert (message.height, message.width, message.point_step, len(message.data)) == (1, 0, 20, 0)
    assert len(decode_cloud(message)) == 0


def test_boolean_and_big_endian_columns(types):
    message = encode_cloud(
        types, np.ones((2, 3), ">f4"), 0, "c", valid=np.array([True, False]), ring=np.array([1, 500], ">u2")
    )
    assert [f.datatype for f in message.fields[3:]] == [2, UINT16]
    columns = field_columns(message)
    assert columns["valid"].tolist() == [1, 0]
    assert columns["ring"].tolist() == [1, 500]
    assert columns["y"].tolist() == [1, 1]


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ({"points": np.zeros((4, 2), "f4")}, r"points: array \(4, 2\)"),
        ({"points": np.zeros(3, "f4")}, r"points: array \(3,\)"),
        ({"organized_shape": (2, 3)}, "expected 2 x 3 points of 3 numbers"),
        ({"colors": np.zeros((3, 3), "u1")}, r"colors: uint8 \(3, 3\), expected uint8 RGB for 4 points"),
        ({"colors": np.zeros((4, 3), "f4")}, "colors: float32"),
        ({"ring": np.zeros(3, "u2")}, r"field ring: uint16 \(3,\)"),
        ({"label": np.zeros(4, "i8")}, "field label: int64"),
        ({"x": np.zeros(4, "f4")}, "under a name not taken by x, y, z"),
    ],
)
def test_arrays_that_do_not_belong_together_are_refused(types, arguments, text):
    arguments = {"points": np.zeros((4, 3), "f4"), **arguments}
    with pytest.raises(MessageError, match=text):
        encode_cloud(types, arguments.pop("points"), 0, "camera", **arguments)


def test_packed_colours():
    assert pack_rgb(np.uint8([[1, 2, 3], [255, 255, 255]])).view(np.uint32).tolist() == [0x010203, 0xFFFFFF]
    assert pack_rgb(np.zeros((0, 3), np.uint8)).shape == (0,)


def test_kitti_scan(real_data):
    """A real scan, written and read again: 64 rings of a spinning LiDAR, no point lost."""
    scans = sorted((real_data / "kitti_object").rglob("*.bin"))
    scan = np.fromfile(scans[0], np.float32).reshape(-1, 4)
    types = pytest.importorskip("depth_perception.messages.types").rosbags_types()
    found = decode_cloud(encode_cloud(types, scan[:, :3], STAMP, "velodyne", intensity=scan[:, 3]))
    assert np.array_equal(found.points, scan[:, :3])
    assert np.array_equal(found.intensity, scan[:, 3])


def peer():
    return pytest.importorskip("sensor_msgs_py.point_cloud2")


@settings(max_examples=100, deadline=None)
@given(message=clouds())
def test_as_sensor_msgs_py_reads(message):
    """Held to the real package where it is installed. It does not know padded rows, so those are left out."""
    reader = peer()
    if message.height > 1 and message.row_step != message.width * message.point_step:
        return
    make = rclpy_types().make
    fields = [
        make("sensor_msgs/msg/PointField", name=f.name, offset=f.offset, datatype=f.datatype, count=max(f.count, 1))
        for f in message.fields
    ]
    sizes = {name: getattr(message, name) for name in ("height", "width", "is_bigendian", "point_step", "row_step")}
    theirs = reader.read_points(make("sensor_msgs/msg/PointCloud2", **sizes, fields=fields, data=message.data))
    for name, column in field_columns(message).items():
        assert np.array_equal(column, theirs[name], equal_nan=column.dtype.kind == "f"), name


def test_as_sensor_msgs_py_writes():
    writer = peer()
    types = rclpy_types()
    points = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    ours = encode_cloud(types, points, STAMP, "lidar")
    theirs = writer.create_cloud_xyz32(ours.header, points)
    theirs.is_dense = True  # it always writes False
    assert ours == theirs
