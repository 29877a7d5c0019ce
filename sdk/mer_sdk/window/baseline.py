"""The personal baseline: a running mean of one person's features, from the population's mean to their own.

Faces and voices at rest differ between people more than between emotions, so the fusion graph reads features minus this
baseline. It holds means and counts alone, no audio, no image, and leaves the device only if the app sends it.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
from collections.abc import Mapping
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.contract.output_files import atomic_output
from mer_sdk.errors import BundleError, OptionError, SignalError, reason_of
from mer_sdk.limits import check_kind, check_path, given
from mer_sdk.media.samples import as_array

VERSION = 2
# No feature is larger: half precision ends here. And no stream has more steps than this.
LARGEST_FEATURE, MOST_STEPS = 65504.0, 10**15


class PersonalBaseline:
    """Running means per modality, starting from the population's with the weight of `prior_steps` steps.

    Args:
        contract: population means (modality -> vector), the prior weight, and how neutral steps are taken in, from the
            bundle's manifest.
        fixed: nothing is observed, so that it stays as it is: at the population's means, or as loaded.
    """

    def __init__(self, contract: BaselineContract, fixed: bool = False) -> None:
        self._contract, self._fixed = contract, fixed
        # All modalities lie in one vector: a step then takes a handful of numpy's calls, each of which costs more than
        # what it computes. Counts and the prior are as long, as equal shapes are what numpy adds and divides quickest.
        self._places = places_of(contract)
        self._population = {name: np.asarray(mean, np.float64) for name, mean in contract.population_mean.items()}
        self._neutral_prior, self._share = contract.neutral_prior, 0.0
        size = sum(map(len, self._population.values()))
        self._offset, self._moved = np.zeros(size), np.zeros(size)
        self._offsets = {name: self._offset[place] for name, place in self._places.items()}
        for name, offset in contract.neutral_offset.items():
            self._offsets[name][...] = offset
        self._prior = np.full(size, float(contract.prior_steps))
        self._weighted = self._prior * (np.concatenate(list(self._population.values())) if size else np.zeros(0))
        self._sum, self._count, self._total, self._weight = (np.zeros(size) for _ in range(4))
        self._one = np.ones(size)
        self._mean = np.zeros(size, np.float32)
        self._means = {name: self._mean[place] for name, place in self._places.items()}
        self._sums = {name: self._sum[place] for name, place in self._places.items()}
        self._counts = {name: self._count[place] for name, place in self._places.items()}
        self._stale = True

    @classmethod
    def given(
        cls, baseline: str | Path | PersonalBaseline | None, contract: BaselineContract
    ) -> PersonalBaseline | None:
        """What an app gives to begin with, as a baseline of its own; a path is that of a saved profile.

        Raises:
            OptionError: neither of these, nor None.
            BundleError: see `load`.
        """
        wanted = "a saved profile's path or a PersonalBaseline"
        check_kind("baseline", baseline, (str, os.PathLike, PersonalBaseline), wanted)
        if isinstance(baseline, str | os.PathLike):
            profile = cls(contract)
            profile.load(baseline)
            return profile
        return baseline.copy() if baseline else None

    @property
    def steps(self) -> dict[str, int]:
        """Modality -> number of observed steps; all 0 when cold."""
        return {name: int(count[0]) for name, count in self._counts.items()}

    def means(self) -> Mapping[str, np.ndarray]:
        """Modality -> its baseline, float32 vector: what to subtract from its features. The next call writes into the
        same vectors; see `mean`."""
        if self._stale:
            np.add(self._weighted, self._sum, self._total)
            np.add(self._prior, self._count, self._weight)
            np.divide(self._total, self._weight, self._total)
            self._mean[...] = self._total
            self._stale = False
        return self._means

    def mean(self, modality: str) -> np.ndarray:
        """The baseline of one modality, float32 vector, for the caller to keep.

        Raises:
            OptionError: the baseline has no such modality.
        """
        self._check_modality(modality)
        return self.means()[modality].copy()

    def observe(self, modality: str, features: np.ndarray) -> None:
        """Take in features of this person: one vector, or one per row. Rows that are not finite are left out.

        Raises:
            OptionError: the baseline has no such modality.
            SignalError: no numbers, or vectors of another length.
        """
        rows = np.atleast_2d(self._checked(modality, features, (1, 2)))
        if self._fixed:
            return
        rows = rows[np.isfinite(rows).all(axis=1)]
        self._sums[modality] += rows.sum(axis=0)
        self._counts[modality] += len(rows)
        self._stale = True

    def expect_neutral(self, probability: float) -> None:
        """Say how likely the latest estimate finds the person neutral, 0-1: steps that are observed from now on get as
        much of the contract's `neutral_offset` as that is above (or below) its `neutral_prior`: all of it at 1, none at
        the prior, and a little less than none at 0. A probability that is not finite changes nothing.

        Raises:
            OptionError: no number, or one outside 0-1.

        People are neutral most of the time, and the models learned with baselines of all that a person shows. As it is,
        the baseline of a long stream would stand at its neutral end, as that of an enrolment would.
        """
        # Comparisons with a NaN are false.
        if (
            not isinstance(probability, int | float | np.floating)
            or -math.inf < probability < 0
            or 1 < probability < math.inf
        ):
            raise OptionError(f"the probability of neutral is {given(probability)}; allowed are 0 to 1")
        if self._neutral_prior and math.isfinite(probability):
            self._share = (probability - self._neutral_prior) / (1.0 - self._neutral_prior)

    def observe_step(self, modality: str, features: np.ndarray) -> None:
        """Take in one float vector, as the sensor does at every step, with its share of the neutral offset.

        Raises:
            OptionError, SignalError: see `observe`.
        """
        self._take(modality, features, self._share)

    def observe_neutral(self, modality: str, features: np.ndarray) -> None:
        """`observe_step` for a step of an enrolment, in which the person is at rest: the whole of the contract's
        `neutral_offset` is added, so that the baseline does not stand at the neutral end of what the person shows."""
        self._take(modality, features, 1.0)

    def _take(self, modality: str, features: np.ndarray, share: float) -> None:
        # Cast once: a sum of two types takes numpy several times as long.
        row = self._checked(modality, features, (1,))
        if self._fixed:
            return
        # A sum of squares is finite only where all its terms are: those of float32 do not overflow float64.
        if math.isfinite(row.dot(row)):
            self._sums[modality] += row + share * self._offsets[modality] if share else row
            self._counts[modality] += 1
            self._stale = True

    def _check_modality(self, modality: object) -> None:
        if not isinstance(modality, str) or modality not in self._places:
            raise OptionError(
                f"the modality is {given(modality)}; this baseline has {', '.join(self._places) or 'none'}"
            )

    def _checked(self, modality: str, features: object, axes: tuple[int, ...]) -> np.ndarray:
        """Features as float64, with one of so many axes."""
        self._check_modality(modality)
        rows, size = as_array("a vector of features", features), len(self._sums[modality])
        if rows.dtype.kind not in "fiu" or rows.ndim not in axes or rows.shape[-1] != size:
            raise SignalError(
                f"features of {modality} have shape {rows.shape} and type {rows.dtype}; needed are {size} numbers"
            )
        return rows.astype(np.float64, copy=False)

    def observe_all(self, row: np.ndarray) -> None:
        """`observe_step` for every modality at once: float64, one vector after the other as `places_of` says."""
        if self._fixed:
            return
        if math.isfinite(row.dot(row)):
            np.add(self._sum, row, self._sum)
            if self._share:
                np.multiply(self._offset, self._share, self._moved)
                np.add(self._sum, self._moved, self._sum)
            np.add(self._count, self._one, self._count)
            self._stale = True
        else:
            for name, place in self._places.items():
                self.observe_step(name, row[place])

    def copy(self) -> PersonalBaseline:
        """A baseline of its own with the same sums and counts."""
        return _made_of(self._contract, self._fixed, self._sum, self._count)

    def __reduce__(self) -> tuple[Any, ...]:
        # As it is, `copy.deepcopy` and `pickle` would tear the vectors from their views.
        return _made_of, (self._contract, self._fixed, self._sum, self._count)

    def reset(self) -> None:
        """Forget the person: back to the population's means."""
        self._sum[...] = 0.0
        self._count[...] = 0.0
        self._share = 0.0
        self._stale = True

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
            OptionError: it cannot be written, or the path is none.
        """
        check_path("the profile", path, "the path to write it to")
        steps = self.steps
        profile = {name: {"sum": total.tolist(), "steps": steps[name]} for name, total in self._sums.items()}
        content = {"mer_baseline": VERSION, "encoders": self.encoders, "modalities": profile}
        try:
            with atomic_output(path) as aside:
                aside.write_text(json.dumps(content) + "\n")
        except (OSError, ValueError) as error:
            reason = reason_of(error)
            raise OptionError(f"the profile {path} cannot be written ({reason}); give another place") from error

    def load(self, path: str | Path) -> None:
        """Continue from a profile that `save` wrote.

        Raises:
            BundleError: not such a file, or made with other encoders than this bundle's.
            OptionError: the path is none.
        """
        check_path("the profile", path, "the path of a saved one")
        again = "enrol again, and keep one profile per model: features of two models cannot be mixed"
        try:
            content = json.loads(Path(path).read_text())
        except OSError as error:
            reason = reason_of(error)
            raise BundleError(f"the personal baseline {path} cannot be read ({reason}); give another one") from error
        except (ValueError, RecursionError) as error:
            raise BundleError(f"{path} is not a personal baseline: it is no JSON; enrol again") from error
        if not isinstance(content, dict) or "mer_baseline" not in content:
            raise BundleError(f"{path} is not a personal baseline: mer run --save-baseline writes one; {again}")
        version = content["mer_baseline"]
        if not _is_whole(version) or version < 1:
            raise BundleError(f"{path} is a damaged personal baseline; {again}")
        if version > VERSION:
            raise BundleError(
                f"{path} is a personal baseline of a later version; bring mer-edge up to date, or {again}"
            )
        if content.get("encoders") != self.encoders:
            known = "belongs to the encoders of another model" if "encoders" in content else "does not say which model"
            raise BundleError(f"{path} {known}, and cannot be used with this bundle; {again}")
        try:
            self._restore(content["modalities"])
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
            raise BundleError(f"{path} is a damaged personal baseline; {again}") from error

    def _restore(self, profile: Mapping[str, Mapping[str, Any]]) -> None:
        restored = {}
        for name, mean in self._population.items():
            values, steps = profile[name]["sum"], profile[name]["steps"]
            numbers = isinstance(values, list) and all(type(value) in (int, float) for value in values)
            if not numbers or len(values) != len(mean):
                raise ValueError(f"{name} has no sum of {len(mean)} numbers")
            if not _is_whole(steps) or not 0 <= steps < MOST_STEPS:
                raise ValueError(f"{name} has no number of steps")
            total = np.asarray(values, np.float64)
            # Not so where there is a NaN.
            if not (np.abs(total) <= LARGEST_FEATURE * steps).all():
                raise ValueError(f"{name} has a mean beyond what features can be")
            restored[name] = total, steps
        for name, (total, steps) in restored.items():
            self._sums[name][...] = total
            self._counts[name][...] = steps
        self._share = 0.0
        self._stale = True


def _is_whole(value: object) -> bool:
    """Whether it is a number of JSON without a fraction: other languages tell 2 and 2.0 not apart."""
    return type(value) is int or (type(value) is float and value.is_integer())


def _made_of(contract: BaselineContract, fixed: bool, sums: np.ndarray, counts: np.ndarray) -> PersonalBaseline:
    made = PersonalBaseline(contract, fixed)
    made._sum[...] = sums
    made._count[...] = counts
    return made


def places_of(contract: BaselineContract) -> dict[str, slice]:
    """Where each modality lies where the vectors of all follow one another."""
    ends = list(accumulate(map(len, contract.population_mean.values())))
    return {
        name: slice(begin, end) for name, begin, end in zip(contract.population_mean, [0, *ends], ends, strict=False)
    }
