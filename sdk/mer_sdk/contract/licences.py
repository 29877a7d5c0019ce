"""What the licences of the data say about use of the weights: one table, for the card and for `mer inspect`.

Weights are taken to be bound by the licence of everything that they learned from, teachers' scores included. That is
the careful reading, and no legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from mer_sdk.contract.manifest import DataSource

ALLOWED, FORBIDDEN, UNCLEAR = "allowed", "not allowed", "unclear"


@dataclass(frozen=True)
class Rule:
    """What a licence says, by words in its text.

    Attributes:
        pattern: regular expression, found anywhere in the text, in any case.
        verdict: ALLOWED, FORBIDDEN or UNCLEAR.
        terms: what it asks for, in a few words.
    """

    pattern: str
    verdict: str
    terms: str


# All rules whose words are found count, and the strictest of them decides: a licence may have several parts.
RULES = (
    Rule(r"\bNC\b|non-?commercial", FORBIDDEN, "non-commercial use only"),
    Rule(r"research|academic|education", FORBIDDEN, "research use only"),
    Rule(r"\bND\b|no[ -]?derivatives", FORBIDDEN, "no derived works"),
    Rule(r"no licen[cs]e|not stated|unknown|all rights reserved", FORBIDDEN, "no licence was given"),
    Rule(r"the owner's", UNCLEAR, "clips of whoever trained it, whose terms are not told"),
    Rule(r"\bA?GPL", ALLOWED, "its source and licence go along"),
    Rule(r"\bSA\b|\bODbL\b|share-?alike", ALLOWED, "shared alike"),
    Rule(r"\bCC[ -]BY\b|\bDbCL\b", ALLOWED, "with its name"),
    Rule(r"\bMIT\b|\bApache\b|\bBSD\b", ALLOWED, "with its notice"),
    Rule(r"\bCC0\b|public domain", ALLOWED, "without terms"),
)
_STRICTEST = (FORBIDDEN, UNCLEAR, ALLOWED)


@dataclass(frozen=True)
class CommercialUse:
    """Whether weights may be used commercially.

    Attributes:
        verdict: ALLOWED, FORBIDDEN or UNCLEAR.
        reasons: what decides it: "data set (licence: terms)"; of allowed ones, what is to be kept to.
    """

    verdict: str
    reasons: tuple[str, ...]

    @property
    def sentence(self) -> str:
        """Both in one sentence."""
        return f"{self.verdict}: {'; '.join(self.reasons)}" if self.reasons else self.verdict


def terms_of(licence: str) -> tuple[str, str]:
    """Verdict and terms of one licence's text; UNCLEAR where no rule knows it."""
    found = [rule for rule in RULES if re.search(rule.pattern, licence, re.IGNORECASE)]
    if not found:
        return UNCLEAR, "a licence that is not in the table"
    verdict = min((rule.verdict for rule in found), key=_STRICTEST.index)
    return verdict, ", ".join(dict.fromkeys(rule.terms for rule in found if rule.verdict == verdict))


def commercial_use(data: Sequence[DataSource]) -> CommercialUse:
    """Whether weights that learned from this data may be used commercially: the strictest licence decides."""
    if not data:
        return CommercialUse(UNCLEAR, ("no data set is named",))
    terms = [(source, *terms_of(source.licence)) for source in data]
    verdict = min((found for _, found, _ in terms), key=_STRICTEST.index)
    decisive = (f"{one.name} ({one.licence}: {said})" for one, found, said in terms if found == verdict)
    return CommercialUse(verdict, tuple(dict.fromkeys(decisive)))
