"""What an encoder learns under fake quantization, and how any task is trained under it."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.episodes import speaker_batches
from mer_fusion.training.faces.encoder import FaceOptions, FaceSet, at_size, augmented
from mer_fusion.training.feature_distance import feature_distance
from mer_fusion.training.loop import LoopOptions, Task, fit
from mer_fusion.training.speech.encoder import AudioOptions
from mer_fusion.training.speech.spectra import SpeechSet, training_windows
from mer_quantization.fake_quantize import FakeQuantized, fake_quantized_encoder
from mer_sdk.parity.agreement import distance


class Encoding(nn.Module):
    """An encoder that is called on what its front end gives."""

    def __init__(self, encoder: AudioEncoder | FaceEncoder) -> None:
        super().__init__()
        self.encoder = encoder

    def forward(self, x: Tensor) -> Tensor:
        """Log-mel chunks (B, frames, mels) or grey crops (B, size, size) -> features (B, D)."""
        return self.encoder.encode(x)


class EncoderTask:
    """A copy of an encoder learns to give under fake quantization the features that the encoder gives in float.

    See `mer_fusion.training.loop.Task`; `module` is an `Encoding` of the copy.

    Args:
        encoder: in float, trained; it is left as it is.
        inputs: draws the inputs of one epoch, a batch each.
        batches: how many there are.
        unseen: inputs that are not learned from, for the log.
    """

    def __init__(
        self,
        encoder: AudioEncoder | FaceEncoder,
        inputs: Callable[[torch.Generator], Iterator[Tensor]],
        batches: int,
        unseen: Tensor,
        name: str,
    ) -> None:
        self.name = name
        learning = copy.deepcopy(encoder)
        fake_quantized_encoder(learning)
        # On CPUs convolutions of this layout take half the time.
        self.module: nn.Module = Encoding(learning).to(memory_format=torch.channels_last)
        self._wanted = copy.deepcopy(encoder).eval().to(memory_format=torch.channels_last)
        self._inputs, self._batches, self._unseen = inputs, batches, unseen

    def batches_per_epoch(self) -> int:
        return self._batches

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[Tensor]:
        for number, batch in enumerate(self._inputs(generator)):
            if number % shard[1] == shard[0]:
                yield batch

    def loss(self, module: nn.Module, batch: Tensor) -> Tensor:
        with torch.no_grad():
            wanted = self._wanted.to(batch.device).encode(batch)
        everyone = torch.ones(1, len(batch), device=batch.device)
        return feature_distance(module(batch)[None], wanted[None], everyone)

    @torch.no_grad()
    def validate(self, module: nn.Module) -> dict[str, float]:
        """Signal to quantization noise of the features on unseen input, around their mean, in dB."""
        device = next(module.parameters()).device
        found, wanted = [], []
        for part in self._unseen.split(256):
            found.append(module(part.to(device)).cpu())
            wanted.append(self._wanted.to(device).encode(part.to(device)).cpu())
        reference = torch.cat(wanted)
        mean = reference.mean(dim=0)
        sqnr = distance((torch.cat(found) - mean).numpy(), (reference - mean).numpy()).sqnr_db
        return {} if sqnr is None else {"sqnr_db": round(sqnr, 2)}


def audio_task(
    encoder: AudioEncoder, speech: SpeechSet, unseen: SpeechSet, options: AudioOptions, stride: int, name: str
) -> EncoderTask:
    """The task of an audio encoder, on augmented windows of speech as distillation draws them.

    Args:
        unseen: clips of speakers that the encoder did not learn from.
        stride: every how many steps of a window a chunk is taken.
    """
    frames = encoder.config.frames

    def chunks(clips: SpeechSet, rows: Tensor, generator: torch.Generator) -> Tensor:
        windows, mask, _ = training_windows(clips, rows, frames, generator, options.conditions)
        first = int(torch.randint(stride, (), generator=generator))
        windows, mask = windows[:, first::stride], mask[:, first::stride]
        return windows[mask > 0]

    def batches(generator: torch.Generator) -> list[Tensor]:
        return speaker_batches(speech.speakers, options.people, options.clips, generator)

    def inputs(generator: torch.Generator) -> Iterator[Tensor]:
        return (chunks(speech, rows, generator) for rows in batches(generator))

    generator = torch.Generator().manual_seed(0)
    count = len(batches(generator))
    rows = torch.randperm(len(unseen), generator=generator)[:100]
    return EncoderTask(encoder, inputs, count, chunks(unseen, rows, generator), name)


def face_task(encoder: FaceEncoder, faces: FaceSet, unseen: FaceSet, options: FaceOptions, name: str) -> EncoderTask:
    """The task of a face encoder, on augmented stills as distillation draws them, each once an epoch."""

    def inputs(generator: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(faces), generator=generator)
        for number in range(count):
            rows = order[number * options.batch : (number + 1) * options.batch]
            yield augmented(at_size(faces.images[rows], size), options, generator)

    count, size = len(faces) // options.batch, encoder.config.size
    return EncoderTask(encoder, inputs, count, at_size(unseen.images[:1000], size), name)


def settle(task: Task, batches: int, seed: int) -> None:
    """Find the first ranges of activations from some batches of a task, without learning."""
    task.module.train()
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for batch in itertools.islice(task.epoch(generator, (0, 1)), batches):
            task.loss(task.module, batch)
    task.module.eval()


def tune(task: Task, loop: LoopOptions, frozen: float, run_dir: Path, quiet: bool = False) -> float:
    """Train a task whose module holds `FakeQuantized` parts; returns seconds.

    Args:
        frozen: share of the epochs, at the end, in which ranges of activations stay as they are.
        run_dir, quiet: as `mer_fusion.training.loop.fit` takes them.
    """
    moving = round((1.0 - frozen) * loop.epochs * task.batches_per_epoch())
    for part in task.module.modules():
        if isinstance(part, FakeQuantized):
            part.observed = int(part.runs) + moving
    return fit(task, loop, run_dir, quiet).seconds
