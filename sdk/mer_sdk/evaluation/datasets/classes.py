"""One table of emotion classes for all speech corpora: what each corpus calls them, and which of them it has at all.

A network with seven outputs learns from corpora with four to eight labels. Where a corpus lacks a class, nothing is
known of it there: the class is left out of that corpus's loss and of its score, and not taught as absent.
"""

from __future__ import annotations

from collections.abc import Sequence

from mer_sdk.errors import DataError

# What corpora say of the same class in other words. "Calm" is a second neutral, acted without tension.
SYNONYMS = {"calm": "neutral"}


def class_of(label: str, classes: Sequence[str]) -> str:
    """The class that a corpus's label means, one of `classes`: the label itself, else its synonym.

    Raises:
        DataError: neither is among the classes.
    """
    found = label if label in classes else SYNONYMS.get(label, label)
    if found not in classes:
        raise DataError(
            f"the label {label!r} is none of the bundle's labels ({', '.join(classes)}); "
            "use a bundle trained on this emotion or leave these clips out"
        )
    return found


def merge_table(labels: Sequence[str], classes: Sequence[str]) -> dict[str, str]:
    """Every label of a corpus -> the class it means.

    Raises:
        DataError: a label that means none of the classes; the message names all of them.
    """
    unknown = [label for label in labels if label not in classes and SYNONYMS.get(label) not in classes]
    if unknown:
        raise DataError(
            f"clips are labelled {', '.join(sorted(unknown))}, the bundle's labels are {', '.join(classes)}; "
            "use a bundle trained on these emotions"
        )
    return {label: class_of(label, classes) for label in labels}


def held_classes(labels: Sequence[str], classes: Sequence[str]) -> tuple[bool, ...]:
    """For each class whether a corpus with these labels has it.

    Raises:
        DataError: see `merge_table`.
    """
    held = set(merge_table(labels, classes).values())
    return tuple(name in held for name in classes)
