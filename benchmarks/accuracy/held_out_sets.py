"""The data sets of a command line that score models and that nothing learned from."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from typing import TypeVar

from mer_sdk.evaluation.datasets import CORPORA, Ravdess, RavdessPairs, SpeechCorpus, open_dataset

Kind = TypeVar("Kind", Ravdess, RavdessPairs)


def held_out_sets(
    specs: Sequence[str], kind: type[Kind], parser: ArgumentParser
) -> tuple[Kind | None, list[SpeechCorpus]]:
    """The data set of one kind, where it was given, and the speech corpora that are for evaluation alone.

    Others end the program with a sentence of the parser.
    """
    opened = [open_dataset(spec) for spec in specs]
    corpora = [item for item in opened if isinstance(item, SpeechCorpus) and CORPORA[item.name].use == "test"]
    one = next((item for item in opened if isinstance(item, kind)), None)
    if len(corpora) + (one is not None) != len(opened):
        parser.error(f"--data takes {kind.name} and the corpora that are for evaluation alone")
    return one, corpora
