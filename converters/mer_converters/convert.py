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
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from mer_converters.accuracy import Accuracy
from mer_converters.card import BundleFacts, write_bundle_files
from mer_converters.golden import golden_cases
from mer_converters.parity import FAILED, Distance, Distillation, GateResult, distillation, judge
from mer_converters.targets import find_target
from mer_converters.worker import Artifact, Job, Outcome
from mer_fusion.checkpoint import Checkpoint, load_checkpoint
from mer_fusion.torch_bundle import open_checkpoint
from mer_quantization.calibration import calibration_inputs, save_samples
from mer_quantization.proof import GraphProof
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import SCHEMES, Scheme, check_calibration_data, find_scheme
from mer_sdk.bundle import Bundle
from mer_sdk.codec import from_json, to_json
from mer_sdk.errors import BundleError, ConversionError, MissingExtra
from mer_sdk.golden import GOLDEN, save_golden
from mer_sdk.runtimes import runtime_note

ERROR = "error"
CALIBRATION = "calibration"
Say = Callable[[str], None]


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        out: folder that the bundles go into; made where it is missing.
        force: write a bundle although the gate failed; its manifest then says so.
        reference: full-precision checkpoint for the distance of distillation, None to leave it out.
        jobs: targets converted at the same time, at least 1.
        data: clips that calibrate the schemes which need it, and others on which quantized schemes are judged; None
            where there are none.
    """

    out: Path
    force: bool = False
    reference: Path | None = None
    jobs: int = 2
    data: DataOptions | None = None


@dataclass(frozen=True)
class ConversionResult:
    """One row of the table.

    Attributes:
        target, scheme: what was converted to what.
        path: the bundle, None where none was written.
        bytes: size of the graph files.
        seconds: time spent; the first scheme of a target carries the start of its tool.
        distillation, conversion, quantization: the three distances, None where there was none to measure.
        gate: "passed", "failed" or "error" (nothing to judge).
        reason: one sentence about the gate or the error.
        check: graph -> what was checked of the program without running it.
        accuracy: a quantized scheme against fp32 on labelled clips, None where there were none.
        proof: graph -> what the artifact of a quantized scheme holds in integers.
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
    for target in targets:
        for scheme in wanted[target]:
            _refuse_other(options.out / _bundle_name(loaded, target, scheme))
    staging = _make_staging(options.out)
    try:
        cases = golden_cases(loaded.network.prepare_for_export(), loaded.card)
        _write(lambda: save_golden(staging / GOLDEN, cases), options.out)
        say("golden cases made")
        if options.data is not None:
            _record(Path(checkpoint), options, staging / CALIBRATION, say)
        with ThreadPoolExecutor(max(1, options.jobs)) as pool:
            futures = {
                target: pool.submit(_run_worker, Path(checkpoint), target, wanted[target], staging, options.data)
                for target in targets
            }
            distilled = _distillation(loaded, options.reference, say)
            rows: list[ConversionResult] = []
            for target, future in futures.items():
                outcome = future.result()
                say(f"{target} converted" if outcome.error is None else f"{target} failed")
                rows += _rows(loaded, target, wanted[target], outcome, distilled, staging, options)
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


def _distillation(student: Checkpoint, reference: Path | None, say: Say) -> Distillation | None:
    if reference is None:
        return None
    try:
        return distillation(student, load_checkpoint(reference))
    except MissingExtra as error:
        # A full-precision dialogue model reads sentence vectors; converting its student must not need their encoder.
        say(f"student and full-precision model are not compared: {error}")
        return None


def _record(checkpoint: Path, options: ConvertOptions, folder: Path, say: Say) -> None:
    """Calibration inputs of every graph, once for all targets."""
    assert options.data is not None
    inputs = calibration_inputs(
        open_checkpoint(checkpoint),
        options.data,
        progress=lambda done, total: say(f"calibration clips: {done} of {total}"),
    )
    _write(lambda: save_samples(folder, inputs), options.out)


