"""The camera's picture with the emotion, the face and the bars drawn over it.

python demos/live_camera_overlay.py bundles/grjca-tflite-fp32.mer
python demos/live_camera_overlay.py bundles/grjca-tflite-fp32.mer --source play:clip.mp4 --out frames
"""

import argparse
import sys
from collections import deque
from pathlib import Path

import cv2
import numpy as np

from mer_sdk import EmotionEstimate, LiveOptions, LiveSensor, Smoothing
from mer_sdk.errors import MerError
from mer_sdk.live.sources import Capture, named_sources

WHITE, GREEN, DARK = (255, 255, 255), (90, 220, 90), (40, 40, 40)


def overlay(rgb: np.ndarray, estimate: EmotionEstimate) -> np.ndarray:
    """The picture as OpenCV wants it (BGR), with what the estimate says."""
    picture = cv2.cvtColor(rgb, cv2.COLOR_RGB2BGR)
    if estimate.face is not None:
        x, y, w, h = (round(value) for value in estimate.face.box)
        cv2.rectangle(picture, (x, y), (x + w, y + h), GREEN, 2)
        words = f"{estimate.emotion} {100 * estimate.confidence:.0f} %"
        cv2.putText(picture, words, (x, max(20, y - 8)), cv2.FONT_HERSHEY_SIMPLEX, 0.7, GREEN, 2)
    height, width = picture.shape[:2]
    cv2.rectangle(picture, (0, 0), (230, 14 + 22 * len(estimate.probabilities)), DARK, -1)
    cv2.rectangle(picture, (0, height - 28), (width, height), DARK, -1)
    for row, (label, share) in enumerate(estimate.probabilities.items()):
        place = 24 + 22 * row
        cv2.rectangle(picture, (100, place - 12), (100 + round(120 * share), place), GREEN, -1)
        cv2.putText(picture, label, (8, place), cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1)
    gone = estimate.live.stale if estimate.live is not None else ()
    below = f"{estimate.state}  {estimate.latency_ms:.1f} ms  {' '.join(f'no {name}' for name in gone)}"
    cv2.putText(picture, below, (8, height - 10), cv2.FONT_HERSHEY_SIMPLEX, 0.5, WHITE, 1)
    return picture


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("--source", default="camera+microphone", help="see mer run; default: camera+microphone")
    parser.add_argument("--out", type=Path, help="write pictures into this folder instead of showing a window")
    options = parser.parse_args()
    if options.out is not None:
        options.out.mkdir(parents=True, exist_ok=True)
    elif any(line.split() == ["GUI:", "NONE"] for line in cv2.getBuildInformation().splitlines()):
        sys.exit(
            "this OpenCV shows no windows: give --out FOLDER, or install opencv-python in place of the headless one"
        )
    sources = named_sources(options.source)
    streams = tuple(stream for source in sources for stream in source.streams)
    latest: deque[np.ndarray] = deque(maxlen=1)  # the newest frame, put there by the camera's thread
    live = LiveSensor.open(options.bundle, smoothing=Smoothing(margin=0.1), options=LiveOptions(streams=streams))
    with live, Capture(live, sources, on_picture=lambda rgb, time: latest.append(rgb)):
        estimate, number = None, 0
        while not live.over:
            estimate = live.get(timeout=0.03) or estimate
            if not latest or estimate is None:
                continue
            picture = overlay(latest.pop(), estimate)
            if options.out is not None:
                cv2.imwrite(str(options.out / f"{number:06}.png"), picture)
                number += 1
                continue
            cv2.imshow("mer-edge (q ends)", picture)
            if cv2.waitKey(1) == ord("q"):
                return


if __name__ == "__main__":
    try:
        main()
    except MerError as error:
        sys.exit(str(error))
