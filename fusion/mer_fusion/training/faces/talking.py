"""Training of face encoders on people who talk, labelled by the take, together with still faces (FER+).

The encoder learns through what the product does with its features: a person's running mean is taken off, from cold to
warm, and what is left is pooled over several images of a take. Stills keep what many faces teach and few actors do not.
A small encoder also learns how a large one that has learned so decides about many faces, of people who are no actors.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.episodes import episode_baselines, random_history_mask, speaker_batches
from mer_fusion.training.faces.encoder import FaceOptions, FaceSet, at_size, augmented, label_weights
from mer_fusion.training.faces.seen_faces import Seen, SeenFaces
from mer_fusion.training.faces.talking_sets import TalkingDraws, TalkingFaces, TalkingOptions, changed
from mer_fusion.training.feature_distance import feature_distance
from mer_fusion.training.held_out import HeldOut, held_out


@dataclass(frozen=True)
class TalkingLoss:
    """What a batch is worth.

    Attributes:
        stills: still faces in a batch.
        smoothing: of the takes' labels.
        decisions, features: weights of a large network's decisions about still faces and of what its head reads, where
            there is one.
    """

    stills: int = 64
    smoothing: float = 0.05
    decisions: float = 1.0
    features: float = 1.0
    still: FaceOptions = field(default_factory=FaceOptions)


class StillsClassifier(nn.Module):
    """An encoder and a linear classifier of its features: grey crops (B, size, size) in 0-1 -> logits (B, K), None."""

    def __init__(self, encoder: FaceEncoder, classify: nn.Linear) -> None:
        super().__init__()
        self.encoder, self.classify = encoder, classify

    def forward(self, grey: Tensor) -> tuple[Tensor, None]:
        return self.classify(self.encoder.encode(grey).float()), None


class TalkingLearner(nn.Module):
    """An encoder and the heads that it is trained under, which are thrown away afterwards.

    Args:
        encoder: as far as it is trained; features start from there.
        classes: labels.
        hint: length of what a large network's head reads, which is predicted, too; 0 = there is none.
    """

    def __init__(self, encoder: FaceEncoder, classes: int, width: int = 64, hint: int = 0) -> None:
        super().__init__()
        features = encoder.config.features
        self.encoder = encoder
        self.register_buffer("population", torch.zeros(features))
        self.still = nn.Linear(features, classes)
        self.mix = nn.Linear(features, width)
        self.score = nn.Linear(width, 1)
        self.dropout = nn.Dropout(0.3)
        self.classify = nn.Linear(width, classes)
        self.hint = nn.Linear(features, hint) if hint else None

    def on_stills(self) -> StillsClassifier:
        """The encoder with its classifier of stills, which is called as a `FaceLearner` is."""
        return StillsClassifier(self.encoder, self.still)

    def decide(self, features: Tensor, mask: Tensor, baseline: Tensor) -> Tensor:
        """Logits (B, K) of raw features (B, T, D), their mask (B, T) and each take's baseline (B, D)."""
        x = F.relu(self.mix(features - baseline[:, None]))
        weights = torch.softmax(self.score(x)[..., 0] - (1 - mask) * 1e4, dim=1)
        logits: Tensor = self.classify(self.dropout((x * weights[..., None]).sum(dim=1)))
        return logits

    def on_strangers(self, features: Tensor) -> Tensor:
        """Logits (B, K) of one image each of people of whom nothing is known, from its features (B, D)."""
        one = torch.ones(len(features), 1, device=features.device)
        return self.decide(features[:, None], one, self.population.expand(len(features), -1))

    def see(self, grey: Tensor) -> Seen:
        """What the head reads, and decides, of crops (B, S, S) in 0-1 of people of whom nothing is known."""
        features = self.encoder.encode(at_size(grey, self.encoder.config.size)).float()
        return Seen(self.mix(features), torch.log_softmax(self.on_strangers(features), dim=1))

    def forward(
        self, talking: Tensor, stills: Tensor, speakers: Tensor, history_mask: Tensor, prior: float
    ) -> tuple[Tensor, Tensor, Tensor | None, Tensor | None]:
        """Logits of takes (B, K) and of stills (M, K); with a hint also that of stills, and its logits as strangers.

        In training the population's mean follows along.

        Args:
            talking: (B, T, size, size) images of takes, stills: (M, size, size), grey, 0-1.
            speakers, history_mask: of the takes, see `episodes.episode_baselines`.
            prior: weight of the population's mean, steps.
        """
        count, steps = talking.shape[:2]
        features = self.encoder.encode(torch.cat([talking.flatten(0, 1), stills])).float()
        seen = features[: count * steps].reshape(count, steps, -1)
        mask = torch.ones(count, steps, device=features.device)
        if self.training:
            with torch.no_grad():
                self.population.lerp_(seen.mean(dim=(0, 1)), 0.02)
        baseline = episode_baselines(seen, mask, speakers, self.population, history_mask, prior)
        rest = features[count * steps :]
        logits, still_logits = self.decide(seen, mask, baseline), self.still(rest)
        if self.hint is None:
            return logits, still_logits, None, None
        return logits, still_logits, self.hint(rest), self.on_strangers(rest)


class TalkingTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        training, tuning: takes to learn from, and takes of people that are only looked at for the log; the latter read
            at the encoder's own size.
        stills: still faces to learn from.
        advice: faces, in place of `stills`, and what a large network sees in them; called once, when the first pass
            begins. The learner has a hint then.
    """

    def __init__(
        self,
        learner: TalkingLearner,
        training: TalkingFaces,
        tuning: TalkingFaces | None,
        stills: FaceSet,
        options: TalkingOptions,
        loss: TalkingLoss,
        name: str = "talking",
        advice: Callable[[], SeenFaces] | None = None,
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._advice = None if advice is None else functools.cache(advice)
        self._training, self._tuning, self._stills = training, tuning, stills
        self._options, self._loss = options, loss
        self._draws = TalkingDraws(training, options)
        self._size = learner.encoder.config.size
        self._weights = label_weights(stills.targets, loss.still.balance)
        self._batches = len(self._takes(torch.Generator().manual_seed(0)))

    def _takes(self, generator: torch.Generator) -> list[Tensor]:
        return speaker_batches(self._training.speakers, self._options.people, self._options.takes, generator)

    def batches_per_epoch(self) -> int:
        return self._batches

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        data = self._training
        for number, takes in enumerate(self._takes(generator)):
            images = self._draws.images(takes, generator)
            take = torch.arange(len(takes)).repeat_interleave(images.shape[1])
            person = take // self._options.takes
            talking = changed(images.flatten(0, 1), take, person, self._size, self._options, generator)
            talking = talking.unflatten(0, images.shape[:2])
            stills = self._still_batch(generator)
            history_mask = random_history_mask(len(takes), generator)
            if number % shard[1] == shard[0]:
                yield stills | {
                    "talking": talking,
                    "history_mask": history_mask,
                    "speakers": data.speakers[takes],
                    "labels": data.labels[takes],
                }

    def _still_batch(self, generator: torch.Generator) -> dict[str, Tensor]:
        """Images, targets and weights of still faces, and what a large network sees in them where there is one."""
        count = self._loss.stills
        if self._advice is not None:
            advice = self._advice()
            return advice.batch(torch.randint(len(advice), (count,), generator=generator))
        index = torch.multinomial(self._weights, count, generator=generator)
        images = augmented(at_size(self._stills.images[index], self._size), self._loss.still, generator)
        return {"images": images, "targets": self._stills.targets[index], "weights": torch.ones(count)}

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options = self._loss
        logits, still_logits, hinted, strangers = module(
            batch["talking"], batch["images"], batch["speakers"], batch["history_mask"], self._options.prior_steps
        )
        loss = F.cross_entropy(logits, batch["labels"], label_smoothing=options.smoothing)
        stills = F.cross_entropy(still_logits, batch["targets"], reduction="none")
        loss = loss + (stills * batch["weights"]).mean()
        if hinted is None:
            return loss
        everyone = torch.ones(len(hinted), 1, device=hinted.device)
        distance = feature_distance(hinted[:, None], batch["features"][:, None], everyone)
        guessed = torch.log_softmax(strangers, dim=1)
        apart = F.kl_div(guessed, batch["decisions"], log_target=True, reduction="batchmean")
        return loss + options.features * distance + options.decisions * apart

    def validate(self, module: nn.Module) -> dict[str, float]:
        if self._tuning is None:
            return {}
        figures = talking_figures(copy.deepcopy(module), self._tuning)
        return {"cold": figures.cold, "warm": figures.warm}


@torch.no_grad()
def talking_features(encoder: FaceEncoder, faces: TalkingFaces) -> Tensor:
    """Raw features (N, D) of every crop, on the CPU; the crops are of the encoder's size."""
    device = encoder.project.weight.device
    parts = (part.to(device).float().div(255.0) for part in faces.images.split(512))
    return torch.cat([encoder.eval().encode(part).float().cpu() for part in parts])


def talking_figures(learner: TalkingLearner, faces: TalkingFaces) -> HeldOut:
    """Run the learner over every take's images, cold and warm."""
    learner = learner.eval().cpu()
    whole = talking_features(learner.encoder, faces)
    parts = [whole[first : first + count] for first, count in zip(faces.first, faces.count, strict=True)]
    classes = learner.classify.out_features
    return held_out(parts, faces.labels, faces.speakers, learner.decide, learner.population, classes)
