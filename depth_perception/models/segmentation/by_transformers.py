"""Instance segmentation by a model of transformers, where that is installed."""

from __future__ import annotations

import numpy as np

from depth_perception.models.segmentation.choice import Segment, SegmenterError, labels_from_masks, library

LEAST_SCORE = 0.5


def load(model: str, device: str = "cpu") -> Segment:
    """Return a segmenter from the pipeline "image-segmentation"; ``model`` is a name of the hub or a folder.

    Raises SegmenterError if transformers or Pillow is missing, or the model cannot be loaded.
    """
    transformers, images = library("transformers"), library("PIL.Image")
    try:
        pipeline = transformers.pipeline("image-segmentation", model=model, device=device)
    except (OSError, ValueError) as error:
        raise SegmenterError(f"segmenter: transformers cannot load {model!r}: {error}") from error

    def segment(image, depth, camera):
        found = pipeline(images.fromarray(np.ascontiguousarray(image)), subtask="instance")
        masks = np.array([np.asarray(one["mask"], np.float32) / 255 for one in found])
        scores = np.array([1.0 if one.get("score") is None else one["score"] for one in found])
        return labels_from_masks(masks, scores, image.shape[:2], LEAST_SCORE)

    return segment
