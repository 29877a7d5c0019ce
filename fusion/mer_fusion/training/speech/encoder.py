"""Training of audio encoders on speech, with published teacher scores."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.audio import AudioEncoder, AudioEncoderConfig
from mer_fusion.training.episodes import (
    balanced_batches,
    episode_baselines,
    random_history_mask,
    speaker_batches,
)
from mer_fusion.training.held_out import HeldOut, held_out
from mer_fusion.training.speech.conditions import SoundConditions
from mer_fusion.training.speech.spectra import SpeechSet, device_chunks, training_windows


@dataclass(frozen=True)
class AudioOptions:
    """How audio encoders learn.

    Attributes:
        people, clips: a batch holds `clips` clips of each of `people` speakers, so that personal baselines can form.
        teacher_weight: share of the loss on the published teacher's soft targets; the rest is the labels'.
        teacher_temperature: softens the teacher's probabilities.
        stride: every how many steps of a window a chunk is encoded; chunks overlap, so that 4 quarters the work and
            loses little.
        first_share: with several corpora, share of an epoch's clips that the first one gives; the others give the rest
            in proportion to the square roots of their sizes.
        prior_weight: how much of a corpus's class frequencies is added to the logits before the loss (logit adjustment,
            Menon and others 2021), so that the network need not learn them; classes that a corpus lacks are left out.
    """

    people: int = 4
    clips: int = 6
    stride: int = 4
    first_share: float = 0.4
    prior_weight: float = 1.0
    teacher_weight: float = 0.4
    teacher_temperature: float = 2.0
    smoothing: float = 0.05
    conditions: SoundConditions = field(default_factory=SoundConditions)


class AudioLearner(nn.Module):
    """An encoder and the head that it is trained under; the head is thrown away afterwards.

    Features minus the baseline pass a hidden layer, are pooled over steps by attention and classified. Nothing depends
    on the order of steps: order is the fusion network's part.
    """

    def __init__(self, config: AudioEncoderConfig, classes: int, width: int = 96) -> None:
        super().__init__()
        self.encoder = AudioEncoder(config)
        self.register_buffer("population", torch.zeros(config.features))
        self.mix = nn.Linear(config.features, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.3)
        self.classify = nn.Linear(width, classes)

    def encode_windows(self, chunks: Tensor, mask: Tensor) -> Tensor:
        """Chunks (B, T, frames, mels) and their mask (B, T) -> raw features (B, T, D), 0 for missing steps."""
        return present_features(self.encoder, chunks, mask)

    def decide(self, features: Tensor, mask: Tensor, baseline: Tensor) -> Tensor:
        """Logits (B, K) of raw features (B, T, D), their mask (B, T) and each clip's baseline (B, D)."""
        x = F.relu(self.mix(features - baseline[:, None]))
        weights = torch.softmax(self.score(x)[..., 0] - (1 - mask) * 1e4, dim=1)
        logits: Tensor = self.classify(self.dropout((x * weights[..., None]).sum(dim=1)))
        return logits

    def forward(self, chunks: Tensor, mask: Tensor, speakers: Tensor, history_mask: Tensor) -> Tensor:
        """Logits (B, K) of an episode. In training the population mean follows along."""
        features = self.encode_windows(chunks, mask)
        if self.training:
            with torch.no_grad():
                mean = (features * mask[..., None]).sum(dim=(0, 1)) / mask.sum()
                self.population.lerp_(mean, 0.05)
        baseline = episode_baselines(features, mask, speakers, self.population, history_mask)
        return self.decide(features, mask, baseline)


def present_features(encoder: AudioEncoder, chunks: Tensor, mask: Tensor) -> Tensor:
    """Raw features (B, T, D) of chunks (B, T, frames, mels); chunks of missing steps are not encoded and give 0."""
    there = mask > 0
    found = encoder.encode(chunks[there]).float()
    features = found.new_zeros(*mask.shape, found.shape[1])
    features[there] = found
    return features


class AudioTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        training, tuning: clips to learn from, and clips of speakers that are only looked at for the log.
    """

    def __init__(
        self,
        learner: AudioLearner,
        training: SpeechSet,
        tuning: SpeechSet | None,
        options: AudioOptions,
        name: str = "audio",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._training, self._tuning, self._options = training, tuning, options
        self._frames = learner.encoder.config.frames
        self._priors = adjusted_priors(training.shares, options.prior_weight)
        self._batches = len(self._draw(torch.Generator().manual_seed(0)))

    def batches_per_epoch(self) -> int:
        return self._batches

    def _draw(self, generator: torch.Generator) -> list[Tensor]:
        data, options = self._training, self._options
        if len(data.shares) == 1:
            return speaker_batches(data.speakers, options.people, options.clips, generator)
        shares = corpus_shares(data.corpora, options.first_share)
        return balanced_batches(data.speakers, data.corpora, shares, options.people, options.clips, generator)

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        data, options = self._training, self._options
        for number, index in enumerate(self._draw(generator)):
            chunks, mask, speaks = training_windows(data, index, self._frames, generator, options.conditions)
            steps = encoded_steps(chunks.shape[1], options.stride, generator)
            history_mask = random_history_mask(len(index), generator)
            if number % shard[1] == shard[0]:
                yield {
                    "chunks": chunks[:, steps],
                    "mask": mask[:, steps],
                    "history_mask": history_mask,
                    "speakers": data.speakers[index],
                    "targets": data.targets[index],
                    "priors": self._priors[data.corpora[index]],
                    "speaks": speaks.float(),
                    "teacher": data.teacher[index],
                }

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options, mask = self._options, batch["mask"]
        logits = module(batch["chunks"], mask, batch["speakers"], batch["history_mask"])
        adjusted = logits + batch["priors"]
        hard = soft_cross_entropy(adjusted, batch["targets"], batch["priors"], options.smoothing)
        heat = options.teacher_temperature
        known = torch.isfinite(batch["teacher"]).all(dim=1).float()
        wanted = torch.softmax(torch.nan_to_num(batch["teacher"]) / heat, dim=1)
        soft = F.kl_div(F.log_softmax(logits / heat, dim=1), wanted, reduction="none").sum(dim=1) * heat**2
        share = options.teacher_weight * known
        speech = (1 - share) * hard + share * soft
        # Where nobody speaks every class is as likely, whatever the corpus.
        nothing = -F.log_softmax(logits, dim=1).mean(dim=1)
        loss: Tensor = torch.where(batch["speaks"] > 0, speech, nothing).mean()
        return loss

    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        figures = held_out_figures(copy.deepcopy(module), self._tuning)
        return {"cold": figures.cold, "warm": figures.warm}


def encoded_steps(count: int, stride: int, generator: torch.Generator) -> Tensor:
    """Which of a window's steps are encoded, in order: every `stride`-th, the last of them among the newest four.

    Every training window holds at least its newest four steps, so one of these is always there.
    """
    last = count - min(stride, 4) + int(torch.randint(min(stride, 4), (), generator=generator))
    return torch.arange(last, -1, -stride).flip(0)


def corpus_shares(corpora: Tensor, first: float) -> tuple[float, ...]:
    """The share of an epoch's clips that each of at least two corpora gives; see `AudioOptions.first_share`."""
    sizes = torch.bincount(corpora)[1:].double().sqrt()
    others: list[float] = ((1 - first) * sizes / sizes.sum()).tolist()
    return (first, *others)


def adjusted_priors(shares: Tensor, weight: float) -> Tensor:
    """What is added to the logits of each corpus's clips, (corpora, K): its classes' log frequencies times a weight,
    and -1e4 where it lacks the class."""
    return torch.where(shares > 0, weight * torch.log(shares.clamp(min=1e-6)), torch.tensor(-1e4))


def soft_cross_entropy(logits: Tensor, targets: Tensor, priors: Tensor, smoothing: float) -> Tensor:
    """Cross-entropy (B,) with distributions (B, K), smoothed over the classes that the corpus has."""
    held = (priors > -1e3).to(logits.dtype)
    wanted = (1 - smoothing) * targets + smoothing * held / held.sum(dim=1, keepdim=True)
    return -(wanted * F.log_softmax(logits, dim=1)).sum(dim=1)


@torch.no_grad()
def device_features(encoder: AudioEncoder, speech: SpeechSet) -> list[Tensor]:
    """Raw features (steps, D) of every clip, from the chunks that the device would encode, on the CPU."""
    encoder.eval()
    device = encoder.project.weight.device
    chunks = (device_chunks(speech, i, encoder.config.frames).to(device) for i in range(len(speech)))
    return [encoder.encode(part).float().cpu() for part in chunks]


def held_out_figures(learner: AudioLearner, speech: SpeechSet) -> HeldOut:
    """Run the learner over every clip's last window, cold and warm."""
    learner = learner.eval().cpu()
    return speech_figures(learner.encoder, learner.decide, learner.population, speech, learner.classify.out_features)


@torch.no_grad()
def speech_figures(
    encoder: AudioEncoder,
    decide: Callable[[Tensor, Tensor, Tensor], Tensor],
    population: Tensor,
    speech: SpeechSet,
    classes: int,
) -> HeldOut:
    """How an encoder with a classifier of windows does on clips, from each clip's last window, cold and warm.

    Args:
        decide: raw features (B, T, D), their mask (B, T) and each clip's baseline (B, D) -> logits (B, classes).
        population: (D,) the mean that a cold baseline is.
    """
    features = device_features(encoder, speech)
    return held_out(features, speech.labels, speech.speakers, decide, population, classes)
