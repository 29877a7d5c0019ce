"""One target in one process: export every scheme, check or run each artifact, and hand the measurements back."""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from mer_converters.pipeline.accuracy import held_out_answers
from mer_converters.pipeline.export import Artifact, ExportInputs, Sensitivities, build, planned
from mer_converters.pipeline.float_fallback import FloatModules
from mer_converters.pipeline.golden import golden_file
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.pipeline.stable_cases import stable_cases
from mer_converters.processes.each_target import each_target
from mer_converters.processes.progress import Say, Steps, unheard
from mer_converters.targets import find_target
from mer_converters.targets.quick_tools import quick_tools
from mer_fusion.checkpoint import load_checkpoint
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import find_scheme
from mer_sdk.contract.golden import read_golden, save_golden
from mer_sdk.errors import ConversionError, MerError, reason_of
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
        calibration: folder of the calibration inputs, "" where there are none.
        labelled: data whose held-out clips quantized schemes are judged on, None where there are none.
        coverage: see `ExportInputs`.
        float_modules: see `ExportInputs`.
        sensitivities: see `ExportInputs`.
        started: time.time() when the process was asked for, so that its start-up counts.
    """

    checkpoint: str
    target: str
    schemes: tuple[str, ...]
    folder: str
    golden: str
    calibration: str = ""
    labelled: DataOptions | None = None
    coverage: float = 1.0
    float_modules: FloatModules = field(default_factory=dict)
    sensitivities: dict[str, Sensitivities] = field(default_factory=dict)
    started: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """What came of a job: its artifacts, or the sentence that says why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    error: str | None = None


def run_jobs(jobs: Sequence[Job], at_a_time: int, say: Say) -> dict[str, Outcome]:
    """Do each job in a process of its own; target -> what came of it. What tools print is shown only where they fail.

    What they leave in the temporary folder is gone with the process, even where it was killed.

    Args:
        jobs: one for a target, in the order in which they begin.
        at_a_time: how many processes, at least 1.
        say: called with each step of them, from several threads.
    """
    starting = ((job.target, replace(job, started=time.time())) for job in jobs)
    found = each_target(run_job, starting, at_a_time, say)
    return {target: _outcome(future) for target, future in found.items()}


def _outcome(future: Future[tuple[Artifact, ...]]) -> Outcome:
    try:
        return Outcome(future.result())
    except ConversionError as error:
        return Outcome(error=str(error))


def run_job(job: Job, say: Say = unheard) -> tuple[Artifact, ...]:
    """Do the job, telling each step.

    Raises:
        ConversionError: what is meant for the user.
    """
    import torch

    torch.set_num_threads(1)
    try:
        target = find_target(job.target)
        schemes = tuple(find_scheme(name, target.schemes, target.name) for name in job.schemes)
        checkpoint = load_checkpoint(job.checkpoint)
        card, labelled = checkpoint.card, job.labelled
        network, folder = checkpoint.network.prepare_for_export(), Path(job.folder)
        graphs = network_graphs(network, card)
        material = ExportInputs(
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
        with quick_tools():
            artifacts = build(material, schemes, folder, job.started)
        # An interpreter is slow, and rounds as no device does: there the plain cases stay.
        looking = () if runtime_note(target.runtime) else schemes
        for scheme in (scheme for scheme in looking if scheme.calibrated):
            material.step(f"finding stable golden cases of {scheme.name}", 0.0)
            cases = stable_cases(network, card, target, material.graphs, folder / scheme.name)
            save_golden(folder / golden_file(scheme.name), cases)
        return artifacts
    except OSError as error:
        raise ConversionError(f"{job.target}: {reason_of(error)} ({error.filename or job.folder})") from error
    except ConversionError:
        raise
    except MerError as error:
        raise ConversionError(f"{job.target}: {error}") from error
