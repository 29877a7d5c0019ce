"""What is left between a trained finder's boxes and the cascade's, measured on whole portraits of tuning persons.

Most faces that it learned from were tight crops, where the cascade gives other boxes than in a whole picture; its own
boxes are therefore brought to the convention once, by a factor and a shift that become part of the network.
"""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import torch

from mer_fusion.models.face_finder import FaceFinder
from mer_fusion.training.finder.banks import FaceBank
from mer_fusion.training.finder.teachers import corner_box
from mer_sdk.frontends.face_crop import overlap

# Height of the portrait in the finder's input, pixels: faces of about 24, 36 and 48.
HEIGHTS = (64, 96, 128)


@torch.no_grad()
def differences(finder: FaceFinder, portraits: FaceBank) -> np.ndarray:
    """Side by the cascade's, and how far the centre lies right and below of the cascade's, in its sides: [K, 3] of the
    K faces that were found, each portrait in several sizes."""
    config = finder.config
    extent = np.array([config.width, config.height] * 2, np.float32)
    found = []
    for face, square in zip(portraits.faces, portraits.squares, strict=True):
        for height in HEIGHTS:
            size = min(height, config.height)
            small = cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA)
            left, wide = (config.width - size) // 2, config.width - size
            frame = np.zeros((config.height, config.width, 3), np.float32)
            frame[:size] = cv2.copyMakeBorder(small, 0, 0, left, wide - left, cv2.BORDER_REPLICATE)
            scores, boxes = (item[0].numpy() for item in finder(torch.from_numpy(frame[None])))
            x, y, width, _ = (float(value) for value in boxes[scores.argmax()] * extent)
            own = (float(square[0]) * size + left, float(square[1]) * size, float(square[2]) * size)
            if overlap((x, y, width, width), corner_box(own)) > 0.4:
                found.append((width / own[2], (x + width / 2 - own[0]) / own[2], (y + width / 2 - own[1]) / own[2]))
    return np.array(found, np.float64).reshape(-1, 3)


def brought_to_convention(finder: FaceFinder, portraits: FaceBank) -> FaceFinder:
    """The same network with boxes whose median side and height are the cascade's."""
    found = differences(finder, portraits)
    if not len(found):
        return finder
    ratio, _, below = (float(value) for value in np.median(found, axis=0))
    config = finder.config
    correction = replace(config, scale=round(config.scale / ratio, 4), drop=round(config.drop - below, 4))
    corrected = FaceFinder(correction)
    corrected.load_state_dict(finder.state_dict())
    return corrected.eval()
