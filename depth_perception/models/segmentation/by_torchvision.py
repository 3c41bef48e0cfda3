"""Instance segmentation by a detection model of torchvision, where that is installed."""

from __future__ import annotations

import numpy as np

from depth_perception.models.segmentation.choice import Segment, SegmenterError, labels_from_masks, library

LEAST_SCORE = 0.5


def load(model: str, device: str = "cpu") -> Segment:
    """Return a segmenter from ``torchvision.models.detection``; ``model`` is a function's name there, with masks.

    Raises SegmenterError if torchvision is missing or has no such model.
    """
    torch, detection = library("torch"), library("torchvision.models.detection")
    make = getattr(detection, model, None)
    if not callable(make):
        raise SegmenterError(f"segmenter: torchvision.models.detection has no {model}")
    network = make(weights="DEFAULT").eval().to(device)

    def segment(image, depth, camera):
        batch = torch.from_numpy(np.ascontiguousarray(image)).permute(2, 0, 1).to(device).float() / 255
        with torch.no_grad():
            found = network([batch])[0]
        if "masks" not in found:
            raise SegmenterError(f"segmenter: {model} of torchvision finds boxes but no masks")
        masks, scores = (found[name].cpu().numpy() for name in ("masks", "scores"))
        return labels_from_masks(masks[:, 0], scores, image.shape[:2], LEAST_SCORE)

    return segment
