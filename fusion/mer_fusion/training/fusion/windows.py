"""Training windows of a fusion network, cut from real takes: sound and face of the same moment.

What happens to them on the device happens here: a window ends somewhere in its take, a face is found at every step or
at some, the microphone or the camera is missing, and the personal baseline has seen none, some or many of the person's
takes. As encoders err more on people they never saw, one modality comes at times from another take of the same person.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mer_fusion.training.episodes import episode_baselines, random_history_mask, speaker_batches

WINDOW_STEPS = 16


@dataclass(frozen=True)
class WindowOptions:
    """How training windows are drawn.

    Attributes:
        people, takes: a batch holds `takes` takes of each of `people` people.
        speech_share: groups of takes of speech alone, as a share of the groups that have faces.
        earliest_end: earliest end of a window, as a share of its take.
        audio_alone, face_alone: shares of windows that lose the other modality.
        full_rate: share of windows in which the camera gives a face at every step, not only where the data have one.
        face_gaps: largest share of steps in which a face is not found.
        mismatch: share of windows whose sound, and as large a share whose faces, are of a random label.
        paired_by_label: share of windows whose face comes from another take of the person with the same label.
        noise: standard deviation of what is added to features, in units of their own.
        prior_steps: weight of the population's mean in the baselines.
    """

    people: int = 4
    takes: int = 12
    speech_share: float = 0.5
    earliest_end: float = 0.5
    audio_alone: float = 0.2
    face_alone: float = 0.3
    full_rate: float = 0.5
    face_gaps: float = 0.4
    mismatch: float = 0.05
    paired_by_label: float = 0.0
    noise: float = 0.3
    prior_steps: float = 16.0


@dataclass(frozen=True)
class FeatureCache:
    """Features of all takes through one pair of encoders, made once.

    The first P of N takes have faces, the others are speech alone. Copy 0 is a take as recorded, the others are changed
    as another microphone, room, camera or detector would change it.

    Attributes:
        audio: (N, copies, T, Da) raw features of each step; audio_mask: (N, T) 1 where the take has one.
        face: (P, copies, I, Df) raw features of each image.
        face_at: (P, T) which image lies in a step, -1 for none; face_near: (P, T) which is nearest to it.
        labels: (N,); targets: (N, K) what is learned; priors: (N, K) logarithm of the class's share in the take's
            corpus, -1e4 where the corpus lacks it.
        speakers: (N,).
        audio_population, face_population: means that cold baselines start from.
        audio_spread, face_spread: standard deviation of each feature.
        ravdess: how many of the takes are RAVDESS's: they come first, and those with faces are among them.
    """

    audio: Tensor
    audio_mask: Tensor
    face: Tensor
    face_at: Tensor
    face_near: Tensor
    labels: Tensor
    targets: Tensor
    priors: Tensor
    speakers: Tensor
    audio_population: Tensor
    face_population: Tensor
    audio_spread: Tensor
    face_spread: Tensor
    ravdess: int

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def paired(self) -> int:
        """How many takes have faces; they come first."""
        return len(self.face)

    def recorded_faces(self) -> tuple[Tensor, Tensor]:
        """Features (P, T, Df) of the steps in which an image lies, as recorded, and which they are: (P, T)."""
        return images_at(self.face[:, 0], self.face_at)


@dataclass(frozen=True)
class SampledBatch:
    """Which takes, copies and steps a batch is made of; on the caches of two pairs of encoders it gives one scene."""

    rows: Tensor
    audio_rows: Tensor
    audio_copies: Tensor
    face_rows: Tensor
    face_copies: Tensor
    images: Tensor
    ends: Tensor
    audio_kept: Tensor
    face_kept: Tensor
    people: Tensor
    observed: Tensor
    noise_seed: int


class WindowSampler:
    """Draws batches and builds them from a feature cache.

    Args:
        cache: any cache of the takes; labels and speakers are read from it.
    """

    def __init__(self, cache: FeatureCache, options: WindowOptions) -> None:
        self._cache, self._options = cache, options
        self._classes = cache.targets.shape[1]
        self._takes_of: dict[tuple[int, int], Tensor] = {}
        for speaker in torch.unique(cache.speakers).tolist():
            for label in range(self._classes):
                rows = torch.nonzero((cache.speakers == speaker) & (cache.labels == label)).flatten()
                self._takes_of[speaker, label] = rows

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        """Rows of each batch of one epoch: every take with faces once, and some of speech alone."""
        cache, options = self._cache, self._options
        paired, size = cache.paired, options.takes

        def groups(begin: int, end: int) -> list[Tensor]:
            return [begin + rows for rows in speaker_batches(cache.speakers[begin:end], 1, size, generator)]

        seen, heard = groups(0, paired), groups(paired, len(cache))
        chosen = seen + heard[: round(options.speech_share * len(seen))]
        order = torch.randperm(len(chosen), generator=generator).tolist()
        people = options.people
        return [
            torch.cat([chosen[i] for i in order[first : first + people]])
            for first in range(0, len(order) - people + 1, people)
        ]

    def sample(self, rows: Tensor, generator: torch.Generator) -> SampledBatch:
        """Everything random about a batch of the given takes, `takes` of each person, one person after the other."""
        cache, options = self._cache, self._options
        count, steps = len(rows), cache.audio.shape[2]
        people = torch.arange(count) // options.takes

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        def copies(available: int) -> Tensor:
            # One copy for all takes of a person: microphone, room and camera stay the same.
            of = torch.randint(available, (int(people.max()) + 1,), generator=generator)
            return of[people]

        audio_rows, face_rows = self._mismatched(rows, generator), self._mismatched(rows, generator)
        if options.paired_by_label:
            others = self._other_takes(rows, cache.labels[rows], options.paired_by_label, generator)
            face_rows = torch.where(face_rows == rows, others, face_rows)
        length = cache.audio_mask[audio_rows].sum(dim=1)
        share = options.earliest_end + (1 - options.earliest_end) * rand(count)
        late = torch.randint(2, (count,), generator=generator)
        ends = ((length * share).ceil().long() - 1 + late).clamp(min=0, max=steps - 1)
        has_face = face_rows < cache.paired
        place = face_rows.clamp(max=max(cache.paired - 1, 0))
        every_step = rand(count)[:, None] < options.full_rate
        if cache.paired:
            images = torch.where(every_step, cache.face_near[place], cache.face_at[place])
        else:
            images = torch.full((count, steps), -1)
        images = torch.where(has_face[:, None], images, torch.tensor(-1))
        state = rand(count)
        audio_kept = (state >= options.face_alone) | ~has_face
        face_kept = (state < options.face_alone) | (state >= options.face_alone + options.audio_alone)
        found = rand(count, WINDOW_STEPS) >= options.face_gaps * rand(count, 1)
        return SampledBatch(
            rows,
            audio_rows,
            copies(cache.audio.shape[1]),
            place,
            copies(cache.face.shape[1]),
            images,
            ends,
            audio_kept[:, None].float().expand(-1, WINDOW_STEPS),
            face_kept[:, None].float() * found.float(),
            people,
            random_history_mask(count, generator),
            int(torch.randint(2**31, (), generator=generator)),
        )

    def _mismatched(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The takes that a modality comes from: at times another one of the person, of a random label."""
        labels = torch.randint(self._classes, (len(rows),), generator=generator)
        return self._other_takes(rows, labels, self._options.mismatch, generator)

    def _other_takes(self, rows: Tensor, labels: Tensor, share: float, generator: torch.Generator) -> Tensor:
        """The rows, a share of those with faces exchanged for takes of the same people with the given labels."""
        cache, result = self._cache, rows.clone()
        swap = (torch.rand(len(rows), generator=generator) < share) & (rows < cache.paired)
        for i in torch.nonzero(swap).flatten().tolist():
            mine = self._takes_of[int(cache.speakers[rows[i]]), int(labels[i])]
            if len(mine):
                result[i] = mine[int(torch.randint(len(mine), (), generator=generator))]
        return result

    def build(self, sampled: SampledBatch, cache: FeatureCache) -> dict[str, Tensor]:
        """The batch through one cache: inputs of the fusion network, features minus baseline, and what it is to say."""
        options = self._options
        audio = cache.audio[sampled.audio_rows, sampled.audio_copies]
        audio_there = cache.audio_mask[sampled.audio_rows]
        face_there = (sampled.images >= 0).float() * audio_there
        if cache.paired:
            face, _ = images_at(cache.face[sampled.face_rows, sampled.face_copies], sampled.images)
        else:
            face = torch.zeros(*face_there.shape, cache.face.shape[3])
        jitter = torch.Generator().manual_seed(sampled.noise_seed)
        audio = audio + options.noise * cache.audio_spread * torch.randn(audio.shape, generator=jitter)
        face = face + options.noise * cache.face_spread * torch.randn(face.shape, generator=jitter)
        prior = options.prior_steps
        audio_base = episode_baselines(
            audio, audio_there, sampled.people, cache.audio_population, sampled.observed, prior
        )
        face_base = episode_baselines(face, face_there, sampled.people, cache.face_population, sampled.observed, prior)
        audio, audio_mask = cut_windows(audio - audio_base[:, None], audio_there, sampled.ends)
        face, face_mask = cut_windows(face - face_base[:, None], face_there, sampled.ends)
        audio_mask, face_mask = audio_mask * sampled.audio_kept, face_mask * sampled.face_kept
        return {
            "audio": audio * audio_mask[..., None],
            "face": face * face_mask[..., None],
            "audio_mask": audio_mask,
            "face_mask": face_mask,
            "labels": cache.labels[sampled.rows],
            "targets": cache.targets[sampled.rows],
            "priors": cache.priors[sampled.rows],
        }


