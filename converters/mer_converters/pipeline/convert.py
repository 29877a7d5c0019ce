"""Checkpoint -> bundles: each target in its own process, through the parity gate, visible only when whole."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path

from mer_converters.pipeline.accuracy import Accuracy
from mer_converters.pipeline.bundle_files import BundleFacts, write_bundle_files
from mer_converters.pipeline.export import Artifact, Sensitivities
from mer_converters.pipeline.gate import FAILED, Distance, GateResult, judge
from mer_converters.pipeline.golden import golden_cases, golden_file
from mer_converters.pipeline.graphs import network_graphs
from mer_converters.pipeline.measurements import (
    Say,
    float_modules,
    record_calibration,
    sensitivities,
)
from mer_converters.pipeline.staging import make_staging, put_in_place, refuse_other, writing
from mer_converters.pipeline.worker import Job, Outcome
from mer_converters.targets import find_target
from mer_fusion.checkpoint import Checkpoint, Distillation, load_checkpoint
from mer_quantization.confidence import Confidence, check_coverage
from mer_quantization.proof import GraphProof
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import SCHEMES, Scheme, check_calibration_data, find_scheme
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import from_json, to_json
from mer_sdk.contract.golden import GOLDEN, save_golden
from mer_sdk.errors import ConversionError, MissingExtra
from mer_sdk.runtimes import runtime_note

ERROR = "error"
CALIBRATION = "calibration"


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        out: folder that the bundles go into; made where it is missing.
        force: write a bundle although the gate failed; its manifest then says so.
        jobs: targets converted at the same time, at least 1.
        data: clips that calibrate the schemes which need it; None where there are none.
        check_data: clips on which schemes are judged and their confidence is fitted; None for other clips of `data`.
        coverage: share of answers to give, above 0 and at most 1; the others will be "unknown". Used where there are
            clips to choose the threshold on.
        keep_float: GRAPH.LAYER, layers that stay in float in quantized schemes, those below them included.
        fallback: whether the most sensitive layers of a quantized artifact that fails the gate are moved to float, as
            few as let it through.

    Raises:
        OptionError: a coverage outside (0, 1].
    """

    out: Path
    force: bool = False
    jobs: int = 2
    data: DataOptions | None = None
    check_data: DataOptions | None = None
    coverage: float = 0.9
    keep_float: tuple[str, ...] = ()
    fallback: bool = True

    def __post_init__(self) -> None:
        check_coverage(self.coverage)


@dataclass(frozen=True)
class ConversionResult:
    """One row of the table.

    Attributes:
        target, scheme: what was converted to what.
        path: the bundle, None where none was written.
        bytes: size of the graph files.
        seconds: time spent; the first scheme of a target carries the start of its tool.
        distillation: as the checkpoint's card says, None where it does not.
        conversion, quantization: distances measured here, None where there was none to measure.
        gate: "passed", "failed" or "error" (nothing to judge).
        reason: one sentence about the gate or the error.
        check: graph -> what was checked of the program without running it.
        accuracy: a quantized scheme against fp32 on labelled clips, None where there were none.
        proof: graph -> what the artifact of a quantized scheme holds in integers.
        confidence: temperature and threshold of this artifact, None where there were no labelled clips.
        moved: layers that the fallback moved to float, as GRAPH.LAYER.
    """

    target: str
    scheme: str
    path: Path | None
    bytes: int
    seconds: float
    distillation: Distillation | None
    conversion: Distance | None
    quantization: Distance | None
    gate: str
    reason: str
    check: dict[str, str]
    accuracy: Accuracy | None = None
    proof: dict[str, GraphProof] = field(default_factory=dict)
    confidence: Confidence | None = None
    moved: tuple[str, ...] = ()

    @property
    def written(self) -> bool:
        """Whether the bundle is there."""
        return self.path is not None


