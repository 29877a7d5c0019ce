"""What a fresh process costs until it can be used: importing, the first estimate, the help of the command line."""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
from dataclasses import dataclass

from mer_sdk.bench.timing import Progress
from mer_sdk.contract.bundle import Bundle

_FIRST_STEP = """
import numpy as np
from mer_sdk.contract.bundle import Bundle
from mer_sdk.window.engine import StepEngine
bundle = Bundle.open({bundle!r})
engine = StepEngine(bundle, threads=1)
size = bundle.manifest.face.crop_size
engine.step(np.zeros(bundle.manifest.audio.chunk_samples, np.float32), np.full((size, size, 3), 99, np.float32))
"""
_HELP = """
import contextlib, io
from mer_sdk.cli import main
with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
    main(["--help"])
"""
# CPU time of the whole process, whose start is in it: what other programs take of the machine is not. Linux's ru_maxrss
# begins with what the parent held.
_WRAP = """
import os, resource, sys, time
{code}
seconds = time.process_time()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
if os.path.exists("/proc/self/status"):
    lines = open("/proc/self/status").read().splitlines()
    peak = next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")) / 1e3
print(seconds, peak, "torch" in sys.modules)
"""


@dataclass(frozen=True)
class ProcessCost:
    """Medians: CPU seconds from the interpreter's start on, and the most memory, MB (10^6 bytes)."""

    seconds: float
    peak_mb: float


def compiled_environment() -> dict[str, str]:
    """The environment of a process that finds its modules compiled, as an installation has them."""
    return {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


def process_costs(bundle: Bundle | None, rounds: int, progress: Progress) -> dict[str, ProcessCost]:
    """Run each thing in so many fresh processes, in turn: name -> cost.

    Args:
        bundle: of a window model, in a runtime that imports no torch; None leaves the first estimate out.
        rounds: processes of each.
        progress: called with the rounds done and their total.
    """
    codes = {
        "python alone": "pass",
        "import numpy": "import numpy",
        "import mer_sdk": "import mer_sdk",
        "EmotionSensor imported": "import mer_sdk; mer_sdk.EmotionSensor",
        "mer --help": _HELP,
    }
    if bundle is not None:
        codes["first estimate"] = _FIRST_STEP.format(bundle=str(bundle.path))
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in codes}
    environment = compiled_environment()
    for done in range(rounds):
        progress(done, rounds)
        for name, code in codes.items():
            command = [sys.executable, "-c", _WRAP.format(code=code)]
            said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout
            seconds, peak, torch = said.split()[-3:]
            assert torch == "False", f"{name} imports torch"
            found[name].append((float(seconds), float(peak)))
    progress(rounds, rounds)
    middle = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in found.items()}
    return {name: ProcessCost(round(seconds, 4), round(peak, 1)) for name, (seconds, peak) in middle.items()}
