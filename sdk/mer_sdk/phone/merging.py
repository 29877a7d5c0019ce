"""From a phone's report to what a bundle says of it: agreement on the golden cases, an entry of `device_verified`."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.bundle_files import MANIFEST
from mer_sdk.contract.codec import to_json
from mer_sdk.contract.golden import GoldenCase
from mer_sdk.contract.manifest_file import manifest_from_text, manifest_to_text
from mer_sdk.errors import DataError, OptionError, reason_of
from mer_sdk.parity.agreement import distance, flips, rule, within
from mer_sdk.phone.clips import PhoneAccuracy
from mer_sdk.phone.evidence import Seen, evidence_kind
from mer_sdk.phone.report import Battery, BrowserRun, Device, Latency, PhoneReport, SustainedRun

# What another runtime and another processor may differ by on golden cases of a full-precision bundle. `mer verify`
# holds the runtime that made the bundle to less.
NEAR = 1e-3


@dataclass(frozen=True)
class GoldenAgreement:
    """The golden cases of one run, computed here from the logits that the phone sent.

    Attributes:
        cases: how many.
        passed: whether every case is as near as `rule` wants.
        rule: in words.
        max_abs_error: of the logits, from those of the bundle where it was made; of a full-precision bundle from the
            model in torch.
        features: modality -> largest error of the encoder's output from the model in torch, as the page computed it.
        to_torch: max abs error of the logits from the model in torch at full precision.
        sqnr_db: likewise; None where all are equal.
        same_label: rows with the same label as the model in torch, of `rows`.
        rows: one a case, of a dialogue one an utterance.
    """

    cases: int
    passed: bool
    rule: str
    max_abs_error: float
    features: dict[str, float]
    to_torch: float
    sqnr_db: float | None
    same_label: int
    rows: int


@dataclass(frozen=True)
class VerifiedRun:
    """One way to run the bundle on the device; see `BrowserRun`."""

    provider: str
    threads: int
    golden: GoldenAgreement
    load_ms: float
    latency_ms: dict[str, Latency]
    sustained: SustainedRun | None
    hidden: bool


@dataclass(frozen=True)
class DeviceEntry:
    """One entry of the manifest's `device_verified`.

    Attributes:
        source: the command that made it.
        evidence: what kind of device it was, a key of `mer_sdk.contract.device_evidence.EVIDENCE`; decided here, see
            `mer_sdk.phone.evidence`.
        date: UTC, ISO 8601.
        device: what it ran on, in the browser's own words.
        runtime: and its version.
        battery: None where the browser does not tell it.
        accuracy: on labelled clips, None where none were streamed.
    """

    source: str
    evidence: str
    date: str
    device: Device
    runtime: str
    runs: tuple[VerifiedRun, ...]
    battery: Battery | None
    accuracy: PhoneAccuracy | None

    @property
    def passed(self) -> bool:
        """Whether all golden cases passed in the first run, which every browser can do."""
        return self.runs[0].golden.passed

    def proven(self) -> DeviceEntry:
        """The entry with those runs alone in which all golden cases passed."""
        return replace(self, runs=tuple(run for run in self.runs if run.golden.passed))


def describe(device: Device) -> str:
    """A device in a few words."""
    return ", ".join(part for part in (device.model, device.platform, device.browser) if part) or device.user_agent


def device_entry(
    report: PhoneReport, seen: Seen, scheme: str, cases: Sequence[GoldenCase], accuracy: PhoneAccuracy | None = None
) -> DeviceEntry:
    """What a report proves.

    Args:
        report: of `read_report`.
        seen: of the request that brought it.
        scheme: of the bundle.
        cases: its golden cases.
        accuracy: of `mer_sdk.phone.clips.score`.

    Raises:
        DataError: a case has another number of logits than the bundle.
    """
    return DeviceEntry(
        source="mer phone-check",
        evidence=evidence_kind(seen, report.device),
        date=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        device=report.device,
        runtime=report.runtime,
        runs=tuple(
            VerifiedRun(
                provider=run.provider,
                threads=run.threads,
                golden=golden_agreement(run, scheme, cases),
                load_ms=run.load_ms,
                latency_ms=run.latency,
                sustained=run.sustained,
                hidden=run.hidden,
            )
            for run in report.runs
        ),
        battery=report.battery,
        accuracy=accuracy,
    )


def golden_agreement(run: BrowserRun, scheme: str, cases: Sequence[GoldenCase]) -> GoldenAgreement:
    """How near a run's golden cases are; see `GoldenAgreement` and, for errors, `device_entry`."""
    found, made, torch, passed = [], [], [], []
    for answer, case in zip(run.cases, cases, strict=True):
        wanted = case.answer.logits
        if len(answer.logits) != wanted.size:
            raise DataError(f"golden case {answer.case} has {len(answer.logits)} logits, the bundle has {wanted.size}")
        values = np.atleast_2d(np.array(answer.logits, np.float32).reshape(wanted.shape))
        own = np.atleast_2d(wanted if case.made is None else case.made)
        near = distance(values, own).max_abs_error <= NEAR
        passed.append(near or (scheme != "fp32" and within(scheme, values, own)))
        found.append(values)
        made.append(own)
        torch.append(np.atleast_2d(wanted))
    logits, reference = np.concatenate(found), np.concatenate(torch)
    apart = distance(logits, reference)
    names = {name for answer in run.cases for name in answer.features}
    return GoldenAgreement(
        cases=len(cases),
        passed=all(passed),
        rule=f"max abs error at most {NEAR:g} on the logits" + ("" if scheme == "fp32" else f", or {rule(scheme)}"),
        max_abs_error=distance(logits, np.concatenate(made)).max_abs_error,
        features={name: max(answer.features.get(name, 0.0) for answer in run.cases) for name in sorted(names)},
        to_torch=apart.max_abs_error,
        sqnr_db=apart.sqnr_db,
        same_label=len(logits) - flips(logits, reference),
        rows=len(logits),
    )


def merge(bundle: Path, entry: DeviceEntry) -> int:
    """Put an entry into a bundle's manifest, in the place of an older one of the same device; how many there are now.

    Only runs that passed go in.

    Raises:
        OptionError: the manifest cannot be written.
        BundleError: it cannot be read.
    """
    path = bundle / MANIFEST
    manifest = manifest_from_text(path.read_text(encoding="utf-8"))
    plain: dict[str, Any] = to_json(entry.proven())
    kept = [one for one in manifest.device_verified if not _same(one, plain)]
    text = manifest_to_text(replace(manifest, device_verified=(*kept, plain)))
    try:
        handle, aside = tempfile.mkstemp(prefix=".manifest-", dir=bundle)
    except OSError as error:
        raise OptionError(
            f"{path} cannot be written ({reason_of(error)}); copy the bundle where you may write"
        ) from error
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        os.chmod(aside, path.stat().st_mode)
        os.replace(aside, path)
    except OSError as error:
        Path(aside).unlink(missing_ok=True)
        raise OptionError(
            f"{path} cannot be written ({reason_of(error)}); copy the bundle where you may write"
        ) from error
    return len(kept) + 1


def _same(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Whether two entries are of one kind of check, of evidence, device and browser."""
    return all(one.get(key) == other[key] for key in ("source", "evidence", "device"))
