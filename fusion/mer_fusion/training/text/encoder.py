"""Training of the small text encoder: it predicts a sentence encoder's embeddings, and what a classifier says of them.

The sentence encoder labels any text, so that most of what is learned from carries no emotion label: see
`mer_fusion.training.text.corpus`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_fusion.encoders.sentence import SentenceEncoder
from mer_fusion.encoders.text import TextEncoder, TextEncoderConfig
from mer_fusion.training.loop import History, LoopOptions, fit
from mer_fusion.training.text.probe import ProbeOptions, fit_probe
from mer_sdk.errors import OptionError
from mer_sdk.frontends.text import TextFrontend

UNLABELLED = -1


@dataclass(frozen=True)
class TextAugmentation:
    """What is done to ids in training. The wanted embedding stays that of the whole text.

    Attributes:
        words: share of the words that are left out, from one text in two.
        unknown: share of the words whose own id becomes a random one, as that of a word never seen would be.
        ngrams: share of the n-gram ids that are left out.
    """

    words: float = 0.1
    unknown: float = 0.1
    ngrams: float = 0.1

    def __post_init__(self) -> None:
        if not all(0 <= share < 1 for share in (self.words, self.unknown, self.ngrams)):
            raise OptionError(f"{self}: shares lie between 0 and 1")


@dataclass(frozen=True)
class TextOptions:
    """How a text encoder learns.

    Attributes:
        batch: texts in a batch.
        hint_weight: weight of one minus the cosine between predicted and wanted embedding.
        soft_weight: weight of the classifier's probabilities, for every text.
        label_weight: weight of the labels, for the texts that have one.
        temperature: softens the classifier's probabilities.
    """

    batch: int = 256
    hint_weight: float = 1.0
    soft_weight: float = 0.5
    label_weight: float = 0.1
    temperature: float = 1.0
    smoothing: float = 0.1
    augmentation: TextAugmentation = field(default_factory=TextAugmentation)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            epochs=12, learning_rate=4e-3, weight_decay=0.01, warmup_epochs=0.5, precision="no", threads=1
        )
    )


@dataclass(frozen=True)
class TextSet:
    """Texts as tensors, one row a text.

    Attributes:
        ids: int32 (N, words, slots).
        embeddings: float (N, W), unit rows of the sentence encoder.
        scores: float (N, K), logits of a classifier on the embeddings.
        labels: int64 (N,), `UNLABELLED` where there is none.
    """

    ids: Tensor
    embeddings: Tensor
    scores: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class Teachers:
    """Who teaches a text encoder: the sentence encoder, and a classifier on its embeddings.

    Attributes:
        classes: number of labels.
        probe: how the classifier learns.
        cache: file of embeddings, see `SentenceEncoder.embeddings`.
    """

    classes: int
    probe: ProbeOptions = field(default_factory=lambda: ProbeOptions(hidden=64, decay=0.03, balance=0.25))
    cache: Path | None = None


class TextLearner(nn.Module):
    """A text encoder and the two layers that it is trained under; both are thrown away afterwards."""

    def __init__(self, config: TextEncoderConfig, classes: int, hint: int) -> None:
        super().__init__()
        self.encoder = TextEncoder(config)
        self.hint = nn.Linear(config.features, hint)
        self.classify = nn.Linear(config.features, classes)

    def forward(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Ids (B, words, slots) -> predicted embeddings (B, W), not normalised, and logits (B, K)."""
        features = self.encoder(ids)
        return self.hint(features), self.classify(features)


