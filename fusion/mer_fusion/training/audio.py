"""Training of audio encoders on speech, with published teacher scores and, for students, a full-precision encoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.training.episodes import episode_baselines, random_warmth, running_baselines, speaker_batches
from mer_fusion.training.speech import SpeechAugmentation, SpeechSet, device_chunks, training_windows
from mer_sdk.evaluation.metrics import uar


@dataclass(frozen=True)
class AudioOptions:
    """How audio encoders learn.

    Attributes:
        people, clips: a batch holds `clips` clips of each of `people` speakers, so that personal baselines can form.
        teacher_weight: share of the loss on the teachers' soft targets; the rest is the labels'.
        teacher_temperature: softens the teachers' probabilities.
        copies: augmented windows of each clip in a batch.
    """

    people: int = 4
    clips: int = 12
    teacher_weight: float = 0.6
    teacher_temperature: float = 2.0
    smoothing: float = 0.05
    augmentation: SpeechAugmentation = SpeechAugmentation()


class AudioLearner(nn.Module):
    """An encoder and the temporal head that it is trained under; the head is thrown away afterwards.

    Features minus the baseline pass two causal convolutions over steps, are pooled by attention and classified.
    """

    def __init__(self, config: AudioEncoderConfig, classes: int, width: int = 96) -> None:
        super().__init__()
        self.encoder = AudioEncoder(config)
        self.register_buffer("population", torch.zeros(config.features))
        self.mix = nn.ModuleList(
            [nn.Conv1d(config.features, width, 3, padding=1), nn.Conv1d(width, width, 3, padding=1)]
        )
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.3)
        self.classify = nn.Linear(width, classes)

    def encode_windows(self, chunks: Tensor) -> Tensor:
        """Chunks (B, T, frames, mels) -> raw features (B, T, D)."""
        count, steps = chunks.shape[:2]
        return self.encoder.encode(chunks.flatten(0, 1)).float().reshape(count, steps, -1)

    def decide(self, features: Tensor, mask: Tensor, baseline: Tensor) -> Tensor:
        """Logits (B, K) of raw features (B, T, D), their mask (B, T) and each clip's baseline (B, D)."""
        x = ((features - baseline[:, None]) * mask[..., None]).transpose(1, 2)
        for layer in self.mix:
            x = F.relu(layer(x)) * mask[:, None]
        x = x.transpose(1, 2)
        weights = torch.softmax(self.score(x)[..., 0] - (1 - mask) * 1e4, dim=1)
        logits: Tensor = self.classify(self.dropout((x * weights[..., None]).sum(dim=1)))
        return logits

    def forward(self, chunks: Tensor, mask: Tensor, speakers: Tensor, warmth: Tensor) -> tuple[Tensor, Tensor]:
        """Logits (B, K) and raw features (B, T, D) of an episode; in training the population mean follows along."""
        features = self.encode_windows(chunks)
        if self.training:
            with torch.no_grad():
                mean = (features * mask[..., None]).sum(dim=(0, 1)) / mask.sum()
                self.population.lerp_(mean, 0.05)
        baseline = episode_baselines(features, mask, speakers, self.population, warmth)
        return self.decide(features, mask, baseline), features


