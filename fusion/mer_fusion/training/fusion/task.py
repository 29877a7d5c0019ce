"""Training of the fusion network on audio and face sequences that are paired by label.

RAVDESS gives speech of many speakers, FER+ single faces of many people, and no set at hand gives both in one take. So a
training clip is speech of a speaker and a face sequence of the same label, built from two stills (the expression and a
neutral face, since a talking face is neutral much of the time) under a random course of intensity. Errors that encoders
make on people they never saw are put in as mismatches: with the confusion measured on held-out speakers, a clip of
another label takes the place of the right one. Faces of one episode share an offset drawn from the spread of neutral
faces, which stands for what the personal baseline has to take away.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.training.episodes import episode_baselines, random_warmth, speaker_batches


@dataclass(frozen=True)
class FusionOptions:
    """How fusion networks learn.

    Attributes:
        people, clips: a batch holds `clips` clips of each of `people` people.
        audio_alone, face_alone: shares of clips that lose the other modality.
        face_gaps: largest share of steps in which the face is not found.
        mismatch: share of the measured confusion that is put in for clips the audio encoder was trained on.
        face_mismatch: share of face sequences of a random other label.
        intensity: range of the strongest expression of a sequence, as a share of the still's.
        offset: scale of the offset that faces of one person share; 1 is the spread of neutral faces in FER+.
        teacher_weight, teacher_temperature: for students, on the full-precision network's logits.
    """

    people: int = 4
    clips: int = 12
    audio_alone: float = 0.2
    face_alone: float = 0.2
    face_gaps: float = 0.4
    mismatch: float = 1.0
    face_mismatch: float = 0.25
    intensity: tuple[float, float] = (0.3, 1.1)
    offset: tuple[float, float] = (0.3, 1.3)
    noise: float = 0.3
    smoothing: float = 0.05
    teacher_weight: float = 0.6
    teacher_temperature: float = 2.0


@dataclass(frozen=True)
class FeatureBank:
    """Features of one pair of encoders, made once.

    Attributes:
        audio: (N, copies, T, Da) raw features of augmented windows; audio_mask: (N, copies, T).
        labels, speakers: (N,) of the speech clips; heldout: (N,) True where the encoder never saw the speaker.
        face: (M, copies, Df) raw features of augmented stills; face_labels: (M,).
        audio_population, face_population: means that cold baselines start from.
        audio_spread: (Da,) standard deviation of the audio features.
        face_spread: (Df, Df) factor of the covariance of neutral faces.
    """

    audio: Tensor
    audio_mask: Tensor
    labels: Tensor
    speakers: Tensor
    heldout: Tensor
    face: Tensor
    face_labels: Tensor
    audio_population: Tensor
    face_population: Tensor
    audio_spread: Tensor
    face_spread: Tensor


@dataclass(frozen=True)
class Draw:
    """Which clips and stills a batch is made of; one draw on two banks is one scene seen by two encoders."""

    rows: Tensor
    audio_rows: Tensor
    audio_copies: Tensor
    stills: Tensor
    still_copies: Tensor
    course: Tensor
    audio_mask: Tensor
    face_mask: Tensor
    people: Tensor
    offset_seed: int
    offset_scale: Tensor
    warmth: Tensor
    noise_seed: int


class Scenes:
    """Draws batches and builds them from a bank.

    Args:
        bank: any bank with the same clips and stills; labels and speakers are read from it.
        confusion: (K, K) rows sum to 1: how the audio encoder labels speakers it never saw.
        neutral: index of the neutral label.
    """

    def __init__(self, bank: FeatureBank, confusion: Tensor, neutral: int, options: FusionOptions) -> None:
        self._bank, self._options = bank, options
        self._confusion = confusion
        classes = confusion.shape[0]
        self._clips_of = [torch.nonzero(bank.labels == k).flatten() for k in range(classes)]
        self._stills_of = [torch.nonzero(bank.face_labels == k).flatten() for k in range(classes)]
        self._neutral = neutral

    def batches(self, generator: torch.Generator) -> list[Tensor]:
        """Rows of the speech clips of each batch of one epoch."""
        return speaker_batches(self._bank.speakers, self._options.people, self._options.clips, generator)

    def draw(self, rows: Tensor, generator: torch.Generator) -> Draw:
        """Everything random about a batch of the given speech clips."""
        bank, options = self._bank, self._options
        count, classes = len(rows), self._confusion.shape[0]
        steps = bank.audio.shape[2]

        def rand(*shape: int) -> Tensor:
            return torch.rand(*shape, generator=generator)

        audio_rows = self._rows_heard(rows, generator)
        other = rand(count) < options.face_mismatch
        seen = torch.where(other, torch.randint(classes, (count,), generator=generator), bank.labels[rows])
        stills = torch.stack(
            [self._pick(seen.tolist(), rand(count)), self._pick([self._neutral] * count, rand(count))], 1
        )
        copies = bank.face.shape[1]
        audio_copies = torch.randint(bank.audio.shape[1], (count,), generator=generator)
        audio_mask = bank.audio_mask[audio_rows, audio_copies].clone()
        face_mask = audio_mask * (rand(count, steps) >= options.face_gaps * rand(count, 1)).float()
        state = rand(count)
        audio_mask[state < options.face_alone] = 0.0
        face_mask[(state >= options.face_alone) & (state < options.face_alone + options.audio_alone)] = 0.0
        course = self._course(count, steps, generator)
        low, high = options.offset
        scale = low + (high - low) * rand(options.people, 1)
        return Draw(
            rows,
            audio_rows,
            audio_copies,
            stills,
            torch.randint(copies, (count, steps, 2), generator=generator),
            course,
            audio_mask,
            face_mask,
            torch.arange(count) // options.clips,
            int(torch.randint(2**31, (), generator=generator)),
            scale,
            random_warmth(count, generator),
            int(torch.randint(2**31, (), generator=generator)),
        )

    def _rows_heard(self, rows: Tensor, generator: torch.Generator) -> Tensor:
        """The clips whose sound is used: at times one of a label that the encoder would have taken theirs for."""
        bank = self._bank
        labels = bank.labels[rows]
        heard = torch.multinomial(self._confusion[labels], 1, generator=generator)[:, 0]
        chance = torch.rand(len(rows), generator=generator)
        # Clips of held-out speakers bring their own errors.
        swap = (chance < self._options.mismatch) & ~bank.heldout[rows] & (heard != labels)
        result = rows.clone()
        for i in torch.nonzero(swap).flatten().tolist():
            mine = self._clips_of[int(heard[i])]
            mine = mine[bank.speakers[mine] == bank.speakers[rows[i]]]
            if len(mine):
                result[i] = mine[int(torch.rand(1, generator=generator) * len(mine))]
        return result

    def _course(self, count: int, steps: int, generator: torch.Generator) -> Tensor:
        """How strongly each step shows the expression, (count, steps): a wave between rest and each clip's peak."""

        def rand() -> Tensor:
            return torch.rand(count, 1, generator=generator)

        low, high = self._options.intensity
        peak = low + (high - low) * rand()
        bias = 4 * (rand() - 0.3)
        phase, turns = rand(), torch.arange(steps) / steps
        wave = torch.sin(6.28 * (phase + turns * (0.5 + 2 * rand())))
        return peak * torch.sigmoid(bias + 2.5 * wave)

    def build(self, draw: Draw, bank: FeatureBank) -> dict[str, Tensor]:
        """The draw through one bank: inputs of the fusion network, features minus baseline, and labels."""
        audio = bank.audio[draw.audio_rows, draw.audio_copies]
        width, steps = bank.face.shape[2], draw.course.shape[1]
        shown = bank.face[draw.stills[:, None, 0].expand(-1, steps), draw.still_copies[..., 0]]
        rest = bank.face[draw.stills[:, None, 1].expand(-1, steps), draw.still_copies[..., 1]]
        face = rest + draw.course[..., None] * (shown - rest)
        offsets = torch.randn(len(draw.offset_scale), width, generator=torch.Generator().manual_seed(draw.offset_seed))
        face = face + ((offsets * draw.offset_scale) @ bank.face_spread.T)[draw.people][:, None]
        jitter = torch.Generator().manual_seed(draw.noise_seed)
        audio = audio + self._options.noise * bank.audio_spread * torch.randn(audio.shape, generator=jitter)
        everyone = torch.ones_like(draw.audio_mask)
        audio_base = episode_baselines(
            audio, bank.audio_mask[draw.audio_rows, draw.audio_copies], draw.people, bank.audio_population, draw.warmth
        )
        face_base = episode_baselines(face, everyone, draw.people, bank.face_population, draw.warmth)
        return {
            "audio": (audio - audio_base[:, None]) * draw.audio_mask[..., None],
            "face": (face - face_base[:, None]) * draw.face_mask[..., None],
            "audio_mask": draw.audio_mask,
            "face_mask": draw.face_mask,
            "labels": bank.labels[draw.rows],
        }

    def _pick(self, labels: list[int], chance: Tensor) -> Tensor:
        groups = [self._stills_of[label] for label in labels]
        return torch.stack([group[int(c * len(group))] for group, c in zip(groups, chance.tolist(), strict=True)])


