"""GRJCA on Aff-Wild2: valence and arousal of every frame of a video."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.checkpoint import Checkpoint, load_checkpoint, shipped_checkpoint
from mer_fusion.models.grjca import GrjcaConfig, ccc_loss
from mer_fusion.network import EmotionNetwork, NetworkConfig
from mer_fusion.training.cards import features_card, shortened_loop
from mer_fusion.training.loop import LoopOptions, fit
from mer_fusion.training.run import RunOptions, Trained
from mer_sdk.contract.manifest import DataSource
from mer_sdk.errors import DataError, OptionError
from mer_sdk.evaluation import metrics
from mer_sdk.evaluation.datasets import AffWild2, AnnotatedVideo, Clip, load_audio, load_image
from mer_sdk.evaluation.features import track_box
from mer_sdk.frontends.audio import AudioFrontend
from mer_sdk.frontends.face_crop import crop_face
from mer_sdk.media.decode import MediaFile

HOP = 200  # frames between windows, published
SOUND_SUFFIXES = (".wav", ".mp4", ".avi")
_BATCH = 64


@dataclass(frozen=True, eq=False)
class FrameSet:
    """Videos frame by frame, F frames in all.

    Attributes:
        features: of audio and face [F, D], 0 where missing; masks: of both [F].
        values: [F, 2], valence and arousal; annotated: bool [F].
        lengths: frames of each video, in order.
    """

    features: tuple[Tensor, Tensor]
    masks: tuple[Tensor, Tensor]
    values: Tensor
    annotated: Tensor
    lengths: tuple[int, ...]

    def spans(self, steps: int) -> list[tuple[int, int]]:
        """(first, end) frame of every window, at most `steps` long, `HOP` apart within a video."""
        found, begin = [], 0
        for length in self.lengths:
            starts = range(0, max(length - steps, 0) + HOP, HOP)
            found += [(begin + start, begin + min(start + steps, length)) for start in starts if start < length]
            begin += length
        return found

    def window(self, spans: Sequence[tuple[int, int]], steps: int) -> dict[str, Tensor]:
        """Windows as a batch: input0 to input3 as GRJCA takes them, values, annotated; the rest of a window is 0."""

        def padded(x: Tensor) -> Tensor:
            rows = x.new_zeros((len(spans), steps, *x.shape[1:]))
            for row, (first, end) in zip(rows, spans, strict=True):
                row[: end - first] = x[first:end]
            return rows

        inputs = {f"input{i}": padded(x) for i, x in enumerate((*self.features, *self.masks))}
        return inputs | {"values": padded(self.values), "annotated": padded(self.annotated)}


class FrameTask:
    """CCC loss of valence and arousal over the annotated frames of each window, averaged over the windows.

    See `mer_fusion.training.loop.Task`.

    Raises:
        DataError: no window has two annotated frames.
    """

    def __init__(self, network: nn.Module, learning: FrameSet, tuning: FrameSet, steps: int, batch: int) -> None:
        self.name = "affwild2-grjca"
        self.module = network
        self._learning, self._tuning, self._steps, self._batch = learning, tuning, steps, batch
        self._spans = [(a, b) for a, b in learning.spans(steps) if int(learning.annotated[a:b].sum()) > 1]
        if not self._spans:
            raise DataError("no window of the training videos has two annotated frames; give the whole data set")

    def batches_per_epoch(self) -> int:
        return -(-len(self._spans) // self._batch)

    def epoch(self, generator: torch.Generator, shard: tuple[int, int]) -> Iterator[dict[str, Tensor]]:
        order = torch.randperm(len(self._spans), generator=generator)
        for number, rows in enumerate(order.split(self._batch)):
            if number % shard[1] == shard[0]:
                yield self._learning.window([self._spans[row] for row in rows.tolist()], self._steps)

    def loss(self, module: nn.Module, batch: dict[str, Tensor]) -> Tensor:
        said = module(*(batch[f"input{index}"] for index in range(4))).regression
        losses = [
            ccc_loss(mine[known][None], wanted[known][None])
            for mine, wanted, known in zip(said, batch["values"], batch["annotated"], strict=True)
        ]
        return torch.stack(losses).mean()

    def validate(self, module: nn.Module) -> dict[str, float]:
        return frame_figures(module, self._tuning, self._steps)


@torch.no_grad()
def frame_values(network: nn.Module, data: FrameSet, steps: int, batch: int = 16) -> Tensor:
    """Valence and arousal of every frame, [F, 2]; where windows overlap, their mean. Call in evaluation mode."""
    device = next(network.parameters()).device
    total, count = torch.zeros_like(data.values), torch.zeros(len(data.values), 1)
    spans = data.spans(steps)
    for start in range(0, len(spans), batch):
        part = spans[start : start + batch]
        window = data.window(part, steps)
        said = network(*(window[f"input{index}"].to(device) for index in range(4))).regression.cpu()
        for values, (first, end) in zip(said, part, strict=True):
            total[first:end] += values[: end - first]
            count[first:end] += 1
    return total / count


def frame_figures(network: nn.Module, data: FrameSet, steps: int) -> dict[str, float]:
    """CCC of valence and of arousal over all annotated frames together, as the challenge counts."""
    known = data.annotated
    said, wanted = frame_values(network, data, steps)[known].numpy(), data.values[known].numpy()
    return {
        name: round(metrics.ccc(wanted[:, index], said[:, index]), 4)
        for index, name in enumerate(("ccc_valence", "ccc_arousal"))
    }


@torch.no_grad()
def encoded_frames(
    videos: Sequence[AnnotatedVideo], encoders: Checkpoint, folder: Path, track_scale: float = 1.0
) -> FrameSet:
    """Features of every frame: of its cropped face, and of the step of sound that it lies in.

    Sound is looked for below `folder` as VIDEO.wav, .mp4 or .avi, VIDEO without `_left` and `_right`. As annotations
    have a line per frame, a frame's time is its share of the sound's length. The population's mean is taken off.

    Raises:
        DataError: no video or no annotated frame, or a face or a sound that cannot be read.
    """
    if not videos:
        raise DataError(f"{folder} has no annotated videos of one of the splits; unpack the whole data set")
    if not any(video.annotated.any() for video in videos):
        raise DataError(f"{folder} has a split without an annotated frame; unpack the whole data set")
    parts = [_encoded(video, encoders, _sound_of(video.id, folder), track_scale) for video in videos]
    audio, audio_mask, face, face_mask = (torch.cat([part[i] for part in parts]) for i in range(4))
    values = [np.stack([video.valence, video.arousal], axis=1) for video in videos]
    return FrameSet(
        (audio, face),
        (audio_mask, face_mask),
        torch.from_numpy(np.concatenate(values)),
        torch.from_numpy(np.concatenate([video.annotated for video in videos])),
        tuple(len(video) for video in videos),
    )


def _encoded(
    video: AnnotatedVideo, encoders: Checkpoint, sound: Path | None, scale: float
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    network, card = encoders.network, encoders.card
    means = {name: torch.tensor(values) for name, values in card.baseline.population_mean.items()}
    face, face_mask = torch.zeros(len(video), network.face.config.features), torch.zeros(len(video))
    waiting: list[tuple[int, np.ndarray]] = []

    def encode() -> None:
        rows = [row for row, _ in waiting]
        face[rows] = network.face(torch.from_numpy(np.stack([crop for _, crop in waiting]))) - means.get("face", 0.0)
        face_mask[rows] = 1.0
        waiting.clear()

    for row, path in enumerate(video.frames):
        if path is not None:
            image = load_image(path)
            crop = crop_face(image, track_box(image, card.face, scale), card.face)
            if crop is not None:
                waiting.append((row, crop))
        if waiting and (len(waiting) == _BATCH or row == len(video) - 1):
            encode()
    audio, audio_mask = torch.zeros(len(video), network.audio.config.features), torch.zeros(len(video))
    if sound is not None:
        samples, rate = load_audio(Clip(video.id, "", 0, audio=sound))
        frontend = AudioFrontend(card.audio, card.clock)
        chunks = [chunk for chunk, _ in frontend.push(samples, rate) + frontend.flush()]
        steps = torch.cat(
            [network.audio(torch.from_numpy(np.stack(chunks[i : i + _BATCH]))) for i in range(0, len(chunks), _BATCH)]
        ) - means.get("audio", 0.0)
        audio = steps[torch.arange(len(video)) * len(steps) // len(video)]
        audio_mask = torch.ones(len(video))
    return audio, audio_mask, face, face_mask


def _sound_of(video: str, folder: Path) -> Path | None:
    """The file with a video's sound, None where there is none or it is a film without sound."""
    name = video.removesuffix("_left").removesuffix("_right")
    for suffix in SOUND_SUFFIXES:
        for path in sorted(folder.rglob(f"{name}{suffix}")):
            if suffix == ".wav":
                return path
            with MediaFile(path) as media:
                if media.info.audio:
                    return path
    return None


