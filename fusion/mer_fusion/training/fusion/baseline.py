"""The personal baseline that a card says: population means of a feature cache, and how neutral steps are taken in."""

from __future__ import annotations

import torch
from torch import Tensor

from mer_fusion.training.fusion.data import LABELS
from mer_fusion.training.fusion.recipe import Recipe
from mer_fusion.training.fusion.windows import FeatureCache
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.errors import DataError, OptionError

_NEUTRAL = LABELS.index("neutral")


def baseline_contract(cache: FeatureCache, recipe: Recipe) -> BaselineContract:
    """Population means of a cache, the neutral offset of `recipe.neutral_share`, and the share of neutral takes.

    Raises:
        OptionError, DataError: see `neutral_offset`.
    """
    means = {"audio": cache.audio_population, "face": cache.face_population}
    return BaselineContract(
        recipe.fusion.windows.prior_steps,
        {name: _rounded(mean) for name, mean in means.items()},
        neutral_offset(cache, recipe.neutral_share),
        neutral_prior(cache) if recipe.neutral_share else 0.0,
    )


def neutral_prior(cache: FeatureCache) -> float:
    """The share of neutral takes among those of RAVDESS, 0-1: `BaselineContract.neutral_prior`.

    The neutral offset leads from these takes, too. The further corpora behind a half of the sound's mean have as many
    neutral clips, or fewer.
    """
    return round(float((cache.labels[: cache.ravdess] == _NEUTRAL).float().mean()), 6)


def neutral_offset(cache: FeatureCache, share: float) -> dict[str, tuple[float, ...]]:
    """What an enrolment from neutral sound and face adds to features: `BaselineContract.neutral_offset`.

    It is a share of the population's mean less the mean over RAVDESS's neutral takes, each speaker counting as much. It
    depends on nothing that a fusion network learns, so a checkpoint's card can get it later, from a cache of its
    encoders and its population's means. Offsets of every class by its probability, in place of neutral's alone, made
    balanced streams worse: face alone, folds 0 to 2 by encoders without them, by 0.4 to 0.7 points at half of the way,
    and by 3 to 6 at the whole.

    Args:
        share: 0-1; 0 gives an empty dictionary, which adds nothing.

    Returns:
        Modality -> vector, as long as the population's mean and rounded as it is.

    Raises:
        OptionError: a share outside of 0-1.
        DataError: no take of RAVDESS is labelled neutral.
    """
    if not 0 <= share <= 1:
        raise OptionError(f"neutral_share is {share}; give a number from 0 (nothing is added) to 1")
    if not share:
        return {}
    audio = _neutral_mean(cache, cache.audio[: cache.ravdess].mean(dim=1), cache.audio_mask[: cache.ravdess])
    images, there = cache.recorded_faces()
    face = _neutral_mean(cache, images, there)
    # From the population's mean as the card has it, so that a cache that takes it from a card gives the same.
    return {
        "audio": _rounded(share * (_as_on_card(cache.audio_population) - audio)),
        "face": _rounded(share * (_as_on_card(cache.face_population) - face)),
    }


def _neutral_mean(cache: FeatureCache, features: Tensor, mask: Tensor) -> Tensor:
    """Mean over the neutral ones of the first n takes: of each speaker's steps, then of the speakers.

    Args:
        features: (n, T, D); mask: (n, T) 1 where a step counts.
    """
    neutral = (cache.labels[: len(mask)] == _NEUTRAL) & (mask.sum(dim=1) > 0)
    if not bool(neutral.any()):
        raise DataError(
            "no take of RAVDESS in the cache is labelled neutral, so nobody is known at rest; give data with neutral "
            "takes, or set neutral_share to 0"
        )
    speakers = cache.speakers[: len(mask)]
    means = []
    for speaker in torch.unique(speakers[neutral]).tolist():
        mine = neutral & (speakers == speaker)
        means.append(features[mine][mask[mine] > 0].mean(dim=0))
    return torch.stack(means).mean(dim=0)


def _as_on_card(mean: Tensor) -> Tensor:
    return torch.tensor(_rounded(mean), dtype=mean.dtype)


def _rounded(vector: Tensor) -> tuple[float, ...]:
    """Six digits, so that the manifest stays readable."""
    return tuple(round(value, 6) for value in vector.tolist())
