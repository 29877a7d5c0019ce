"""Fusion networks of protocol P1, full precision or students: tuned for each fold without it, trained, asked.

Used by action_units/paired.py.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mer_fusion.training.loop import LoopOptions
from mer_fusion.training.utterances.paired_clips import FOLDS, PairedClips
from mer_fusion.training.utterances.runs import Answers, Case, RunOptions, run_answers
from mer_fusion.training.utterances.table import CONDITIONS, UtteranceTable
from mer_fusion.training.utterances.task import UtteranceOptions
from mer_sdk.evaluation.datasets.ravdess import LABELS

ORDERS = 3
REMOVED = CONDITIONS[2]
_BOTH = (True, True)


@dataclass(frozen=True)
class Candidate:
    """What is tuned: dropout, and how the voice is corrupted in training (see `UtteranceOptions`)."""

    dropout: float
    swap: float
    mixing: float


@dataclass(frozen=True)
class FusionSettings:
    """What the fusion networks of one kind share.

    Attributes:
        learning: swap and mixing are replaced by the candidate's; the teacher's share is 0 where there is none.
        candidates: of which one is chosen per fold.
        tuning_question: what a candidate is judged by; tuning_seeds: how often.
        width: features inside the networks.
    """

    learning: UtteranceOptions
    loop: LoopOptions
    candidates: tuple[Candidate, ...]
    width: int = 32
    tuning_seeds: int = 2
    tuning_question: Case = field(default_factory=lambda: Case(REMOVED, 0, _BOTH))

    def shown(self) -> dict[str, Any]:
        """As JSON shows it."""
        return asdict(self)


def cases() -> list[Case]:
    """Every baseline condition with both modalities, then each modality alone with the person's mean removed."""
    warm = [Case("warm", order, _BOTH) for order in range(ORDERS)]
    alone = [Case(REMOVED, 0, (True, False)), Case(REMOVED, 0, (False, True))]
    return [Case("cold", 0, _BOTH), *warm, Case(REMOVED, 0, _BOTH), *alone]


class TunedFusion:
    """Trains the models of one kind and keeps the runs.

    Args:
        paired: all takes.
        tables: what networks for a fold read; everything in it was made without that fold.
        folder: where runs are kept.
        teaching: (model, fold) -> answers to one case for all clips outside the fold, as soft targets; None for none.
    """

    def __init__(
        self,
        paired: PairedClips,
        tables: Mapping[int, UtteranceTable],
        settings: FusionSettings,
        folder: Path,
        teaching: Callable[[str, int], Answers] | None = None,
    ) -> None:
        self._paired, self._tables, self._settings, self._folder = paired, tables, settings, folder
        self._teaching = teaching
        self.tuning: dict[int, dict[str, Any]] = {}

    def answers(self, model: str, fold: int, seed: int) -> Answers:
        """For the fold's clips, every one of `cases`."""
        others = self._paired.folds != fold
        soft = None
        if self._teaching is not None:
            soft = torch.zeros(len(self._paired), len(LABELS))
            soft[torch.from_numpy(others)] = torch.from_numpy(self._teaching(model, fold).log_probabilities[0])
        return self._run(model, self._tuned(fold), fold, others, seed, ~others, cases(), soft)

    def teaching(self, model: str, fold: int) -> Answers:
        """For the clips that seed 0 learned from: a student's soft targets."""
        others = self._paired.folds != fold
        return self._run(model, self._tuned(fold), fold, others, 0, others, [Case(REMOVED, 0, _BOTH)])

    def _tuned(self, fold: int) -> Candidate:
        """The candidate with which the concatenation baseline does best on another fold; every model takes it.

        For fold K the baseline learns from the two folds other than K and J = K + 1 (modulo 4), reading what was made
        without J, and is asked about J. Fold K's clips and labels are not used. What was made without J (published
        scores, a student's encoder) had fold K among its own training clips, which reaches fold K's result through this
        choice alone. Labels are the only targets here.
        """
        candidates = self._settings.candidates
        if fold not in self.tuning:
            inner = (fold + 1) % len(FOLDS)
            asked = self._paired.folds == inner
            learning = ~asked & (self._paired.folds != fold)
            scores = []
            for candidate in candidates:
                hits = []
                for seed in range(self._settings.tuning_seeds):
                    question = [self._settings.tuning_question]
                    answers = self._run("concatenation", candidate, inner, learning, seed, asked, question)
                    hits.append((answers.log_probabilities[0].argmax(1) == self._paired.labels[asked]).mean())
                scores.append(round(100 * float(np.mean(hits)), 2))
            self.tuning[fold] = {"asked_fold": inner, "war_of_candidates": scores, "chosen": int(np.argmax(scores))}
            print(f"fold {fold}: tuned on fold {inner}: {scores}", flush=True)
        return candidates[self.tuning[fold]["chosen"]]

    def _run(
        self,
        model: str,
        candidate: Candidate,
        unseen: int,
        learning: np.ndarray,
        seed: int,
        asked: np.ndarray,
        questions: list[Case],
        soft: torch.Tensor | None = None,
    ) -> Answers:
        """Train on what was made without the fold `unseen`; boolean arrays say which clips to learn and ask."""
        settings = self._settings
        options = replace(settings.learning, swap=(candidate.swap, 0.0), mixing=(candidate.mixing, 0.0))
        if soft is None:
            options = replace(options, teacher_weight=0.0)
        loop = replace(settings.loop, seed=seed)
        run = RunOptions(model, settings.width, candidate.dropout, len(LABELS), options, loop)
        known, wanted = (torch.from_numpy(np.flatnonzero(rows)) for rows in (learning, asked))
        return run_answers(run, self._tables[unseen], known, wanted, questions, self._folder, soft)
