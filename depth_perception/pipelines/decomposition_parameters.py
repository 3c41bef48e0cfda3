"""Every parameter of the decomposition node; the offline command reads the same table, so both build alike."""

from __future__ import annotations

from dataclasses import replace

from depth_perception.pipelines.completion_parameters import COMPLETION_PARAMETERS
from depth_perception.pipelines.decomposition_settings import PROFILES
from depth_perception.pipelines.parameters import Parameter as P
from depth_perception.pipelines.parameters import ParameterTable

_SHARED = COMPLETION_PARAMETERS

DECOMPOSITION_PARAMETERS = ParameterTable(
    [
        P(
            "profile",
            "live",
            "Configuration of the model: live fits while the robot moves, paper is the method as published, tiny is for tests.",
            choices=PROFILES,
            read_only=True,
        ),
        P("cell", 0.0, "Size of the model's cells, and of the meshes' triangles; a block has no more than some millions of them, and they grow if it is too large. 0: that of the profile.", "m", 0.0, 1.0, read_only=True),
        P("device", "cpu", "Where the model is fitted: cpu, cuda, cuda:1.", read_only=True),
        _SHARED["image.transport"],
        _SHARED["image.is_rectified"],
        P("image.max_width", 320, "Wider images are thinned to this before they are fitted.", "pixel", 16, 4096, read_only=True),
        P(
            "depth.transport",
            "raw",
            "raw subscribes to depth, compressedDepth to depth/compressedDepth.",
            choices=("raw", "compressedDepth"),
            read_only=True,
        ),
        P("depth.is_rectified", True, "Depth is registered to the rectified image, as our nodes publish it; if false, to the raw one."),
        P("depth.max", 6.0, "Farther depth is not used; that of cameras grows unsure with the square of the distance.", "m", 0.1, 1000.0, read_only=True),
        P(
            "labels.source",
            "auto",
            "topic waits for the labels of every image; builtin segments here, see labels.segmenter; auto takes the topic while it has a publisher.",
            choices=("auto", "topic", "builtin"),
        ),
        P("labels.segmenter", "builtin", "What segments images that come without labels: builtin, or what you have installed, as torchvision:MODEL; see docs/decomposition.md.", read_only=True),
        P("labels.is_rectified", False, "Labels are of the rectified image; if false, of the image as it comes."),
        P("labels.class_file", "", "YAML file with lines like 48: cup, for labels that name classes; empty: labels only tell objects apart.", read_only=True),
        P("pose.source", "tf", "Where the camera's pose comes from: tf, or odometry together with the camera's mounting from tf.", choices=("tf", "odometry"), read_only=True),
        P("transform.fixed_frame", "odom", "Frame of the world, z up: it must not drift much while an object is in view.", read_only=True),
        P("transform.timeout", 0.2, "Longest wait for a late transform, off the callback thread.", "s", 0.0, 10.0),
        replace(_SHARED["sync.max_interval"], default=0.03, description="Largest distance in time between an image and its depth, or its labels."),
        replace(_SHARED["sync.queue_size"], default=30),
        P("sync.timeout", 3.0, "How long an image waits for its depth and its labels, which segmenters may take long to find.", "s", 0.0, 60.0),
        P("key_frames.distance", 0.15, "A frame so far from all kept ones is kept.", "m", 0.001, 100.0),
        P("key_frames.angle", 12.0, "A frame turned so far from all kept ones is kept.", "degree", 0.1, 180.0),
        P("key_frames.new_surface", 0.2, "A frame is kept if this share of what it sees was not seen before.", "", 0.0, 1.0),
        P("key_frames.new_labels", 0.25, "A frame is kept if this share of its labelled surface was not labelled before.", "", 0.0, 1.0),
        P("blocks.size", 3.0, "Side of the cubes that the scene is cut into.", "m", 0.5, 100.0, read_only=True),
        P("blocks.margin", 0.2, "How far neighbouring blocks overlap, so that objects across a border are found to be one.", "m", 0.0, 10.0, read_only=True),
        P("blocks.live", 3, "Blocks held in memory and fitted; the longest unseen are put aside.", "", 1, 1000, read_only=True),
        P("blocks.key_frames", 40, "Key frames held for each block; of more, the one most like another goes.", "", 1, 10000, read_only=True),
        P("blocks.keep_fitters", True, "Put all that was learned of a block aside; if false its surfaces only, and it is learned again when revisited.", read_only=True),
        P("blocks.folder", "", "Folder for blocks that are put aside; empty: a temporary one.", read_only=True),
        P("blocks.parked_megabytes", 64.0, "Surfaces of blocks put aside that stay in memory; the rest lies on disk, too.", "MB", 0.0, 100000.0, read_only=True),
        P("optimization.steps", 60, "Steps that a block is fitted for each key frame that it gets.", "", 1, 100000, read_only=True),
        P("optimization.cpu_share", 0.7, "Share of its thread's time that fitting may take; the rest it sleeps.", "", 0.01, 1.0),
        P("optimization.slice", 0.25, "How long fitting goes on until a new frame is taken.", "s", 0.01, 10.0),
        P("optimization.threads", 0, "Threads that fitting may use at once; 0: as many as torch takes.", "", 0, 1024, read_only=True),
        P("objects.cell", 0.02, "How finely surfaces are compared to tell whether they are the same object.", "m", 0.001, 1.0, read_only=True),
        P("objects.match", 0.3, "Least overlap of a surface with what it was before to keep its id.", "", 0.05, 1.0, read_only=True),
        P("objects.least_size", 0.03, "Objects no longer than this are not published.", "m", 0.0, 10.0, read_only=True),
        P("objects.least_confidence", 0.0, "Less sure objects are not published.", "", 0.0, 1.0),
        P("output.period", 1.0, "Time between two messages of changed objects.", "s", 0.05, 3600.0, read_only=True),
        P("output.complete_period", 5.0, "Least time between two messages of all objects, for those who come later.", "s", 0.05, 3600.0),
        P("output.label_encoding", "32SC1", "Encoding of the label image: 32SC1 with -1 for unknown, or 16UC1 with 65535.", choices=("32SC1", "16UC1")),
        P("output.view", "depth", "How the label image is made: depth asks the model at each measured pixel, model renders the scene alone, both renders where depth is unknown.", choices=("depth", "model", "both")),
        P("output.view_stride", 1, "Label every n-th row and column, and repeat between them.", "pixel", 1, 64),
        P("output.cloud_stride", 2, "Take every n-th row and column into the labelled cloud.", "pixel", 1, 64),
        P("output.marker_triangles", 4000, "Most triangles of one object's marker in rviz.", "", 12, 1000000),
        _SHARED["qos.reliability"],
        _SHARED["qos.depth"],
        _SHARED["diagnostics.period"],
        replace(_SHARED["diagnostics.silence"], description="Report an error when no frame was taken for this long.", default=5.0),
        _SHARED["time_jump.backward"],
        _SHARED["autostart"],
    ]
)  # fmt: skip
