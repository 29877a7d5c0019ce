"""Encoded clips to predictions, under every wanted modality state and baseline protocol.

States: which modalities the fusion graph sees ("audio+face", "audio", "face").

Protocols: where the personal baseline stands when a clip begins.
    cold: fresh, at the population's mean.
    warm: what the same person's earlier clips left, in a random order; several orders.
    enrolled: a few neutral clips of the person, the same for every clip; those clips are not scored.
    none: the population's mean, and nothing is ever observed.
Within a clip all but "none" go on as the live sensor does: a step is observed when it leaves the window. At the end of
a clip the window is emptied; "warm" first observes what is still in it, as the sensor does at the end of a stream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.contract.manifest import NEUTRAL, Decision
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets.clip import Clip
from mer_sdk.evaluation.features import ClipFeatures
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.limits import check_names
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.engine import StepEngine
from mer_sdk.window.step import StepFeatures, StepOutput

STATES = {"audio+face": ("audio", "face"), "audio": ("audio",), "face": ("face",)}
PROTOCOLS = ("cold", "warm", "enrolled", "none")
Watch = Callable[[ClipFeatures, Sequence[StepOutput]], None]


@dataclass(frozen=True)
class ConditionPredictions:
    """What one state and protocol gave.

    Attributes:
        state, protocol: the condition.
        clips: ids of the N scored clips.
        log_probabilities: float64 [R, N, K], R runs (orders of "warm", else 1), each row normalised.
        skipped: ids of clips in which the state's modalities never occur; they are not scored.
    """

    state: str
    protocol: str
    clips: tuple[str, ...]
    log_probabilities: np.ndarray
    skipped: tuple[str, ...]


def clip_log_probabilities(step_logits: np.ndarray, steps_held: np.ndarray) -> np.ndarray:
    """One clip's log-probabilities, float64 [K], from its steps.

    The mean of the steps' log-probabilities, each weighted with how many steps of its window hold anything, so that
    late steps with a full window count most; then normalised.

    Args:
        step_logits: [n, K], each already divided by its state's temperature.
        steps_held: [n], at least one above 0.

    Raises:
        DataError: no step holds anything.
    """
    logits, weights = np.asarray(step_logits, np.float64), np.asarray(steps_held, np.float64)
    if weights.sum() <= 0:
        raise DataError("no step of the clip holds any modality, so there is nothing to predict from")
    return log_softmax(weights @ log_softmax(logits) / weights.sum())


def clip_answer(outputs: Sequence[StepOutput], decision: Decision) -> np.ndarray:
    """`clip_log_probabilities` of what the window said at a clip's steps, with the temperature of each one's state."""
    logits = np.stack([output.logits / decision.of(output.state).temperature for output in outputs])
    return clip_log_probabilities(logits, np.array([output.steps for output in outputs]))


def predict(
    clips: Sequence[ClipFeatures],
    engine: StepEngine,
    states: Sequence[str],
    protocols: Sequence[str],
    *,
    orders: int = 5,
    enrol_clips: int = 4,
    seed: int = 0,
    advance: Callable[[int], None] = lambda clips: None,
    watch: Watch = lambda item, outputs: None,
) -> list[ConditionPredictions]:
    """Run the sensor's engine over the clips under every state and protocol, states within protocols.

    Args:
        clips: with speakers; clips of one speaker are one person.
        engine: the sensor's own, of the bundle that encoded the clips; its window and baselines are used up.
        states, protocols: keys of `STATES`, members of `PROTOCOLS`.
        orders: orders of "warm".
        enrol_clips: how many neutral clips "enrolled" takes, the first by name.
        seed: of the orders.
        advance: called with the number of clips done since the last call.
        watch: called with each clip and what the window said at each of its steps.

    Under "enrolled" people without a neutral clip are not scored.

    Raises:
        OptionError: an unknown state or protocol.
        DataError: no clip is left to score.
    """
    check_conditions(states, protocols)
    results = []
    for protocol in protocols:
        enrolment = _enrolment(clips, enrol_clips) if protocol == "enrolled" else {}
        used = {item.clip.id for items in enrolment.values() for item in items}
        scored = [item for item in clips if item.clip.id not in used]
        if protocol == "enrolled":
            scored = [item for item in scored if enrolment[item.clip.speaker]]
        for state in states:
            kept = [item for item in scored if holds(item, state)]
            if not kept:
                raise DataError(f"no clip holds {state}, so nothing can be scored; choose other clips or other states")
            orderings = _orders(kept, orders, seed) if protocol == "warm" else [list(range(len(kept)))]
            runs = [_run(kept, order, engine, protocol, state, enrolment, advance, watch) for order in orderings]
            missing = tuple(item.clip.id for item in scored if not holds(item, state))
            ids = tuple(item.clip.id for item in kept)
            results.append(ConditionPredictions(state, protocol, ids, np.stack(runs), missing))
    return results


def check_conditions(states: Sequence[str], protocols: Sequence[str]) -> None:
    """Refuse unknown or no names, and those that are there twice (OptionError)."""
    for values, allowed, what in ((states, tuple(STATES), "state"), (protocols, PROTOCOLS, "protocol")):
        check_names(f"{what}s", values, allowed, what=what, example=f"('{allowed[0]}', '{allowed[1]}')")
        if not values:
            raise OptionError(f"no {what} was given; allowed: {', '.join(allowed)}")


def _run(
    items: Sequence[ClipFeatures],
    order: Sequence[int],
    engine: StepEngine,
    protocol: str,
    state: str,
    enrolment: dict[int, list[ClipFeatures]],
    advance: Callable[[int], None],
    watch: Watch,
) -> np.ndarray:
    """Log-probabilities [N, K] in the order of `items`, run in the order of `order`."""
    contract = engine.manifest.baseline
    people: dict[int, PersonalBaseline] = {}
    rows = np.zeros((len(items), len(engine.manifest.labels)))
    for index in order:
        item = items[index]
        person = item.clip.speaker
        if protocol != "warm" or person not in people:
            people[person] = PersonalBaseline(contract, fixed=protocol == "none")
            for neutral in enrolment.get(person, ()):
                enrol(people[person], neutral, STATES[state])
        engine.reset(people[person])
        outputs = [engine.advance(_visible(features, state)) for features in item.steps]
        engine.finish()
        watch(item, outputs)
        rows[index] = clip_answer(outputs, engine.manifest.decision)
        advance(1)
    return rows


def _visible(features: StepFeatures, state: str) -> StepFeatures:
    seen = STATES[state]
    return StepFeatures(
        audio=features.audio if "audio" in seen else None, face=features.face if "face" in seen else None
    )


def enrol(baseline: PersonalBaseline, item: ClipFeatures, modalities: Sequence[str]) -> None:
    """Take every step of a neutral clip into a baseline, as the sensor's enrolment does."""
    for features in item.steps:
        for name in modalities:
            vector = getattr(features, name)
            if vector is not None:
                baseline.observe_neutral(name, vector)


