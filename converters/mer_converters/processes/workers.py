"""One process a target, so many at a time; the steps that they tell are passed on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from mer_converters.processes.progress import Say, Step
from mer_converters.processes.worker import Job, Outcome
from mer_quantization.schemes import Scheme
from mer_sdk.contract.codec import from_json, to_json

# What a hash seed of its own changes: some tools write sets and dicts in hash order.
FIXED = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}


def run_worker(common: Job, target: str, schemes: tuple[Scheme, ...], staging: Path, say: Say) -> Outcome:
    """Convert one target in a process of its own; what its tools print is shown only if it fails.

    What they leave in the temporary folder is gone with the process, even where it was killed.

    Args:
        common: what is the same for all targets.
        target: its name.
        schemes: what to make.
        staging: the artifacts go to `staging/TARGET/SCHEME`.
        say: called with each step of the process.
    """
    # Job and result lie outside the staging folder: a full disk there must not silence the message about it.
    with tempfile.TemporaryDirectory(prefix="mer-convert-") as aside:
        job = replace(
            common,
            target=target,
            schemes=tuple(scheme.name for scheme in schemes),
            folder=str((staging / target).resolve()),
            result=str(Path(aside) / "result.json"),
            started=time.time(),
        )
        job_file, noise = Path(aside) / "job.json", Path(aside) / "noise.txt"
        job_file.write_text(json.dumps(to_json(job)))
        command = [sys.executable, "-m", "mer_converters.processes.worker", str(job_file)]
        code = run_process(command, noise, say, aside)
        if code == 0 and Path(job.result).is_file():
            return from_json(Outcome, json.loads(Path(job.result).read_text()))
        return Outcome(error=f"{target}: {ended(code, noise)}")


def run_process(command: list[str], noise: Path, say: Say, temporary: str) -> int:
    """Run a process that tells its steps as lines of JSON; its exit code.

    Args:
        command: program and arguments.
        noise: file for what it writes to standard error.
        say: called with each step.
        temporary: folder for its temporary files.
    """
    environment = {**os.environ, **FIXED, "TMPDIR": temporary}
    with (
        noise.open("w") as errors,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            say(from_json(Step, json.loads(line)))
    return process.returncode


def ended(code: int, noise: Path) -> str:
    """What there is to say of a process that failed: its code, and its last lines."""
    last = noise.read_text(errors="replace").strip().splitlines()[-25:]
    lines = "\n".join(f"    {line}" for line in last)
    return f"the converter process ended with code {code}; its last lines:\n{lines}"
