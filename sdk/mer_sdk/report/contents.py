"""What goes into the page: one entry a bundle, and what stands beside what."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from mer_sdk.bench.timing import Quantiles
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Decision
from mer_sdk.errors import OptionError
from mer_sdk.report.evidence import Evidence, read_evidence
from mer_sdk.report.markup import Markup
from mer_sdk.report.results import Measurement, headline

SCHEME_ORDER = ("fp32", "fp16", "w8", "dyn8", "int8", "w4")


@dataclass(frozen=True)
class Entry:
    """One bundle on the page.

    Attributes:
        key: where it was opened from; unlike that of every other entry, as is `label`.
        label: what the page calls it.
        name, model, target, scheme: from the manifest.
        runtime, note: what runs it here, and what its results do not prove.
        sizes: graph -> bytes of its file; empty for a checkpoint.
        gate: "passed" or "failed", from the manifest.
        decision: temperatures and abstention thresholds.
        checkpoint: sha256 of the weights it was made from.
        tools: name -> version.
        evidence: from report.json.
        measurements: from this run and from saved files.
        latency: stage -> milliseconds here; empty where it was not measured.
    """

    key: str
    label: str
    name: str
    model: str
    target: str
    scheme: str
    runtime: str
    note: str
    sizes: dict[str, int]
    gate: str
    decision: Decision
    checkpoint: str
    tools: dict[str, str]
    evidence: Evidence = field(default_factory=Evidence)
    measurements: tuple[Measurement, ...] = ()
    latency: dict[str, Quantiles] = field(default_factory=dict)

    @property
    def short(self) -> str:
        """Target and scheme: enough below a heading that names the model."""
        return f"{self.target} {self.scheme}" if self.label == self.name else self.label

    @property
    def bytes(self) -> int:
        """Size of all graph files."""
        return sum(self.sizes.values())

    @property
    def step(self) -> Quantiles | None:
        """Milliseconds of a whole step or utterance."""
        return next(reversed(self.latency.values()), None)


@dataclass(frozen=True)
class Contents:
    """All entries, in order of model, target and scheme; `machine` is the one that made the page, and `devices` the
    section of those that ran bundles elsewhere."""

    entries: tuple[Entry, ...]
    machine: str
    latency_rounds: int = 0
    latency_seed: int = 0
    devices: Markup = field(default_factory=Markup)


@dataclass(frozen=True)
class Group:
    """Bundles of one model that were measured on the same answers, and so may be compared."""

    model: str
    test: str
    members: tuple[tuple[Entry, Measurement], ...]


def entries_of(bundles: Sequence[Bundle]) -> tuple[Entry, ...]:
    """One entry a bundle; a bundle that is given twice is shown once.

    Raises:
        BundleError: a report.json that cannot be read.
    """
    once = {key_of(bundle): bundle for bundle in bundles}
    names = [bundle.name for bundle in once.values()]
    made = [_entry(bundle, names.count(bundle.name) > 1) for bundle in once.values()]
    return tuple(sorted(made, key=_rank))


def key_of(bundle: Bundle) -> str:
    """The `key` of a bundle's entry."""
    return str(bundle.path.resolve()) if bundle.path else bundle.name


def with_saved(entries: Sequence[Entry], measurements: Sequence[Measurement]) -> tuple[Entry, ...]:
    """Give every saved measurement to the bundle of its name.

    Raises:
        OptionError: there is no such bundle, or several are named so.
    """
    found: dict[str, list[Measurement]] = {entry.label: [] for entry in entries}
    for item in measurements:
        named = [entry for entry in entries if entry.name == item.report.bundle]
        if len(named) != 1:
            said = "several bundles are" if named else "none of the bundles is"
            raise OptionError(
                f"there is an evaluation of {item.report.bundle!r}, and {said} named so "
                f"({', '.join(entry.label for entry in entries)}); give exactly one bundle of that name"
            )
        known = (named[0].model, named[0].target, named[0].scheme)
        if known != (item.report.model, item.report.target, item.report.scheme):
            raise OptionError(f"the evaluation of {item.report.bundle!r} is of another model, target or scheme")
        found[named[0].label].append(item)
    return tuple(replace(entry, measurements=(*entry.measurements, *found[entry.label])) for entry in entries)


def with_measured(
    entries: Sequence[Entry],
    measurements: Mapping[str, Measurement],
    latency: Mapping[str, dict[str, Quantiles]],
) -> tuple[Entry, ...]:
    """Give each entry what was measured now under its key."""
    return tuple(
        replace(
            entry,
            measurements=(*entry.measurements, *(m for key, m in measurements.items() if key == entry.key)),
            latency=latency.get(entry.key, {}),
        )
        for entry in entries
    )


def groups(entries: Sequence[Entry]) -> tuple[Group, ...]:
    """Measurements that may stand in one chart: of one model, on one test, judged by the same condition."""
    found: dict[tuple[str, str, str], list[tuple[Entry, Measurement]]] = {}
    for entry in entries:
        for item in entry.measurements:
            found.setdefault((entry.model, item.test, headline(item).name), []).append((entry, item))
    return tuple(Group(model, test, tuple(members)) for (model, test, _), members in found.items())


def baseline_of(entry: Entry, entries: Sequence[Entry]) -> Entry | None:
    """The fp32 bundle of the same weights and target, None where it is not on the page or is the entry itself."""
    if entry.scheme == "fp32":
        return None
    same = [
        other for other in entries
        if other.scheme == "fp32" and (other.target, other.checkpoint) == (entry.target, entry.checkpoint)
    ]  # fmt: skip
    return same[0] if len(same) == 1 else None


def machines(members: Sequence[tuple[Entry, Measurement]]) -> str:
    """Where measurements were taken, each place once."""
    said = {item.machine or "machine not recorded in the saved file" for _, item in members}
    return "; ".join(sorted(said))


def _entry(bundle: Bundle, ambiguous: bool) -> Entry:
    summary = bundle.describe()
    return Entry(
        key=key_of(bundle),
        label=f"{summary.name} ({bundle.path})" if ambiguous else summary.name,
        name=summary.name,
        model=summary.model,
        target=summary.target,
        scheme=summary.scheme,
        runtime=summary.runtime,
        note=summary.note,
        sizes={graph.name: graph.bytes for graph in summary.graphs if graph.bytes},
        gate=summary.manifest.gate,
        decision=summary.manifest.decision,
        checkpoint=summary.manifest.checkpoint_sha256,
        tools=dict(summary.manifest.tools),
        evidence=read_evidence(bundle.path),
    )


def _rank(entry: Entry) -> tuple[str, str, int, str, str]:
    order = SCHEME_ORDER.index(entry.scheme) if entry.scheme in SCHEME_ORDER else len(SCHEME_ORDER)
    return entry.model, entry.target, order, entry.scheme, entry.label
