"""`mer verify`: does a bundle compute on this machine what it computed where it was made."""

from __future__ import annotations

import json as json_module
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import typer

from mer_sdk.cli.bundles import left_out, open_bundle, without_runtime
from mer_sdk.cli.options import BundlesArgument, JsonOption, RuntimeOption, ThreadsOption
from mer_sdk.cli.progress import progress_bars
from mer_sdk.cli.tables.columns import narrow_table
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.golden import CaseOutput, GoldenCase, load_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import BundleError, BundleNotFound, OptionError
from mer_sdk.parity.agreement import distance, rule, within
from mer_sdk.parity.face_finder_golden import FinderVerification, verify_finder
from mer_sdk.parity.golden import run_case, wrong_texts
from mer_sdk.runtimes import runtime_named, runtime_note, stand_in_for


@dataclass(frozen=True)
class CaseResult:
    """One golden case: largest absolute differences from the stored values, and whether it passes.

    Attributes:
        case: its number.
        features: modality -> of the encoder's output.
        reliance: of the fusion graph's output.
        logits: likewise; in a quantized bundle from what it gave where it was made, not from the model in torch.
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
class CrossCheck:
    """The golden cases in a second runtime, against the first: how near a stand-in comes to the real one.

    Attributes:
        runtime, note: the second runtime, and what its results do not prove.
        features: modality -> largest absolute difference of the encoder's output.
        logits: likewise of the fusion graph's.
    """

    runtime: str
    note: str
    features: dict[str, float]
    logits: float


@dataclass(frozen=True)
class Verification:
    """The result of `mer verify --json`. `files` files were equal to their hashes, else there would be no result.

    `note` says what results of the runtime do not prove, "" for a real one. `against` is there where both a real
    runtime and one that stands in for it elsewhere run on this system.
    """

    bundle: str
    runtime: str
    note: str
    files: int
    rule: str
    cases: tuple[CaseResult, ...]
    passed: bool
    against: CrossCheck | None = None


@dataclass(frozen=True)
class Damaged:
    """A bundle that cannot be verified, and why; among several it does not end the command."""

    bundle: str
    reason: str
    passed: bool = False


Verified = Verification | FinderVerification | Damaged


def verify(
    bundles: BundlesArgument, runtime: RuntimeOption = None, threads: ThreadsOption = 1, json: JsonOption = False
) -> None:
    """Check a bundle's hashes, and its golden cases through the runtime of this machine. Exit code 1 if a case fails.

    Of several bundles each gets one line; --json prints a list. Those that this machine cannot run are left out.

    Examples:

    mer verify bundles/grjca-tflite-fp32.mer

    mer verify bundles/*.mer
    """
    if len(bundles) > 1:
        found = _verify_several(bundles, runtime, threads, json)
        if json:
            print(json_module.dumps([to_json(result) for result in found], indent=2))
        else:
            _show_several(found)
    else:
        opened = open_bundle(bundles[0])
        with progress_bars(quiet=json) as progress:
            progress(f"verifying {opened.name}", 0, 1)
            result = _verify_one(opened, runtime, threads)
        found = [result]
        if json:
            print(json_module.dumps(to_json(result), indent=2))
        else:
            _show(result)
    if not all(result.passed for result in found):
        raise typer.Exit(1)


def _verify_one(bundle: Bundle, runtime: str | None, threads: int) -> Verification | FinderVerification:
    if bundle.manifest.finder is not None:
        return verify_finder(bundle, runtime, threads)
    return verify_bundle(bundle, runtime, threads)


def _verify_several(given: Sequence[str], runtime: str | None, threads: int, quiet: bool) -> list[Verified]:
    found: list[Verified] = []
    without: dict[str, list[str]] = {}
    with progress_bars(quiet) as progress:
        for index, name in enumerate(given):
            progress("verifying", index, len(given))
            try:
                bundle = open_bundle(name)
                reason = _elsewhere(bundle, runtime) or without_runtime(bundle)
                if reason:
                    without.setdefault(reason, []).append(bundle.name)
                else:
                    found.append(_verify_one(bundle, runtime, threads))
            except BundleNotFound:
                raise
            except BundleError as error:
                found.append(Damaged(name, str(error)))
    for reason, names in without.items():
        left_out(names, reason)
    if not found:
        raise OptionError("none of these can be verified here; mer doctor says what this machine can run")
    return found


def _elsewhere(bundle: Bundle, runtime: str | None) -> str:
    """Why a runtime that was asked for by name does not run a bundle."""
    if runtime is None or runtime_named(runtime).target == bundle.manifest.target:
        return ""
    return f"{runtime} runs bundles of {runtime_named(runtime).target}"


def verify_bundle(bundle: Bundle, runtime: str | None = None, threads: int = 1) -> Verification:
    """Run the golden cases of an open (so hash-checked) bundle.

    Without `runtime` they run in the target's own, and in one that stands in for it where both run here.

    Raises:
        BundleError: it has no golden cases.
        RuntimeUnavailable: its runtime is not here.
    """
    cases = load_golden(bundle)
    if not cases:
        raise BundleError(f"{bundle.name} is a checkpoint without golden cases; verify a bundle made by mer-convert")
    manifest, chosen = bundle.manifest, runtime or bundle.runtime
    found = _run(bundle, chosen, threads, cases)
    other = stand_in_for(manifest.target) if runtime is None else None
    against = (
        None if other is None or other == chosen else _cross_check(other, found, _run(bundle, other, threads, cases))
    )
    results = tuple(
        _judge(index, case, output, manifest) for index, (case, output) in enumerate(zip(cases, found, strict=True))
    )
    return Verification(
        bundle=bundle.name,
        runtime=chosen,
        note=runtime_note(chosen),
        files=len(bundle.manifest.files),
        rule=rule(manifest.scheme),
        cases=results,
        passed=all(result.passed for result in results),
        against=against,
    )


def _run(bundle: Bundle, runtime: str, threads: int, cases: Sequence[GoldenCase]) -> list[CaseOutput]:
    manifest, graphs = bundle.manifest, bundle.load_graphs(runtime, threads)
    return [run_case(graphs, manifest.graphs, manifest.baseline, case.given) for case in cases]


def _cross_check(runtime: str, real: Sequence[CaseOutput], other: Sequence[CaseOutput]) -> CrossCheck:
    def worst(pairs: Iterable[tuple[np.ndarray, np.ndarray]]) -> float:
        return max(distance(a, b).max_abs_error for a, b in pairs)

    return CrossCheck(
        runtime=runtime,
        note=runtime_note(runtime),
        features={
            name: worst((b.features[name], a.features[name]) for a, b in zip(real, other, strict=True))
            for name in real[0].features
        },
        logits=worst((b.logits, a.logits) for a, b in zip(real, other, strict=True)),
    )


def _judge(index: int, case: GoldenCase, found: CaseOutput, manifest: Manifest) -> CaseResult:
    wanted, wrong = case.answer, wrong_texts(case, manifest)
    reference = wanted.logits if case.made is None else case.made
    return CaseResult(
        case=index,
        features={name: distance(rows, wanted.features[name]).max_abs_error for name, rows in found.features.items()},
        reliance=distance(found.reliance, wanted.reliance).max_abs_error,
        logits=distance(found.logits, reference).max_abs_error,
        wrong_texts=wrong,
        passed=not wrong and within(manifest.scheme, np.atleast_2d(found.logits), np.atleast_2d(reference)),
    )


def _show_several(results: Sequence[Verified]) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    table = narrow_table("", ("bundle", "golden cases in", ""), ("cases", "max abs difference"))
    for result in results:
        outcome = "[green]passed[/]" if result.passed else "[red]FAILED[/]"
        if isinstance(result, Damaged):
            table.add_row(result.bundle, "-", outcome, "-", "-")
        else:
            table.add_row(result.bundle, result.runtime, outcome, str(len(result.cases)), f"{_worst(result):.1e}")
    console.print(table)
    for result in results:
        if isinstance(result, Damaged):
            console.print(f"{result.bundle}: {result.reason}", style="red", soft_wrap=True, markup=False)
    notes = (result.note for result in results if not isinstance(result, Damaged))
    for note in dict.fromkeys(note for note in notes if note):
        console.print(note, style="yellow")
    failed = sum(not result.passed for result in results)
    said = f"{failed} of {len(results)} FAILED" if failed else f"{len(results)} bundles passed"
    console.print(said, style="red" if failed else "green")


def _worst(result: Verification | FinderVerification) -> float:
    """The largest difference of what is judged: logits, or scores and boxes."""
    if isinstance(result, FinderVerification):
        return max(max(case["scores"], case["boxes"]) for case in result.cases)
    return max(case.logits for case in result.cases)


def _show(result: Verification | FinderVerification) -> None:
    if isinstance(result, FinderVerification):
        print(result.text())
    else:
        _show_cases(result)


def _show_cases(result: Verification) -> None:
    from rich.console import Console

    console = Console(highlight=False)
    console.print(f"{result.bundle}: {result.files} files equal their hashes; golden cases in {result.runtime}:")
    if result.note:
        console.print(result.note, style="yellow")
    names = [f"{name} features" for name in result.cases[0].features]
    table = narrow_table("Max abs difference", ("case",), (*names, "reliance", "logits", ""))
    for case in result.cases:
        numbers = (*case.features.values(), case.reliance, case.logits)
        table.add_row(str(case.case), *(f"{value:.1e}" for value in numbers), "ok" if case.passed else "FAILED")
    console.print(table)
    for text in {text: None for case in result.cases for text in case.wrong_texts}:
        console.print(f"this machine's front end gives other ids for the text {text!r}", style="red", markup=False)
    if result.against is not None:
        apart = {f"{name} features": value for name, value in result.against.features.items()}
        apart["logits"] = result.against.logits
        shown = ", ".join(f"{name} {value:.1e}" for name, value in apart.items())
        console.print(f"{result.against.runtime} against {result.runtime}, max abs difference: {shown}")
        console.print(result.against.note, style="yellow")
    console.print(
        f"{'passed' if result.passed else 'FAILED'}: {result.rule}", style="green" if result.passed else "red"
    )