class TextTask:
    """See `mer_fusion.training.loop.Task`.

    Args:
        training, tuning: texts to learn from, and texts that are only looked at for the log.
    """

    def __init__(
        self,
        learner: TextLearner,
        training: TextSet,
        tuning: TextSet | None,
        options: TextOptions,
        name: str = "text",
    ) -> None:
        self.name = name
        self.module: nn.Module = learner
        self._buckets = learner.encoder.config.buckets
        self._training, self._tuning, self._options = training, tuning, options
        self._lengths = (training.ids[:, :, 0] > 0).sum(dim=1)

    def batches_per_epoch(self) -> int:
        return max(len(self._training) // self._options.batch, 1)

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        data, options = self._training, self._options
        for number, index in enumerate(self._alike(generator)):
            ids = augmented(data.ids[index], self._buckets, options.augmentation, generator)
            longest = int((ids[:, :, 0] > 0).sum(dim=1).max().clamp(min=1))
            if number % shard[1] == shard[0]:
                yield {
                    "ids": ids[:, :longest],
                    "embeddings": data.embeddings[index].float(),
                    "scores": data.scores[index],
                    "labels": data.labels[index],
                }

    def _alike(self, generator: torch.Generator) -> list[Tensor]:
        """Row numbers of the batches of an epoch: texts of like length go together, since the longest sets the work."""
        size, pool = self._options.batch, 16 * self._options.batch
        order = torch.randperm(len(self._training), generator=generator)[: self.batches_per_epoch() * size]
        sorted_pools = [part[torch.argsort(self._lengths[part], stable=True)] for part in order.split(pool)]
        batches = [batch for part in sorted_pools for batch in part.split(size)]
        return [batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()]

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        options = self._options
        predicted, logits = module(batch["ids"])
        hint = 1 - F.cosine_similarity(predicted.float(), batch["embeddings"], dim=1, eps=1e-6).mean()
        heat = options.temperature
        wanted = torch.softmax(batch["scores"] / heat, dim=1)
        soft = F.kl_div(F.log_softmax(logits / heat, dim=1), wanted, reduction="batchmean") * heat**2
        total = options.hint_weight * hint + options.soft_weight * soft
        known = batch["labels"] != UNLABELLED
        if known.any():
            hard = F.cross_entropy(logits[known], batch["labels"][known], label_smoothing=options.smoothing)
            total = total + options.label_weight * hard
        return total

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        data = self._tuning
        if data is None:
            return {}
        predicted, logits = module.eval()(data.ids.to(next(module.parameters()).device))
        cosine = F.cosine_similarity(predicted.cpu(), data.embeddings.float(), dim=1, eps=1e-6).mean()
        known = data.labels != UNLABELLED
        accuracy = (logits.argmax(dim=1).cpu() == data.labels)[known].float().mean()
        return {"cosine": float(cosine), "accuracy": float(accuracy)}


def augmented(ids: Tensor, buckets: int, options: TextAugmentation, generator: torch.Generator) -> Tensor:
    """Ids (B, words, slots) with words and n-grams left out or made unknown; words stay in order from row 0."""
    ids = ids.clone()
    count, words, slots = ids.shape
    there = ids[:, :, 0] > 0
    unknown = there & (torch.rand(count, words, generator=generator) < options.unknown)
    random = torch.randint(1, buckets, (count, words), generator=generator, dtype=ids.dtype)
    ids[:, :, 0] = torch.where(unknown, random, ids[:, :, 0])
    lost = torch.rand(count, words, slots - 1, generator=generator) < options.ngrams
    ids[:, :, 1:] = ids[:, :, 1:].masked_fill(lost, 0)
    thinned = torch.rand(count, 1, generator=generator) < 0.5
    kept = there & ~(thinned & (torch.rand(count, words, generator=generator) < options.words))
    # A text of which nothing would be left stays as it is.
    kept = torch.where(kept.any(dim=1, keepdim=True), kept, there)
    order = torch.argsort((~kept).to(torch.int8), dim=1, stable=True)
    return torch.gather(ids.masked_fill(~kept[:, :, None], 0), 1, order[:, :, None].expand(-1, -1, slots))


def teaching_set(
    texts: Sequence[str], utterances: Sequence[str], labels: Tensor, config: TextEncoderConfig, teachers: Teachers
) -> TextSet:
    """Texts with what they are to be taught: embeddings, a classifier's scores, and the labels that are known.

    Args:
        texts: what to learn from, such as `mer_fusion.training.text.corpus.teacher_corpus` makes.
        utterances, labels: (N,) the labelled ones; the classifier learns from them. Where a text occurs with several
            labels, the first counts.
    """
    encoder = SentenceEncoder()
    features = torch.from_numpy(encoder.embeddings(utterances, teachers.cache))
    probe = fit_probe(features, labels, teachers.classes, teachers.probe)
    wanted = torch.from_numpy(encoder.embeddings(texts, teachers.cache))
    with torch.no_grad():
        scores = probe(wanted)
    known = dict(zip(reversed(utterances), reversed(labels.tolist()), strict=True))
    return TextSet(
        text_ids(texts, config), wanted.half(), scores, torch.tensor([known.get(text, UNLABELLED) for text in texts])
    )


def text_ids(texts: Sequence[str], config: TextEncoderConfig) -> Tensor:
    """int32 (N, words, slots): what the device's front end makes of the texts."""
    frontend = TextFrontend(config.contract)
    if not texts:
        return torch.zeros(0, config.words, config.slots, dtype=torch.int32)
    return torch.from_numpy(np.stack([frontend.ids(text) for text in texts]))


@torch.no_grad()
def text_features(encoder: TextEncoder, ids: Tensor, batch: int = 512) -> Tensor:
    """Features (N, D) of ids (N, words, slots), in evaluation mode; rows of zeros for texts without a word."""
    encoder.eval()
    rows = [encoder(part) * (part[:, :1, 0] > 0) for part in ids.split(batch)]
    return torch.cat(rows) if rows else torch.zeros(0, encoder.config.features)


def train_text_encoder(
    config: TextEncoderConfig,
    training: TextSet,
    tuning: TextSet | None,
    options: TextOptions,
    run_dir: Path,
    quiet: bool = False,
) -> tuple[TextLearner, History]:
    """A learner trained from random weights that `options.loop.seed` fixes. See `mer_fusion.training.loop.fit`."""
    torch.manual_seed(options.loop.seed)
    learner = TextLearner(config, training.scores.shape[1], training.embeddings.shape[1])
    task = TextTask(learner, training, tuning, options)
    history = fit(task, options.loop, run_dir, quiet)
    return learner, history
