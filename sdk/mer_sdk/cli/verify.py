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
from mer_sdk.errors import BundleError
from mer_sdk.golden import CaseOutput, GoldenCase, load_golden, run_case, wrong_texts
from mer_sdk.manifest import Manifest


@dataclass(frozen=True)
class CaseResult:
    """One golden case: largest absolute differences from the stored values, and whether it passes.

    Attributes:
        case: its number.
        features: modality -> of the encoder's output.
        reliance, logits: of the fusion graph's outputs.
        wrong_texts: texts that the front end here turns into other ids than the case holds; the case then fails.
        passed: whether the logits are near enough.
    """

    case: int
    features: dict[str, float]
    reliance: float
    logits: float
    wrong_texts: tuple[str, ...]
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
    manifest, graphs = bundle.manifest, bundle.load_graphs(runtime, threads)
    found = [run_case(graphs, manifest.graphs, manifest.baseline, case.given) for case in cases]
    results = tuple(
        _judge(index, case, output, manifest) for index, (case, output) in enumerate(zip(cases, found, strict=True))
    )
    return Verification(
        bundle=bundle.name,
        runtime=runtime or bundle.runtime,
        files=len(bundle.manifest.files),
        rule=rule(manifest.scheme),
        cases=results,
        passed=all(result.passed for result in results),
    )


def _judge(index: int, case: GoldenCase, found: CaseOutput, manifest: Manifest) -> CaseResult:
    wanted, wrong = case.answer, wrong_texts(case, manifest)
    return CaseResult(
        case=index,
        features={name: distance(rows, wanted.features[name]).max_abs_error for name, rows in found.features.items()},
        reliance=distance(found.reliance, wanted.reliance).max_abs_error,
        logits=distance(found.logits, wanted.logits).max_abs_error,
        wrong_texts=wrong,
        passed=not wrong and within(manifest.scheme, np.atleast_2d(found.logits), np.atleast_2d(wanted.logits)),
    )


def _show(result: Verification) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    console.print(f"{result.bundle}: {result.files} files equal their hashes; golden cases in {result.runtime}:")
    names = [f"{name} features" for name in result.cases[0].features]
    table = Table("case", *names, "reliance", "logits", "", title="Max abs difference")
    for case in result.cases:
        numbers = (*case.features.values(), case.reliance, case.logits)
        table.add_row(str(case.case), *(f"{value:.1e}" for value in numbers), "ok" if case.passed else "FAILED")
    console.print(table)
    for text in {text: None for case in result.cases for text in case.wrong_texts}:
        console.print(f"this machine's front end gives other ids for the text {text!r}", style="red", markup=False)
    console.print(
        f"{'passed' if result.passed else 'FAILED'}: {result.rule}", style="green" if result.passed else "red"
    )
