"""Texts for the sentence encoder to teach from: a teacher of features labels any text, so that more can be made.

From the utterances of dialogues come their sentences, spans, joined neighbours, halves of two put together, words
replaced by others, and the words of the vocabulary one by one, which is where a table of hashed words learns most.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from mer_sdk.errors import OptionError

# What the actors of RAVDESS say (Livingstone and Russo 2018).
RAVDESS_SENTENCES = ("Kids are talking by the door.", "Dogs are sitting by the door.")


@dataclass(frozen=True)
class CorpusOptions:
    """How many texts are made of each kind, per utterance that is given.

    Attributes:
        spans: two or more words in a row out of an utterance.
        joins: an utterance and the one after it.
        mixtures: the beginning of one utterance and the end of another.
        replacements: an utterance with about a fifth of its words drawn from the vocabulary.
        seed: of the draws.

    Raises:
        OptionError: a negative number.
    """

    spans: float = 2.0
    joins: float = 0.25
    mixtures: float = 0.5
    replacements: float = 0.5
    seed: int = 0

    def __post_init__(self) -> None:
        if min(self.spans, self.joins, self.mixtures, self.replacements) < 0:
            raise OptionError(f"{self}: numbers of texts per utterance are 0 or more")


def teacher_corpus(dialogues: Sequence[Sequence[str]], options: CorpusOptions) -> list[str]:
    """Different texts made from dialogues, the utterances themselves first; RAVDESS's two sentences are among them.

    Args:
        dialogues: the utterances of each dialogue in their order.

    Raises:
        OptionError: there is no utterance with a word in it.
    """
    utterances = [text for dialogue in dialogues for text in dialogue if text.strip()]
    if not utterances:
        raise OptionError("no utterance has a word in it: give dialogues with text")
    split = [text.split() for text in utterances]
    counts = Counter(word for words in split for word in words)
    vocabulary = sorted(counts)
    # The square root lifts rare words, which the utterances themselves hardly teach.
    share = np.sqrt([counts[word] for word in vocabulary])
    share /= share.sum()
    rng = np.random.default_rng(options.seed)

    def any_words() -> list[str]:
        return split[rng.integers(len(split))]

    def span() -> str:
        words = any_words()
        length = int(rng.integers(min(2, len(words)), len(words) + 1))
        start = int(rng.integers(len(words) - length + 1))
        return " ".join(words[start : start + length])

    def join() -> str:
        dialogue = dialogues[int(rng.integers(len(dialogues)))]
        start = int(rng.integers(max(len(dialogue) - 1, 1)))
        return " ".join(dialogue[start : start + 2])

    def mixture() -> str:
        first, second = any_words(), any_words()
        head, tail = int(rng.integers(1, len(first) + 1)), int(rng.integers(len(second)))
        return " ".join([*first[:head], *second[tail:]])

    def replacement() -> str:
        words = list(any_words())
        for _ in range(max(1, len(words) // 5)):
            words[rng.integers(len(words))] = vocabulary[rng.choice(len(vocabulary), p=share)]
        return " ".join(words)

    texts = [*utterances, *RAVDESS_SENTENCES, *(part for text in utterances for part in sentences(text)), *vocabulary]
    kinds: tuple[tuple[Callable[[], str], float], ...] = (
        (span, options.spans),
        (join, options.joins),
        (mixture, options.mixtures),
        (replacement, options.replacements),
    )
    for make, times in kinds:
        texts += [make() for _ in range(round(times * len(utterances)))]
    return list(dict.fromkeys(texts))


def sentences(text: str) -> list[str]:
    """The sentences of an utterance: each ends with the words that end in a full stop, question or exclamation mark."""
    found: list[list[str]] = [[]]
    for word in text.split():
        found[-1].append(word)
        if word[-1] in ".?!…":
            found.append([])
    return [" ".join(words) for words in found if words]