class AudioTask:
    """See `mer_fusion.training.loop.Task`. With `teacher`, the features' logits of a larger learner are matched too."""

    def __init__(
        self,
        learner: AudioLearner,
        training: SpeechSet,
        tuning: SpeechSet | None,
        options: AudioOptions,
        teacher: AudioLearner | None = None,
        name: str = "audio",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._training, self._tuning, self._options = training, tuning, options
        self._teacher = teacher.eval() if teacher is not None else None
        generator = torch.Generator().manual_seed(0)
        self._batches = len(speaker_batches(training.speakers, options.people, options.clips, generator))

    def batches_per_epoch(self) -> int:
        return self._batches

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        data, options = self._training, self._options
        learner = self.module.module if hasattr(self.module, "module") else self.module
        frames = learner.encoder.config.frames
        longest = max(frames, self._teacher.encoder.config.frames) if self._teacher else frames
        batches = speaker_batches(data.speakers, options.people, options.clips, generator)
        for number, index in enumerate(batches):
            chunks, mask = training_windows(data, index, longest, generator, options.augmentation)
            warmth = random_warmth(len(index), generator)
            if number % shard[1] != shard[0]:
                continue
            yield {
                "chunks": chunks[:, :, longest - frames :],
                "long": chunks,
                "mask": mask,
                "warmth": warmth,
                "speakers": data.speakers[index],
                "labels": data.labels[index],
                "teacher": data.teacher[index],
            }

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        logits, _ = module(batch["chunks"], batch["mask"], batch["speakers"], batch["warmth"])
        return self.mixed_loss(logits, batch)

    def mixed_loss(self, logits: Tensor, batch: dict[str, Tensor]) -> Tensor:
        """Cross entropy with the labels and with each teacher's softened probabilities, clip by clip."""
        options = self._options
        hard = F.cross_entropy(logits, batch["labels"], label_smoothing=options.smoothing, reduction="none")
        targets = [batch["teacher"]]
        if self._teacher is not None:
            frames = self._teacher.encoder.config.frames
            with torch.no_grad():
                long = batch["long"][:, :, batch["long"].shape[2] - frames :]
                targets.append(self._teacher(long, batch["mask"], batch["speakers"], batch["warmth"])[0].float())
        soft, known = torch.zeros_like(hard), torch.zeros_like(hard)
        student = F.log_softmax(logits / options.teacher_temperature, dim=1)
        for target in targets:
            present = torch.isfinite(target).all(dim=1)
            wanted = torch.softmax(torch.nan_to_num(target) / options.teacher_temperature, dim=1)
            divergence = F.kl_div(student, wanted, reduction="none").sum(dim=1) * options.teacher_temperature**2
            soft, known = soft + divergence * present, known + present
        share = options.teacher_weight * (known > 0)
        return ((1 - share) * hard + share * soft / known.clamp(min=1)).mean()

    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        return tuning_figures(module, self._tuning)


@torch.no_grad()
def clip_features(learner: AudioLearner, speech: SpeechSet) -> list[Tensor]:
    """Raw features (steps, D) of every clip, from the chunks that the device would encode."""
    learner.eval()
    frames = learner.encoder.config.frames
    return [learner.encoder.encode(device_chunks(speech, i, frames)) for i in range(len(speech))]


@torch.no_grad()
def tuning_figures(learner: AudioLearner, speech: SpeechSet) -> dict[str, float]:
    """UAR of the learner with its own head on held-out speakers, cold and warm (three seeded orders of their clips)."""
    features = clip_features(learner, speech)
    windows, masks = zip(*[right_aligned(f) for f in features], strict=True)
    window, mask = torch.stack(windows), torch.stack(masks)
    population = learner.population
    labels = speech.labels.numpy()
    cold = learner.decide(window, mask, population[None].expand(len(window), -1)).argmax(1).numpy()
    sums = torch.stack([f.sum(dim=0) for f in features])
    counts = torch.tensor([float(len(f)) for f in features])
    warm = []
    for seed in range(3):
        generator = torch.Generator().manual_seed(seed)
        baselines = torch.zeros_like(sums)
        for speaker in torch.unique(speech.speakers):
            mine = torch.nonzero(speech.speakers == speaker).flatten()
            order = torch.randperm(len(mine), generator=generator)
            baselines[mine] = running_baselines(sums[mine], counts[mine], order, population)
        predicted = learner.decide(window, mask, baselines).argmax(1).numpy()
        warm.append(uar(labels, predicted))
    return {"cold": uar(labels, cold), "warm": sum(warm) / len(warm)}


def right_aligned(features: Tensor, steps: int = 16) -> tuple[Tensor, Tensor]:
    """The last window of a clip: features (steps, D) and mask (steps,), newest last, missing steps zero."""
    tail = features[-steps:]
    missing = steps - len(tail)
    mask = torch.cat([torch.zeros(missing), torch.ones(len(tail))])
    return F.pad(tail, (0, 0, missing, 0)), mask