def convert(checkpoint: Path, target: str, scheme: str, out: Path, force: bool = False) -> ConversionResult:
    """Convert one checkpoint to one target in one scheme.

    Args:
        checkpoint: a `.safetensors` file with its card beside it.
        target, scheme: their names.
        out: folder for the bundle `MODEL-TARGET-SCHEME.mer`, which is replaced if it is there and a bundle.
        force: write it although the gate failed.

    Returns:
        The measurements; `path` is None where the gate failed and `force` was not given.

    Raises:
        OptionError: an unknown target or scheme.
        ConversionError: the conversion failed, the artifact does not run, or the bundle cannot be written.
        CheckpointError, MissingExtra: the checkpoint cannot be read; the target's tool is not installed.
    """
    result = convert_many(checkpoint, (target,), (scheme,), ConvertOptions(out, force))[0]
    if result.gate == ERROR:
        raise ConversionError(result.reason)
    return result


def convert_many(
    checkpoint: Path,
    targets: tuple[str, ...],
    schemes: tuple[str, ...],
    options: ConvertOptions,
    say: Say = lambda line: None,
) -> tuple[ConversionResult, ...]:
    """Convert one checkpoint to several targets and schemes.

    A target that fails becomes rows with the gate "error"; the others are still written.

    Args:
        checkpoint: as in `convert`.
        targets, schemes: names; each target in each scheme, in this order.
        options: see `ConvertOptions`.
        say: called with one line of progress at a time.

    Raises:
        OptionError, CheckpointError, MissingExtra, DataError: before anything is converted.
        ConversionError: the output folder cannot be written, or holds something else under a bundle's name.
    """
    wanted = _wanted(targets, schemes)
    check_calibration_data([SCHEMES[name] for name in schemes], options.data.data if options.data else ())
    loaded = load_checkpoint(checkpoint)
    graphs = network_graphs(loaded.network.prepare_for_export(), loaded.card)
    keep = float_modules(graphs, options.keep_float)
    for target in targets:
        for scheme in wanted[target]:
            refuse_other(options.out / _bundle_name(loaded, target, scheme))
    staging = make_staging(options.out)
    try:
        cases = golden_cases(loaded.network.prepare_for_export(), loaded.card)
        writing(lambda: save_golden(staging / GOLDEN, cases), options.out)
        say("golden cases made")
        if options.data is not None:
            record_calibration(Path(checkpoint), options.data, staging / CALIBRATION, say)
        losses = sensitivities(loaded, graphs, wanted, staging / CALIBRATION, staging / "golden-inputs", say)
        job = Job(
            checkpoint=str(Path(checkpoint).resolve()),
            target="",
            schemes=(),
            folder="",
            golden=str((staging / GOLDEN).resolve()),
            result="",
            started=0.0,
            calibration=str((staging / CALIBRATION).resolve()) if options.data is not None else "",
            labelled=options.check_data or options.data,
            coverage=options.coverage,
            float_modules=keep,
            sensitivities=losses if options.fallback else {},
        )
        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            futures = {target: pool.submit(_run_worker, job, target, wanted[target], staging) for target in targets}
            rows: list[ConversionResult] = []
            for target, future in futures.items():
                outcome = future.result()
                say(f"{target} converted" if outcome.error is None else f"{target} failed")
                rows += _rows(loaded, target, wanted[target], outcome, staging, options, losses)
        return tuple(rows)
    finally:
        shutil.rmtree(staging, ignore_errors=True)


def _wanted(targets: tuple[str, ...], schemes: tuple[str, ...]) -> dict[str, tuple[Scheme, ...]]:
    wanted = {}
    for name in targets:
        target = find_target(name)
        wanted[name] = tuple(find_scheme(scheme, target.schemes, name) for scheme in schemes)
    for name in targets:
        module, distribution = find_target(name).needs
        if importlib.util.find_spec(module.split(".")[0]) is None:
            raise MissingExtra(f"target {name}", distribution, "convert")
    return wanted


