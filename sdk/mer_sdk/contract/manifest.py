"""The manifest of a bundle: the contract between the converter that writes it and every port that runs it.

The dataclasses below are that contract. `manifest.json` is their JSON, and `docs/manifest.schema.json` their schema.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any

from mer_sdk.errors import OptionError
from mer_sdk.limits import Limits
from mer_sdk.runtimes.graph import GraphSpec

# A newer version is refused; of a newer minor version, fields that are unknown here are left out.
SCHEMA_VERSION, SCHEMA_MINOR = 4, 4
# The one graph of a face finder's bundle.
FINDER = "finder"
# The label of a person at rest.
NEUTRAL = "neutral"


@dataclass(frozen=True)
class Clock:
    """Time runs in steps; the fusion graph reads a window of the last `window_steps` of them."""

    step_ms: Annotated[int, Limits(20, 2000)] = 250
    window_steps: Annotated[int, Limits(1, 256)] = 16


@dataclass(frozen=True)
class AudioContract:
    """Audio graph input: `chunk_samples` of mono float32 PCM in [-1, 1], ending where the step ends.

    A chunk is the step and the left context before it; before the stream begins the context is zero. `resampler` names
    the host-side filter that brings other sample rates to `sample_rate`.
    """

    sample_rate: Annotated[int, Limits(8000, 48000)] = 16000
    chunk_samples: Annotated[int, Limits(1, 480000)] = 16200
    resampler: Annotated[str, Limits(choices=("kaiser-sinc",))] = "kaiser-sinc"


@dataclass(frozen=True)
class FaceContract:
    """Face graph input: a square crop, `crop_size` pixels wide, RGB, height x width x 3, values 0-255.

    The detector's box is made square about its centre (side = the larger of width and height), its side multiplied by
    `1 + 2 * margin`, and resized with `resize_filter` ("triangle": the antialiased bilinear filter of Pillow). Pixels
    outside the frame repeat the nearest edge pixel. A crop whose brightest value is at most `black_level` counts as "no
    face".
    """

    crop_size: Annotated[int, Limits(8, 512)] = 48
    margin: Annotated[float, Limits(-0.4, 2.0)] = 0.0
    resize_filter: Annotated[str, Limits(choices=("triangle",))] = "triangle"
    channel_order: Annotated[str, Limits(choices=("RGB",))] = "RGB"
    black_level: Annotated[float, Limits(0, 254)] = 8.0


@dataclass(frozen=True)
class FinderContract:
    """What lies outside of a face finder's graph.

    The graph reads `frame`: float32 [1, height, width, 3], RGB, 0-255, and gives `scores` [1, N] (probabilities) and
    `boxes` [1, N, 4] as (x, y, width, height) in shares of the input's width and height.

    How a frame of H x W pixels becomes the input, to be repeated by every port:

    1. `scale` = min(height / H, width / W); the picture is h = max(1, floor(H * scale + 0.5)) pixels high and w =
       max(1, floor(W * scale + 0.5)) wide.
    2. Of the rows every s-th is kept, s = max(1, floor(H / (2 * h))), beginning with row floor(s / 2), floor(H / s) of
       them; columns likewise with W and w. So at least two pixels are left for each one of the input.
    3. What is left is resized to h x w with `resize_filter` ("triangle": the antialiased bilinear filter of Pillow),
       values unrounded, rows first, then columns.
    4. It lies at the top left of the input; the rest is 0.

    A box in frame pixels is (x * width / scale, y * height / scale, ...). Boxes with a score above `threshold` are kept
    from the best down, where they overlap no kept one by more than `overlap` (intersection over union).

    Attributes:
        height, width: of the input, pixels.
        threshold: lowest score that counts as a face, 0-1.
        overlap: largest overlap of two faces, 0-1.
        box: convention of a box: "cascade-square" is the square that OpenCV's frontal cascade gives, from the middle
            of the forehead to the chin.
        resize_filter: see above.

    Raises:
        OptionError: a size below 1, or a share outside of 0-1.
    """

    height: Annotated[int, Limits(16, 2048)] = 128
    width: Annotated[int, Limits(16, 2048)] = 160
    threshold: Annotated[float, Limits(0, 1)] = 0.5
    overlap: Annotated[float, Limits(0, 1)] = 0.4
    box: Annotated[str, Limits(choices=("cascade-square",))] = "cascade-square"
    resize_filter: Annotated[str, Limits(choices=("triangle",))] = "triangle"

    def __post_init__(self) -> None:
        if self.height < 1 or self.width < 1 or not (0 <= self.threshold <= 1 and 0 <= self.overlap <= 1):
            raise OptionError(f"{self}: sizes are 1 or more, threshold and overlap lie between 0 and 1")
        if self.box != "cascade-square" or self.resize_filter != "triangle":
            raise OptionError(f"{self}: this mer_sdk knows the box 'cascade-square' and the filter 'triangle' alone")


@dataclass(frozen=True)
class TextContract:
    """Text graph input: `ids` [1, words, slots], int32: hashed subwords of the first `words` words of one utterance.

    How a text becomes ids is in `mer_sdk.frontends.text`; id 0 fills what is missing, the others are
    `1 + hash % (buckets - 1)`.

    Attributes:
        words: words that are read; what follows is cut.
        slots: ids of one word: the word itself first, then its n-grams.
        buckets: rows of the embedding table, the empty row 0 included.
        ngrams: shortest and longest character n-gram, the word's marks "<" and ">" included.
        hash: name of the hash function over UTF-8 bytes.
    """

    words: Annotated[int, Limits(1, 512)] = 24
    slots: Annotated[int, Limits(1, 64)] = 8
    buckets: Annotated[int, Limits(2, 2**24)] = 8192
    ngrams: Annotated[tuple[int, int], Limits(1, 16)] = (3, 5)
    hash: Annotated[str, Limits(choices=("fnv1a-32",))] = "fnv1a-32"


@dataclass(frozen=True)
class DialogueContract:
    """A dialogue model's window: the last `utterances` utterances, the newest in the last row.

    Each utterance has one feature vector a modality (the mean over its steps for audio and face), a mask a modality,
    and its speaker: a number from 0 in order of first appearance in the window; numbers from `speakers - 1` on share
    the last.

    Attributes:
        utterances: rows N of the window.
        speakers: different speakers that the network tells apart.
        causal: whether the answer for an utterance depends on it and earlier ones alone.
    """

    utterances: Annotated[int, Limits(1, 256)] = 16
    speakers: Annotated[int, Limits(1, 64)] = 9
    causal: bool = True


@dataclass(frozen=True)
class BaselineContract:
    """The personal baseline: what the host subtracts from features before the fusion graph reads them.

    With `n` observed steps of mean `m`, the baseline is `(prior_steps * population_mean + n * m) / (prior_steps + n)`.
    A step is observed once it has left the window, so that a window is never judged against itself.

    Attributes:
        prior_steps: the weight of the population's mean.
        population_mean: modality -> mean of the features of many people.
        neutral_offset: modality -> features of a person's whole range of expressions, on average, less those at rest;
            what an enrolment adds to each step that it takes in. As long as the population's means; empty adds nothing.
        neutral_prior: share of neutral clips behind the population's means. A step is observed with
            `(p(neutral) - neutral_prior) / (1 - neutral_prior)` of the offset, by the person's latest estimate: all of
            it where they are surely neutral, none at the prior. So who is neutral most of the time does not become
            their own mean. 0: a running baseline takes steps in as they are. Window bundles alone.
    """

    prior_steps: Annotated[float, Limits(least=0, most=1000000.0)]
    population_mean: Annotated[dict[str, tuple[float, ...]], Limits(least=-1000000.0, most=1000000.0, items=4096)]
    neutral_offset: Annotated[dict[str, tuple[float, ...]], Limits(least=-1000000.0, most=1000000.0, items=4096)] = (
        field(default_factory=dict)
    )
    neutral_prior: Annotated[float, Limits(least=0, most=0.9)] = 0.0


@dataclass(frozen=True)
class StateDecision:
    """Logits are divided by `temperature`; estimates less confident than `abstention_threshold` are "unknown".

    `coverage` is the share of clips that were at least that confident where the threshold was chosen.
    """

    temperature: Annotated[float, Limits(0.01, 100)] = 1.0
    abstention_threshold: Annotated[float, Limits(0, 1)] = 0.0
    coverage: Annotated[float, Limits(0, 1)] = 1.0


@dataclass(frozen=True)
class Decision(StateDecision):
    """What logits become probabilities by, and below what an estimate is "unknown".

    A network is not as sure of itself with sound alone as with sound and face, so each modality state may have values
    of its own; the other fields hold where it has none.

    Attributes:
        states: modality state -> its values. A state names what the window (of a dialogue: the utterance) holds, in the
            order of the fusion graph's inputs, joined by "+": "audio+face", "audio", "text".
    """

    states: Annotated[dict[str, StateDecision], Limits(items=7)] = field(default_factory=dict)

    def of(self, state: str) -> StateDecision:
        """The values of a modality state."""
        return self.states.get(state, self)


@dataclass(frozen=True)
class FileSpec:
    """One file of the bundle with its hash. `manifest.json` itself is not listed."""

    path: Annotated[str, Limits(characters=500)]
    sha256: Annotated[str, Limits(pattern="[0-9a-f]{64}")]
    bytes: Annotated[int, Limits(least=0, most=2**31)]


@dataclass(frozen=True)
class DataSource:
    """A data set that the weights were trained on."""

    name: Annotated[str, Limits(characters=500)]
    licence: Annotated[str, Limits(characters=500)]
    use: Annotated[str, Limits(characters=500)]


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds and how to feed it. See the module docstring.

    `dialogue` is there for dialogue models, whose window is made of utterances; without it the window is made of steps.
    `text` is there where the bundle has a text graph.
    """

    name: Annotated[str, Limits(characters=200)]
    model: Annotated[str, Limits(characters=100)]
    labels: Annotated[tuple[str, ...], Limits(items=256, characters=100)]
    target: Annotated[str, Limits(characters=100)]
    scheme: Annotated[str, Limits(characters=100)]
    graphs: Annotated[dict[str, GraphSpec], Limits(items=16)]
    baseline: BaselineContract
    files: Annotated[tuple[FileSpec, ...], Limits(items=4096)]
    checkpoint_sha256: Annotated[str, Limits(characters=64)]
    parameters: Annotated[dict[str, int], Limits(least=0, most=10**12, items=64)]
    data: Annotated[tuple[DataSource, ...], Limits(items=256)]
    tools: Annotated[dict[str, str], Limits(items=64, characters=200)]
    gate: Annotated[str, Limits(characters=100)]
    clock: Clock = field(default_factory=Clock)
    audio: AudioContract = field(default_factory=AudioContract)
    face: FaceContract = field(default_factory=FaceContract)
    text: TextContract | None = None
    dialogue: DialogueContract | None = None
    finder: FinderContract | None = None
    decision: Decision = field(default_factory=Decision)
    va_source: str = "circumplex"
    device_verified: Annotated[tuple[dict[str, Any], ...], Limits(items=256)] = ()
    schema_version: Annotated[int, Limits(1, SCHEMA_VERSION)] = SCHEMA_VERSION
    schema_minor: Annotated[int, Limits(0, 10**6)] = SCHEMA_MINOR

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the fusion graph reads, of "text", "audio" and "face", in its order: every input that has a mask."""
        if self.finder is not None:
            return ()
        names = [tensor.name for tensor in self.graphs["fusion"].inputs]
        return tuple(name for name in names if f"{name}_mask" in names)
