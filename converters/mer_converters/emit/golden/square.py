"""The contract's square from eyes and mouth, for detectors of a system with boxes of their own."""

from __future__ import annotations

import numpy as np

from mer_sdk.frontends.face_square import square_of_landmarks

COUNT = 12


def stages() -> dict[str, np.ndarray]:
    """`stage_square_*`: points [N, 6] (x and y of one eye, the other eye and the mouth) to boxes [N, 4]."""
    random = np.random.default_rng(27)
    # Upright, turned and nodding heads of some sizes, at any angle, of whole and half pixels.
    size, angle = random.uniform(20, 200, COUNT), random.uniform(-1.0, 1.0, COUNT)
    wide, long = random.uniform(0.2, 0.5, COUNT) * size, random.uniform(0.4, 1.1, COUNT) * size
    shape = np.stack([-wide, 0 * wide, wide, 0 * wide, random.uniform(-0.3, 0.3, COUNT) * wide, long], axis=1)
    x, y = shape[:, 0::2], shape[:, 1::2]
    turned = np.stack(
        [
            x * np.cos(angle)[:, None] - y * np.sin(angle)[:, None],
            x * np.sin(angle)[:, None] + y * np.cos(angle)[:, None],
        ],
        axis=2,
    )
    points = np.round((turned + random.uniform(100, 500, (COUNT, 1, 2))) * 2) / 2
    boxes = [square_of_landmarks(*(tuple(point) for point in row.tolist())) for row in points]
    return {"stage_square_points": points.reshape(COUNT, 6), "stage_square_boxes": np.array(boxes)}