def _run_worker(
    checkpoint: Path, target: str, schemes: tuple[Scheme, ...], staging: Path, data: DataOptions | None
) -> Outcome:
    """Convert one target in a process of its own; what its tools print is shown only if it fails."""
    # Job and result lie outside the staging folder: a full disk there must not silence the message about it.
    with tempfile.TemporaryDirectory(prefix="mer-convert-") as aside:
        job = Job(
            checkpoint=str(checkpoint.resolve()),
            target=target,
            schemes=tuple(scheme.name for scheme in schemes),
            folder=str((staging / target).resolve()),
            golden=str((staging / GOLDEN).resolve()),
            result=str(Path(aside) / "result.json"),
            started=time.time(),
            calibration=str((staging / CALIBRATION).resolve()) if data is not None else "",
            labelled=data,
        )
        job_file = Path(aside) / "job.json"
        job_file.write_text(json.dumps(to_json(job)))
        # A fixed hash seed: some tools write sets and dicts in hash order.
        environment = {**os.environ, "PYTHONHASHSEED": "0", "OMP_NUM_THREADS": "1", "PYTHONWARNINGS": "ignore"}
        run = subprocess.run(
            [sys.executable, "-m", "mer_converters.worker", str(job_file)],
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
    distilled: Distillation | None,
    staging: Path,
    options: ConvertOptions,
) -> list[ConversionResult]:
    if outcome.error is not None:
        return [
            ConversionResult(target, scheme.name, None, 0, 0.0, distilled, None, None, ERROR, outcome.error, {})
            for scheme in schemes
        ]
    return [_row(checkpoint, target, artifact, distilled, staging, options) for artifact in outcome.artifacts]


def _row(
    checkpoint: Checkpoint,
    target: str,
    artifact: Artifact,
    distilled: Distillation | None,
    staging: Path,
    options: ConvertOptions,
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
            path = _finish(checkpoint, target, artifact, distilled, gate, staging, options)
        except ConversionError as error:
            state, reason = ERROR, str(error)
    return ConversionResult(
        target,
        scheme.name,
        path,
        size,
        artifact.seconds,
        distilled,
        artifact.conversion,
        artifact.quantization,
        state,
        reason,
        artifact.check,
        artifact.accuracy,
        artifact.proof,
    )


def _finish(
    checkpoint: Checkpoint,
    target: str,
    artifact: Artifact,
    distilled: Distillation | None,
    gate: GateResult,
    staging: Path,
    options: ConvertOptions,
) -> Path:
    scheme = SCHEMES[artifact.scheme]
    folder = staging / target / scheme.name
    name = _bundle_name(checkpoint, target, scheme)
    facts = BundleFacts(
        name=name.removesuffix(".mer"),
        target=find_target(target),
        scheme=scheme,
        distillation=distilled,
        conversion=artifact.conversion,
        quantization=artifact.quantization,
        gate=gate,
        check=artifact.check,
        accuracy=artifact.accuracy,
        proof=artifact.proof,
        data=options.data,
    )

    def write() -> None:
        shutil.copyfile(staging / GOLDEN, folder / GOLDEN)
        write_bundle_files(folder, checkpoint, facts)

    _write(write, options.out)
    Bundle.open(folder)
    final = options.out / name
    _write(lambda: _put_in_place(folder, final, staging), options.out)
    return final


def _put_in_place(folder: Path, final: Path, staging: Path) -> None:
    """Move a whole bundle to its name; one that was there is moved aside first and back if that fails.

    Folders cannot be renamed over one another: between two renames there is no bundle, but never half of one.
    """
    old = staging / f"old-{final.name}"
    if final.exists():
        os.rename(final, old)
    try:
        os.rename(folder, final)
    except OSError:
        if old.exists():
            os.rename(old, final)
        raise


def _bundle_name(checkpoint: Checkpoint, target: str, scheme: Scheme) -> str:
    return f"{checkpoint.card.network.model}-{target}-{scheme.name}.mer"


def _refuse_other(path: Path) -> None:
    """Only a bundle is ever replaced."""
    if not path.exists() or (path.is_dir() and not path.is_symlink() and (path / "manifest.json").is_file()):
        return
    raise ConversionError(f"{path} is there and is not a bundle; move it away or give another --out")


def _make_staging(out: Path) -> Path:
    def make() -> Path:
        out.mkdir(parents=True, exist_ok=True)
        # In the output folder, so that the last step is a rename within one file system.
        return Path(tempfile.mkdtemp(prefix=".mer-convert-", dir=out))

    return _write(make, out)


def _write(action: Callable[[], Path | None], out: Path) -> Path:
    """Run something that writes below `out`; the system's refusals become one sentence."""
    try:
        return action() or out
    except BundleError as error:
        raise ConversionError(f"the bundle that was just written does not open: {error}") from error
    except OSError as error:
        raise ConversionError(
            f"{out} cannot be written ({error.strerror or error}): free some space or give another --out; "
            "nothing was left there"
        ) from error
