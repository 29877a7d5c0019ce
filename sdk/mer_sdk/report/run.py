"""Measure all bundles of a page, each on the data that it can read, and each scheme against fp32 of its target."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

import numpy as np

from mer_sdk.bench.steps import TimedStep
from mer_sdk.bench.timing import Quantiles, interleaved
from mer_sdk.contract.bundle import Bundle
from mer_sdk.errors import OptionError, RuntimeUnavailable
from mer_sdk.evaluation.conditions import STATES, check_conditions
from mer_sdk.evaluation.datasets import Meld, OwnClips, Ravdess, RavdessPairs, Selection, open_datasets
from mer_sdk.evaluation.datasets.ravdess import merge_labels
from mer_sdk.evaluation.dialogues import DialogueOptions
from mer_sdk.evaluation.evaluate import EvaluationOptions, Progress
from mer_sdk.evaluation.omissions import Omissions
from mer_sdk.limits import check_number, check_seed, check_threads
from mer_sdk.report.measure import Answers, against, measure_clips, measure_dialogues
from mer_sdk.report.own_answers import own_answers
from mer_sdk.report.results import Measurement, headline

Warn = Callable[[str], None]
DataSet = OwnClips | Ravdess | RavdessPairs | Meld


@dataclass(frozen=True)
class RunOptions:
    """How to measure: `actors` None for all with both sound and face, the rest as in `EvaluationOptions` and `--split`.

    `labels` renames labels of one's own clips, of which the `worst` are shown; 0 leaves out what the clips are like.

    Raises:
        OptionError: an unknown protocol, or a number outside its range.
    """

    protocols: tuple[str, ...] = ("cold", "warm")
    actors: tuple[int, ...] | None = None
    split: str = ""
    orders: int = 5
    seed: int = 0
    threads: int = 1
    labels: Mapping[str, str] = field(default_factory=dict)
    worst: int = 8

    def __post_init__(self) -> None:
        check_conditions(tuple(STATES), self.protocols)
        for actor in self.actors or ():
            check_number("an actor", actor, "give whole numbers from 1", least=1, whole=True)
        check_number("orders", self.orders, "give a whole number of at least 1", least=1, whole=True)
        check_seed(self.seed)
        check_threads(self.threads)
        check_number("worst", self.worst, "give a whole number of at least 0", least=0, whole=True)


def measure_all(
    bundles: Mapping[str, Bundle],
    data: Sequence[str],
    machine: str,
    options: RunOptions,
    progress: Progress,
    warn: Warn,
) -> dict[str, Measurement]:
    """Accuracy of every bundle that reads one of the data sets: key -> measurement.

    Args:
        bundles: key -> bundle; all of one kind are measured on the same clips.
        data: specifications such as "ravdess:PATH", one for window models and one for dialogue models.
        machine: what the page says of where it ran.
        options: how.
        progress: called with bundle and stage, how much is done and how much there is.
        warn: called with one sentence for a bundle that was left out.

    Raises:
        OptionError: a data set that no bundle reads, or two for the same bundles.
        DataError: as the data set's reader.
    """
    sources = _sources(bundles, data, options)
    found: dict[str, tuple[Measurement, Answers]] = {}
    for key, bundle in bundles.items():
        if len(bundles) > 1 and bundle.describe().note:
            warn(f"{bundle.name}: accuracy left out, {bundle.runtime} takes minutes; a page of it alone has it")
            continue
        source = sources.get(bundle.manifest.dialogue is not None)
        if source is None:
            kind = "meld:PATH" if bundle.manifest.dialogue else "clips:PATH or ravdess_pairs:PATH"
            warn(f"{bundle.name}: accuracy left out, --data {kind} was not given")
            continue
        name, dataset = source
        try:
            measurement, answers = _measure(bundle, dataset, options, progress)
        except RuntimeUnavailable as error:
            warn(f"{bundle.name}: accuracy left out, {error}")
            continue
        found[key] = (replace(measurement, data=name, machine=machine), answers)
    return {key: _beside_fp32(key, bundles, found, options.seed) for key in found}


def time_all(
    bundles: Mapping[str, Bundle], rounds: int, seed: int, progress: Progress, warn: Warn
) -> dict[str, dict[str, Quantiles]]:
    """Latency of every bundle with a real runtime here, interleaved in one run: key -> stage -> milliseconds."""
    calls = {}
    for done, (key, bundle) in enumerate(bundles.items()):
        progress("loading", done, len(bundles))
        if bundle.describe().note:
            # A stand-in for a runtime computes the same numbers in another time.
            warn(f"{bundle.name}: latency left out, {bundle.runtime} is not what runs on the device")
            continue
        try:
            calls[key] = TimedStep(bundle, seed=seed)
        except RuntimeUnavailable as error:
            warn(f"{bundle.name}: latency left out, {error}")
    progress("loading", len(bundles), len(bundles))
    return interleaved(calls, rounds, partial(progress, "latency")) if calls else {}


def _sources(
    bundles: Mapping[str, Bundle], data: Sequence[str], options: RunOptions
) -> dict[bool, tuple[str, DataSet]]:
    """Whether a bundle reads dialogues -> (name of the data set, data set)."""
    found: dict[bool, tuple[str, DataSet]] = {}
    wanted = {bundle.manifest.dialogue is not None for bundle in bundles.values()}
    for spec, dataset in zip(data, open_datasets(data, options.labels), strict=True):
        kinds = {isinstance(dataset, Meld)} if isinstance(dataset, DataSet) else set()
        if isinstance(dataset, OwnClips) and any(clip.text for clip in dataset.clips_all):
            kinds.add(True)
        kinds &= wanted
        if not kinds:
            raise OptionError(
                f"--data {spec!r} is read by none of the bundles; `mer report` takes clips:PATH, ravdess_pairs:PATH or "
                "ravdess:PATH for window models and meld:PATH for dialogue models"
            )
        if isinstance(dataset, OwnClips) and options.actors is not None:
            raise OptionError("--actors are of RAVDESS; of your own clips --split takes a part")
        if kinds & set(found):
            raise OptionError(
                f"--data {spec!r} is a second data set of its kind; give one with clips and one meld:PATH"
            )
        found |= dict.fromkeys(kinds, (spec.partition(":")[0], dataset))
    return found


def _measure(bundle: Bundle, dataset: DataSet, options: RunOptions, progress: Progress) -> tuple[Measurement, Answers]:
    if bundle.manifest.dialogue is not None:
        reading = DialogueOptions(seed=options.seed, threads=options.threads)
        if isinstance(dataset, OwnClips):
            talks, spoken = dataset.dialogues(bundle.manifest.labels, options.split)
            reading = replace(reading, classes=tuple(dict.fromkeys(spoken.labels.values())))
        else:
            assert isinstance(dataset, Meld)  # the others have no texts
            talks = dataset.dialogues(options.split or "dev")
        return measure_dialogues(bundle, talks, reading, partial(progress, f"{bundle.name}: dialogues"))
    evaluation = EvaluationOptions(
        states=tuple(STATES),
        protocols=options.protocols,
        orders=options.orders,
        seed=options.seed,
        threads=options.threads,
    )

    def advance(what: str, done: int, total: int) -> None:
        progress(f"{bundle.name}: {what}", done, total)

    if isinstance(dataset, OwnClips):
        chosen = dataset.to_test(bundle.manifest.labels, options.split)
        omissions = Omissions(list(chosen.left_out))
        measurement, answers = measure_clips(bundle, chosen.clips, chosen.labels, evaluation, advance, omissions)
        if not options.worst:
            return measurement, answers
        first = headline(measurement)
        key = (first.state, first.protocol)
        meant = set(chosen.labels.values())
        held = np.array([label in meant for label in bundle.manifest.labels])
        own = own_answers(
            bundle,
            chosen.clips,
            key,
            answers.names[key],
            answers.rows[key][1],
            held,
            options.worst,
            partial(progress, f"{bundle.name}: level and light"),
        )
        return replace(measurement, own=own), answers
    assert isinstance(dataset, Ravdess | RavdessPairs)  # a window bundle has no dialogues
    # The states are compared on the same clips, so each clip must hold both modalities.
    folds = dataset.tested_folds if options.actors is None else None
    clips = dataset.clips(Selection(actors=options.actors, folds=folds, paired_only=True))
    labels = merge_labels(bundle.manifest.labels)
    return measure_clips(bundle, clips, labels, evaluation, advance)


def _beside_fp32(
    key: str, bundles: Mapping[str, Bundle], found: Mapping[str, tuple[Measurement, Answers]], seed: int
) -> Measurement:
    mine, (measurement, answers) = bundles[key].manifest, found[key]
    for other in found:
        theirs = bundles[other].manifest
        same = (theirs.target, theirs.checkpoint_sha256) == (mine.target, mine.checkpoint_sha256)
        if same and theirs.scheme == "fp32" != mine.scheme:
            compared = against(measurement, answers, theirs.name, found[other][1], seed)
            return replace(measurement, against=compared)
    return measurement
