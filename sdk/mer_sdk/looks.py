"""What a step saw: the face among its frames, cut out as the face graph reads it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.estimate import FaceView
from mer_sdk.frontends.face import FaceDetector, FaceTracker, crop_face
from mer_sdk.manifest import FaceContract

# Finding a face costs more than all graphs together, so a step looks at no more frames than this.
FRAMES_TRIED = 3
# (seconds, gives uint8 RGB [height, width, 3]): pixels that are never looked at need not be converted.
Frame = tuple[float, Callable[[], np.ndarray]]


@dataclass(frozen=True, eq=False)
class Look:
    """A face crop [S, S, 3] and whose it is."""

    crop: np.ndarray
    view: FaceView


def last_look(
    frames: Sequence[Frame], detector: FaceDetector, tracker: FaceTracker, contract: FaceContract
) -> Look | None:
    """The last face of a step's frames, of which at most `FRAMES_TRIED` are searched; None where there is none.

    Raises:
        SignalError: a frame of the wrong shape.
    """
    if not frames:
        return None
    picks = np.unique(np.linspace(0, len(frames) - 1, min(FRAMES_TRIED, len(frames))).round().astype(int))[::-1]
    for pick in picks:
        time, pixels = frames[int(pick)]
        rgb = pixels()
        found = tracker.follow(detector.detect(rgb), time)
        if found is None:
            continue
        crop = crop_face(rgb, found[1], contract)
        if crop is not None:
            return Look(crop, FaceView(*found))
    return None
