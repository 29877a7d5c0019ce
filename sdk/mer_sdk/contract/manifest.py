"""The manifest of a bundle: the contract between the converter that writes it and every port that runs it.

The dataclasses below are that contract. `manifest.json` is their JSON, and `docs/manifest.schema.json` their schema.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from typing import Any

from mer_sdk.contract.codec import from_json, json_schema, to_json
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.runtimes.graph import GraphSpec

SCHEMA_VERSION = 4
# The one graph of a face finder's bundle.
FINDER = "finder"


@dataclass(frozen=True)
class Clock:
    """Time runs in steps; the fusion graph reads a window of the last `window_steps` of them."""

    step_ms: int = 250
    window_steps: int = 16


@dataclass(frozen=True)
class AudioContract:
    """Audio graph input: `chunk_samples` of mono float32 PCM in [-1, 1], ending where the step ends.

    A chunk is the step and the left context before it; before the stream begins the context is zero. `resampler` names
    the host-side filter that brings other sample rates to `sample_rate`.
    """

    sample_rate: int = 16000
    chunk_samples: int = 16200
    resampler: str = "kaiser-sinc"


@dataclass(frozen=True)
class FaceContract:
    """Face graph input: a square crop, `crop_size` pixels wide, RGB, height x width x 3, values 0-255.

    The detector's box is made square about its centre (side = the larger of width and height), its side multiplied by
    `1 + 2 * margin`, and resized with `resize_filter` ("triangle": the antialiased bilinear filter of Pillow). Pixels
    outside the frame repeat the nearest edge pixel. A crop whose brightest value is at most `black_level` counts as "no
    face".
    """

    crop_size: int = 48
    margin: float = 0.0
    resize_filter: str = "triangle"
    channel_order: str = "RGB"
    black_level: float = 8.0


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

    height: int = 128
    width: int = 160
    threshold: float = 0.5
    overlap: float = 0.4
    box: str = "cascade-square"
    resize_filter: str = "triangle"

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

    words: int = 24
    slots: int = 8
    buckets: int = 8192
    ngrams: tuple[int, int] = (3, 5)
    hash: str = "fnv1a-32"


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

    utterances: int = 16
    speakers: int = 9
    causal: bool = True


@dataclass(frozen=True)
class BaselineContract:
    """The personal baseline: what the host subtracts from features before the fusion graph reads them.

    With `n` observed steps of mean `m`, the baseline is `(prior_steps * population_mean + n * m) / (prior_steps + n)`.
    A step is observed once it has left the window, so that a window is never judged against itself.
    """

    prior_steps: float
    population_mean: dict[str, tuple[float, ...]]


@dataclass(frozen=True)
class Decision:
    """Logits are divided by `temperature`; estimates less confident than `abstention_threshold` are "unknown".

    `coverage` is the share of clips that were at least that confident where the threshold was chosen.
    """

    temperature: float = 1.0
    abstention_threshold: float = 0.0
    coverage: float = 1.0


@dataclass(frozen=True)
class FileSpec:
    """One file of the bundle with its hash. `manifest.json` itself is not listed."""

    path: str
    sha256: str
    bytes: int


@dataclass(frozen=True)
class DataSource:
    """A data set that the weights were trained on."""

    name: str
    licence: str
    use: str


@dataclass(frozen=True)
class Manifest:
    """What a bundle holds and how to feed it. See the module docstring.

    `dialogue` is there for dialogue models, whose window is made of utterances; without it the window is made of steps.
    `text` is there where the bundle has a text graph.
    """

    name: str
    model: str
    labels: tuple[str, ...]
    target: str
    scheme: str
    graphs: dict[str, GraphSpec]
    baseline: BaselineContract
    files: tuple[FileSpec, ...]
    checkpoint_sha256: str
    parameters: dict[str, int]
    data: tuple[DataSource, ...]
    tools: dict[str, str]
    gate: str
    clock: Clock = field(default_factory=Clock)
    audio: AudioContract = field(default_factory=AudioContract)
    face: FaceContract = field(default_factory=FaceContract)
    text: TextContract | None = None
    dialogue: DialogueContract | None = None
    finder: FinderContract | None = None
    decision: Decision = field(default_factory=Decision)
    va_source: str = "circumplex"
    device_verified: tuple[dict[str, Any], ...] = ()
    schema_version: int = SCHEMA_VERSION

    @property
    def modalities(self) -> tuple[str, ...]:
        """What the fusion graph reads, of "text", "audio" and "face", in its order: every input that has a mask."""
        if self.finder is not None:
            return ()
        names = [tensor.name for tensor in self.graphs["fusion"].inputs]
        return tuple(name for name in names if f"{name}_mask" in names)


def manifest_to_text(manifest: Manifest) -> str:
    """The manifest as the text of `manifest.json`: keys in the order of the dataclasses, two-space indent."""
    return json.dumps(to_json(manifest), indent=2) + "\n"


def manifest_from_text(text: str) -> Manifest:
    """Read and check the text of a `manifest.json`.

    Raises:
        BundleError: not JSON, a newer schema, a missing or unknown field, or values that contradict one another.
    """
    try:
        data = json.loads(text)
    except json.JSONDecodeError as error:
        raise BundleError(
            f"manifest.json is not valid JSON ({error}); write the bundle again with mer-convert"
        ) from error
    version = data.get("schema_version") if isinstance(data, dict) else None
    if not isinstance(version, int):
        raise BundleError("manifest.json has no schema_version; is this folder a bundle made by mer-convert?")
    if version > SCHEMA_VERSION:
        raise BundleError(
            f"the bundle has manifest schema {version}, this mer_sdk reads up to {SCHEMA_VERSION}: "
            "pip install --upgrade mer-edge, or convert the bundle again with this version"
        )
    try:
        manifest = from_json(Manifest, data)
    except ValueError as error:
        raise BundleError(f"manifest.json does not fit its schema: {error}") from error
    _check(manifest)
    return manifest


def manifest_schema() -> dict[str, Any]:
    """The JSON Schema of `manifest.json`."""
    return json_schema(Manifest)


def _check(manifest: Manifest) -> None:
    if manifest.finder is not None:
        if set(manifest.graphs) != {FINDER}:
            raise BundleError(
                f"manifest.json lists the graphs {sorted(manifest.graphs)}; a face finder has one, {FINDER!r}"
            )
        _check_paths(manifest)
        return
    if "fusion" not in manifest.graphs:
        raise BundleError(f"manifest.json lists the graphs {sorted(manifest.graphs)}; a bundle needs 'fusion'")
    if not manifest.labels or len(set(manifest.labels)) != len(manifest.labels):
        raise BundleError(f"manifest.json has labels {list(manifest.labels)}; there must be some, each once")
    for name, mean in manifest.baseline.population_mean.items():
        if not all(math.isfinite(value) for value in mean):
            raise BundleError(f"manifest.json: the population mean of {name} has a value that is not finite")
    _check_paths(manifest)


def _check_paths(manifest: Manifest) -> None:
    for spec in manifest.files:
        if spec.path.startswith("/") or ".." in spec.path.split("/"):
            raise BundleError(f"manifest.json lists {spec.path!r}, which lies outside the bundle")
