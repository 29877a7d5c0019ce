"""Does it matter where a step begins: real clips begun a few hundredths of a second later, against themselves.

    python -m benchmarks.robustness.step_phase --clips FOLDER --bundle bundles/grjca-onnx-fp32.mer \
        --detector bundles/face_finder-onnx-fp32.mer

FOLDER holds mp4 clips, such as those of RAVDESS actor 05. A clip begun `d` seconds later has its steps `d` seconds
later, so that a step's audio and face are other ones by so much; the window of 4 s is nearly the same. Every step is
compared with that of the whole clip that ends up to half a step before or after it, whichever is nearer. Writes
docs/results/step_phase.json and the table of docs/results/browser.md.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from benchmarks.results.result_tables import table, write_result
from mer_sdk import EmotionSensor
from mer_sdk.contract.estimate import EmotionEstimate
from mer_sdk.media.decode import AudioPiece, MediaFile

ROOT = Path(__file__).resolve().parents[2]
BEGIN, END = "<!-- phase: written by benchmarks/robustness/step_phase.py -->", "<!-- end of phase -->"
LATER = (0.03, 0.06, 0.09, 0.12, 0.18)


def estimates(sensor: EmotionSensor, path: Path, later: float) -> list[EmotionEstimate]:
    """What the sensor says of a clip that is begun so many seconds later."""
    sensor.reset()
    found: list[EmotionEstimate] = []
    with MediaFile(path) as media:
        for item in media.read():
            if isinstance(item, AudioPiece):
                cut = max(0, round((later - item.time) * item.sample_rate))
                if cut < len(item.pcm):
                    found += sensor.push_audio(item.pcm[cut:], item.sample_rate, max(0.0, item.time - later))
            elif item.time >= later:
                found += sensor.push_frame(item.rgb(), item.time - later)
    return found + sensor.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", required=True, type=Path, help="folder of mp4 files")
    parser.add_argument("--bundle", required=True)
    parser.add_argument("--detector", default="haar", help="haar, or the bundle of a face finder, as the page has it")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "step_phase.json")
    options = parser.parse_args()
    clips = sorted(options.clips.glob("*.mp4"))
    rows = {later: ([], []) for later in LATER}  # type: dict[float, tuple[list[bool], list[float]]]
    with EmotionSensor.open(options.bundle, detector=options.detector) as sensor:
        name, step = sensor.bundle.name, sensor.manifest.clock.step_ms / 1000
        for path in clips:
            whole = estimates(sensor, path, 0.0)
            for later, (same, apart) in rows.items():
                for one in estimates(sensor, path, later):
                    index = round((one.time + later) / step) - 1
                    if index < len(whole):
                        same.append(one.emotion == whole[index].emotion)
                        values = (
                            abs(one.probabilities[key] - whole[index].probabilities[key]) for key in one.probabilities
                        )
                        apart.append(max(values))
            print(path.name, flush=True)
    found = [
        {"later": later, "steps": len(same), "same": float(np.mean(same)), "largest_change": float(np.mean(apart))}
        for later, (same, apart) in rows.items()
    ]
    detector = Path(options.detector).stem
    result = {"bundle": name, "detector": detector, "clips": len(clips), "rows": found}
    lines = table(
        ("begun later by", "steps", "same emotion", "largest change of a probability, mean"),
        (
            (
                f"{1000 * row['later']:.0f} ms",
                str(row["steps"]),
                f"{100 * row['same']:.0f} %",
                f"{row['largest_change']:.2f}",
            )
            for row in found
        ),
    )
    head = f"{name}, faces by {detector}, {len(clips)} clips, Python's sensor against itself:"
    write_result(result, options.out, ROOT / "docs" / "results" / "browser.md", (BEGIN, END), [head, "", *lines])


if __name__ == "__main__":
    main()