def holds(item: ClipFeatures, state: str) -> bool:
    """Whether any of a state's modalities occurs in a clip."""
    return any(getattr(features, name) is not None for features in item.steps for name in STATES[state])


def _orders(items: Sequence[ClipFeatures], orders: int, seed: int) -> list[list[int]]:
    """Random orders of all clips; restricted to one person each is a random order of that person's clips."""
    if orders < 1:
        raise OptionError(f"orders is {orders}; at least 1 is needed")
    return [np.random.default_rng([seed, number]).permutation(len(items)).tolist() for number in range(orders)]


def check_enrolment(clips: Iterable[Clip], count: int) -> None:
    """Refuse "enrolled" where it cannot be: before minutes of work.

    Raises:
        OptionError: fewer than one clip to enrol with.
        DataError: a person without neutral clips.
    """
    if count < 1:
        raise OptionError(f"enrol_clips is {count}; at least 1 is needed")
    lacking = without_neutral(clips)
    if lacking:
        who = ", ".join(map(str, lacking))
        raise DataError(
            f"speakers without a clip labelled {NEUTRAL}, which enrolling needs: {who}; choose other clips, or leave "
            "'enrolled' out of the protocols"
        )


def without_neutral(clips: Iterable[Clip]) -> list[int]:
    """The people of whom no clip is labelled neutral, whom "enrolled" cannot enrol."""
    given = list(clips)
    return sorted({clip.speaker for clip in given} - {clip.speaker for clip in given if clip.label == NEUTRAL})


def _enrolment(clips: Sequence[ClipFeatures], count: int) -> dict[int, list[ClipFeatures]]:
    if count < 1:
        raise OptionError(f"enrol_clips is {count}; at least 1 is needed")
    people: dict[int, list[ClipFeatures]] = {item.clip.speaker: [] for item in clips}
    for item in sorted(clips, key=lambda item: item.clip.id):
        if item.clip.label == NEUTRAL and len(people[item.clip.speaker]) < count:
            people[item.clip.speaker].append(item)
    return people
