"""Features of all takes through one pair of encoders, made once before the fusion network learns."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.training.faces.encoder import at_size
from mer_fusion.training.faces.talking_sets import TalkingFaces, TalkingOptions, changed
from mer_fusion.training.fusion.data import Sources
from mer_fusion.training.fusion.windows import FeatureCache, images_at
from mer_fusion.training.speech.conditions import UNCHANGED, SoundConditions, changed_windows
from mer_fusion.training.speech.encoder import adjusted_priors
from mer_fusion.training.speech.spectra import SpeechSet, device_chunks, inside_takes
from mer_sdk.cli.progress import with_progress
from mer_sdk.contract.output_files import atomic_output

STEP_SECONDS = 0.25
# Steps of a take that are kept; longer ones are cut.
STEPS = 22
_BATCH = 32
# A take is heard under one microphone's and room's conditions; its spectra are not masked.
_SPOKEN = SoundConditions(no_speech=0.0, bands_masked=0, frames_masked=0)
_NOISE = replace(_SPOKEN, untouched=0.0, no_speech=1.0)
_CAMERA = TalkingOptions(
    zoom=(0.92, 1.16), take_zoom=0.04, image_zoom=0.02, rotation_degrees=6.0, shift=0.04, erased=0.15
)


@dataclass(frozen=True)
class CacheOptions:
    """How a cache is made.

    Attributes:
        copies: of every take, the first as recorded.
        speech_takes: takes at most of each corpus of speech alone, of speakers with at least `speaker_takes`.
        noise_speakers: so many "speakers" of `speaker_takes` takes of nothing but noise, of whom nothing can be told.
        seed: one seed gives the same changes for any pair of encoders.
    """

    copies: int = 2
    speech_takes: int = 480
    speaker_takes: int = 12
    noise_speakers: int = 4
    seed: int = 0


def feature_cache(
    audio: AudioEncoder,
    face: FaceEncoder,
    sources: Sources,
    options: CacheOptions,
    device: torch.device,
    folder: Path | None = None,
) -> FeatureCache:
    """Features of all takes through both encoders.

    Args:
        folder: where what each encoder gives is kept, so that networks that share an encoder find it there; None keeps
            nothing.
    """
    order, talking = _faces_first(sources)
    speech = sources.speech.rows(order)
    sound = [part for item in (speech, *sources.corpora) for part in _parts(item)]
    of_sound = _kept(
        folder, "audio", audio, sound, options, lambda: _audio_fields(audio, sources, order, options, device)
    )
    pictures = [talking.images, talking.first, talking.count, talking.times, talking.speakers, speech.lengths]
    of_faces = _kept(
        folder, "face", face, pictures, options, lambda: _face_fields(face, talking, speech.steps(), options, device)
    )
    return FeatureCache(**of_sound, **of_faces, ravdess=len(speech))


@torch.no_grad()
def _audio_fields(
    audio: AudioEncoder, sources: Sources, order: Tensor, options: CacheOptions, device: torch.device
) -> dict[str, Tensor]:
    """What a cache holds of sound, by the names of its fields."""
    # On CPUs convolutions of this layout take half the time.
    audio = audio.eval().to(device, memory_format=torch.channels_last)
    speech = sources.speech.rows(order)
    noise = _noise_takes(speech, options)
    others = [_some_speakers(item, options) for item in sources.corpora]
    sets = [speech, *[item for item in others if len(item)], *([noise] if len(noise) else [])]
    heard = []
    for number, item in enumerate(sets):
        conditions = _NOISE if item is noise else _SPOKEN
        heard.append(_audio_features(audio, item, conditions, options, 1000 * number, device))
    voices, steps = torch.cat([part[0] for part in heard]), torch.cat([part[1] for part in heard])
    sounding = heard[:-1] if len(noise) else heard
    means = [_masked_mean(part[0].mean(dim=1), part[1]) for part in sounding]
    first, rest = means[0], means[1:]
    targets = [item.targets for item in sets[: len(sounding)]]
    if len(noise):
        targets.append(torch.full_like(noise.targets, 1.0 / noise.targets.shape[1]))
    return {
        "audio": voices,
        "audio_mask": steps,
        "labels": torch.cat([item.labels for item in sets]),
        "targets": torch.cat(targets),
        "priors": torch.cat([adjusted_priors(item.shares, 1.0)[item.corpora] for item in sets]),
        "speakers": _numbered([item.speakers for item in sets]),
        "audio_population": 0.5 * first + 0.5 * torch.stack(rest).mean(dim=0) if rest else first,
        "audio_spread": voices[: len(speech), 0][steps[: len(speech)] > 0].std(dim=0),
    }


@torch.no_grad()
def _face_fields(
    face: FaceEncoder, talking: TalkingFaces, steps: Tensor, options: CacheOptions, device: torch.device
) -> dict[str, Tensor]:
    """What a cache holds of faces, by the names of its fields; `steps` (N,) of the takes, those with faces first."""
    face = face.eval().to(device, memory_format=torch.channels_last)
    seen = _face_features(face, talking, options, device)
    mask = (torch.arange(STEPS)[None] < steps[: len(talking), None]).float()
    at, near = _image_places(talking, mask)
    images, there = images_at(seen[:, 0], at)
    return {
        "face": seen,
        "face_at": at,
        "face_near": near,
        "face_population": _masked_mean(images, there),
        "face_spread": images[there > 0].std(dim=0),
    }


def _faces_first(sources: Sources) -> tuple[Tensor, TalkingFaces]:
    """Order of the takes of speech, those with faces first, and the faces in that order."""
    place = {name: row for row, name in enumerate(sources.talking.names)}
    rows = [row for row, name in enumerate(sources.speech.names) if name in place]
    alone = [row for row, name in enumerate(sources.speech.names) if name not in place]
    talking = sources.talking.rows(torch.tensor([place[sources.speech.names[row]] for row in rows], dtype=torch.long))
    return torch.tensor(rows + alone, dtype=torch.long), talking


def _some_speakers(speech: SpeechSet, options: CacheOptions) -> SpeechSet:
    """Takes of as many speakers as `options` allow."""
    generator = torch.Generator().manual_seed(options.seed)
    speakers, counts = torch.unique(speech.speakers, return_counts=True)
    able = speakers[counts >= options.speaker_takes]
    keep = torch.zeros(len(speech), dtype=torch.bool)
    for speaker in able[torch.randperm(len(able), generator=generator)].tolist():
        if int(keep.sum()) >= options.speech_takes:
            break
        mine = torch.nonzero(speech.speakers == speaker).flatten()
        keep[mine[torch.randperm(len(mine), generator=generator)[: options.speech_takes - int(keep.sum())]]] = True
    return speech.subset(keep)


def _noise_takes(speech: SpeechSet, options: CacheOptions) -> SpeechSet:
    """Takes whose sound noise is to replace."""
    generator = torch.Generator().manual_seed(options.seed + 1)
    count = min(options.noise_speakers * options.speaker_takes, len(speech))
    rows = torch.randperm(len(speech), generator=generator)[:count]
    return replace(speech.rows(rows), speakers=torch.arange(count) // options.speaker_takes)


def _audio_features(
    audio: AudioEncoder,
    speech: SpeechSet,
    conditions: SoundConditions,
    options: CacheOptions,
    seed: int,
    device: torch.device,
) -> tuple[Tensor, Tensor]:
    """Raw features (n, copies, STEPS, D) of every step, and which steps the takes have (n, STEPS)."""
    steps = speech.steps().clamp(max=STEPS)
    mask = (torch.arange(STEPS)[None] < steps[:, None]).float()
    features = torch.zeros(len(speech), options.copies, STEPS, audio.config.features)
    parts = [(copy, rows) for copy in range(options.copies) for rows in torch.arange(len(speech)).split(_BATCH)]
    for copy, rows in with_progress(parts, "features of sound"):
        part = speech.rows(rows)
        heard = conditions if copy or conditions == _NOISE else UNCHANGED
        part = replace(part, mel=_as_heard(part, heard, options.seed + seed + copy))
        chunks = [device_chunks(part, i, audio.config.frames)[:STEPS] for i in range(len(part))]
        found = audio.encode(torch.cat(chunks).to(device)).float().cpu()
        features[rows, copy] = features[rows, copy].masked_scatter(mask[rows].bool()[..., None], found)
    return features, mask


def _as_heard(speech: SpeechSet, conditions: SoundConditions, seed: int) -> Tensor:
    """Spectra of takes, each person's under conditions of their own, the same for all their takes."""
    if conditions == UNCHANGED:
        return speech.mel
    inside = inside_takes(speech)
    changed_rows = []
    for row in range(len(speech)):
        generator = torch.Generator().manual_seed(7919 * seed + int(speech.speakers[row]))
        one = speech.mel[row : row + 1].float(), inside[row : row + 1]
        changed_rows.append(changed_windows(*one, conditions, generator)[0])
    return torch.cat(changed_rows)