class FusionTask:
    """See `mer_fusion.training.loop.Task`. A student also matches the logits of the full network on the same scenes.

    Args:
        objective: an objective of `mer_fusion.models.registry` around the fusion network that learns.
        teacher, teacher_bank: the full network and the same clips and stills through its encoders; for students.
    """

    def __init__(
        self,
        objective: nn.Module,
        bank: FeatureBank,
        scenes: Scenes,
        options: FusionOptions,
        teacher: nn.Module | None = None,
        teacher_bank: FeatureBank | None = None,
        name: str = "fusion",
    ) -> None:
        self.name = name
        self.module = objective
        self._bank, self._scenes, self._options = bank, scenes, options
        self._teacher = teacher.eval() if teacher is not None else None
        self._teacher_bank = teacher_bank
        self._batches = len(scenes.batches(torch.Generator().manual_seed(0)))

    def batches_per_epoch(self) -> int:
        return self._batches

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        for number, rows in enumerate(self._scenes.batches(generator)):
            draw = self._scenes.draw(rows, generator)
            if number % shard[1] != shard[0]:
                continue
            batch = self._scenes.build(draw, self._bank)
            if self._teacher_bank is not None:
                large = self._scenes.build(draw, self._teacher_bank)
                batch |= {"teacher_audio": large["audio"], "teacher_face": large["face"]}
            yield batch

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options = self._options
        output, extra = module(window_inputs(batch), batch["labels"])
        logits = output.logits.float()
        hard = F.cross_entropy(logits, batch["labels"], label_smoothing=options.smoothing)
        if self._teacher is None:
            return hard + extra
        with torch.no_grad():
            wanted = self._teacher(
                batch["teacher_audio"], batch["teacher_face"], batch["audio_mask"], batch["face_mask"]
            ).logits.float()
        heat = options.teacher_temperature
        soft = F.kl_div(F.log_softmax(logits / heat, 1), torch.softmax(wanted / heat, 1), reduction="batchmean")
        return (1 - options.teacher_weight) * hard + options.teacher_weight * heat**2 * soft + extra

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Accuracy on scenes with fresh draws: how well the training problem is solved, not a result on people."""
        generator = torch.Generator().manual_seed(1)
        right = total = 0
        for rows in self._scenes.batches(generator):
            batch = self._scenes.build(self._scenes.draw(rows, generator), self._bank)
            output, _ = module(window_inputs(batch), batch["labels"])
            right += int((output.logits.argmax(1) == batch["labels"]).sum())
            total += len(rows)
        return {"scenes": right / total}


def window_inputs(batch: dict[str, Tensor]) -> tuple[Tensor, ...]:
    """What a fusion network takes of a batch that `Scenes.build` gave: features, then masks."""
    return batch["audio"], batch["face"], batch["audio_mask"], batch["face_mask"]