def _run_worker(common: Job, target: str, schemes: tuple[Scheme, ...], staging: Path) -> Outcome:
    """Convert one target in a process of its own; what its tools print is shown only if it fails.

    What they leave in the temporary folder is gone with the process, even where it was killed.
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
        job_file = Path(aside) / "job.json"
        job_file.write_text(json.dumps(to_json(job)))
        # A fixed hash seed: some tools write sets and dicts in hash order.
        fixed = {"PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        environment = {**os.environ, **fixed, "TMPDIR": aside}
        run = subprocess.run(
            [sys.executable, "-m", "mer_converters.pipeline.worker", str(job_file)],
            capture_output=True,
            text=True,
            errors="replace",
            env=environment,
            check=False,
        )
        if run.returncode == 0 and Path(job.result).is_file():
            return from_json(Outcome, json.loads(Path(job.result).read_text()))
        noise = (run.stderr or run.stdout).strip().splitlines()[-25:]
        lines = "\n".join(f"    {line}" for line in noise)
        return Outcome(
            error=f"{target}: the converter process ended with code {run.returncode}; its last lines:\n{lines}"
        )


def _rows(
    checkpoint: Checkpoint,
    target: str,
    schemes: tuple[Scheme, ...],
    outcome: Outcome,
    staging: Path,
    options: ConvertOptions,
    losses: dict[str, Sensitivities],
) -> list[ConversionResult]:
    if outcome.error is not None:
        distilled = checkpoint.card.distillation
        return [
            ConversionResult(target, scheme.name, None, 0, 0.0, distilled, None, None, ERROR, outcome.error, {})
            for scheme in schemes
        ]
    return [_row(checkpoint, target, artifact, staging, options, losses) for artifact in outcome.artifacts]


def _row(
    checkpoint: Checkpoint,
    target: str,
    artifact: Artifact,
    staging: Path,
    options: ConvertOptions,
    losses: dict[str, Sensitivities],
) -> ConversionResult:
    scheme = SCHEMES[artifact.scheme]
    note = runtime_note(find_target(target).runtime)
    gate = judge(scheme, artifact.conversion, artifact.quantization, note, artifact.accuracy)
    folder = staging / target / scheme.name
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    path = None
    state, reason = gate.state, gate.reason
    if gate.state != FAILED or options.force:
        try:
            path = _finish(checkpoint, target, artifact, gate, staging, options, losses)
        except ConversionError as error:
            state, reason = ERROR, str(error)
    return ConversionResult(
        target,
        scheme.name,
        path,
        size,
        artifact.seconds,
        checkpoint.card.distillation,
        artifact.conversion,
        artifact.quantization,
        state,
        reason,
        artifact.check,
        artifact.accuracy,
        artifact.proof,
        artifact.confidence,
        artifact.moved,
    )


def _finish(
    checkpoint: Checkpoint,
    target: str,
    artifact: Artifact,
    gate: GateResult,
    staging: Path,
    options: ConvertOptions,
    losses: dict[str, Sensitivities],
) -> Path:
    scheme = SCHEMES[artifact.scheme]
    folder = staging / target / scheme.name
    name = _bundle_name(checkpoint, target, scheme)
    facts = BundleFacts(
        name=name.removesuffix(".mer"),
        target=find_target(target),
        scheme=scheme,
        distillation=checkpoint.card.distillation,
        artifact=artifact,
        gate=gate,
        data=options.data,
        check_data=options.check_data or options.data,
        sensitivity=losses.get(scheme.name, {}),
    )

    def write() -> None:
        own = staging / target / golden_file(scheme.name)
        shutil.copyfile(own if scheme.quantized else staging / GOLDEN, folder / GOLDEN)
        write_bundle_files(folder, checkpoint, facts)

    writing(write, options.out)
    Bundle.open(folder)
    final = options.out / name
    writing(lambda: put_in_place(folder, final, staging), options.out)
    return final


def _bundle_name(checkpoint: Checkpoint, target: str, scheme: Scheme) -> str:
    return f"{checkpoint.card.network.model}-{target}-{scheme.name}.mer"
