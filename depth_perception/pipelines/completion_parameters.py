"""Every parameter of the completion node; the evaluator reads the same table, so both run alike."""

from __future__ import annotations

from depth_perception.models import zoo
from depth_perception.models.backends import BACKENDS
from depth_perception.pipelines.model_selection import ESTIMATORS, MODELS, NO_ESTIMATOR
from depth_perception.pipelines.parameters import Parameter as P
from depth_perception.pipelines.parameters import ParameterTable

STREAMING_PARAMETERS = (
    P(
        "streaming.enabled",
        False,
        "Average depth over frames, moved along with the camera (by transform.fixed_frame) or where the image is still.",
    ),
    P("streaming.memory", 0.5, "How long a still scene is averaged over.", "s", 0.01, 60.0),
    P(
        "streaming.gate",
        3.0,
        "Depth that differs by more than so many of its usual differences between frames is new and passes at once.",
        "",
        0.1,
        100.0,
    ),
)

FALLBACK_PARAMETERS = (
    P(
        "fallback.model",
        next(iter(zoo.estimators()), NO_ESTIMATOR),
        "What estimates depth from the image alone while there is no usable range data; none: depth is unknown then.",
        choices=(NO_ESTIMATOR, *ESTIMATORS),
        read_only=True,
    ),
    P(
        "fallback.model_file",
        "",
        "Weights of your own for it, a .safetensors file; empty: those shipped.",
        read_only=True,
    ),
    P("fallback.min_points", 20, "Fewer measured pixels are not completed, but tell the scale.", "", 1, 100000),
    P("fallback.period", 1.0, "How often the scale is followed while range data comes.", "s", 0.0, 3600.0),
)

