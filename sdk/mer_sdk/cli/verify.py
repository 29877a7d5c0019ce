"""`mer verify`: does a bundle compute on this machine what it computed where it was made."""

from __future__ import annotations

import json as json_module
from dataclasses import dataclass

import numpy as np
import typer

from mer_sdk.agreement import distance, rule, within
from mer_sdk.bundle import Bundle
from mer_sdk.cli.options import BundleArgument, JsonOption, RuntimeOption, ThreadsOption
from mer_sdk.codec import to_json
from mer_sdk.engine import StepEngine
from mer_sdk.errors import BundleError
from mer_sdk.golden import GoldenCase, WindowResult, load_golden, run_case


@dataclass(frozen=True)
class CaseResult:
    """One golden case: largest absolute differences from the stored values, and whether the logits are near enough."""

    case: int
    audio_features: float
    face_features: float
    reliance: float
    logits: float
    passed: bool


@dataclass(frozen=True)
class Verification:
    """The result of `mer verify --json`. `files` files were equal to their hashes, else there would be no result."""

    bundle: str
    runtime: str
    files: int
    rule: str
    cases: tuple[CaseResult, ...]
    passed: bool


def verify(
    bundle: BundleArgument, runtime: RuntimeOption = None, threads: ThreadsOption = 1, json: JsonOption = False
) -> None:
    """Check a bundle's hashes, and its golden cases through the runtime of this machine. Exit code 1 if a case fails.

    Example: mer verify build/grjca-tflite-fp32.mer
    """
    opened = Bundle.open(bundle)
    result = verify_bundle(opened, runtime, threads)
    if json:
        print(json_module.dumps(to_json(result), indent=2))
    else:
        _show(result)
    if not result.passed:
        raise typer.Exit(1)


def verify_bundle(bundle: Bundle, runtime: str | None = None, threads: int = 1) -> Verification:
    """Run the golden cases of an open (so hash-checked) bundle.

    Raises:
        BundleError: it has no golden cases.
        RuntimeUnavailable: its runtime is not here.
    """
    cases = load_golden(bundle)
    if not cases:
        raise BundleError(f"{bundle.name} is a checkpoint without golden cases; verify a bundle made by mer-convert")
    engine = StepEngine(bundle, runtime, threads)
    scheme = bundle.manifest.scheme
    results = tuple(_judge(index, case, run_case(engine, case), scheme) for index, case in enumerate(cases))
    return Verification(
        bundle=bundle.name,
        runtime=runtime or bundle.runtime,
        files=len(bundle.manifest.files),
        rule=rule(scheme),
        cases=results,
        passed=all(result.passed for result in results),
    )


def _judge(index: int, case: GoldenCase, found: WindowResult, scheme: str) -> CaseResult:
    return CaseResult(
        case=index,
        audio_features=_difference(found.audio_features, case.audio_features, case.audio_mask),
        face_features=_difference(found.face_features, case.face_features, case.face_mask),
        reliance=distance(found.reliance, case.reliance).max_abs_error,
        logits=distance(found.logits, case.logits).max_abs_error,
        passed=within(scheme, found.logits[None], case.logits[None]),
    )


def _difference(values: np.ndarray, reference: np.ndarray, mask: np.ndarray) -> float:
    rows = mask > 0
    return distance(values[rows], reference[rows]).max_abs_error if rows.any() else 0.0


def _show(result: Verification) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"{result.bundle}: {result.files} files equal their hashes; golden cases in {result.runtime}:")
    table = Table("case", "audio features", "face features", "reliance", "logits", "", title="Max abs difference")
    for case in result.cases:
        numbers = (case.audio_features, case.face_features, case.reliance, case.logits)
        table.add_row(str(case.case), *(f"{value:.1e}" for value in numbers), "ok" if case.passed else "FAILED")
    console.print(table)
    console.print(
        f"{'passed' if result.passed else 'FAILED'}: {result.rule}", style="green" if result.passed else "red"
    )
