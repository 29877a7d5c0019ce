"""How sure an artifact may say that it is: a temperature and an abstention threshold, fitted on its own answers.

A quantized network is not as sure as the one it was made from, so what was fitted to that one is not taken over. One
temperature divides all logits (Guo et al. 2017, section 4.2); it changes no label. The answers should be of people whom
the network has not seen, as `mer_quantization.recordings` gives them.

Scenes put together from two data sets are easier than a face with its own voice: temperatures fitted to them alone made
students surer than they should be of real takes. So on such scenes a temperature may rise above the checkpoint's, and
never falls below it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from mer_sdk.errors import DataError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.metrics import log_softmax
from mer_sdk.limits import check_number

LEAST, MOST = 0.2, 10.0
_GRID = np.geomspace(LEAST, MOST, 158)  # 2.5 % apart
_FOLDS = 5


@dataclass(frozen=True)
class Confidence:
    """What was fitted, and what it is worth.

    Attributes:
        temperature: that divides the artifact's logits; `LEAST` to `MOST` times the checkpoint's.
        temperature_before: that of the checkpoint.
        abstention_threshold: answers less confident than this are "unknown"; 0 where the coverage is 1.
        coverage: share of answers that are to be given, as asked for, 0-1.
        ece_before, ece: expected calibration error (15 bins) with the checkpoint's temperature, and with temperatures
            fitted on the other clips (5 folds over clips), so that no answer is judged by what was fitted on it.
        accuracy: of all answers, 0-1.
        accuracy_covered: of those at least as confident as a threshold that was fitted on the other clips.
        covered: share of answers that those thresholds let through.
        answers: how many.
    """

    temperature: float
    temperature_before: float
    abstention_threshold: float
    coverage: float
    ece_before: float
    ece: float
    accuracy: float
    accuracy_covered: float
    covered: float
    answers: int


def fitted_confidence(
    truth: np.ndarray,
    log_probabilities: np.ndarray,
    groups: np.ndarray,
    temperature: float,
    coverage: float = 0.9,
    composed: bool = False,
) -> Confidence:
    """Fit temperature and threshold to an artifact's answers.

    Args:
        truth: int [n], index of a label.
        log_probabilities: float [n, K], of logits divided by `temperature`; of a clip the mean over its steps, which a
            temperature divides as it divides each step's.
        groups: int [n], numbers from 0: the clip (dialogue) of each answer, at least two.
        temperature: that of the checkpoint.
        coverage: share of answers to give, above 0 and at most 1, where nothing is held back.
        composed: whether faces and sound come from two data sets; the temperature is then at least `temperature`.

    Raises:
        OptionError: a coverage outside (0, 1].
        DataError: fewer than two clips, or answers that are not finite.
    """
    check_coverage(coverage)
    truth, rows = np.asarray(truth), np.asarray(log_probabilities, np.float64)
    count = int(np.max(groups, initial=-1)) + 1
    if count < 2 or not np.isfinite(rows).all():
        raise DataError(f"{len(rows)} answers of {count} clips, all finite: {np.isfinite(rows).all()}; 2 are needed")
    fold = np.random.default_rng(0).permutation(count)[groups] % min(_FOLDS, count)
    crossed, sure = np.zeros_like(rows), np.zeros(len(rows), bool)
    for number in range(min(_FOLDS, count)):
        mine = fold == number
        scale = _factor(truth[~mine], rows[~mine], composed)
        crossed[mine] = log_softmax(rows[mine] / scale)
        threshold = _threshold(log_softmax(rows[~mine] / scale), coverage)
        sure[mine] = np.exp(crossed[mine].max(axis=1)) >= threshold
    scale = _factor(truth, rows, composed)
    right = rows.argmax(axis=1) == truth
    return Confidence(
        temperature=round(float(temperature * scale), 4),
        temperature_before=temperature,
        abstention_threshold=round(_threshold(log_softmax(rows / scale), coverage), 4),
        coverage=coverage,
        ece_before=metrics.ece(truth, np.exp(rows)),
        ece=metrics.ece(truth, np.exp(crossed)),
        accuracy=float(right.mean()),
        accuracy_covered=float(right[sure].mean()) if sure.any() else 0.0,
        covered=float(sure.mean()),
        answers=len(rows),
    )


def check_coverage(coverage: float) -> None:
    """Refuse a share of answers outside (0, 1] (OptionError)."""
    wanted = "it must be above 0 and at most 1, which never abstains"
    check_number("coverage", coverage, wanted, above=0, most=1)


def _factor(truth: np.ndarray, rows: np.ndarray, composed: bool) -> float:
    """By what the temperature is multiplied for the least negative log-likelihood."""
    grid = np.array([1.0, *_GRID[_GRID > 1.0]]) if composed else _GRID
    losses = [metrics.nll(truth, log_softmax(rows / factor)) for factor in grid]
    return float(grid[int(np.argmin(losses))])


def _threshold(rows: np.ndarray, coverage: float) -> float:
    if coverage == 1.0:
        return 0.0
    return float(np.quantile(np.exp(rows.max(axis=1)), 1.0 - coverage, method="lower"))
