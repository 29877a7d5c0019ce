"""One target in one process: export every scheme, check or run each artifact, write the measurements as JSON.

`python -m mer_converters.worker JOB.json`. Converter tools take hundreds of megabytes and change global state when they
are imported, so that each target gets its own process; what they print stays in it.
"""

from __future__ import annotations

import json
import shutil
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mer_converters.accuracy import Accuracy, Answers, compare_answers, held_out_answers
from mer_converters.graphs import Graph, network_graphs
from mer_converters.parity import Distance, distance
from mer_converters.targets import ExportJob, QuantizingTarget, Target, find_target
from mer_fusion.checkpoint import Card, load_checkpoint
from mer_fusion.network import EmotionNetwork
from mer_quantization.proof import GraphProof, check_proof
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import FP32, Scheme, find_scheme
from mer_sdk.codec import from_json, to_json
from mer_sdk.errors import ConversionError, MerError
from mer_sdk.golden import CaseOutput, GoldenCase, read_golden, run_case
from mer_sdk.runtimes import Graph as RuntimeGraph
from mer_sdk.runtimes import load_graph


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


@dataclass(frozen=True)
class Artifact:
    """One scheme of one target as written.

    Attributes:
        scheme: its name.
        seconds: from the end of the artifact before (the first one: from the start of the process) to its last check.
        conversion: fp32 of this target against torch.
        quantization: this scheme against fp32 of this target, None for fp32.
        check: what was checked without running, per graph.
        proof: what each graph holds in integers; empty for schemes in floating point.
        accuracy: a quantized scheme against fp32 on labelled clips, None where there were none.
    """

    scheme: str
    seconds: float
    conversion: Distance
    quantization: Distance | None
    check: dict[str, str]
    proof: dict[str, GraphProof] = field(default_factory=dict)
    accuracy: Accuracy | None = None


@dataclass(frozen=True)
class Outcome:
    """What a worker reports: its artifacts, or the sentence that says why there are none."""

    artifacts: tuple[Artifact, ...] = ()
    error: str | None = None


def build(
    network: EmotionNetwork,
    card: Card,
    target: Target,
    schemes: tuple[Scheme, ...],
    cases: tuple[GoldenCase, ...],
    folder: Path,
    started: float,
    calibration: Path | None = None,
    answer: Callable[[Mapping[str, RuntimeGraph]], Answers] | None = None,
) -> tuple[Artifact, ...]:
    """Export and measure in this process. Fp32 is always made, as the reference, and removed if not asked for.

    Args:
        network: in export form (`prepare_for_export`).
        card: of its checkpoint.
        target: where to.
        schemes: what to keep.
        cases: golden cases of the untouched network.
        folder: see `Job.folder`.
        started: see `Job.started`.
        calibration: folder of the calibration inputs.
        answer: runs loaded graphs over labelled clips; None where there are none.

    Raises:
        MerError: an artifact is not what the contract says or does not run.
    """
    graphs = network_graphs(network, card)
    specs = {graph.name: graph.contract for graph in graphs}
    artifacts, mark = [], started
    fp32_files: dict[str, Path] = {}
    fp32_outputs: tuple[CaseOutput, ...] = ()
    fp32_answers: Answers | None = None
    for scheme in (FP32, *(scheme for scheme in schemes if scheme.name != FP32.name)):
        files, check = _export(graphs, target, scheme, folder / scheme.name, fp32_files, calibration)
        proof = _proof(target, scheme, files)
        loaded = _load(graphs, target, files)
        outputs = tuple(run_case(loaded, specs, card.baseline, case.given) for case in cases)
        quantization, accuracy = None, None
        if scheme.name == FP32.name:
            fp32_files, fp32_outputs = files, outputs
            conversion = distance(outputs, [case.answer for case in cases])
            if answer is not None and any(other.quantized for other in schemes):
                fp32_answers = answer(loaded)
        else:
            quantization = distance(outputs, fp32_outputs)
            if scheme.quantized and answer is not None and fp32_answers is not None:
                accuracy = compare_answers(answer(loaded), fp32_answers)
        if scheme in schemes:
            now = time.time()
            artifacts.append(Artifact(scheme.name, now - mark, conversion, quantization, check, proof, accuracy))
            mark = now
    if FP32 not in schemes:
        shutil.rmtree(folder / FP32.name)
    return tuple(artifacts)


def _export(
    graphs: tuple[Graph, ...],
    target: Target,
    scheme: Scheme,
    folder: Path,
    fp32_files: dict[str, Path],
    calibration: Path | None,
) -> tuple[dict[str, Path], dict[str, str]]:
    folder.mkdir(parents=True)
    files, check = {}, {}
    for graph in graphs:
        path = folder / f"{graph.name}{target.suffix}"
        spec = graph.spec(path.name, scheme.name)
        samples = calibration / f"{graph.name}.npz" if calibration is not None and scheme.calibrated else None
        job = ExportJob(graph.module, graph.example, spec, scheme, fp32_files.get(graph.name), samples)
        target.export(job, path)
        said = target.check(path, spec)
        if said:
            check[graph.name] = said
        files[graph.name] = path
    return files, check


def _proof(target: Target, scheme: Scheme, files: dict[str, Path]) -> dict[str, GraphProof]:
    if not scheme.quantized:
        return {}
    if not isinstance(target, QuantizingTarget):
        raise ConversionError(f"{target.name} cannot prove what it holds in integers, so {scheme.name} is not written")
    found = {name: target.proof(path) for name, path in files.items()}
    for name, proof in found.items():
        check_proof(name, scheme, proof)
    return found


def _load(graphs: tuple[Graph, ...], target: Target, files: dict[str, Path]) -> dict[str, RuntimeGraph]:
    specs = {graph.name: graph.spec(files[graph.name].name, "") for graph in graphs}
    return {name: load_graph(target.runtime, files[name], spec, 1) for name, spec in specs.items()}


def run_job(job: Job) -> Outcome:
    """Do the job. An error that is meant for the user becomes the outcome's `error`; others are raised."""
    import torch

    torch.set_num_threads(1)
    try:
        target = find_target(job.target)
        schemes = tuple(find_scheme(name, target.schemes, target.name) for name in job.schemes)
        checkpoint = load_checkpoint(job.checkpoint)
        network = checkpoint.network.prepare_for_export()
        cases = read_golden(Path(job.golden))
        calibration = Path(job.calibration) if job.calibration else None
        labelled, answer = job.labelled, None
        if labelled is not None:
            answer = partial(held_out_answers, checkpoint, options=labelled)
        folder = Path(job.folder)
        return Outcome(
            build(network, checkpoint.card, target, schemes, cases, folder, job.started, calibration, answer)
        )
    except OSError as error:
        return Outcome(error=f"{job.target}: {error.strerror or error} ({error.filename or job.folder})")
    except MerError as error:
        return Outcome(error=str(error) if isinstance(error, ConversionError) else f"{job.target}: {error}")


def main(arguments: list[str]) -> int:
    """Read the job file, do it, write the outcome; 0 even where that is an error, which is in the file."""
    job = from_json(Job, json.loads(Path(arguments[0]).read_text()))
    outcome = run_job(job)
    Path(job.result).write_text(json.dumps(to_json(outcome)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
