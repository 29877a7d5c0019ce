"""Synthetic voices, faces and dialogues: what golden cases are made of.

Nobody's voice or face may travel inside a bundle, so sound is voiced noise with formants and pauses, and faces are
drawn. They come from continuous streams, so that a model with longer chunks or larger crops hears and sees the same
synthetic.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mer_fusion.checkpoint import Card
from mer_sdk.contract.golden import CaseInput
from mer_sdk.contract.manifest import AudioContract, Clock, DialogueContract, FaceContract
from mer_sdk.dialogue.engine import speaker_numbers
from mer_sdk.errors import ConversionError
from mer_sdk.frontends.text import TextFrontend

Array = NDArray[np.float32]
# Steps of sound and face that each utterance of a golden dialogue has.
UTTERANCE_STEPS = 2


@dataclass(frozen=True)
class SyntheticWindow:
    """The last steps of a stream that began with them, before any model's contract.

    Attributes:
        name: which modalities it holds.
        seed: of voice and face.
        masks: modality -> float32 (window_steps,), 1.0 where the step is present.
        gain: of the microphone.
    """

    name: str
    seed: int
    masks: dict[str, Array]
    gain: float = 1.0


@dataclass(frozen=True)
class Line:
    """One utterance of a synthetic dialogue; `missing` names modalities that it lacks, "" is a text without words."""

    speaker: str
    text: str
    missing: tuple[str, ...] = ()


@dataclass(frozen=True)
class SyntheticDialogue:
    """A dialogue before any model's contract: a window holds its last lines.

    Attributes:
        name: what is special about it.
        seed: of voices and faces.
        lines: oldest first.
    """

    name: str
    seed: int
    lines: tuple[Line, ...]


SyntheticInput = SyntheticWindow | SyntheticDialogue

_TALK = (
    ("Ana", "Did you hear? They gave me the job!"),
    ("Ben", "No way — that's AMAZING, I'm so happy for you!!!"),
    ("Ana", "I still can't believe it…"),
    ("Cem", "What about the flat, though? We've signed for a year."),
    ("Ben", "Oh. I hadn’t thought about that."),
    ("Cem", "You never do, and I'm sick of it."),
    ("Ana", "Please don't shout at him; it's my fault."),
    ("Ben", "ﬁne, fine. Sorry, José — it won’t happen again :-)"),
    ("Cem", "Ugh, what is that smell?? Disgusting."),
    ("Ana", "Grüße aus Köln, 東京, and a 👍🏽 from me"),
    ("Ben", "There's somebody at the door. I'm scared."),
    ("Cem", "At 3:45 a.m.?! Who on earth would..."),
)


def synthetic_inputs(card: Card, seed: int = 7) -> tuple[SyntheticInput, ...]:
    """The synthetic inputs of a model's golden cases, in their order: windows of steps, or dialogues."""
    if card.dialogue is not None:
        return synthetic_dialogues(card.dialogue, tuple(card.network.modalities), seed)
    return synthetic_windows(card.clock.window_steps, tuple(card.network.modalities), seed)