@dataclass(frozen=True)
class PublishedFrames:
    """GRJCA with its published sizes, window, hop, batch, rate, decay and loss, on our encoders' features.

    A reconstruction: the published backbones (IR-50, VGGish) are not ours. Also ours: one network for valence and
    arousal (published: one each), a cosine instead of a plateau schedule, no choice of an epoch on the validation
    videos, and windows whose loss leaves out frames that are not annotated. Measured on the validation videos, as the
    test videos' annotations are not given out.

    Attributes:
        dataset: name of the data set that --data takes.
        fusion: sizes; widths of the features are taken from the encoders.
        batch: windows.
    """

    dataset: str
    fusion: GrjcaConfig
    loop: LoopOptions
    batch: int
    source: DataSource

    def train(self, data: AffWild2, run: RunOptions, seed: int) -> Trained:
        """Encode the frames with the encoders of `run.encoders` (the shipped GRJCA's without), train, measure.

        Raises:
            OptionError: encoders that are to be trained, or a checkpoint without both.
            DataError: a split without videos, or a file that cannot be read.
            CheckpointError: the run's folder holds a run with other options.
        """
        encoders = self.encoders(run)
        learning, test = (encoded_frames(data.videos(s), encoders, data.folder) for s in ("train", "validation"))
        loop = shortened_loop(self.loop, run, seed)
        torch.manual_seed(seed)
        dims = {"audio_dim": learning.features[0].shape[1], "face_dim": learning.features[1].shape[1]}
        fusion = replace(self.fusion, **dims)
        network = EmotionNetwork(NetworkConfig("grjca", audio=None, face=None, fusion=fusion.to_dict()))
        task = FrameTask(network.fusion, learning, test, fusion.steps, self.batch)
        history = fit(task, loop, run.run_dir, run.quiet)
        network.fusion = network.fusion.cpu().eval()
        training = {
            "options": {"loop": asdict(loop), "batch": self.batch},
            "encoders": {"file": encoders.path.name, "sha256": encoders.sha256},
            "frames": int(learning.annotated.sum()),
            "frames with sound": int(learning.masks[0].sum()),
            "seconds": round(history.seconds),
        }
        notes = (
            "Outputs are valence and arousal per frame. Published fusion and loss on other backbones.",
            "Trained by whoever holds the data, never run by us; not comparable with the paper's figures.",
        )
        results = {"affwild2 validation": frame_figures(network.fusion, test, fusion.steps)}
        return Trained(network.eval(), features_card(network, (), self.source, training, results, notes))

    def encoders(self, run: RunOptions) -> Checkpoint:
        """The checkpoint whose encoders give the features."""
        if run.encoders == "train":
            raise OptionError("--encoders train: this configuration takes encoders; give a checkpoint that has both")
        checkpoint = load_checkpoint(run.encoders or shipped_checkpoint("grjca", "full"))
        if checkpoint.card.network.audio is None or checkpoint.card.network.face is None:
            raise OptionError(f"{checkpoint.path} has no audio or no face encoder; give a window model's checkpoint")
        return checkpoint


AFFWILD2_FRAMES = PublishedFrames(
    "affwild2",
    GrjcaConfig(regression_outputs=2),
    LoopOptions(epochs=100, learning_rate=1e-4, weight_decay=1e-3, warmup_epochs=5.0, average=0.0, precision="no"),
    12,
    DataSource("Aff-Wild2 (Kollias and Zafeiriou 2019)", "on request, non-commercial research", "fusion"),
)
