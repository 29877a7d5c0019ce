"""Speech corpora beside RAVDESS as one set to learn from: sound, or spectra with listeners' votes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mer_fusion.training.speech.cremad_mapping import CremadMapping
from mer_fusion.training.speech.spectra import SpeechSet, log_mel, spectra_set
from mer_sdk.cli.progress import with_progress
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation.datasets import (
    CremadLogMel,
    CremadVotes,
    OwnClips,
    SpeechCorpus,
    load_audio_at,
    refuse_test_corpora,
)
from mer_sdk.evaluation.datasets.classes import merge_table

SAMPLE_RATE = 16000
Corpus = CremadLogMel | CremadVotes | SpeechCorpus | OwnClips
# Every third clip is plenty for a linear map.
_MAPPED = 3
# A few damaged files are told and left out; more mean that the copy is bad.
_DAMAGED_SHARE = 0.01
# How far listeners' votes go before the label that the actor was given, see `vote_targets`.
_VOTES_WEIGHT = 0.5


def corpora_sets(opened: Sequence[Corpus], labels: Sequence[str], waves: Sequence[np.ndarray]) -> tuple[SpeechSet, ...]:
    """Each corpus as a set of its own, CREMA-D with the votes where they are given too.

    Args:
        opened: at most one of each.
        waves: 16 kHz sound of people who are learned from, from which the map of CREMA-D's spectra is made.

    Raises:
        OptionError: a corpus for evaluation alone, or votes without the spectra.
        DataError: files cannot be read.
    """
    for corpus in opened:
        if isinstance(corpus, SpeechCorpus):
            refuse_test_corpora(corpus.name, corpus.use)
    votes = next((item.shares for item in opened if isinstance(item, CremadVotes)), None)
    spectra = [item for item in opened if isinstance(item, CremadLogMel)]
    if votes is not None and not spectra:
        raise OptionError("--data cremad_votes: the votes are of CREMA-D's clips; give --data cremad_logmel:PATH too")
    sets = [cremad_corpus(item, labels, CremadMapping(waves[::_MAPPED]), votes) for item in spectra]
    return (*sets, *(sound_corpus(item, labels) for item in opened if isinstance(item, SpeechCorpus | OwnClips)))


def card_sources(opened: Sequence[Corpus]) -> tuple[DataSource, ...]:
    """What a card says of the corpora that an audio encoder learned from."""
    return tuple(DataSource(item.title, item.licence, "audio encoder; research and evaluation only") for item in opened)


def sound_corpus(corpus: SpeechCorpus | OwnClips, labels: Sequence[str]) -> SpeechSet:
    """A corpus of sound files; labels that it lacks have the share 0. Of one's own clips the split test is left out.

    Raises:
        OptionError: the corpus is for evaluation alone.
        DataError: more than one file of a corpus in a hundred cannot be read, or no clip of one's own.
    """
    own = isinstance(corpus, OwnClips)
    if isinstance(corpus, OwnClips):
        chosen = corpus.to_learn_from(labels)
        clips, mapping = chosen.clips, chosen.labels
        for item in chosen.left_out:
            print(f"left out: {item.clip}: {item.reason}", flush=True)
    else:
        refuse_test_corpora(corpus.name, corpus.use)
        clips, mapping = corpus.clips(), merge_table(corpus.labels, labels)
    spectra, kept, damaged = [], [], []
    for clip in with_progress(clips, f"reading {corpus.name}"):
        try:
            wave = load_audio_at(clip, SAMPLE_RATE)
        except DataError as error:
            damaged.append(error)
            continue
        spectra.append(log_mel(wave))
        kept.append(clip)
    if not kept or (not own and len(damaged) > _DAMAGED_SHARE * (len(kept) + len(damaged))):
        raise DataError(f"{len(damaged)} files of {corpus.name} cannot be read, the first: {damaged[0]}")
    for why in damaged:
        print(f"left out: {why}", flush=True)
    return spectra_set(
        spectra,
        [labels.index(mapping[clip.label]) for clip in kept],
        [clip.speaker for clip in kept],
        [f"{corpus.name}/{clip.id}" for clip in kept],
        {},
        len(labels),
    )


def cremad_corpus(
    corpus: CremadLogMel,
    labels: Sequence[str],
    mapping: CremadMapping,
    votes: dict[str, np.ndarray] | None = None,
) -> SpeechSet:
    """CREMA-D's spectra on the encoder's grid; `votes` are those of `CremadVotes.shares`, None learns from labels."""
    table = merge_table(corpus.labels, labels)
    clips = corpus.clips()
    index = [labels.index(table[clip.label]) for clip in clips]
    targets = None
    if votes is not None:
        columns = [labels.index(table[label]) for label in corpus.labels]
        targets = torch.stack(
            [
                vote_targets(number, votes.get(clip.id), columns, len(labels))
                for number, clip in zip(index, clips, strict=True)
            ]
        )
    return spectra_set(
        [mapping(clip.decibels) for clip in with_progress(clips, "reading CREMA-D")],
        index,
        [clip.speaker for clip in clips],
        [f"cremad/{clip.id}" for clip in clips],
        {},
        len(labels),
        targets,
    )


def vote_targets(label: int, votes: np.ndarray | None, columns: Sequence[int], classes: int) -> Tensor:
    """What is learned of one clip, (classes,): half the actor's intention, half what listeners heard."""
    target = torch.zeros(classes)
    target[label] = 1.0
    if votes is None:
        return target
    heard = torch.zeros(classes)
    heard[list(columns)] = torch.from_numpy(np.asarray(votes, np.float32))
    return (1 - _VOTES_WEIGHT) * target + _VOTES_WEIGHT * heard
