"""Small made-up speech and faces whose label can be learned: a tone per label, a bright square per label."""

import numpy as np
import torch

from mer_fusion.training.faces.encoder import FaceSet
from mer_fusion.training.faces.talking_sets import TalkingFaces
from mer_fusion.training.fusion.data import Sources
from mer_fusion.training.speech.spectra import SpeechSet, make_speech_set


def speech_set(clips: int = 48, speakers: int = 4, classes: int = 3, seconds: float = 2.0) -> SpeechSet:
    """Clips of noise with a tone between 200 and 6000 Hz for each label; teacher scores for the first half."""
    rng = np.random.default_rng(0)
    time = np.arange(int(16000 * seconds)) / 16000
    labels = [i % classes for i in range(clips)]
    people = [i * speakers // clips for i in range(clips)]
    tones = np.geomspace(200.0, 6000.0, classes)
    waves = [
        (0.1 * np.sin(2 * np.pi * tones[label] * (1 + 0.02 * person) * time) + 0.01 * rng.standard_normal(len(time)))
        for label, person in zip(labels, people, strict=True)
    ]
    names = [f"clip{i}" for i in range(clips)]
    teacher = {
        name: np.log(np.full(classes, 0.1 / (classes - 1)) + np.eye(classes)[label] * 0.85)
        for name, label in zip(names[: clips // 2], labels, strict=False)
    }
    return make_speech_set(waves, labels, people, names, teacher, classes)


def face_set(count: int = 96, classes: int = 3) -> FaceSet:
    """Noise with a bright square at a height that depends on the label."""
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, 48, 48, generator=generator) * 0.3
    labels = torch.arange(count) % classes
    for image, label in zip(images, labels.tolist(), strict=True):
        top = 4 + 36 * label // classes
        image[top : top + 8, 14:34] += 0.6
    return FaceSet(images, torch.eye(classes)[labels])


def talking_faces(speech: SpeechSet, classes: int = 3, images: int = 3) -> TalkingFaces:
    """Faces of the same takes: a bright square at a height that depends on the label, moved by the person's number."""
    rng = np.random.default_rng(1)
    count = len(speech)
    crops = rng.uniform(0, 70, (count * images, 64, 64))
    for row, (label, person) in enumerate(zip(speech.labels.tolist(), speech.speakers.tolist(), strict=True)):
        top = 6 + 46 * label // classes + person % 3
        crops[row * images : (row + 1) * images, top : top + 10, 18:46] += 150
    return TalkingFaces(
        torch.from_numpy(crops.astype(np.uint8)),
        (torch.arange(images) * 0.6 + 0.3).repeat(count),
        torch.arange(count) * images,
        torch.full((count,), images),
        speech.labels,
        torch.ones(count, dtype=torch.long),
        speech.speakers,
        speech.names,
    )


def sources(classes: int = 3) -> Sources:
    """All of them, with one speaker held out."""
    speech = speech_set(classes=classes)
    faces, tuning = face_set(classes=classes), face_set(48, classes)
    return Sources(speech, speech.speakers == 0, talking_faces(speech, classes), faces, tuning)
