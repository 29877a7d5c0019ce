"""Golden cases: raw input, features and output of a whole window, by which any port of a bundle proves itself.

A window's rows are steps, or the utterances of a dialogue; one file format and one way to run a case serve both.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import Manifest
from mer_sdk.contract.npy import DAMAGED, read_npy
from mer_sdk.errors import BundleError, reason_of

GOLDEN = "golden.npz"
MOST_BYTES = 2**28
# Modality -> name of its raw input, in the graph and in the file.
RAW = {"text": "ids", "audio": "pcm", "face": "crop"}


@dataclass(frozen=True, eq=False)
class CaseInput:
    """What a window is made of; N rows, the newest last.

    Attributes:
        raw: modality -> raw input of every row: ids int32 [N, words, slots]; pcm float32 [N, chunk_samples] in [-1, 1];
            crops float32 [N, S, S, 3], RGB 0-255. In a dialogue pcm and crops have a second axis: an utterance's steps.
        masks: modality -> float32 [N], 1 present, 0 missing; in the order of the fusion graph's inputs.
        speakers: in a dialogue the number of each utterance's speaker, float32 [N].
        names: in a dialogue the name that each number was made from.
        texts: in a dialogue with text the words that the ids were made from; "" where the text is missing.
    """

    raw: dict[str, np.ndarray]
    masks: dict[str, np.ndarray]
    speakers: np.ndarray | None = None
    names: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class CaseOutput:
    """What is made of a case, float32.

    Attributes:
        features: modality -> [N, D] before the baseline, 0 in rows where it is missing; of an utterance the mean
            over its steps.
        logits: [K], of a dialogue [N, K]; with the cold baseline.
        reliance: [M], of a dialogue [N, M].
    """

    features: dict[str, np.ndarray]
    logits: np.ndarray
    reliance: np.ndarray


@dataclass(frozen=True, eq=False)
class GoldenCase:
    """A window, and what the model in torch made of it.

    `made` is there in quantized bundles, which are not near enough to the model to be checked by its answer: the
    logits of the bundle itself where it was made, float32 of `answer.logits`' shape.
    """

    given: CaseInput
    answer: CaseOutput
    made: np.ndarray | None = None


@dataclass(frozen=True)
class _File:
    """The arrays of one case, by their names in the file."""

    path: Path
    prefix: str
    arrays: Mapping[str, np.ndarray]

    def has(self, name: str) -> bool:
        return self.prefix + name in self.arrays

    def __getitem__(self, name: str) -> np.ndarray:
        if not self.has(name):
            raise BundleError(f"{self.path}: {self.prefix}{name} is missing; convert the bundle again")
        return self.arrays[self.prefix + name]

    def floats(self, name: str) -> np.ndarray:
        with np.errstate(over="ignore"):  # what float32 cannot hold is refused as what is not finite
            return np.asarray(self[name], np.float32)


def load_golden(bundle: Bundle) -> tuple[GoldenCase, ...]:
    """The cases of a bundle's golden file, in order; none where the bundle is a checkpoint.

    Raises:
        BundleError: the bundle has no golden file, it is damaged, or a case does not fit the manifest.
    """
    if bundle.path is None or not bundle.path.is_dir():
        return ()
    cases = read_golden(bundle.path / GOLDEN)
    for index, case in enumerate(cases):
        _check_case(case, bundle.manifest, f"{bundle.path / GOLDEN}: case {index}")
    return cases


def _check_case(case: GoldenCase, manifest: Manifest, where: str) -> None:
    """Every array has the shape that the manifest's graphs read and give."""
    dialogue, fusion = manifest.dialogue, manifest.graphs.get("fusion")
    if fusion is None or tuple(case.given.masks) != tuple(name for name in RAW if name in manifest.modalities):
        raise BundleError(f"{where} is of {', '.join(case.given.masks)}, as no graph of this bundle reads")
    rows = manifest.clock.window_steps if dialogue is None else dialogue.utterances
    sizes = {tensor.name: tensor.shape for tensor in fusion.inputs}
    many: tuple[int, ...] = () if dialogue is None else (rows,)
    wanted: list[tuple[str, np.ndarray, tuple[int, ...]]] = [
        ("logits", case.answer.logits, (*many, len(manifest.labels))),
        ("reliance", case.answer.reliance, (*many, len(manifest.modalities))),
    ]
    if case.made is not None:
        wanted.append(("made_logits", case.made, case.answer.logits.shape))
    if dialogue is not None:
        speakers = case.given.speakers
        wanted.append(("speakers", np.zeros(0) if speakers is None else speakers, (rows,)))
    for name, mask in case.given.masks.items():
        graph, raw = manifest.graphs.get(name), case.given.raw[name]
        one = sizes[name][2:] if graph is None else graph.inputs[0].shape[1:]
        # In a dialogue sound and faces have an axis of their own for the steps of an utterance.
        steps = (max(1, raw.shape[1]),) if dialogue is not None and raw.ndim == len(one) + 2 else ()
        wanted += [
            (f"{name}_mask", mask, (rows,)),
            (RAW[name], raw, (rows, *steps, *one)),
            (f"{name}_features", case.answer.features[name], (rows, sizes[name][2])),
        ]
    for name, array, shape in wanted:
        if array.shape != shape or not np.isfinite(array).all():
            raise BundleError(
                f"{where}: {name} is {'x'.join(map(str, array.shape))} and should be "
                f"{'x'.join(map(str, shape))} finite numbers; convert the bundle again"
            )
    _check_words(case.given, manifest, rows, where)


