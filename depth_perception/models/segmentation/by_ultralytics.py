"""Instance segmentation by a YOLO model of ultralytics, where that is installed (its licence is AGPL or commercial)."""

from __future__ import annotations

import numpy as np

from depth_perception.models.segmentation.choice import Segment, SegmenterError, labels_from_masks, library

LEAST_SCORE = 0.35


def load(model: str, device: str = "cpu") -> Segment:
    """Return a segmenter; ``model`` is the file or the name of weights with masks, such as ``yolo11n-seg.pt``.

    Raises SegmenterError if ultralytics is missing or the weights are not there.
    """
    ultralytics = library("ultralytics")
    try:
        network = ultralytics.YOLO(model)
    except (FileNotFoundError, OSError) as error:
        raise SegmenterError(f"segmenter: ultralytics cannot load {model!r}: {error}") from error

    def segment(image, depth, camera):
        # arrays are taken for BGR, as OpenCV has them
        found = network(np.ascontiguousarray(image[..., ::-1]), device=device, retina_masks=True, verbose=False)[0]
        if found.masks is None:
            return np.zeros(image.shape[:2], np.int32)
        masks, scores = found.masks.data.cpu().numpy(), found.boxes.conf.cpu().numpy()
        return labels_from_masks(masks, scores, image.shape[:2], LEAST_SCORE)

    return segment