def synthetic_windows(
    steps: int, modalities: tuple[str, ...] = ("audio", "face"), seed: int = 7
) -> tuple[SyntheticWindow, ...]:
    """Everything there, each modality alone, a stream that began half a window ago, and the sound alone once more,
    20 dB quieter: what a port makes of it shows whether level is no part of the answer there, too.
    """
    on, off = np.ones(steps, np.float32), np.zeros(steps, np.float32)
    half = (np.arange(steps) >= steps // 2).astype(np.float32)
    masks = {"+".join(modalities): dict.fromkeys(modalities, on)}
    masks |= {name: {other: on if other == name else off for other in modalities} for name in modalities}
    masks["half full"] = dict.fromkeys(modalities, half)
    windows = [SyntheticWindow(name, seed + index, value) for index, (name, value) in enumerate(masks.items())]
    alone = next((window for window in windows if window.name == "audio"), None)
    if alone is not None:
        windows.append(replace(alone, name="audio, 20 dB quieter", gain=0.1))
    return tuple(windows)


def synthetic_dialogues(
    contract: DialogueContract, modalities: tuple[str, ...], seed: int = 7
) -> tuple[SyntheticDialogue, ...]:
    """A dialogue longer than the window, one of a single speaker, one that just began, one with an empty text and one
    with more speakers than the network knows; where there are several modalities, one in which some are missing.
    """
    long = _talk(contract.utterances + 3, seed)
    named = {
        "longer than the window": long,
        "one speaker": tuple(Line("Ana", line.text) for line in long[: contract.utterances]),
        "just begun": _talk(2, seed + 1),
        "empty text": tuple(
            Line(line.speaker, "" if index % 3 == 1 else line.text)
            for index, line in enumerate(_talk(min(5, contract.utterances), seed + 2))
        ),
        "many speakers": tuple(
            Line(f"speaker {index}", line.text) for index, line in enumerate(_talk(contract.utterances, seed + 3))
        ),
    }
    if len(modalities) > 1:
        named["missing modalities"] = tuple(
            Line(line.speaker, line.text, (modalities[index % len(modalities)],))
            for index, line in enumerate(_talk(contract.utterances, seed + 4))
        )
    return tuple(SyntheticDialogue(name, seed + index, lines) for index, (name, lines) in enumerate(named.items()))


def case_input(synthetic: SyntheticInput, card: Card) -> CaseInput:
    """The synthetic input as a model's contract wants it: what is missing, and rows before it began, are zero.

    Raises:
        ConversionError: the model reads features that neither an encoder of its own nor a sentence encoder gives.
    """
    return (
        _window_input(synthetic, card) if isinstance(synthetic, SyntheticWindow) else _dialogue_input(synthetic, card)
    )


def voice_chunks(clock: Clock, audio: AudioContract, seed: int, present: Array) -> Array:
    """The chunk of each step, (T, chunk_samples) in [-1, 1], of one voice that is silent where `present` (T,) is 0."""
    step_samples = audio.sample_rate * clock.step_ms // 1000
    stream = _voice(len(present) * step_samples, audio.sample_rate, seed) * np.repeat(present, step_samples)
    padded = np.concatenate([np.zeros(audio.chunk_samples, np.float32), stream])
    ends = audio.chunk_samples + step_samples * np.arange(1, len(present) + 1)
    chunks = np.stack([padded[end - audio.chunk_samples : end] for end in ends])
    return (chunks * present[:, None]).astype(np.float32)


def face_crops(face: FaceContract, seed: int, present: Array) -> Array:
    """The crop of each step, (T, S, S, 3) in 0-255, of one face that moves."""
    crops = np.stack([_face(face.crop_size, step, seed) for step in range(len(present))])
    return crops * present[:, None, None, None]


def _window_input(synthetic: SyntheticWindow, card: Card) -> CaseInput:
    makers = {
        "audio": lambda mask: voice_chunks(card.clock, card.audio, synthetic.seed, mask) * np.float32(synthetic.gain),
        "face": lambda mask: face_crops(card.face, synthetic.seed, mask),
    }
    unknown = [name for name in synthetic.masks if name not in makers]
    if unknown:
        raise ConversionError(f"{card.name} is a window model that reads {unknown[0]}; windows have audio and face")
    return CaseInput({name: makers[name](mask) for name, mask in synthetic.masks.items()}, synthetic.masks)


def _dialogue_input(synthetic: SyntheticDialogue, card: Card) -> CaseInput:
    assert card.dialogue is not None  # a synthetic dialogue is made for dialogue models
    rows = card.dialogue.utterances
    lines = synthetic.lines[-rows:]
    first = rows - len(lines)
    texts = ("",) * first + tuple("" if "text" in line.missing else line.text for line in lines)
    speakers = np.zeros(rows, np.float32)
    speakers[first:] = speaker_numbers([line.speaker for line in lines], card.dialogue.speakers)
    raw: dict[str, np.ndarray] = {}
    masks: dict[str, np.ndarray] = {}
    for name in card.network.modalities:
        mask = np.zeros(rows, np.float32)
        mask[first:] = [name not in line.missing for line in lines]
        if name == "text":
            raw[name], mask = _text_input(texts, card)
        else:
            first_seed = synthetic.seed * 100
            clips = [_utterance_input(name, card, first_seed + row, float(mask[row])) for row in range(rows)]
            raw[name] = np.stack(clips)
        masks[name] = mask
    names = ("",) * first + tuple(line.speaker for line in lines)
    return CaseInput(raw, masks, speakers, names, texts if "text" in masks else ())


def _text_input(texts: tuple[str, ...], card: Card) -> tuple[np.ndarray, Array]:
    """Ids of the texts, or their vectors where the model's text features come from a sentence encoder, and the mask."""
    if card.text is not None:
        frontend = TextFrontend(card.text)
        ids = np.stack([frontend.ids(text) for text in texts])
        return ids, np.asarray(ids.any(axis=(1, 2)), np.float32)
    from mer_fusion.torch_bundle import sentence_encoder

    encode = sentence_encoder(card)
    if encode is None:
        raise ConversionError(
            f"{card.name} reads text features and has neither a text encoder nor the name of a sentence encoder on its "
            "card; train a student with a text encoder"
        )
    vectors = np.stack([encode(text) for text in texts])
    return vectors, np.array([bool(text.strip()) for text in texts], np.float32)


def _utterance_input(name: str, card: Card, seed: int, present: float) -> Array:
    """The chunks or crops of one utterance's steps."""
    steps = np.full(UTTERANCE_STEPS, present, np.float32)
    if name == "audio" and card.network.audio is not None:
        return voice_chunks(card.clock, card.audio, seed, steps)
    if name == "face" and card.network.face is not None:
        return face_crops(card.face, seed, steps)
    raise ConversionError(f"{card.name} reads {name} features and has no {name} encoder; train a student that has one")


def _talk(count: int, seed: int) -> tuple[Line, ...]:
    """`count` lines of the script, from a place that the seed chooses."""
    return tuple(Line(*_TALK[(seed + index) % len(_TALK)]) for index in range(count))


def _voice(samples: int, rate: int, seed: int) -> Array:
    """Harmonics of a moving pitch under moving formants, syllables of about 4 Hz, noise of breath and room.

    The noise is loud enough that no mel band is near empty: there a logarithm would show how a processor rounds. Values
    are those of 16 bits.
    """
    draw = np.random.default_rng(seed)
    t = np.arange(samples) / rate
    pitch = draw.uniform(95, 230) * (1 + 0.15 * np.sin(2 * np.pi * draw.uniform(0.3, 0.8) * t + draw.uniform(0, 6)))
    phase = 2 * np.pi * np.cumsum(pitch) / rate
    formants = [
        centre * (1 + depth * np.sin(2 * np.pi * draw.uniform(1.0, 3.0) * t + draw.uniform(0, 6)))
        for centre, depth in ((550, 0.4), (1500, 0.3), (2600, 0.1))
    ]
    voiced = np.zeros(samples)
    for harmonic in range(1, 30):
        frequency = harmonic * pitch
        gain = sum(np.exp(-(((frequency - formant) / 160.0) ** 2)) for formant in formants) + 0.02
        voiced += np.where(frequency < rate / 2, gain / harmonic**0.5, 0.0) * np.sin(harmonic * phase)
    syllables = np.clip(np.sin(2 * np.pi * draw.uniform(3.0, 5.0) * t + draw.uniform(0, 6)) + 0.4, 0, None)
    phrase = 0.25 + 0.75 * np.sin(np.pi * np.clip(t / t[-1], 0, 1)) ** 2
    sound = voiced * syllables * phrase + 0.1 * draw.standard_normal(samples)
    level = draw.uniform(0.1, 0.6)
    return (np.round(sound / np.abs(sound).max() * level * 32767) / 32768).astype(np.float32)


def _face(size: int, step: int, seed: int) -> Array:
    """A drawn face (size, size, 3), whole values 0-255: skin, hair, brows, eyes, nose and a mouth, under side light."""
    draw = np.random.default_rng(1000 + seed)
    skin, hair = draw.uniform(120, 220), draw.uniform(20, 90)
    light, speed, mood = draw.uniform(-0.3, 0.3), draw.uniform(0.2, 0.6), draw.uniform(-1, 1)
    axis = (np.arange(size) + 0.5) / size * 2 - 1
    y, x = np.meshgrid(axis, axis, indexing="ij")
    x = x - 0.08 * np.sin(speed * step)
    smile, opening = mood + 0.5 * np.sin(speed * step + 1), 0.05 + 0.05 * (1 + np.sin(1.7 * step))

    def spot(cx: float, cy: float, rx: float, ry: float) -> NDArray[np.float64]:
        return 1 / (1 + np.exp(np.clip(12 * (((x - cx) / rx) ** 2 + ((y - cy) / ry) ** 2 - 1), -40, 40)))

    grey = np.full((size, size), 60.0)
    for shape, value in (
        (spot(0, -0.15, 0.85, 0.95), hair),
        (spot(0, 0.1, 0.68, 0.85), skin),
        (spot(-0.3, -0.3 - 0.05 * smile, 0.2, 0.05), hair),
        (spot(0.3, -0.3 - 0.05 * smile, 0.2, 0.05), hair),
        (spot(-0.3, -0.12, 0.15, 0.07), 235.0),
        (spot(0.3, -0.12, 0.15, 0.07), 235.0),
        (spot(-0.3, -0.12, 0.06, 0.06), 25.0),
        (spot(0.3, -0.12, 0.06, 0.06), 25.0),
        (spot(0.03, 0.18, 0.07, 0.16), skin * 0.85),
    ):
        grey = grey * (1 - shape) + value * shape
    curve = 0.52 - 0.25 * smile * (x**2 - 0.06)
    mouth = np.exp(-(((y - curve) / opening) ** 2)) * (np.abs(x) < 0.36)
    grey = (grey * (1 - mouth) + 70.0 * mouth) * (1 + light * x)
    tint = np.array([1.08, 1.0, 0.88])
    return np.clip(np.round(grey[..., None] * tint), 0, 255).astype(np.float32)
