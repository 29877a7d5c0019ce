"""Accuracies with their intervals, as the protocol scripts write them to JSON."""

from __future__ import annotations

from typing import Any

import numpy as np

from mer_sdk.evaluation.metrics import bootstrap_interval, paired_bootstrap, uar, war


def accuracy_figure(labels: np.ndarray, runs: np.ndarray) -> dict[str, Any]:
    """WAR and UAR in percent, mean over runs [R, N] of predictions, with 95 % bootstrap intervals over the clips."""
    runs = np.atleast_2d(runs)
    shown: dict[str, Any] = {"clips": len(labels), "runs": len(runs)}
    for name, metric in (("war", war), ("uar", uar)):
        interval = bootstrap_interval(labels, runs, name)
        shown[name] = round(100 * metric(labels, runs), 2)
        shown[f"{name}_interval"] = [round(100 * interval.low, 2), round(100 * interval.high, 2)]
    each = [100 * war(labels, run) for run in runs]
    shown["war_of_runs"] = [round(value, 2) for value in each]
    return shown


def difference_figure(labels: np.ndarray, first: np.ndarray, second: np.ndarray) -> dict[str, Any]:
    """WAR of predictions `first` [R, N] minus that of `second` on the same clips, in points, paired bootstrap."""
    paired = paired_bootstrap(labels, first, second, "war")
    return {
        "difference": round(100 * paired.difference, 2),
        "interval": [round(100 * paired.interval.low, 2), round(100 * paired.interval.high, 2)],
        "share_better": round(paired.share_better, 4),
    }
