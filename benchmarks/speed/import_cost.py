"""What `import mer_sdk` and the first estimate cost: seconds and peak memory of fresh processes, medians of several.

python -m benchmarks.speed.import_cost bundles/grjca-tflite-fp32.mer
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

_FIRST_STEP = """
import numpy as np
from mer_sdk.contract.bundle import Bundle
from mer_sdk.window.engine import StepEngine
bundle = Bundle.open({bundle!r})
engine = StepEngine(bundle, threads=1)
size = bundle.manifest.face.crop_size
engine.step(np.zeros(bundle.manifest.audio.chunk_samples, np.float32), np.full((size, size, 3), 99, np.float32))
"""

_WRAP = """
import resource, sys, time
begun = time.perf_counter()
{code}
seconds = time.perf_counter() - begun
scale = 1e6 if sys.platform == "darwin" else 1e3
print(seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale, "torch" in sys.modules)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", help="a TFLite or ONNX bundle")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    codes = {
        "python alone": "pass",
        "import numpy": "import numpy",
        "import mer_sdk": "import mer_sdk; mer_sdk.EmotionSensor",
        "to the first estimate": _FIRST_STEP.format(bundle=options.bundle),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    for _ in range(options.rounds):
        for name, code in codes.items():
            command = [sys.executable, "-c", _WRAP.format(code=code)]
            seconds, peak, torch = subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
            assert torch == "False", f"{name} imports torch"
            results[name].append((float(seconds), float(peak)))
    print(f"medians of {options.rounds} fresh processes")
    for name, values in results.items():
        seconds, peak = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:24} {seconds:6.3f} s  {peak:6.1f} MB peak")


if __name__ == "__main__":
    main()
