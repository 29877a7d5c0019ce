"""`mer verify`: does a bundle compute on this machine what it computed where it was made."""

from __future__ import annotations

import json as json_module
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import typer

from mer_sdk.cli.bundles import left_out, open_bundle, without_runtime
from mer_sdk.cli.options import BundlesArgument, JsonOption, RuntimeOption, ThreadsOption, TrustOption
from mer_sdk.cli.progress import progress_bars
from mer_sdk.cli.verify.isolated import ProcessLimits, verify_isolated
from mer_sdk.cli.verify.outcome import Damaged, Verified
from mer_sdk.cli.verify.shown import show, show_several
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.signature import key_id, until_text
from mer_sdk.errors import BundleError, BundleNotFound, OptionError
from mer_sdk.parity.face_finder_golden import FinderVerification
from mer_sdk.parity.verification import Verification, verify_any
from mer_sdk.runtimes import runtime_named


@dataclass(frozen=True)
class Check:
    """How each bundle is verified.

    Attributes:
        runtime, threads: see `verify_bundle`.
        trust: public keys, of which one must have signed it; none trusts every bundle.
        limits: of the child process that runs it; None runs it in this process.
    """

    runtime: str | None
    threads: int
    trust: tuple[str, ...] = ()
    limits: ProcessLimits | None = None


def verify(
    bundles: BundlesArgument,
    runtime: RuntimeOption = None,
    threads: ThreadsOption = 1,
    trust: TrustOption = None,
    isolated: Annotated[
        bool,
        typer.Option("--isolated", help="Open the graphs in a child process, so that a crash of a runtime is told."),
    ] = False,
    time_limit: Annotated[
        int, typer.Option("--time-limit", min=1, help="Seconds that --isolated gives each bundle.")
    ] = ProcessLimits.seconds,
    memory_limit: Annotated[
        int, typer.Option("--memory-limit", min=64, help="MB that --isolated gives each bundle (Linux).")
    ] = ProcessLimits.megabytes,
    json: JsonOption = False,
) -> None:
    """Check a bundle's hashes, and its golden cases through the runtime of this machine. Exit code 1 if a case fails.

    Of several bundles each gets one line; --json prints a list. Those that this machine cannot run are left out.

    Use --trust for bundles that somebody signed (mer sign), and --isolated for bundles from anywhere: a graph file
    that crashes its runtime, hangs or eats memory then ends a child process alone. It is no sandbox: code that broke
    out of a runtime could do what this user may.

    Examples:

    mer verify bundles/grjca-tflite-fp32.mer

    mer verify bundles/*.mer --isolated
    """
    check = Check(runtime, threads, tuple(trust or ()), ProcessLimits(time_limit, memory_limit) if isolated else None)
    if len(bundles) > 1:
        found = _verify_several(bundles, check, json)
        if json:
            print(json_module.dumps([to_json(result) for result in found], indent=2))
        else:
            show_several(found)
    else:
        opened = open_bundle(bundles[0], check.trust)
        with progress_bars(quiet=json) as progress:
            progress(f"verifying {opened.name}", 0, 1)
            result = _verify_one(opened, check)
        found = [result]
        if json:
            print(json_module.dumps(to_json(result), indent=2))
        else:
            if check.trust:
                signed = opened.check_trust(check.trust)
                print(f"{opened.name}: signed by the key {key_id(signed.key)}, {until_text(signed.expires)}")
            show(result)
    if not all(result.passed for result in found):
        raise typer.Exit(1)


def _verify_one(bundle: Bundle, check: Check) -> Verification | FinderVerification:
    if check.limits is None or bundle.path is None:
        return verify_any(bundle, check.runtime, check.threads)
    return verify_isolated(bundle, check.runtime, check.threads, check.limits)


def _verify_several(given: Sequence[str], check: Check, quiet: bool) -> list[Verified]:
    found: list[Verified] = []
    without: dict[str, list[str]] = {}
    with progress_bars(quiet) as progress:
        for index, name in enumerate(given):
            progress("verifying", index, len(given))
            try:
                bundle = open_bundle(name, check.trust)
                reason = _elsewhere(bundle, check.runtime) or without_runtime(bundle)
                if reason:
                    without.setdefault(reason, []).append(bundle.name)
                else:
                    found.append(_verify_one(bundle, check))
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