def images_at(features: Tensor, at: Tensor) -> tuple[Tensor, Tensor]:
    """Features (P, T, D) and mask (P, T) of steps, from features (P, I, D) of images and which image lies in a step
    (P, T), -1 for none."""
    found = torch.gather(features, 1, at.clamp(min=0)[..., None].expand(-1, -1, features.shape[2]))
    return found, (at >= 0).to(features.dtype)


def cut_windows(features: Tensor, mask: Tensor, ends: Tensor) -> tuple[Tensor, Tensor]:
    """The windows of takes that end with the given steps, newest step last.

    Args:
        features: (B, T, D); mask: (B, T); ends: (B,) index of each window's last step.

    Returns:
        Features (B, 16, D) and mask (B, 16); both are 0 before a take begins.
    """
    place = ends[:, None] - (WINDOW_STEPS - 1) + torch.arange(WINDOW_STEPS)[None]
    inside = (place >= 0).to(mask.dtype)
    place = place.clamp(min=0)
    kept = torch.gather(mask, 1, place) * inside
    found = torch.gather(features, 1, place[..., None].expand(-1, -1, features.shape[2]))
    return found * kept[..., None], kept


def window_inputs(batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """What a fusion network takes of a batch that `WindowSampler.build` gave: features, then masks."""
    return batch["audio"], batch["face"], batch["audio_mask"], batch["face_mask"]