def _check_words(given: CaseInput, manifest: Manifest, rows: int, where: str) -> None:
    """Every row has its text and its speaker's name, and ids are rows of the text graph's table."""
    for name, wanted, texts in (
        ("texts", "text" in given.masks, given.texts),
        ("names", manifest.dialogue is not None, given.names),
    ):
        if wanted and len(texts) != rows:
            raise BundleError(
                f"{where}: {name} is of {len(texts)} rows and should be of {rows}; convert the bundle again"
            )
    ids = given.raw.get("text")
    if ids is None or manifest.text is None or "text" not in manifest.graphs:
        return
    most = manifest.text.buckets - 1
    if ids.dtype.kind not in "iu" or ids.min(initial=0) < 0 or ids.max(initial=0) > most:
        raise BundleError(f"{where}: ids should be whole numbers from 0 to {most}; convert the bundle again")


def read_golden(path: Path) -> tuple[GoldenCase, ...]:
    """The cases of a golden file.

    Raises:
        BundleError: it is missing or damaged, or a case lacks an array.
    """
    arrays = read_arrays(path)
    count = len({key.split("_")[0] for key in arrays})
    if not count:
        raise BundleError(f"{path} holds no case; convert the bundle again")
    return tuple(_read_case(_File(path, f"case{index}_", arrays)) for index in range(count))


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Every array of a golden file by its name. Headers are read before anything is allocated.

    Raises:
        BundleError: it is missing, damaged, or would take more than `MOST_BYTES` of memory.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            if sum(member.file_size for member in members) > MOST_BYTES:
                raise ValueError(f"its arrays have over {MOST_BYTES:,} bytes")
            return {member.filename.removesuffix(".npy"): _read_array(archive, member) for member in members}
    except DAMAGED as error:
        raise BundleError(f"{path} cannot be read ({reason_of(error)}); convert the bundle again") from error


def _read_array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    with archive.open(member) as file:
        return read_npy(file, member.filename, MOST_BYTES)


def save_golden(path: Path, cases: Sequence[GoldenCase]) -> None:
    """Write a golden file: `case{i}_{name}`, compressed; the same cases give the same bytes.

    The names are those of docs/reference/bundle.md. Texts and speakers' names are UTF-8: `texts` holds the bytes of all
    rows one after the other (uint8), `texts_bytes` how many belong to each row.
    """
    arrays: dict[str, np.ndarray] = {}
    for index, case in enumerate(cases):
        given, answer = case.given, case.answer
        named = {RAW[name]: value for name, value in given.raw.items()}
        named |= {f"{name}_mask": mask for name, mask in given.masks.items()}
        if given.speakers is not None:
            named |= {"speakers": given.speakers, **_packed("names", given.names)}
        if given.texts:
            named |= _packed("texts", given.texts)
        named |= {f"{name}_features": rows for name, rows in answer.features.items()}
        named |= {"logits": answer.logits, "reliance": answer.reliance}
        if case.made is not None:
            named["made_logits"] = case.made
        arrays |= {f"case{index}_{name}": value for name, value in named.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, **arrays)  # type: ignore[arg-type]


def _read_case(file: _File) -> GoldenCase:
    # The order of the fusion graph's inputs.
    modalities = [name for name in RAW if file.has(f"{name}_mask")]
    if not modalities:
        raise BundleError(f"{file.path}: {file.prefix}*_mask is missing; convert the bundle again")
    dialogue = file.has("speakers")
    given = CaseInput(
        raw={name: file[RAW[name]] if name == "text" else file.floats(RAW[name]) for name in modalities},
        masks={name: file.floats(f"{name}_mask") for name in modalities},
        speakers=file.floats("speakers") if dialogue else None,
        names=_unpacked(file, "names") if dialogue else (),
        texts=_unpacked(file, "texts") if "text" in modalities else (),
    )
    features = {name: file.floats(f"{name}_features") for name in modalities}
    made = file.floats("made_logits") if file.has("made_logits") else None
    return GoldenCase(given, CaseOutput(features, file.floats("logits"), file.floats("reliance")), made)


def _packed(name: str, texts: Sequence[str]) -> dict[str, np.ndarray]:
    encoded = [text.encode("utf-8") for text in texts]
    lengths = np.array([len(text) for text in encoded], np.uint32)
    return {name: np.frombuffer(b"".join(encoded), np.uint8), f"{name}_bytes": lengths}


def _unpacked(file: _File, name: str) -> tuple[str, ...]:
    texts, counts = file[name], file[f"{name}_bytes"]
    # Summed as numbers of Python, which do not overflow.
    lengths = counts.tolist() if counts.ndim == 1 and counts.dtype.kind in "iu" else None
    whole = lengths is not None and min(lengths, default=0) >= 0 and sum(lengths) == texts.size
    if lengths is None or not whole or texts.ndim != 1 or texts.dtype != np.uint8:
        raise BundleError(
            f"{file.path}: {file.prefix}{name}_bytes does not say how many bytes of {file.prefix}{name} each row has; "
            "convert the bundle again"
        )
    content, ends = texts.tobytes(), list(accumulate(lengths))
    try:
        return tuple(content[end - length : end].decode("utf-8") for length, end in zip(lengths, ends, strict=True))
    except UnicodeDecodeError as error:
        raise BundleError(
            f"{file.path}: {file.prefix}{name} is not UTF-8 ({error}); convert the bundle again"
        ) from error