def _face_features(face: FaceEncoder, talking: TalkingFaces, options: CacheOptions, device: torch.device) -> Tensor:
    """Raw features (P, copies, I, D) of every image, zeros where a take has fewer."""
    size, width = face.config.size, face.config.features
    most = int(talking.count.max()) if len(talking) else 1
    features = torch.zeros(len(talking), options.copies, most, width)
    if not len(talking):
        return features
    owner = torch.arange(len(talking)).repeat_interleave(talking.count)
    person = torch.unique(talking.speakers, return_inverse=True)[1][owner]
    place = torch.arange(len(owner)) - talking.first[owner]
    whole = talking.images.float() / 255.0
    for copy in with_progress(range(options.copies), "features of faces"):
        if copy:
            generator = torch.Generator().manual_seed(options.seed + copy)
            crops = changed(whole, owner, person, size, _CAMERA, generator)
        else:
            crops = at_size(whole, size)
        found = torch.cat([face.encode(part.to(device)).float().cpu() for part in crops.split(512)])
        features[owner, copy, place] = found
    return features


def _image_places(talking: TalkingFaces, mask: Tensor) -> tuple[Tensor, Tensor]:
    """Which image lies in each step, -1 for none, and which is nearest to it: (P, STEPS) each."""
    at = torch.full((len(talking), STEPS), -1)
    near = torch.full((len(talking), STEPS), -1)
    middle = (torch.arange(STEPS) + 0.5) * STEP_SECONDS
    for row in range(len(talking)):
        first, count = int(talking.first[row]), int(talking.count[row])
        times = talking.times[first : first + count]
        near[row] = (times[None] - middle[:, None]).abs().argmin(dim=1)
        for image, step in enumerate((times / STEP_SECONDS).long().tolist()):
            if step < STEPS:
                at[row, step] = image
    there = mask > 0
    return torch.where(there, at, torch.tensor(-1)), torch.where(there, near, torch.tensor(-1))


