"""The personal baseline: a running mean of one person's features, from the population's mean to their own.

Faces and voices at rest differ between people more than between emotions, so the fusion graph reads features minus this
baseline. It holds means and counts alone, no audio, no image, and leaves the device only if the app sends it.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import BundleError, OptionError

VERSION = 2


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
            total = np.add(self._weighted[modality], self._sum[modality])
            mean = np.empty(len(total), np.float32)
            weight = self._prior + self._count[modality]
            self._means[modality] = np.divide(total, weight, out=mean, casting="same_kind")
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

    @property
    def encoders(self) -> str:
        """Which encoders the features come from: a hash of the population's means, which every training changes."""
        digest = hashlib.sha256()
        for name in sorted(self._population):
            digest.update(name.encode() + b"\0" + self._population[name].astype("<f4").tobytes())
        return digest.hexdigest()[:16]

    def save(self, path: str | Path) -> None:
        """Write the profile (sums and counts, JSON) where the app says, whole or not at all.

        Raises:
            OptionError: it cannot be written.
        """
        profile = {name: {"sum": self._sum[name].tolist(), "steps": self._count[name]} for name in self._population}
        content = {"mer_baseline": VERSION, "encoders": self.encoders, "modalities": profile}
        try:
            with atomic_output(path) as aside:
                aside.write_text(json.dumps(content) + "\n")
        except OSError as error:
            raise OptionError(
                f"the profile {path} cannot be written ({error.strerror or error}); give another place"
            ) from error

    def load(self, path: str | Path) -> None:
        """Continue from a profile that `save` wrote.

        Raises:
            BundleError: not such a file, or made with other encoders than this bundle's.
        """
        again = "enrol again, and keep one profile per model: features of two models cannot be mixed"
        try:
            content = json.loads(Path(path).read_text())
        except OSError as error:
            reason = error.strerror or error
            raise BundleError(f"{path} is not a personal baseline: it cannot be read ({reason}); {again}") from error
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{path} is not a personal baseline: it is no JSON; {again}") from error
        if not isinstance(content, dict) or "mer_baseline" not in content:
            raise BundleError(f"{path} is not a personal baseline: mer run --save-baseline writes one; {again}")
        if content.get("encoders") != self.encoders:
            known = "belongs to the encoders of another model" if "encoders" in content else "does not say which model"
            raise BundleError(f"{path} {known}, and cannot be used with this bundle; {again}")
        try:
            self._restore(content["modalities"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise BundleError(f"{path} is a damaged personal baseline; {again}") from error

    def _restore(self, profile: Mapping[str, Mapping[str, object]]) -> None:
        sums = {name: np.asarray(profile[name]["sum"], np.float64) for name in self._population}
        for name, mean in self._population.items():
            if sums[name].shape != mean.shape or not np.isfinite(sums[name]).all():
                raise ValueError(f"{name} has {sums[name].size} values where the bundle has {mean.size}")
        counts = {name: int(str(profile[name]["steps"])) for name in self._population}
        if min(counts.values(), default=0) < 0:
            raise ValueError("a number of steps is below 0")
        with np.errstate(all="ignore"):
            means = [(self._weighted[name] + sums[name]) / (self._prior + counts[name]) for name in sums]
            if not all(np.isfinite(mean.astype(np.float32)).all() for mean in means):
                raise ValueError("a mean is beyond what features can be")
        self._sum, self._means = sums, {}
        self._count = counts
