"""Valence and arousal where no regression was trained: the posterior's expectation over norms of emotion words.

The norms are the pleasure and arousal means, on their scale of -1 to 1, of the terms happy, sad, angry, fearful,
disgust and surprised in J. A. Russell and A. Mehrabian, "Evidence for a three-factor theory of emotions", Journal of
Research in Personality 11 (1977), 273-294. They describe what English words mean to raters, not what a face or a
voice feels. "neutral" is the origin by convention, and "calm" is read as neutral; neither is a figure of that paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from operator import mul

from mer_sdk.errors import OptionError

# word -> (valence, arousal)
NORMS: dict[str, tuple[float, float]] = {
    "neutral": (0.0, 0.0),
    "happy": (0.81, 0.51),
    "sad": (-0.63, -0.27),
    "angry": (-0.51, 0.59),
    "fearful": (-0.64, 0.60),
    "disgust": (-0.60, 0.35),
    "surprised": (0.40, 0.67),
}
SYNONYMS = {
    "calm": "neutral",
    "happiness": "happy",
    "joy": "happy",
    "sadness": "sad",
    "anger": "angry",
    "fear": "fearful",
    "disgusted": "disgust",
    "surprise": "surprised",
}


def norm(label: str) -> tuple[float, float]:
    """(valence, arousal) of an emotion word, each -1 to 1.

    Raises:
        OptionError: no norm is known for the label.
    """
    word = label.lower()
    word = SYNONYMS.get(word, word)
    if word not in NORMS:
        raise OptionError(f"no affect norm is known for the label {label!r}; known are: {', '.join(sorted(NORMS))}")
    return NORMS[word]


def check_labels(labels: Sequence[str]) -> None:
    """Raises OptionError where a label has no norm."""
    for label in labels:
        norm(label)


def expected(labels: tuple[str, ...], shares: Sequence[float]) -> tuple[float, float]:
    """(valence, arousal), each -1 to 1, expected under the probabilities of labels, which sum to 1.

    Raises:
        OptionError: no norm is known for one of the labels.
    """
    valences, arousals = _norms(labels)
    return sum(map(mul, shares, valences)), sum(map(mul, shares, arousals))


@lru_cache(maxsize=16)
def _norms(labels: tuple[str, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Valences and arousals of a model's labels: looked up once, and not at every step."""
    pairs = [norm(label) for label in labels]
    return tuple(pair[0] for pair in pairs), tuple(pair[1] for pair in pairs)
