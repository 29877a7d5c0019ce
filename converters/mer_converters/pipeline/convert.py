"""Checkpoint -> bundles: each target in its own process, through the parity gate, visible only when whole."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from mer_converters.pipeline.accuracy import Accuracy
from mer_converters.pipeline.bundle_files import BundleFacts, write_bundle_files
from mer_converters.pipeline.export import Artifact, Sensitivities
from mer_converters.pipeline.gate import FAILED, Distance, GateResult, judge
from mer_converters.pipeline.golden import golden_cases, golden_file
from mer_converters.pipeline.measurements import record_calibration, sensitivities
from mer_converters.pipeline.plan import ConvertOptions, Plan, plan
from mer_converters.pipeline.staging import put_in_place, staging_folder, writing
from mer_converters.pipeline.worker import Job, Outcome, run_jobs
from mer_converters.processes.progress import Say, Step, unheard
from mer_converters.targets import find_target
from mer_quantization.confidence import Confidence
from mer_quantization.proof import GraphProof
from mer_quantization.schemes import SCHEMES
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import GOLDEN, save_golden
from mer_sdk.errors import BundleError, ConversionError
from mer_sdk.runtimes import runtime_note

ERROR = "error"
CALIBRATION = "calibration"


@dataclass(frozen=True)
class ConversionResult:
    """One row of the table.

    Attributes:
        target, scheme: what was converted to what.
        path: the bundle, None where none was written.
        bytes: size of the graph files.
        seconds: time spent; the first scheme of a target carries the start of its tool.
        conversion, quantization: the two distances, None where there was none to measure.
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
    say: Say = unheard,
) -> tuple[ConversionResult, ...]:
    """Convert one checkpoint to several targets and schemes.

    A target that fails becomes rows with the gate "error"; the others are still written.

    Args:
        checkpoint: as in `convert`.
        targets, schemes: names; each target in each scheme, in this order.
        options: see `ConvertOptions`.
        say: called with each step that begins, from several threads.

    Raises:
        OptionError, CheckpointError, MissingExtra, DataError: before anything is converted.
        ConversionError: the output folder cannot be written, or holds something else under a bundle's name.
    """
    say(Step("checkpoint", "reading it", 0.0))
    planned = plan(checkpoint, targets, schemes, options)
    say(Step("checkpoint", "read", 1.0))
    with staging_folder(options.out) as staging:
        losses = _shared_by_targets(planned, staging, say)
        outcomes = run_jobs(_jobs(planned, losses, staging), options.jobs, say)
        say(Step("bundles", "writing what the gate lets through", 0.0))
        rows = [row for target in targets for row in _rows(planned, target, outcomes[target], losses, staging)]
        say(Step("bundles", "written", 1.0))
        return tuple(rows)


def _shared_by_targets(planned: Plan, staging: Path, say: Say) -> dict[str, Sensitivities]:
    """Write golden cases and calibration inputs, once for all targets; scheme -> what each operation loses in it."""
    checkpoint, options = planned.checkpoint, planned.options
    say(Step("golden inputs", "running the network", 0.0))
    cases = golden_cases(checkpoint.network.prepare_for_export(), checkpoint.card)
    writing(lambda: save_golden(staging / GOLDEN, cases), options.out)
    say(Step("golden inputs", "made", 1.0))
    if options.data is not None:
        say(Step("calibration", "reading the clips", 0.0))
        record_calibration(checkpoint.path, options.data, staging / CALIBRATION, say)
    return sensitivities(
        checkpoint, planned.graphs, planned.schemes, staging / CALIBRATION, staging / "golden-inputs", say
    )


def _jobs(planned: Plan, losses: dict[str, Sensitivities], staging: Path) -> list[Job]:
    """What the process of each target does."""
    options = planned.options
    # The longest first, so that no process is left alone at the end.
    order = sorted(planned.schemes, key=lambda target: -find_target(target).weight)
    return [
        Job(
            checkpoint=str(planned.checkpoint.path.resolve()),
            target=target,
            schemes=tuple(scheme.name for scheme in planned.schemes[target]),
            folder=str((staging / target).resolve()),
            golden=str((staging / GOLDEN).resolve()),
            calibration=str((staging / CALIBRATION).resolve()) if options.data is not None else "",
            labelled=options.labelled,
            coverage=options.coverage,
            float_modules=planned.keep,
            sensitivities=losses if options.fallback else {},
        )
        for target in order
    ]


def _rows(
    planned: Plan, target: str, outcome: Outcome, losses: dict[str, Sensitivities], staging: Path
) -> list[ConversionResult]:
    """A row for each scheme of a target, whose bundles are written where the gate lets them through."""
    if outcome.error is not None:
        return [
            ConversionResult(target, scheme.name, None, 0, 0.0, None, None, ERROR, outcome.error, {})
            for scheme in planned.schemes[target]
        ]
    return [_row(planned, target, artifact, losses, staging) for artifact in outcome.artifacts]


def _row(
    planned: Plan, target: str, artifact: Artifact, losses: dict[str, Sensitivities], staging: Path
) -> ConversionResult:
    scheme, note = SCHEMES[artifact.scheme], runtime_note(find_target(target).runtime)
    gate = judge(scheme, artifact.conversion, artifact.quantization, note, artifact.accuracy)
    folder = staging / target / scheme.name
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    path, state, reason = None, gate.state, gate.reason
    if gate.state != FAILED or planned.options.force:
        try:
            path = _write_bundle(planned, target, artifact, gate, losses.get(scheme.name, {}), staging)
        except ConversionError as error:
            state, reason = ERROR, str(error)
    return ConversionResult(
        target=target,
        scheme=scheme.name,
        path=path,
        bytes=size,
        seconds=artifact.seconds,
        conversion=artifact.conversion,
        quantization=artifact.quantization,
        gate=state,
        reason=reason,
        check=artifact.check,
        accuracy=artifact.accuracy,
        proof=artifact.proof,
        confidence=artifact.confidence,
        moved=artifact.moved,
    )


def _write_bundle(
    planned: Plan, target: str, artifact: Artifact, gate: GateResult, sensitivity: Sensitivities, staging: Path
) -> Path:
    """Put the other files beside the graphs, open the bundle, and move it to its place."""
    scheme, options = SCHEMES[artifact.scheme], planned.options
    folder, name = staging / target / scheme.name, planned.bundle_name(target, scheme)
    own = staging / target / golden_file(scheme.name)
    facts = BundleFacts(
        name=name.removesuffix(".mer"),
        target=find_target(target),
        scheme=scheme,
        artifact=artifact,
        gate=gate,
        data=options.data,
        check_data=options.labelled,
        sensitivity=sensitivity,
    )

    def write() -> None:
        shutil.copyfile(own if scheme.quantized else staging / GOLDEN, folder / GOLDEN)
        write_bundle_files(folder, planned.checkpoint, facts)

    final = options.out / name
    writing(write, options.out)
    try:
        Bundle.open(folder)
    except BundleError as error:
        raise ConversionError(f"{target}: the bundle that was written cannot be opened: {error}") from error
    writing(partial(put_in_place, folder, final, staging), options.out)
    return final
