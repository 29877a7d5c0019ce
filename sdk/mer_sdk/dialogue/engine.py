"""The dialogue engine: features of each utterance, the window of utterances, speakers, and the fusion graph.

It knows nothing of texts, files or detectors: `Conversation`, the evaluation and the converters' cases run this code.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.estimate import state_of
from mer_sdk.errors import OptionError
from mer_sdk.frontends.text import TextFrontend
from mer_sdk.window.baseline import PersonalBaseline
from mer_sdk.window.decision import softmax
from mer_sdk.window.encoders import Encoders


@dataclass(frozen=True, eq=False)
class UtteranceFeatures:
    """Raw features of one utterance: modality -> [S, D], a row a step (one row for text). Missing ones are left out."""

    rows: dict[str, np.ndarray] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class DialogueOutput:
    """What the window says once its newest utterance is in.

    Attributes:
        logits: [n, K] of the n utterances in the window, oldest first, before the temperature; 0 where nothing is.
        probabilities: [K] of the newest utterance, softmax of logits / temperature; uniform where it has no modality.
        reliance: modality -> share, of the newest utterance; sums to 1, all 0 where it has no modality.
        present: modalities of the newest utterance.
    """

    logits: np.ndarray
    probabilities: np.ndarray
    reliance: dict[str, float]
    present: tuple[str, ...]

    @property
    def state(self) -> str:
        """Which modalities the newest utterance has, as in `UtteranceEstimate.state`."""
        return state_of(self.present)


@dataclass(frozen=True, eq=False)
class _Row:
    features: UtteranceFeatures
    speaker: Hashable


def speaker_numbers(speakers: Sequence[Hashable], most: int) -> tuple[int, ...]:
    """The number of each utterance's speaker: 0, 1, ... in order of first appearance; from `most - 1` on all share it.

    None is a name like any other: all utterances of unknown speakers count as one person's.
    """
    seen: dict[Hashable, int] = {}
    return tuple(seen.setdefault(speaker, min(len(seen), most - 1)) for speaker in speakers)


class DialogueEngine:
    """Runs a dialogue bundle utterance by utterance. A dialogue that is longer than the window slides through it.

    Each speaker has a personal baseline for the modalities that the bundle has a population mean of. An utterance is
    taken into it once it has left the window.

    Args:
        bundle: an open dialogue bundle.
        runtime: see `Bundle.load_graphs`.
        threads: CPU threads of each graph.

    Raises:
        RuntimeUnavailable, BundleError, OptionError: as `Bundle.load_graphs`.
        OptionError: the bundle is a window model.
    """

    def __init__(self, bundle: Bundle, runtime: str | None = None, threads: int = 1) -> None:
        self.manifest = bundle.manifest
        if self.manifest.dialogue is None:
            raise OptionError(
                f"{bundle.name} is a window model, whose window is made of steps of sound and faces: open it with "
                "mer_sdk.EmotionSensor, or run it with `mer run BUNDLE MEDIA_FILE`"
            )
        self.contract = self.manifest.dialogue
        self._graphs = bundle.load_graphs(runtime, threads)
        self._encoders = Encoders(self.manifest.graphs, self._graphs)
        self._encode_text = bundle.encode_text
        self._text = TextFrontend(self.manifest.text) if self.manifest.text and "text" in self._graphs else None
        sizes = {tensor.name: tensor.shape for tensor in self.manifest.graphs["fusion"].inputs}
        self._size = {name: sizes[name][2] for name in self.manifest.modalities}
        self._window: deque[_Row] = deque()
        self._baselines: dict[Hashable, PersonalBaseline] = {}

    def close(self) -> None:
        """Let the graphs and what is in the window go; the baselines stay."""
        self._graphs, self._encoders, self._encode_text = {}, Encoders({}, {}), None
        self._window.clear()

    def encode(self, name: str, values: Sequence[np.ndarray]) -> np.ndarray:
        """Features [S, D] of one modality of an utterance: its ids (one), or the chunks or crops of its S steps.

        Raises:
            SignalError: a wrong shape.
        """
        return np.stack([self._encoders.encode(name, value) for value in values])

    def read(self, text: str) -> np.ndarray | None:
        """Features [1, D] of what was said; None where there is no word.

        Raises:
            SignalError: text that no UTF-8 can hold.
            OptionError: the bundle's text features come from an encoder that is not here, or from another one.
        """
        if self._text is not None:
            ids = self._text.ids(text)
            return self.encode("text", [ids]) if ids.any() else None
        if self._encode_text is None:
            raise OptionError(
                f"{self.manifest.name} has no text graph: its text features come from another encoder; use a bundle of "
                "a student that has one"
            )
        if not text.strip():
            return None
        features = np.asarray(self._encode_text(text), np.float32)
        if features.shape != (self._size["text"],):
            raise OptionError(
                f"the text encoder gives {features.size} values a text, {self.manifest.name} reads "
                f"{self._size['text']}; give the encoder that the model was trained with"
            )
        return features[None]

    def baseline(self, speaker: Hashable) -> PersonalBaseline:
        """A speaker's baseline; cold where none of their utterances has left the window yet."""
        if speaker not in self._baselines:
            self._baselines[speaker] = PersonalBaseline(self.manifest.baseline)
        return self._baselines[speaker]

    def reset(self) -> None:
        """Begin a new dialogue: an empty window and cold baselines."""
        self._window.clear()
        self._baselines = {}

    def advance(self, features: UtteranceFeatures, speaker: Hashable = None) -> DialogueOutput:
        """Take one utterance into the window and run the fusion graph."""
        self._window.append(_Row(features, speaker))
        if len(self._window) > self.contract.utterances:
            old = self._window.popleft()
            for name, rows in old.features.rows.items():
                if name in self.manifest.baseline.population_mean:
                    self.baseline(old.speaker).observe(name, rows)
        return self._fuse()

    def _fuse(self) -> DialogueOutput:
        length, labels = self.contract.utterances, len(self.manifest.labels)
        first = length - len(self._window)
        inputs: dict[str, np.ndarray] = {}
        for name, size in self._size.items():
            inputs[name] = np.zeros((1, length, size), np.float32)
            inputs[f"{name}_mask"] = np.zeros((1, length), np.float32)
            for index, row in enumerate(self._window, first):
                rows = row.features.rows.get(name)
                if rows is not None:
                    inputs[name][0, index] = rows.mean(axis=0) - self._mean(name, row.speaker)
                    inputs[f"{name}_mask"][0, index] = 1.0
        inputs["speakers"] = np.zeros((1, length), np.float32)
        speakers = [row.speaker for row in self._window]
        inputs["speakers"][0, first:] = speaker_numbers(speakers, self.contract.speakers)
        present = tuple(name for name in self._size if inputs[f"{name}_mask"][0, -1])
        if not any(inputs[f"{name}_mask"].any() for name in self._size):
            empty = np.zeros((len(self._window), labels), np.float32)
            return DialogueOutput(empty, np.full(labels, 1 / labels), dict.fromkeys(self._size, 0.0), ())
        outputs = self._graphs["fusion"].run(inputs)
        logits = outputs["logits"][0, first:]
        shares = outputs["reliance"][0, -1]
        reliance = {name: float(share) for name, share in zip(self._size, shares, strict=True)}
        if not present:
            return DialogueOutput(logits, np.full(labels, 1 / labels), dict.fromkeys(reliance, 0.0), ())
        probabilities = softmax(logits[-1], self.manifest.decision.of(state_of(present)).temperature)
        return DialogueOutput(logits, probabilities, reliance, present)

    def _mean(self, name: str, speaker: Hashable) -> np.ndarray | float:
        return self.baseline(speaker).mean(name) if name in self.manifest.baseline.population_mean else 0.0
