"""What an enrolment adds: the way from people's neutral takes to the population's mean, or a share of it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from mer_fusion.training.fusion.baseline import baseline_contract, neutral_offset
from mer_fusion.training.fusion.recipe import student_recipe
from mer_fusion.training.fusion.windows import FeatureCache
from mer_sdk.errors import DataError, OptionError

NEUTRAL, HAPPY = 0, 1
# Label, speaker, steps, and the sound's and the face's feature in each step. The first three takes have faces, the
# first five are RAVDESS's; the sixth is of another corpus, the last is noise.
TAKES = (
    (NEUTRAL, 1, 3, 2.0, 10.0),
    (NEUTRAL, 1, 1, 6.0, 20.0),
    (HAPPY, 1, 4, 50.0, 500.0),
    (NEUTRAL, 2, 2, 9.0, None),
    (HAPPY, 3, 4, 70.0, None),
    (NEUTRAL, 4, 4, 1000.0, None),
    (NEUTRAL, 5, 4, 2000.0, None),
)


def cache() -> FeatureCache:
    """Two copies that differ by 1 of the sound, and by 100 of the face; a face at every other step."""
    labels, speakers, steps, sound, faces = zip(*TAKES, strict=True)
    mask = (torch.arange(4)[None] < torch.tensor(steps)[:, None]).float()
    audio = torch.tensor(sound).reshape(-1, 1, 1, 1) + torch.tensor([0.0, 1.0]).reshape(1, -1, 1, 1)
    seen = torch.tensor([face for face in faces if face is not None])
    face = seen.reshape(-1, 1, 1, 1) + torch.tensor([0.0, 100.0]).reshape(1, -1, 1, 1)
    # What stands in steps that a take does not have must not count.
    audio = torch.where(mask[:, None, :, None] > 0, audio, torch.tensor(-7777.0)).expand(-1, -1, -1, 2)
    at = torch.tensor([[0, -1, 1, -1], [0, -1, -1, -1], [0, -1, 1, -1]])
    return FeatureCache(
        audio=audio.contiguous(),
        audio_mask=mask,
        face=face.expand(-1, -1, 2, 3).contiguous(),
        face_at=at,
        face_near=at.clamp(min=0),
        labels=torch.tensor(labels),
        targets=torch.zeros(len(TAKES), 7),
        priors=torch.zeros(len(TAKES), 7),
        speakers=torch.tensor(speakers),
        audio_population=torch.tensor([30.0, -30.0]),
        face_population=torch.tensor([40.0, 41.0, 42.123456789]),
        audio_spread=torch.ones(2),
        face_spread=torch.ones(3),
        ravdess=5,
    )


def test_it_leads_from_neutral_takes_to_the_population_each_speaker_counting_as_much() -> None:
    # Sound over both copies, of four steps of speaker 1 and two of speaker 2; faces as recorded, three of speaker 1.
    sound, face = ((3 * 2.5 + 6.5) / 4 + 9.5) / 2, (10 + 10 + 20) / 3
    found = neutral_offset(cache(), 1.0)
    assert found["audio"] == pytest.approx((30 - sound, -30 - sound), abs=1e-5)
    assert found["face"] == pytest.approx((40 - face, 41 - face, 42.123457 - face), abs=1e-5)
    assert all(value == round(value, 6) for vector in found.values() for value in vector)
    quarter = neutral_offset(cache(), 0.25)
    assert quarter["audio"] == pytest.approx([value / 4 for value in found["audio"]], abs=1e-5)


def test_a_card_says_what_the_recipe_asks_for() -> None:
    recipe = student_recipe(0)
    said = baseline_contract(cache(), recipe)
    assert said.neutral_offset == neutral_offset(cache(), 0.5)
    assert said.neutral_prior == 0.6  # three of RAVDESS's five takes
    assert said.population_mean["face"] == pytest.approx((40, 41, 42.123457), abs=1e-5)
    without = baseline_contract(cache(), replace(recipe, neutral_share=0.0))
    assert without == replace(said, neutral_offset={}, neutral_prior=0.0)


def test_a_population_taken_from_a_card_gives_the_same() -> None:
    # The card has 0.123456: less -0.0000003 that is 0.123456, and with the digit that the card drops 0.123457.
    seen = cache()
    exact = replace(seen, face=torch.full_like(seen.face, -0.0000003), face_population=torch.full((3,), 0.1234564))
    card = baseline_contract(exact, student_recipe(0))
    taken = replace(exact, face_population=torch.tensor(card.population_mean["face"]))
    assert neutral_offset(exact, 1.0)["face"] == neutral_offset(taken, 1.0)["face"] == (0.123456,) * 3


def test_what_cannot_be_is_told() -> None:
    for share in (-0.1, 1.5, float("nan")):
        with pytest.raises(OptionError, match=r"neutral_share is .*; give a number from 0"):
            neutral_offset(cache(), share)
    # Another corpus's neutral take is there still.
    happy = torch.tensor([HAPPY] * 5 + [NEUTRAL, NEUTRAL])
    with pytest.raises(DataError, match="no take of RAVDESS in the cache is labelled neutral"):
        neutral_offset(replace(cache(), labels=happy), 0.5)
    assert neutral_offset(replace(cache(), labels=happy), 0.0) == {}
