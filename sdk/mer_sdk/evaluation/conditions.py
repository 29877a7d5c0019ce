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

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.baseline import PersonalBaseline
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.features import MODALITIES, ClipFeatures
from mer_sdk.manifest import Manifest
from mer_sdk.runtimes import Graph

STATES = {"audio+face": ("audio", "face"), "audio": ("audio",), "face": ("face",)}
PROTOCOLS = ("cold", "warm", "enrolled", "none")
NEUTRAL = "neutral"


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
        step_logits: [n, K], already divided by the temperature.
        steps_held: [n], at least one above 0.

    Raises:
        DataError: no step holds anything.
    """
    logits, weights = np.asarray(step_logits, np.float64), np.asarray(steps_held, np.float64)
    if weights.sum() <= 0:
        raise DataError("no step of the clip holds any modality, so there is nothing to predict from")
    return _log_softmax(weights @ _log_softmax(logits) / weights.sum())


def predict(
    clips: Sequence[ClipFeatures],
    fusion: Graph,
    manifest: Manifest,
    states: Sequence[str],
    protocols: Sequence[str],
    *,
    orders: int = 5,
    enrol_clips: int = 4,
    seed: int = 0,
    advance: Callable[[int], None] = lambda clips: None,
) -> list[ConditionPredictions]:
    """Run the fusion graph over the clips under every state and protocol, states within protocols.

    Args:
        clips: with speakers; clips of one speaker are one person.
        fusion: the bundle's fusion graph.
        states, protocols: keys of `STATES`, members of `PROTOCOLS`.
        orders: orders of "warm".
        enrol_clips: how many neutral clips "enrolled" takes, the first by name.
        seed: of the orders.
        advance: called with the number of clips done since the last call.

    Raises:
        OptionError: an unknown state or protocol.
        DataError: "enrolled" finds a person without neutral clips, or no clip is left to score.
    """
    check_conditions(states, protocols)
    results = []
    for protocol in protocols:
        enrolment = _enrolment(clips, enrol_clips) if protocol == "enrolled" else {}
        used = {item.clip.id for items in enrolment.values() for item in items}
        scored = [item for item in clips if item.clip.id not in used]
        for state in states:
            window = _Window(fusion, manifest, STATES[state], observe=protocol != "none")
            kept = [item for item in scored if any(item.present[name].any() for name in STATES[state])]
            if not kept:
                raise DataError(f"no clip holds {state}, so nothing can be scored; choose other clips or other states")
            orderings = _orders(kept, orders, seed) if protocol == "warm" else [list(range(len(kept)))]
            runs = [_run(kept, order, window, manifest, protocol, enrolment, advance) for order in orderings]
            missing = tuple(item.clip.id for item in scored if item not in kept)
            ids = tuple(item.clip.id for item in kept)
            results.append(ConditionPredictions(state, protocol, ids, np.stack(runs), missing))
    return results


def check_conditions(states: Sequence[str], protocols: Sequence[str]) -> None:
    """Refuse unknown or no names (OptionError)."""
    for values, allowed, what in ((states, tuple(STATES), "state"), (protocols, PROTOCOLS, "protocol")):
        unknown = [value for value in values if value not in allowed]
        if unknown or not values:
            given = f"{what} {unknown[0]!r} is unknown" if unknown else f"no {what} was given"
            raise OptionError(f"{given}; allowed are {', '.join(allowed)}")


class _Window:
    """The fusion graph over one clip after the other, as the sensor runs it."""

    def __init__(self, fusion: Graph, manifest: Manifest, modalities: Sequence[str], observe: bool) -> None:
        self._fusion = fusion
        self._length = manifest.clock.window_steps
        self._temperature = manifest.decision.temperature
        self._modalities = modalities
        self._observe = observe

    def run(self, item: ClipFeatures, baseline: PersonalBaseline) -> np.ndarray:
        """One clip's log-probabilities [K]; `baseline` has observed the steps that left the window."""
        logits, held = [], []
        for step in range(item.steps):
            if step >= self._length:
                self.observe(item, baseline, step - self._length, step - self._length + 1)
            inputs, count = self._inputs(item, baseline, step)
            logits.append(self._fusion.run(inputs)["logits"][0] / self._temperature)
            held.append(count)
        return clip_log_probabilities(np.stack(logits), np.array(held))

    def observe(self, item: ClipFeatures, baseline: PersonalBaseline, first: int, end: int) -> None:
        """Let the baseline take in the steps `first` to `end` of the state's modalities."""
        if not self._observe:
            return
        for name in self._modalities:
            rows = slice(max(first, 0), end)
            baseline.observe(name, item.features[name][rows][item.present[name][rows]])

    def _inputs(self, item: ClipFeatures, baseline: PersonalBaseline, step: int) -> tuple[dict[str, np.ndarray], int]:
        first = max(0, step + 1 - self._length)
        rows = slice(first, step + 1)
        inputs: dict[str, np.ndarray] = {}
        anything = np.zeros(step + 1 - first, bool)
        for name in MODALITIES:
            present = item.present[name][rows] & (name in self._modalities)
            features = np.zeros((self._length, item.features[name].shape[1]), np.float32)
            features[-len(present) :] = (item.features[name][rows] - baseline.mean(name)) * present[:, None]
            mask = np.zeros(self._length, np.float32)
            mask[-len(present) :] = present
            inputs[name], inputs[f"{name}_mask"] = features[None], mask[None]
            anything |= present
        return inputs, int(anything.sum())


def _run(
    items: Sequence[ClipFeatures],
    order: Sequence[int],
    window: _Window,
    manifest: Manifest,
    protocol: str,
    enrolment: dict[int, list[ClipFeatures]],
    advance: Callable[[int], None],
) -> np.ndarray:
    """Log-probabilities [N, K] in the order of `items`, run in the order of `order`."""
    people: dict[int, PersonalBaseline] = {}
    rows = np.zeros((len(items), len(manifest.labels)))
    for index in order:
        item = items[index]
        person = item.clip.speaker
        if protocol != "warm" or person not in people:
            people[person] = PersonalBaseline(manifest.baseline)
            for neutral in enrolment.get(person, ()):
                window.observe(neutral, people[person], 0, neutral.steps)
        rows[index] = window.run(item, people[person])
        # What is still in the window when the stream ends; only "warm" uses the baseline afterwards.
        window.observe(item, people[person], item.steps - manifest.clock.window_steps, item.steps)
        advance(1)
    return rows


def _orders(items: Sequence[ClipFeatures], orders: int, seed: int) -> list[list[int]]:
    """Random orders of all clips; restricted to one person each is a random order of that person's clips."""
    if orders < 1:
        raise OptionError(f"orders is {orders}; at least 1 is needed")
    return [np.random.default_rng([seed, number]).permutation(len(items)).tolist() for number in range(orders)]


def _enrolment(clips: Sequence[ClipFeatures], count: int) -> dict[int, list[ClipFeatures]]:
    if count < 1:
        raise OptionError(f"enrol_clips is {count}; at least 1 is needed")
    people: dict[int, list[ClipFeatures]] = {item.clip.speaker: [] for item in clips}
    for item in sorted(clips, key=lambda item: item.clip.id):
        if item.clip.label == NEUTRAL and len(people[item.clip.speaker]) < count:
            people[item.clip.speaker].append(item)
    lacking = sorted(person for person, items in people.items() if not items)
    if lacking:
        raise DataError(f"speakers {lacking} have no clip labelled {NEUTRAL!r} to enrol with; leave out 'enrolled'")
    return people


def _log_softmax(values: np.ndarray) -> np.ndarray:
    shifted = values - values.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
