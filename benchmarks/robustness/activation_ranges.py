"""Whether fp16 can overflow: the largest activation of every student on real input, by the Core ML interpreter.

    python -m benchmarks.robustness.activation_ranges --data ravdess:PATH --data ferplus:PATH --data meld:PATH \
        [--bundles bundles]

Reads the Core ML fp16 bundles and computes every activation in float32 over calibration clips of real data, so that a
value beyond the largest fp16 number (65504) shows. Writes docs/results/activation_ranges.json.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np

from mer_converters.targets.coreml.calibrate import activation_ranges
from mer_fusion.checkpoint import shipped_checkpoint
from mer_fusion.torch_bundle import open_checkpoint
from mer_quantization.calibration import calibration_inputs
from mer_quantization.recordings import DataOptions

ROOT = Path(__file__).resolve().parents[2]
MODELS = ("grjca", "atsuko", "fdrl", "amb_dsgdn")
LARGEST = float(np.finfo(np.float16).max)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", action="append", required=True, help="ravdess:PATH, ferplus:PATH and meld:PATH")
    parser.add_argument("--bundles", type=Path, default=ROOT / "bundles")
    parser.add_argument("--clips", type=int, default=64)
    parser.add_argument("--rows", type=int, default=256, help="runs of each graph at most")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "results" / "activation_ranges.json")
    options = parser.parse_args()
    found: dict[str, dict[str, dict[str, object]]] = {}
    for model in MODELS:
        bundle = open_checkpoint(shipped_checkpoint(model))
        dialogue = bundle.manifest.dialogue is not None
        data = tuple(spec for spec in options.data if spec.startswith("meld:") == dialogue)
        inputs = calibration_inputs(bundle, DataOptions(data, options.clips), options.rows)
        found[model] = {}
        for name, samples in inputs.items():
            runs = len(next(iter(samples.values())))
            package = options.bundles / f"{model}-coreml-fp16.mer" / f"{name}.mlpackage"
            ranges = activation_ranges(
                package, ({key: value[row : row + 1] for key, value in samples.items()} for row in range(runs))
            )
            worst = max(ranges, key=lambda value: max(-ranges[value].low, ranges[value].high))
            most = max(-ranges[worst].low, ranges[worst].high)
            found[model][name] = {"runs": runs, "values": len(ranges), "largest": round(most, 3), "where": worst}
            print(
                f"{model}, {name}: {most:.1f} in {worst}, {LARGEST / most:.0f} times below fp16's largest", flush=True
            )
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(
        json.dumps({"clips": options.clips, "fp16_largest": LARGEST, "models": found}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
