"""What `import mer_sdk` and the first estimate cost: seconds and peak memory of fresh processes, medians of several.

python -m benchmarks.speed.import_cost bundles/grjca-tflite-fp32.mer

Of several bundles, such as a folder's, the window model's that suits this machine best is measured.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys

from mer_sdk.cli.bundles import any_of, is_finder, left_out, open_bundles, preference, without_runtime
from mer_sdk.cli.progress import progress_bars
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import MerError

_FIRST_STEP = """
import numpy as np
from mer_sdk.contract.bundle import Bundle
from mer_sdk.window.engine import StepEngine
bundle = Bundle.open({bundle!r})
engine = StepEngine(bundle, threads=1)
size = bundle.manifest.face.crop_size
engine.step(np.zeros(bundle.manifest.audio.chunk_samples, np.float32), np.full((size, size, 3), 99, np.float32))
"""

# Linux's ru_maxrss begins with what the parent held.
_WRAP = """
import os, resource, sys, time
begun = time.perf_counter()
{code}
seconds = time.perf_counter() - begun
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
if os.path.exists("/proc/self/status"):
    lines = open("/proc/self/status").read().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
print(seconds, peak, "torch" in sys.modules)
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", nargs="+", help="bundle folders of window models")
    parser.add_argument("--rounds", type=int, default=7)
    options = parser.parse_args()
    try:
        bundle = chosen(options.bundle)
    except MerError as error:
        sys.exit(str(error))
    codes = {
        "python alone": "pass",
        "import numpy": "import numpy",
        "import mer_sdk": "import mer_sdk; mer_sdk.EmotionSensor",
        "to the first estimate": _FIRST_STEP.format(bundle=str(bundle.path)),
    }
    results: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    with progress_bars() as progress:
        for done in range(options.rounds):
            progress("rounds", done, options.rounds)
            for name, code in codes.items():
                command = [sys.executable, "-c", _WRAP.format(code=code)]
                said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
                seconds, peak, torch = said.split()[-3:]
                assert torch == "False", f"{name} imports torch"
                results[name].append((float(seconds), float(peak)))
    print(f"{bundle.name}; medians of {options.rounds} fresh processes")
    for name, values in results.items():
        seconds, peak = (statistics.median(column) for column in zip(*values, strict=True))
        print(f"{name:24} {seconds:6.3f} s  {peak:6.1f} MB peak")


def chosen(given: list[str]) -> Bundle:
    """The bundle to measure; the others are named.

    Raises:
        MerError: none fits, or one is damaged.
    """
    opened = open_bundles(given, any_of(is_finder, without_runtime, _no_window, _imports_torch))
    opened.sort(key=lambda bundle: preference(bundle.name))
    if len(opened) > 1:
        left_out([bundle.name for bundle in opened[1:]], f"one is measured, now {opened[0].name}")
    return opened[0]


def _no_window(bundle: Bundle) -> str:
    return "" if bundle.manifest.dialogue is None else "reads dialogues; steps of a window model are measured"


def _imports_torch(bundle: Bundle) -> str:
    return (
        ""
        if bundle.runtime in ("litert", "onnx")
        else f"{bundle.runtime} imports torch, no device's first estimate does"
    )


if __name__ == "__main__":
    main()