def _masked_mean(features: Tensor, mask: Tensor) -> Tensor:
    """Mean of (n, T, D) over the steps where mask (n, T) is 1."""
    total = (features * mask[..., None]).sum(dim=(0, 1))
    return total / mask.sum().clamp(min=1.0)


def _numbered(speakers: Sequence[Tensor]) -> Tensor:
    """Speakers of several sets as one: no number stands for two of them; the first set's stay as they are."""
    found, following = [], 0
    for item in speakers:
        found.append(item + following)
        following = int(found[-1].max()) + 1
    return torch.cat(found)


def _parts(speech: SpeechSet) -> list[Tensor]:
    """What a cache holds, or depends on, of a set of clips."""
    return [speech.mel, speech.lengths, speech.labels, speech.speakers, speech.targets, speech.corpora, speech.shares]


def _kept(
    folder: Path | None,
    name: str,
    encoder: nn.Module,
    inputs: Sequence[Tensor],
    options: CacheOptions,
    make: Callable[[], dict[str, Tensor]],
) -> dict[str, Tensor]:
    """The tensors that `make` gives, kept in `folder` under a name made of the encoder's weights and the inputs."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file, save_file

    if folder is None:
        return make()
    mark = hashlib.sha256(str(options).encode())
    for value in [*encoder.state_dict().values(), *inputs]:
        mark.update(np.ascontiguousarray(value.detach().cpu().numpy()).data)
    path = folder / f"{name}-{mark.hexdigest()[:16]}.safetensors"
    if path.exists():
        try:
            found: dict[str, Tensor] = load_file(str(path))
            return found
        except SafetensorError:  # cut off while it was written: made again
            path.unlink()
    made = make()
    folder.mkdir(parents=True, exist_ok=True)
    with atomic_output(path) as aside:
        save_file({key: value.contiguous() for key, value in made.items()}, str(aside))
    return made
