"""Whether a bundle computes on this machine what it computed where it was made: the golden cases, judged."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.golden import CaseOutput, GoldenCase, load_golden
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import BundleError
from mer_sdk.parity.agreement import distance, rule, within
from mer_sdk.parity.face_finder_golden import FinderVerification, verify_finder
from mer_sdk.parity.golden import run_case, wrong_texts
from mer_sdk.runtimes import runtime_note, simulating_runtime


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


def verify_any(bundle: Bundle, runtime: str | None, threads: int) -> Verification | FinderVerification:
    """The golden cases of an emotion model or a face finder; see `verify_bundle` and `verify_finder`."""
    if bundle.manifest.finder is not None:
        return verify_finder(bundle, runtime, threads)
    return verify_bundle(bundle, runtime, threads)


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
    manifest, chosen = bundle.manifest, bundle.chosen_runtime(runtime)
    found = _run(bundle, chosen, threads, cases)
    other = simulating_runtime(manifest.target) if runtime is None else None
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
