"""From one utterance to the ids that a text graph reads. This is part of the contract: every port does the same.

The rules use code points, tables of code-point ranges, Unicode's NFKD and lower case alone, which JavaScript, Swift,
Kotlin and C++ all have; no regular expressions and no character classes, which differ between languages.

1. *Replace*, code point by code point: single quotes, primes and accents that stand for them (U+0060 U+00B4 U+02BC
   U+2018 U+2019 U+201A U+201B U+2032) by U+0027; double quotes (U+00AB U+00BB U+201C U+201D U+201E U+201F U+2033) by
   U+0022; dashes (U+2010 to U+2015, U+2212) by U+002D.
2. *Decompose*: Unicode normalisation form NFKD.
3. *Drop* combining accents (U+0300 to U+036F), zero-width characters (U+200B to U+200F, U+2060 to U+2064, U+FEFF),
   variation selectors (U+FE00 to U+FE0F) and skin tones (U+1F3FB to U+1F3FF).
4. *Lower case*, each code point by itself, without locale or context.
5. *Split*. A code point is a space (0 to U+0020, U+007F to U+00A0, U+1680, U+2028, U+2029), a mark (U+0021 to U+002F,
   U+003A to U+0040, U+005B to U+0060, U+007B to U+007E, U+00A1 to U+00BF, U+00D7, U+00F7, U+2016 to U+2027, U+2030 to
   U+205E, U+20A0 to U+20CF, U+2190 to U+2BFF, U+3001 to U+303F, U+1F000 to U+1FAFF), or else a letter. A word is a run
   of letters, or a run of one and the same mark. U+0027 counts as a letter where a letter is right before and right
   after it. Words of letters are cut after 24 code points, words of a mark after 3. The first `words` words are read.
6. *Hash*. A word, put between "<" and ">", has one id of its own, in slot 0. Its n-grams are the stretches of
   `ngrams[0]` to `ngrams[1]` code points of that marked word which are shorter than it, ordered by where they start,
   shorter ones first. If there are g of them and room for r = slots - 1, all are taken where g <= r; otherwise those of
   index `i * (g - 1) / (r - 1)`, rounded down, for i = 0 to r - 1 (index 0 alone where r = 1). They fill slots 1, 2,
   ... in that order. The id of a stretch is `1 + hash % (buckets - 1)`, its hash FNV-1a of 32 bits over its UTF-8
   bytes (offset 2166136261, prime 16777619). What is not filled is 0.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_right

import numpy as np

from mer_sdk.contract.manifest import TextContract
from mer_sdk.errors import OptionError, SignalError

LONGEST_WORD = 24
LONGEST_MARK = 3

_APOSTROPHE = "'"
_REPLACED = (
    dict.fromkeys((0x60, 0xB4, 0x2BC, 0x2018, 0x2019, 0x201A, 0x201B, 0x2032), _APOSTROPHE)
    | dict.fromkeys((0xAB, 0xBB, 0x201C, 0x201D, 0x201E, 0x201F, 0x2033), '"')
    | dict.fromkeys((*range(0x2010, 0x2016), 0x2212), "-")
)
_DROPPED = (
    *((0x300, 0x36F), (0x200B, 0x200F), (0x2060, 0x2064), (0xFE00, 0xFE0F), (0xFEFF, 0xFEFF)),
    (0x1F3FB, 0x1F3FF),
)
_SPACES = ((0x0, 0x20), (0x7F, 0xA0), (0x1680, 0x1680), (0x2028, 0x2029))
_MARKS = (
    *((0x21, 0x2F), (0x3A, 0x40), (0x5B, 0x60), (0x7B, 0x7E), (0xA1, 0xBF), (0xD7, 0xD7), (0xF7, 0xF7)),
    *((0x2016, 0x2027), (0x2030, 0x205E), (0x20A0, 0x20CF), (0x2190, 0x2BFF), (0x3001, 0x303F), (0x1F000, 0x1FAFF)),
)


class TextFrontend:
    """Turns utterances into the ids of a contract; see the module's docstring for the rules.

    Raises:
        OptionError: the contract's numbers or hash are none that this front end knows.
    """

    def __init__(self, contract: TextContract) -> None:
        shortest, longest = contract.ngrams
        if contract.hash != "fnv1a-32":
            raise OptionError(f"the text contract asks for the hash {contract.hash!r}; known is fnv1a-32")
        if contract.words < 1 or contract.slots < 1 or contract.buckets < 2 or not 1 <= shortest <= longest:
            raise OptionError(
                f"the text contract has words {contract.words}, slots {contract.slots}, buckets {contract.buckets}, "
                f"n-grams {shortest} to {longest}; allowed are 1 or more, buckets from 2, n-grams in rising order"
            )
        self.contract = contract

    def ids(self, text: str | bytes) -> np.ndarray:
        """int32 [words, slots] of one utterance, values 0 to `buckets - 1`; words in order from row 0.

        Text without a word (empty, spaces alone) gives zeros throughout: the modality counts as missing.

        Raises:
            SignalError: neither a string nor UTF-8 bytes, or a string with half of a surrogate pair.
        """
        result = np.zeros((self.contract.words, self.contract.slots), np.int32)
        for row, word in zip(result, split_words(text), strict=False):
            numbers = [1 + fnv1a_32(part.encode()) % (self.contract.buckets - 1) for part in self.subwords(word)]
            row[: len(numbers)] = numbers
        return result

    def subwords(self, word: str) -> list[str]:
        """What is hashed of one word, in the order of the slots: the marked word, then n-grams spread over it."""
        marked = f"<{word}>"
        shortest, longest = self.contract.ngrams
        ngrams = [
            marked[start : start + length]
            for start in range(len(marked))
            for length in range(shortest, min(longest, len(marked) - 1) + 1)
            if start + length <= len(marked)
        ]
        room = self.contract.slots - 1
        if len(ngrams) > room:
            ngrams = [ngrams[i * (len(ngrams) - 1) // max(room - 1, 1)] for i in range(room)]
        return [marked, *ngrams]


def split_words(text: str | bytes) -> list[str]:
    """All words of an utterance, normalised and cut as steps 1 to 5 say.

    Raises:
        SignalError: see `TextFrontend.ids`.
    """
    points = _normalised(utf8_text(text))
    kinds = [_kind(point) for point in points]
    for i in range(1, len(points) - 1):
        if points[i] == _APOSTROPHE and kinds[i - 1] == kinds[i + 1] == "letter":
            kinds[i] = "letter"
    words, start = [], 0
    for end in range(1, len(points) + 1):
        kind = kinds[start]
        goes_on = end < len(points) and kinds[end] == kind and (kind != "mark" or points[end] == points[start])
        if not goes_on:
            if kind != "space":
                words.append(points[start:end][: LONGEST_MARK if kind == "mark" else LONGEST_WORD])
            start = end
    return words


def fnv1a_32(data: bytes) -> int:
    """FNV-1a hash of 32 bits (Fowler, Noll, Vo; RFC 9923)."""
    value = 2166136261
    for byte in data:
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def utf8_text(text: str | bytes) -> str:
    """The text itself, once it is known to be one that UTF-8 can hold.

    Raises:
        SignalError: see `TextFrontend.ids`.
    """
    try:
        if isinstance(text, bytes):
            return text.decode("utf-8")
        if isinstance(text, str):
            text.encode("utf-8")
            return text
    except UnicodeDecodeError as error:
        raise SignalError(
            f"the text is not UTF-8 (byte {error.start} is 0x{error.object[error.start]:02x}); "
            "decode it with the encoding that it has, or save it as UTF-8"
        ) from error
    except UnicodeEncodeError as error:
        raise SignalError(
            f"the text has half of a surrogate pair at position {error.start}, which no UTF-8 can hold; "
            "decode it anew, or replace it by U+FFFD"
        ) from error
    raise SignalError(f"text is a {type(text).__name__}; give a string or UTF-8 bytes")


def _normalised(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.translate(_REPLACED))
    return "".join(point.lower() for point in decomposed if not _within(ord(point), _DROPPED))


def _kind(point: str) -> str:
    if _within(ord(point), _SPACES):
        return "space"
    return "mark" if _within(ord(point), _MARKS) else "letter"


def _within(number: int, ranges: tuple[tuple[int, int], ...]) -> bool:
    place = bisect_right(ranges, (number, 0x110000)) - 1
    return place >= 0 and number <= ranges[place][1]