COMPLETION_PARAMETERS = ParameterTable(
    [
        P(
            "model",
            zoo.names()[0],
            "Completion model; another one is loaded beside it and takes over between two frames.",
            choices=MODELS,
        ),
        P(
            "backend",
            "auto",
            "What runs a learned model: auto takes the fastest that is installed for the device.",
            choices=BACKENDS,
        ),
        P("device", "auto", "Where a learned model runs: auto, cpu, cuda, cuda:1; auto takes a GPU if there is one."),
        P("model_file", "", "Weights of your own for the learned model, a .safetensors file; empty: those shipped."),
        P(
            "image.transport",
            "raw",
            "raw subscribes to image, compressed to image/compressed.",
            choices=("raw", "compressed"),
            read_only=True,
        ),
        P(
            "image.is_rectified",
            False,
            "The image is already rectified: CameraInfo's P describes it and D is ignored.",
            read_only=True,
        ),
        P("image.rectify", True, "Rectify a distorted image first; if false, depth is registered to the raw pixels."),
        P(
            "input.source",
            "points",
            "Where measured depth comes from: points (PointCloud2) or depth (sparse depth image).",
            choices=("points", "depth"),
            read_only=True,
        ),
        P(
            "input.depth_transport",
            "raw",
            "raw subscribes to sparse_depth, compressedDepth to sparse_depth/compressedDepth.",
            choices=("raw", "compressedDepth"),
            read_only=True,
        ),
        P("input.accept_mono16_depth", False, "Read mono16 depth images as millimetres; otherwise they are refused."),
        P("cloud.min_range", 0.1, "Points nearer to the LiDAR than this are its own robot.", "m", 0.0, 1000.0),
        P("cloud.max_range", 200.0, "Points farther from the LiDAR than this are ignored.", "m", 0.1, 10000.0),
        P("cloud.remove_hidden", True, "Drop background points that shine through foreground in the camera's view."),
        P(
            "cloud.hidden_tolerance",
            0.05,
            "A point hides behind a neighbour nearer by more than this share of its depth.",
            "",
            0.001,
            1.0,
        ),
        P(
            "cloud.deskew",
            True,
            "Undo the robot's motion during a scan when points carry time and a fixed frame is set.",
        ),
        P(
            "cloud.time_unit",
            "auto",
            "Unit of the points' own time field; auto tells it from type and span, none ignores it.",
            choices=("auto", "s", "ms", "us", "ns", "none"),
        ),
        P(
            "transform.fixed_frame",
            "",
            "Frame in which the world stands still (odom); empty: LiDAR and camera are rigid.",
        ),
        P("transform.timeout", 0.1, "Longest wait for a late transform, off the callback thread.", "s", 0.0, 10.0),
        P("transform.use_latest", False, "Use the newest transform instead of the one at the stamps."),
        P(
            "sync.policy",
            "nearest",
            "nearest or exact: our synchroniser; approximate: message_filters where installed.",
            choices=("nearest", "exact", "approximate"),
            read_only=True,
        ),
        P(
            "sync.max_interval",
            0.06,
            "Largest distance in corrected time between an image and its range data.",
            "s",
            0.0,
            10.0,
        ),
        P("sync.queue_size", 10, "Messages held per input while waiting for a partner.", "", 1, 1000),
        P("sync.offset", 0.0, "Added to the stamps of the range data before pairing.", "s", -10.0, 10.0),
        P("sync.timeout", 0.2, "How long an image waits for its range data.", "s", 0.0, 10.0),
        P(
            "sync.publish_partial",
            False,
            "After the timeout, pass the image on with the newest range data in bound, or none.",
        ),
        P(
            "qos.reliability",
            "best_effort",
            "Reliability asked of the sensor publishers.",
            choices=("best_effort", "reliable", "best_available", "system_default"),
            read_only=True,
        ),
        P("qos.depth", 5, "Queue depth of the subscriptions.", "", 1, 1000, read_only=True),
        P("depth.min", 0.3, "Nearest depth published; nearer is unknown.", "m", 0.0, 1000.0),
        P("depth.max", 80.0, "Farthest depth published; farther is unknown.", "m", 0.1, 10000.0),
        P(
            "depth.encoding",
            "32FC1",
            "32FC1: metres, NaN unknown. 16UC1: millimetres, 0 unknown, up to 65.534 m.",
            choices=("32FC1", "16UC1"),
        ),
        P(
            "depth.max_relative_deviation",
            0.0,
            "Depth with standard deviation above this share of it becomes unknown; 0: off.",
            "",
            0.0,
            10.0,
        ),
        *STREAMING_PARAMETERS,
        *FALLBACK_PARAMETERS,
        P("output.organized", False, "Publish one point a pixel with NaN for unknown, instead of the valid ones only."),
        P("output.cloud_stride", 1, "Take every n-th row and column into the cloud.", "pixel", 1, 64),
        P(
            "output.flying_threshold",
            0.05,
            "Drop cloud points whose depth differs from both sides by more than this share.",
            "",
            0.0,
            10.0,
        ),
        P(
            "output.preview_min",
            0.0,
            "Depth at the near end of the preview's colours; 0: 2nd percentile of the frame.",
            "m",
            0.0,
            1000.0,
        ),
        P(
            "output.preview_max",
            0.0,
            "Depth at the far end of the preview's colours; 0: 98th percentile of the frame.",
            "m",
            0.0,
            10000.0,
        ),
        P("output.always_publish", False, "Compute and publish every output even while nobody subscribes."),
        P("diagnostics.period", 1.0, "Time between two diagnostics.", "s", 0.05, 60.0, read_only=True),
        P(
            "diagnostics.expected_rate",
            0.0,
            "Warn when the output rate falls below 90 % of this; 0: never.",
            "Hz",
            0.0,
            1000.0,
        ),
        P("diagnostics.silence", 2.0, "Report an error when no frame was completed for this long.", "s", 0.1, 600.0),
        P("time_jump.backward", 1.0, "A stamp this much older than the newest clears all buffers.", "s", 0.01, 3600.0),
        P("autostart", True, "Configure and activate without a lifecycle manager.", read_only=True),
    ]
)
