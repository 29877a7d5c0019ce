"""Whether face crops of an archive and of the product's own detector give one answer, on clips that have both.

    python -m benchmarks.faces.crop_sources --data ravdess_pairs:PATH --videos FOLDER [--model CHECKPOINT_OR_BUNDLE]

FOLDER holds mp4 of takes that the archive has. Each take is answered twice, from the same sound: with the archive's
crops, and with the crops that the sensor cuts out of the video (the packaged finder, following, the contract's margin).
Writes docs/results/face_crops.json and the table between the markers in docs/models/train.md.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from benchmarks.results.result_tables import table
from benchmarks.results.write_results import write_block
from mer_fusion.checkpoint import shipped_checkpoint
from mer_sdk.contract.bundle import Bundle
from mer_sdk.evaluation.conditions import predict
from mer_sdk.evaluation.datasets import Clip, load_faces, load_frames, open_dataset
from mer_sdk.evaluation.features import encode_clip
from mer_sdk.frontends.face_detection import FaceDetector, open_detector
from mer_sdk.window.engine import StepEngine

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "docs" / "results" / "face_crops.json"
STATES, PROTOCOLS = ("face", "audio+face"), ("cold",)
# The archive's crop is looked for at these widths, as shares of the finder's box.
_WIDTHS = np.arange(0.8, 1.1, 0.02)


def region(clip: Clip, video: Clip, detector: FaceDetector) -> list[tuple[float, float, float]]:
    """(width, x, y) of the archive's crop in the finder's box: its width, and how far its centre lies from the box's,
    in widths of the box; one a frame that has both, by normalised cross-correlation."""
    crops, found = load_faces(clip), []
    for time, frame in load_frames(video):
        crop = next((image for when, image in crops if abs(when - time) < 0.01), None)
        boxes = detector.detect(frame) if crop is not None else []
        if crop is None or not boxes:
            continue
        x, y, side = max(boxes, key=lambda box: box[2])[:3]
        grey, wanted = (cv2.cvtColor(image, cv2.COLOR_RGB2GRAY) for image in (frame, crop))
        best = (-1.0, 0.0, 0.0, 0.0)
        for share in _WIDTHS:
            width = int(share * side)
            score = cv2.matchTemplate(grey, cv2.resize(wanted, (width, width)), cv2.TM_CCOEFF_NORMED)
            _, value, _, (left, top) = cv2.minMaxLoc(score)
            off = ((left + width / 2 - x) / side - 0.5, (top + width / 2 - y) / side - 0.5)
            best = max(best, (value, width / side, *off))
        found.append(best[1:])
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", required=True, help="ravdess_pairs:PATH")
    parser.add_argument("--videos", type=Path, required=True, help="folder with mp4 named as RAVDESS names them")
    parser.add_argument("--model", type=Path, help="checkpoint or bundle (default: the shipped GRJCA student)")
    options = parser.parse_args()
    paths = {path.stem[3:]: path for path in sorted(options.videos.glob("*.mp4"))}
    archived = [clip for clip in open_dataset(options.data).clips() if clip.id in paths]
    filmed = [replace(clip, faces=(), face_times=(), video=paths[clip.id]) for clip in archived]
    engine = StepEngine(Bundle.open(str(options.model or shipped_checkpoint("grjca", "student"))))
    encoded = [[encode_clip(clip, engine) for clip in clips] for clips in (archived, filmed)]
    answers = [predict(clips, engine, STATES, PROTOCOLS) for clips in encoded]
    labels, detector = engine.manifest.labels, open_detector(None)
    rows: list[dict[str, Any]] = []
    for index, clip in enumerate(archived):
        places = np.array(region(clip, filmed[index], detector))
        row: dict[str, Any] = {
            "clip": clip.id,
            "label": clip.label,
            "width": [round(float(v), 3) for v in (places[:, 0].min(), places[:, 0].max())],
            "off": round(float(np.abs(places[:, 1:]).max()), 3),
        }
        for one, other in zip(*answers, strict=True):
            first, second = (np.exp(item.log_probabilities[0, index]) for item in (one, other))
            row[one.state] = {
                "archive": labels[int(first.argmax())],
                "video": labels[int(second.argmax())],
                "largest_difference": round(float(np.abs(first - second).max()), 3),
            }
        rows.append(row)
    OUT.write_text(json.dumps({"clips": rows}, indent=1) + "\n")
    lines = table(
        ("clip", "said", "crop / box", *(f"{state}: archive, video (largest difference)" for state in STATES)),
        (
            (
                row["clip"],
                row["label"],
                f"{row['width'][0]:.2f} to {row['width'][1]:.2f}, off {row['off']:.2f}",
                *(f"{row[s]['archive']}, {row[s]['video']} ({row[s]['largest_difference']:.2f})" for s in STATES),
            )
            for row in rows
        ),
    )
    write_block(ROOT / "docs" / "models" / "train.md", "crops", lines)
    print("\n".join(lines))


if __name__ == "__main__":
    main()
