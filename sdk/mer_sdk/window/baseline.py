"""The personal baseline: a running mean of one person's features, from the population's mean to their own.

Faces and voices at rest differ between people more than between emotions, so the fusion graph reads features minus this
baseline. It holds means and counts alone, no audio, no image, and leaves the device only if the app sends it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.errors import BundleError


class PersonalBaseline:
    """Running means per modality, starting from the population's with the weight of `prior_steps` steps.

    Args:
        contract: population means (modality -> vector) and the prior weight, from the bundle's manifest.
        fixed: nothing is observed, so that it stays as it is: at the population's means, or as loaded.
    """

    def __init__(self, contract: BaselineContract, fixed: bool = False) -> None:
        self._fixed = fixed
        self._prior = float(contract.prior_steps)
        self._population = {name: np.asarray(mean, np.float64) for name, mean in contract.population_mean.items()}
        self._weighted = {name: self._prior * mean for name, mean in self._population.items()}
        self._sum: dict[str, np.ndarray] = {}
        self._count: dict[str, int] = {}
        self.reset()

    @property
    def steps(self) -> dict[str, int]:
        """Modality -> number of observed steps; all 0 when cold."""
        return dict(self._count)

    def mean(self, modality: str) -> np.ndarray:
        """The baseline of one modality, float32 vector: what to subtract from its features."""
        mean = self._means.get(modality)
        if mean is None:
            total = self._weighted[modality] + self._sum[modality]
            total /= self._prior + self._count[modality]
            mean = self._means[modality] = total.astype(np.float32)
        return mean

    def observe(self, modality: str, features: np.ndarray) -> None:
        """Take in features of this person: one vector, or one per row. Rows that are not finite are left out."""
        if self._fixed:
            return
        rows = np.atleast_2d(np.asarray(features, np.float64))
        rows = rows[np.isfinite(rows).all(axis=1)]
        self._sum[modality] += rows.sum(axis=0)
        self._count[modality] += len(rows)
        self._means.pop(modality, None)

    def observe_step(self, modality: str, features: np.ndarray) -> None:
        """`observe` for one float vector, which the sensor does at every step."""
        if self._fixed:
            return
        # Cast once: a sum of two types takes numpy several times as long.
        row = np.asarray(features, np.float64)
        # A sum of squares is finite only where all its terms are: those of float32 do not overflow float64.
        if math.isfinite(row.dot(row)):
            self._sum[modality] += row
            self._count[modality] += 1
            self._means.pop(modality, None)

    def reset(self) -> None:
        """Forget the person: back to the population's means."""
        self._sum = {name: np.zeros_like(mean) for name, mean in self._population.items()}
        self._count = dict.fromkeys(self._population, 0)
        self._means: dict[str, np.ndarray] = {}

    def save(self, path: str | Path) -> None:
        """Write the profile (sums and counts, JSON) where the app says."""
        profile = {name: {"sum": self._sum[name].tolist(), "steps": self._count[name]} for name in self._population}
        Path(path).write_text(json.dumps({"mer_baseline": 1, "modalities": profile}) + "\n")

    def load(self, path: str | Path) -> None:
        """Continue from a profile that `save` wrote.

        Raises:
            BundleError: not such a file, or made with a bundle whose features have other sizes.
        """
        try:
            profile = json.loads(Path(path).read_text())["modalities"]
            self._restore(profile)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BundleError(
                f"{path} is not a personal baseline for this bundle ({error}); "
                "enrol again, and keep one profile per bundle: features of two models cannot be mixed"
            ) from error

    def _restore(self, profile: Mapping[str, Mapping[str, object]]) -> None:
        sums = {name: np.asarray(profile[name]["sum"], np.float64) for name in self._population}
        for name, mean in self._population.items():
            if sums[name].shape != mean.shape or not np.isfinite(sums[name]).all():
                raise ValueError(f"{name} has {sums[name].size} values where the bundle has {mean.size}")
        self._sum, self._means = sums, {}
        self._count = {name: int(str(profile[name]["steps"])) for name in self._population}
