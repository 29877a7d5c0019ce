"""Accuracy of a dialogue bundle on labelled dialogues, on any machine that runs it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.affect import SYNONYMS
from mer_sdk.contract.bundle import Bundle
from mer_sdk.dialogue.dialogue_file import Dialogue
from mer_sdk.dialogue.engine import DialogueEngine, UtteranceFeatures
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.curves import Curves, curves
from mer_sdk.evaluation.datasets.clip import LeftOut
from mer_sdk.evaluation.metrics import Interval, log_softmax
from mer_sdk.limits import check_kind, check_names, check_number, check_seed, check_threads
from mer_sdk.runtimes import runtime_note

# An utterance is judged when it is said; a network that looks ahead is also asked once the dialogue is over.
LIVE, WHOLE = "live", "whole dialogue"


@dataclass(frozen=True)
class DialogueOptions:
    """How to evaluate.

    Attributes:
        resamples, seed: of the bootstrap.
        runtime: None for the bundle's own.
        threads: CPU threads of the runtime.
        classes: labels of the bundle that the data can have; an answer is the likeliest of those. () for all.

    Raises:
        OptionError: a number outside its range (`resamples` is whole and at least 1, `seed` at least 0), or classes
            that are no names.
    """

    resamples: int = metrics.RESAMPLES
    seed: int = 0
    runtime: str | None = None
    threads: int = 1
    classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        wanted = "give a whole number of at least 1"
        check_number("resamples", self.resamples, wanted, least=1, whole=True)
        check_seed(self.seed)
        check_kind("runtime", self.runtime, str, "a runtime's name, such as 'onnx'")
        check_threads(self.threads)
        check_names("classes", self.classes, what="class", example="('neutral', 'happy')")


@dataclass(frozen=True)
class DialogueResult:
    """The score of one way of reading; all intervals are of 95 %, over dialogues.

    Attributes:
        reading: "live" or "whole dialogue".
        weighted_f1, war, uar, macro_f1: 0-1, with their intervals.
        ece: expected calibration error, 15 bins, 0-1.
        nll: mean negative log-likelihood in nats.
        f1, recall: label -> 0-1, None for a label that no utterance has.
        confusion: K x K counts, row = label, column = prediction.
        curves: reliability, and accuracy over coverage; None where a saved file lacks them.
    """

    reading: str
    weighted_f1: float
    weighted_f1_interval: Interval
    war: float
    war_interval: Interval
    uar: float
    uar_interval: Interval
    macro_f1: float
    macro_f1_interval: Interval
    ece: float
    nll: float
    f1: dict[str, float | None]
    recall: dict[str, float | None]
    confusion: tuple[tuple[int, ...], ...]
    curves: Curves | None = None


@dataclass(frozen=True)
class DialogueReport:
    """Scores of one bundle; plain values, `mer_sdk.contract.codec.to_json` writes it.

    Attributes:
        bundle, model, target, scheme, runtime: what ran.
        note: what results of this runtime do not prove; "" for a real runtime.
        labels: in the order of `confusion`.
        merged: label of the data set -> label of the bundle, as scored.
        support: label -> number of utterances.
        dialogues, utterances: how many.
        wordless: utterances without a word, which count with equal probabilities.
        options: as given.
        results: one a reading.
        left_out: clips without a part in the dialogues, and why.
    """

    bundle: str
    model: str
    target: str
    scheme: str
    runtime: str
    note: str
    labels: tuple[str, ...]
    merged: dict[str, str]
    support: dict[str, int]
    dialogues: int
    utterances: int
    wordless: int
    options: DialogueOptions
    results: tuple[DialogueResult, ...]
    left_out: tuple[LeftOut, ...] = ()


def evaluate_dialogues(
    bundle: Bundle,
    dialogues: Sequence[Dialogue],
    options: DialogueOptions | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> DialogueReport:
    """Score a dialogue bundle on the texts and speakers of labelled dialogues.

    Args:
        bundle: a dialogue bundle that reads text.
        dialogues: at least one, every utterance labelled.
        options: None for the defaults.
        progress: called with the number of dialogues that are done and how many there are.

    Raises:
        OptionError: the bundle is a window model, an unknown runtime, or classes that the bundle lacks or that leave
            out a label of the dialogues.
        DataError: no dialogue, one without an utterance, an utterance without a label, or a label that is none of the
            bundle's.
    """
    return scored_dialogues(bundle, dialogues, options or DialogueOptions(), progress)[0]


def scored_dialogues(
    bundle: Bundle,
    dialogues: Sequence[Dialogue],
    options: DialogueOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[DialogueReport, dict[str, np.ndarray]]:
    """The report of `evaluate_dialogues`, and reading -> log-probabilities [N, K] that it was made of.

    Raises:
        As `evaluate_dialogues`.
    """
    _check_dialogues(dialogues)
    merged = labels_of(dialogues, bundle.manifest.labels)
    if options.classes:
        _check_classes(options.classes, bundle.manifest.labels, merged)
    scores, wordless = predict_dialogues(bundle, dialogues, options, progress)
    known = bundle.manifest.labels
    if options.classes:
        held = np.array([label in options.classes for label in known])
        scores = {name: log_softmax(np.where(held, rows, -np.inf)) for name, rows in scores.items()}
    truth = np.array([known.index(merged[line.label or ""]) for talk in dialogues for line in talk.utterances])
    groups = np.repeat(np.arange(len(dialogues)), [len(talk.utterances) for talk in dialogues])
    manifest = bundle.manifest
    counts = np.bincount(truth, minlength=len(known))
    runtime = bundle.chosen_runtime(options.runtime)
    report = DialogueReport(
        bundle=manifest.name,
        model=manifest.model,
        target=manifest.target,
        scheme=manifest.scheme,
        runtime=runtime,
        note=runtime_note(runtime),
        labels=known,
        merged=merged,
        support={label: int(count) for label, count in zip(known, counts, strict=True)},
        dialogues=len(dialogues),
        utterances=len(truth),
        wordless=wordless,
        options=options,
        results=tuple(_result(reading, truth, rows, groups, known, options) for reading, rows in scores.items()),
    )
    return report, scores


def predict_dialogues(
    bundle: Bundle,
    dialogues: Sequence[Dialogue],
    options: DialogueOptions,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[dict[str, np.ndarray], int]:
    """The predictions behind `evaluate_dialogues`: reading -> log-probabilities [N, K], and how many texts had no word.

    An utterance's answer in the whole dialogue is the last one that the window gave while it held the utterance.

    Raises:
        As `evaluate_dialogues`.
    """
    _check_dialogues(dialogues)
    engine = DialogueEngine(bundle, options.runtime, options.threads)
    live, whole, wordless = [], [], 0
    for index, talk in enumerate(dialogues):
        progress(index, len(dialogues))
        engine.reset()
        latest: list[np.ndarray] = []
        for line in talk.utterances:
            words = engine.read(line.text)
            wordless += words is None
            output = engine.advance(UtteranceFeatures({} if words is None else {"text": words}), line.speaker)
            live.append(output.logits[-1])
            latest = [*latest[: len(latest) + 1 - len(output.logits)], *output.logits]
        whole += latest
    progress(len(dialogues), len(dialogues))
    readings = {LIVE: live} if engine.contract.causal else {LIVE: live, WHOLE: whole}
    temperature = bundle.manifest.decision.of("text").temperature
    return {name: log_softmax(np.array(rows, np.float64) / temperature) for name, rows in readings.items()}, wordless


def _check_dialogues(dialogues: Sequence[Dialogue]) -> None:
    if not dialogues:
        raise DataError("there are no dialogues to evaluate; give a file that has some")
    empty = next((talk for talk in dialogues if not talk.utterances), None)
    if empty is not None:
        raise DataError(f"dialogue {empty.id} has no utterance; leave it out")


def _check_classes(classes: Sequence[str], known: tuple[str, ...], merged: Mapping[str, str]) -> None:
    """Of classes that no label is left in, or of answers that none may be, nothing can be scored."""
    check_names("classes", classes, known, what="class", example=f"('{known[0]}',)")
    beside = next((word for word in merged.values() if word not in classes), None)
    if beside is not None:
        raise OptionError(f"classes lacks {beside}, which dialogues are labelled with; name every label that there is")


def labels_of(dialogues: Sequence[Dialogue], known: tuple[str, ...]) -> dict[str, str]:
    """Label of the data -> label of the bundle: the same word, or its synonym.

    Raises:
        DataError: a label that the bundle does not have.
    """
    merged: dict[str, str] = {}
    for talk in dialogues:
        for number, line in enumerate(talk.utterances):
            label = line.label or ""
            word = label if label in known else SYNONYMS.get(label.lower(), label.lower())
            if word not in known:
                raise DataError(
                    f"utterance {number} of dialogue {talk.id} is labelled {line.label!r}, which is none of the "
                    f"bundle's labels ({', '.join(known)}); label it with one of them, or leave it out"
                )
            merged[label] = word
    return merged


def _result(
    reading: str,
    truth: np.ndarray,
    log_probabilities: np.ndarray,
    groups: np.ndarray,
    labels: tuple[str, ...],
    options: DialogueOptions,
) -> DialogueResult:
    chosen = log_probabilities.argmax(axis=1)
    values = {
        "weighted_f1": metrics.weighted_f1(truth, chosen),
        "war": metrics.war(truth, chosen),
        "uar": metrics.uar(truth, chosen),
        "macro_f1": metrics.macro_f1(truth, chosen),
    }
    intervals = {
        name: metrics.bootstrap_interval(truth, chosen, name, options.resamples, options.seed, groups=groups)
        for name in values
    }
    return DialogueResult(
        reading=reading,
        weighted_f1=values["weighted_f1"],
        weighted_f1_interval=intervals["weighted_f1"],
        war=values["war"],
        war_interval=intervals["war"],
        uar=values["uar"],
        uar_interval=intervals["uar"],
        macro_f1=values["macro_f1"],
        macro_f1_interval=intervals["macro_f1"],
        ece=metrics.ece(truth, np.exp(log_probabilities)),
        nll=metrics.nll(truth, log_probabilities),
        f1=_by_label(labels, metrics.class_f1(truth, chosen, len(labels))),
        recall=_by_label(labels, metrics.class_recall(truth, chosen, len(labels))),
        confusion=tuple(tuple(int(n) for n in row) for row in metrics.confusion(truth, chosen, len(labels))),
        curves=curves(reading, "", truth, log_probabilities[None]),
    )


def _by_label(labels: tuple[str, ...], values: np.ndarray) -> dict[str, float | None]:
    return {label: None if np.isnan(v) else float(v) for label, v in zip(labels, values, strict=True)}
