"""One target in one process: export every scheme, check or run each artifact, write the measurements as JSON.

`python -m mer_converters.pipeline.worker JOB.json`. Converter tools take hundreds of megabytes and change global
state when they are imported, so that each target gets its own process. Its standard output is a line of JSON a step
(`mer_converters.processes.progress`); what the tools print goes to standard error.
"""

from __future__ import annotations

import json
import sys
import time
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mer_converters.pipeline.accuracy import held_out_answers
from mer_converters.pipeline.export import Artifact, Material, Sensitivities, build, planned
from mer_converters.pipeline.float_fallback import FloatModules
from mer_converters.pipeline.golden import golden_file
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.pipeline.stable_cases import stable_cases
from mer_converters.processes.parallel import Processes, ended
from mer_converters.processes.progress import Say, Steps, telling, unheard
from mer_converters.processes.temporary import temporary_folder
from mer_converters.targets import find_target
from mer_fusion.checkpoint import load_checkpoint
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import Scheme, find_scheme
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.contract.golden import read_golden, save_golden
from mer_sdk.errors import ConversionError, MerError
from mer_sdk.runtimes import runtime_note


@dataclass(frozen=True)
class Job:
    """What one worker does.

    Attributes:
        checkpoint: path of the student's checkpoint.
        target: name of the target.
        schemes: names of the schemes to write.
        folder: where the artifacts go: `folder/SCHEME/GRAPH.SUFFIX`.
        golden: path of the golden cases.
        result: path of the JSON to write.
        started: time.time() when the process was asked for, so that its start-up counts.
        calibration: folder of the calibration inputs, "" where there are none.
        labelled: data whose held-out clips quantized schemes are judged on, None where there are none.
        coverage: see `Material`.
        float_modules: see `Material`.
        sensitivities: see `Material`.
    """

    checkpoint: str
    target: str
    schemes: tuple[str, ...]
    folder: str
    golden: str
    result: str
    started: float
    calibration: str = ""
    labelled: DataOptions | None = None
    coverage: float = 1.0
    float_modules: FloatModules = field(default_factory=dict)
    sensitivities: dict[str, Sensitivities] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a worker reports: its artifacts, or the sentence that says why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    error: str | None = None


def run_worker(
    common: Job, target: str, schemes: tuple[Scheme, ...], staging: Path, processes: Processes, say: Say
) -> Outcome:
    """Convert one target in a process of its own; what its tools print is shown only if it fails.

    What they leave in the temporary folder is gone with the process, even where it was killed.

    Args:
        common: what is the same for all targets.
        target: its name.
        schemes: what to make.
        staging: the artifacts go to `staging/TARGET/SCHEME`.
        processes: what runs the process.
        say: called with each step of the process.
    """
    # Job and result lie outside the staging folder: a full disk there must not silence the message about it.
    with temporary_folder("mer-convert-") as aside:
        job = replace(
            common,
            target=target,
            schemes=tuple(scheme.name for scheme in schemes),
            folder=str((staging / target).resolve()),
            result=str(aside / "result.json"),
            started=time.time(),
        )
        job_file, noise = aside / "job.json", aside / "noise.txt"
        job_file.write_text(json.dumps(to_json(job)))
        command = [sys.executable, "-m", "mer_converters.pipeline.worker", str(job_file)]
        code = processes.run(command, noise, aside, say)
        if code == 0 and Path(job.result).is_file():
            return from_json(Outcome, json.loads(Path(job.result).read_text()))
        return Outcome(error=f"{target}: {ended(code, noise)}")


def run_job(job: Job, say: Say = unheard) -> Outcome:
    """Do the job, telling each step. An error that is meant for the user becomes the outcome's `error`; others are
    raised."""
    import torch

    torch.set_num_threads(1)
    try:
        target = find_target(job.target)
        schemes = tuple(find_scheme(name, target.schemes, target.name) for name in job.schemes)
        checkpoint = load_checkpoint(job.checkpoint)
        card, labelled = checkpoint.card, job.labelled
        network, folder = checkpoint.network.prepare_for_export(), Path(job.folder)
        graphs = network_graphs(network, card)
        material = Material(
            target,
            graphs,
            card.baseline,
            card.decision.temperature,
            read_golden(Path(job.golden)),
            Path(job.calibration) if job.calibration else None,
            None if labelled is None else partial(held_out_answers, checkpoint, options=labelled),
            job.coverage,
            job.float_modules,
            job.sensitivities,
            Steps(job.target, planned(graphs, schemes, labelled is not None), say),
        )
        artifacts = build(material, schemes, folder, job.started)
        # An interpreter is slow, and rounds as no device does: there the plain cases stay.
        looking = () if runtime_note(target.runtime) else schemes
        for scheme in (scheme for scheme in looking if scheme.calibrated):
            material.step(f"finding stable golden cases of {scheme.name}", 0.0)
            cases = stable_cases(network, card, target, material.graphs, folder / scheme.name)
            save_golden(folder / golden_file(scheme.name), cases)
        return Outcome(artifacts)
    except OSError as error:
        return Outcome(error=f"{job.target}: {error.strerror or error} ({error.filename or job.folder})")
    except MerError as error:
        return Outcome(error=str(error) if isinstance(error, ConversionError) else f"{job.target}: {error}")


def main(arguments: list[str]) -> int:
    """Read the job file, do it, write the outcome; 0 even where that is an error, which is in the file."""
    job = from_json(Job, json.loads(Path(arguments[0]).read_text()))
    with telling() as say:
        outcome = run_job(job, say)
    Path(job.result).write_text(json.dumps(to_json(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
