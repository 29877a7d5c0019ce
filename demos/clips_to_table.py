"""A folder of clips to a table (.csv) and a plot (.png): the mean probabilities of each clip.

    python demos/clips_to_table.py bundles/grjca-tflite-fp32.mer clips --out table.csv --plot table.png

Each clip begins with a cold baseline, as if nobody in it had been seen before.
"""

import argparse
import csv
import sys
from pathlib import Path

import numpy as np

from mer_sdk import EmotionSensor
from mer_sdk.errors import MediaError

KINDS = {".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav", ".flac", ".mp3", ".m4a", ".ogg"}


def rows_of(sensor: EmotionSensor, paths: list[Path]) -> list[dict[str, object]]:
    """A row for each clip that can be read."""
    rows: list[dict[str, object]] = []
    for path in paths:
        try:
            estimates = list(sensor.stream(path))
        except MediaError as error:
            print(f"left out: {error}", file=sys.stderr)
            continue
        shares = {
            label: round(float(np.mean([estimate.probabilities[label] for estimate in estimates])), 4)
            for label in sensor.manifest.labels
        }
        emotion = max(shares, key=lambda label: shares[label])
        faces = sum(estimate.face is not None for estimate in estimates)
        rows.append({"clip": path.name, "steps": len(estimates), "with face": faces, "emotion": emotion, **shares})
        print(f"{path.name:<40} {emotion}")
    return rows


def draw(rows: list[dict[str, object]], labels: tuple[str, ...], path: Path) -> None:
    """A bar for each clip, made of its mean probabilities."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(8, 1.5 + 0.3 * len(rows)), layout="constrained")
    left = np.zeros(len(rows))
    for label in labels:
        shares = np.array([row[label] for row in rows])
        axes.barh([str(row["clip"]) for row in rows], shares, left=left, label=label)
        left += shares
    axes.invert_yaxis()
    axes.set(xlabel="mean probability", xlim=(0, 1))
    axes.legend(ncols=4, fontsize="small", loc="lower center", bbox_to_anchor=(0.5, 1.0))
    figure.savefig(path, dpi=120)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path("clips.csv"))
    parser.add_argument("--plot", type=Path)
    options = parser.parse_args()
    paths = sorted(path for path in options.folder.rglob("*") if path.suffix.lower() in KINDS)
    with EmotionSensor.open(options.bundle) as sensor:
        rows = rows_of(sensor, paths)
    if not rows:
        sys.exit(f"no clip in {options.folder} could be read; looked for {', '.join(sorted(KINDS))}")
    with options.out.open("w", newline="") as file:
        table = csv.DictWriter(file, rows[0].keys())
        table.writeheader()
        table.writerows(rows)
    if options.plot is not None:
        draw(rows, sensor.manifest.labels, options.plot)


if __name__ == "__main__":
    main()
