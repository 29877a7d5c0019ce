"""How sure a bundle may say that it is: a temperature and an abstention threshold for each modality state.

They are fitted to what a network says of people whom it has not learned from, step by step as a sensor says it, with a
cold baseline and with warm ones. One temperature divides the logits of a state (Guo et al. 2017, section 4.2); it
changes no label. The threshold is where naming an emotion begins to pay, if a wrong name costs as much as a right one
gains: the share of right names minus that of wrong ones is largest there.

A handful of people are no measure of all others, and being too sure is the worse error. So the people are drawn again
and again, and of what fits each draw the value is taken that lies above nine tenths of them. numpy alone.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.manifest import Decision, StateDecision
from mer_sdk.errors import DataError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.conditions import STATES, holds, predict
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepOutput

PROTOCOLS = ("cold", "warm")
LEAST, MOST = 0.2, 10.0
COVERAGES = (0.7, 0.8, 0.9)
# Share of the draws of people that what is fitted is on the safe side of.
CAUTION = 0.9
_GRID = np.geomspace(LEAST, MOST, 158)  # 2.5 % apart
_DRAWS = range(100)


@dataclass(frozen=True, eq=False)
class StateAnswers:
    """What the window said while it was in one state.

    Attributes:
        truth: int [n], index of a label.
        logits: float64 [n, K], before any temperature.
        weights: float64 [n], steps that the window held.
        people: int [n], whose clip it is.
    """

    truth: np.ndarray
    logits: np.ndarray
    weights: np.ndarray
    people: np.ndarray

    def of(self, rows: np.ndarray) -> StateAnswers:
        """Some of the answers, by a boolean mask or by indices."""
        return StateAnswers(self.truth[rows], self.logits[rows], self.weights[rows], self.people[rows])


@dataclass(frozen=True)
class StateCalibration:
    """What a temperature and a threshold are worth on answers.

    Attributes:
        steps: how many answers.
        accuracy: of all of them, 0-1.
        ece: expected calibration error (15 bins), 0-1.
        risk: coverage -> share of wrong ones among the surest answers that make up this coverage, 0-1.
        covered: share of answers that are named.
        accuracy_covered: of those, 0-1; 0 where there are none.
    """

    steps: int
    accuracy: float
    ece: float
    risk: dict[str, float]
    covered: float
    accuracy_covered: float


def state_answers(
    clips: Sequence[ClipFeatures],
    engine: StepEngine,
    truth: Sequence[int],
    states: Sequence[str] = tuple(STATES),
    orders: int = 2,
    advance: Callable[[int], None] = lambda clips: None,
) -> dict[str, StateAnswers]:
    """Modality state -> what the window said in it over all clips, cold and warm.

    A window that is less than half full is left out, but for the last one of a clip that has no other: a stream has
    such windows in its first two seconds alone, and clips of acted speech begin with silence.

    Args:
        clips: with speakers; encoded by the engine's bundle.
        engine: of a window bundle; its window and baselines are used up.
        truth: index of each clip's label.
        states: which modalities are shown, see `mer_sdk.evaluation.conditions`.
        orders: orders of the clips for the warm baselines.
        advance: called with the number of clips done since the last call.

    Raises:
        OptionError: an unknown state.
        DataError: no clip holds anything of a state.
    """
    right = {item.clip.id: label for item, label in zip(clips, truth, strict=True)}
    rows: dict[str, list[tuple[int, np.ndarray, int, int]]] = {}

    half = engine.manifest.clock.window_steps // 2

    def watch(item: ClipFeatures, outputs: Sequence[StepOutput]) -> None:
        held = [output for output in outputs if output.steps]
        for output in [output for output in held if output.steps >= half] or held[-1:]:
            row = (right[item.clip.id], output.logits, output.steps, item.clip.speaker)
            rows.setdefault(output.state, []).append(row)

    predict(clips, engine, states, PROTOCOLS, orders=orders, advance=advance, watch=watch)
    found = {}
    for state, held in sorted(rows.items(), key=lambda item: list(STATES).index(item[0])):
        labels, logits, weights, people = zip(*held, strict=True)
        found[state] = StateAnswers(
            np.array(labels), np.array(logits, np.float64), np.array(weights, np.float64), np.array(people)
        )
    return found


def evaluable_states(clips: Sequence[ClipFeatures]) -> tuple[str, ...]:
    """The states that clips can be asked in: of clips with sound or a face alone not the one that shows both."""
    both = any(holds(item, "audio") and holds(item, "face") for item in clips)
    return tuple(state for state in STATES if any(holds(item, state) for item in clips) and (both or "+" not in state))


def fitted_decision(answers: Mapping[str, StateAnswers]) -> Decision:
    """Temperature and threshold of each state, and of all together for readers that know no states.

    Raises:
        DataError: no answers, or some that are not finite.
    """
    if not answers:
        raise DataError("there are no answers to fit a decision to; give clips of people that the model has not heard")
    states = {state: fitted_state(found) for state, found in answers.items()}
    every = fitted_state(joined(list(answers.values())))
    return Decision(every.temperature, every.abstention_threshold, every.coverage, states)


def fitted_state(answers: StateAnswers) -> StateDecision:
    """Temperature and threshold of one state.

    Raises:
        DataError: no answers, or some that are not finite.
    """
    if not len(answers.truth) or not np.isfinite(answers.logits).all():
        raise DataError(f"{len(answers.truth)} answers, all finite: {np.isfinite(answers.logits).all()}; 1 is needed")
    people, owner = np.unique(answers.people, return_inverse=True)
    rng = np.random.default_rng(0)
    drawn = np.stack([np.bincount(rng.integers(len(people), size=len(people)), minlength=len(people)) for _ in _DRAWS])
    losses = np.stack([np.bincount(owner, weights=_losses(answers, heat)) for heat in _GRID])
    temperature = float(np.quantile(_GRID[(losses @ drawn.T).argmin(axis=0)], CAUTION, method="higher"))
    confidence, right = _confidences(answers, temperature)
    limits = [break_even_confidence(confidence, right, answers.weights * draw[owner]) for draw in drawn]
    threshold = float(np.quantile(limits, CAUTION, method="higher"))
    covered = float(answers.weights[confidence >= threshold].sum() / answers.weights.sum())
    return StateDecision(round(temperature, 4), round(threshold, 4), round(covered, 4))


def break_even_confidence(confidence: np.ndarray, right: np.ndarray, weights: np.ndarray) -> float:
    """The confidence from which on naming pays: right names minus wrong ones are then most; 0-1.

    Args:
        confidence: [n]; right: bool [n]; weights: [n], 0 or more.
    """
    order = np.argsort(-confidence, kind="stable")
    gain = np.cumsum(np.where(right[order], 1.0, -1.0) * weights[order])
    # Answers that are equally sure are named together.
    last = np.append(np.diff(confidence[order]) != 0, True)
    best = int(np.argmax(np.where(last, gain, -np.inf)))
    return float(confidence[order][best]) if gain[best] > 0 else 1.0


def calibration_of(answers: StateAnswers, decision: StateDecision) -> StateCalibration:
    """What a temperature and a threshold are worth on some answers."""
    confidence, right = _confidences(answers, decision.temperature)
    shares = np.exp(log_softmax(answers.logits / decision.temperature))
    named = confidence >= decision.abstention_threshold
    order = np.argsort(-confidence, kind="stable")
    wrong = 1.0 - np.cumsum(right[order]) / np.arange(1, len(order) + 1)
    risk = {f"{coverage:g}": float(wrong[max(0, round(coverage * len(order)) - 1)]) for coverage in COVERAGES}
    return StateCalibration(
        steps=len(right),
        accuracy=float(right.mean()),
        ece=metrics.ece(answers.truth, shares),
        risk=risk,
        covered=float(named.mean()),
        accuracy_covered=float(right[named].mean()) if named.any() else 0.0,
    )


def cross_fitted(answers: StateAnswers) -> StateCalibration:
    """What fitting is worth on people whom it was not fitted to: each person is judged by what the others gave.

    Raises:
        DataError: fewer than two people.
    """
    people = np.unique(answers.people)
    if len(people) < 2:
        raise DataError(f"answers of {len(people)} person; at least 2 people are needed")
    logits = np.empty_like(answers.logits)
    thresholds = np.empty(len(answers.truth))
    for person in people:
        mine = answers.people == person
        found = fitted_state(answers.of(~mine))
        logits[mine] = answers.logits[mine] / found.temperature
        thresholds[mine] = found.abstention_threshold
    scaled = StateAnswers(answers.truth, logits, answers.weights, answers.people)
    confidence, right = _confidences(scaled, 1.0)
    named = confidence >= thresholds
    whole = calibration_of(scaled, StateDecision())
    accuracy = float(right[named].mean()) if named.any() else 0.0
    return StateCalibration(whole.steps, whole.accuracy, whole.ece, whole.risk, float(named.mean()), accuracy)


def joined(answers: Sequence[StateAnswers]) -> StateAnswers:
    """Answers of several states as one."""
    return StateAnswers(
        np.concatenate([found.truth for found in answers]),
        np.concatenate([found.logits for found in answers]),
        np.concatenate([found.weights for found in answers]),
        np.concatenate([found.people for found in answers]),
    )


def _confidences(answers: StateAnswers, temperature: float) -> tuple[np.ndarray, np.ndarray]:
    """Confidence [n] of the likeliest label, and whether it is right, bool [n]."""
    rows = log_softmax(answers.logits / temperature)
    return np.exp(rows.max(axis=1)), rows.argmax(axis=1) == answers.truth


def _losses(answers: StateAnswers, temperature: float) -> np.ndarray:
    """Negative log-likelihood of each answer, times its weight."""
    rows = log_softmax(answers.logits / temperature)
    found: np.ndarray = -rows[np.arange(len(rows)), answers.truth] * answers.weights
    return found
