"""What the fields of a manifest say of one another: shapes of graphs against contract, window, labels and means.

The range of each field alone stands beside it (`mer_sdk.limits`). A manifest that passes both asks for no more memory
than a bundle may have, and its graphs fit together.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import combinations
from pathlib import PurePosixPath

from mer_sdk.contract.manifest import FINDER, NEUTRAL, Manifest
from mer_sdk.errors import BundleError
from mer_sdk.limits import shown
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

# All files of a bundle together; and the values of one tensor, which are allocated before any graph is read.
MOST_BYTES = 2**31
MOST_VALUES = 2**24
# Modality -> the input of its graph.
RAW = {"audio": "pcm", "face": "crop", "text": "ids"}


def check_manifest(manifest: Manifest) -> None:
    """Check that the fields of a manifest agree with one another.

    Raises:
        BundleError: the first contradiction, with both sides of it.
    """
    _check_files(manifest)
    for name, graph in manifest.graphs.items():
        _check_tensors(name, graph)
    if manifest.finder is not None:
        _check_finder(manifest)
    else:
        _check_emotion_model(manifest)


def _fail(sentence: str) -> None:
    raise BundleError(f"manifest.json: {sentence}; convert the bundle again")


def inside(path: str) -> bool:
    """Whether a path of a manifest is relative, plain, and stays below the bundle's folder."""
    parts = path.split("/")
    plain = all(part not in ("", ".", "..") and part == part.strip() for part in parts)
    return plain and "\\" not in path and "\0" not in path and not PurePosixPath(path).is_absolute() and ":" not in path


def _check_files(manifest: Manifest) -> None:
    paths = [spec.path for spec in manifest.files]
    for path in (*paths, *(graph.file for graph in manifest.graphs.values())):
        if not inside(path):
            _fail(f"{shown(path)} lies outside the bundle, or is no plain path")
    if len(set(paths)) != len(paths):
        _fail("a file is listed twice")
    if sum(spec.bytes for spec in manifest.files) > MOST_BYTES:
        _fail(f"its files have over {MOST_BYTES:,} bytes")
    for graph in manifest.graphs.values():
        # A Core ML package is a folder: its files are listed, the graph names the folder.
        if not any(path == graph.file or path.startswith(graph.file + "/") for path in paths):
            _fail(f"{graph.file} is a graph without a hash")


def _check_tensors(name: str, graph: GraphSpec) -> None:
    for kind, tensors in (("input", graph.inputs), ("output", graph.outputs)):
        names = [tensor.name for tensor in tensors]
        if not names or len(set(names)) != len(names):
            _fail(f"the {kind}s of {name} are {', '.join(names) or 'none'}; there must be some, each once")
        for tensor in tensors:
            if not tensor.shape or math.prod(tensor.shape) > MOST_VALUES:
                _fail(f"{kind} {tensor.name} of {name} has the shape {_shape(tensor)}")
            if tensor.range is not None and not tensor.range[0] <= tensor.range[1]:
                _fail(f"{kind} {tensor.name} of {name} has a range that is not one")


def _check_finder(manifest: Manifest) -> None:
    contract = manifest.finder
    assert contract is not None  # the caller looked
    if set(manifest.graphs) != {FINDER}:
        _fail(f"a face finder has one graph, {FINDER}; there are {_names(manifest.graphs)}")
    graph = manifest.graphs[FINDER]
    inputs, outputs = _by_name(graph.inputs), _by_name(graph.outputs)
    _expect(FINDER, inputs, "frame", (1, contract.height, contract.width, 3))
    if set(inputs) != {"frame"}:
        _fail(f"a face finder reads frame alone; it has the inputs {_names(inputs)}")
    cells = outputs["scores"].shape[-1] if "scores" in outputs else 1
    _expect(FINDER, outputs, "scores", (1, cells))
    _expect(FINDER, outputs, "boxes", (1, cells, 4))


def _check_emotion_model(manifest: Manifest) -> None:
    labels = manifest.labels
    if not labels or len(set(labels)) != len(labels) or not all(label.strip() for label in labels):
        _fail(f"it has {len(labels)} labels; there must be some, each once, none empty")
    if "fusion" not in manifest.graphs:
        _fail(f"a bundle needs the graph fusion; there are {_names(manifest.graphs)}")
    sizes = _check_fusion(manifest)
    _check_encoders(manifest, sizes)
    _check_means(manifest, sizes)
    _check_states(manifest)
    step = manifest.audio.sample_rate * manifest.clock.step_ms // 1000
    if "audio" in manifest.graphs and manifest.audio.chunk_samples < step:
        _fail(f"a chunk of {manifest.audio.chunk_samples} samples is shorter than a step of {step}")


def _check_fusion(manifest: Manifest) -> dict[str, int]:
    """Modality -> length of its features, as the fusion graph reads them."""
    graph, dialogue = manifest.graphs["fusion"], manifest.dialogue
    rows = manifest.clock.window_steps if dialogue is None else dialogue.utterances
    inputs, outputs = _by_name(graph.inputs), _by_name(graph.outputs)
    modalities = manifest.modalities
    if not modalities or not set(modalities) <= set(RAW):
        _fail(f"fusion reads {_names(inputs)}; it must read some of audio, face and text, each with its mask")
    allowed = {*modalities, *(f"{name}_mask" for name in modalities), *(() if dialogue is None else ("speakers",))}
    if set(inputs) != allowed:
        _fail(f"fusion reads {_names(inputs)}, and should read {_names(allowed)}")
    sizes = {name: inputs[name].shape[-1] for name in modalities}
    for name, size in sizes.items():
        _expect("fusion", inputs, name, (1, rows, size))
        _expect("fusion", inputs, f"{name}_mask", (1, rows))
    many: tuple[int, ...] = () if dialogue is None else (rows,)
    if dialogue is not None:
        _expect("fusion", inputs, "speakers", (1, rows))
    _expect("fusion", outputs, "logits", (1, *many, len(manifest.labels)))
    _expect("fusion", outputs, "reliance", (1, *many, len(modalities)))
    return sizes


def _check_encoders(manifest: Manifest, sizes: dict[str, int]) -> None:
    audio, face, text = manifest.audio, manifest.face, manifest.text
    shapes: dict[str, Callable[[], tuple[int, ...]]] = {
        "audio": lambda: (1, audio.chunk_samples),
        "face": lambda: (1, face.crop_size, face.crop_size, 3),
        "text": lambda: (1, text.words, text.slots) if text is not None else (),
    }
    for name, graph in manifest.graphs.items():
        # Graphs of other names are not for this SDK to run, and are left alone.
        if name not in RAW:
            continue
        if name not in sizes:
            _fail(f"the graph {name} gives nothing that fusion reads")
        if name == "text" and text is None:
            _fail("there is a text graph and no contract of text")
        inputs = _by_name(graph.inputs)
        _expect(name, inputs, RAW[name], shapes[name](), "int32" if name == "text" else "float32")
        if len(inputs) != 1 or len(graph.outputs) != 1:
            _fail(f"the graph {name} has one input and one output; there are {len(inputs)} and {len(graph.outputs)}")
        if graph.outputs[0].shape != (1, sizes[name]):
            _fail(f"{name} gives {_shape(graph.outputs[0])}, and fusion reads {sizes[name]} features of it")
    missing = [name for name in sizes if name not in manifest.graphs and not (name == "text" and manifest.dialogue)]
    if missing:
        _fail(f"there is no graph for {_names(missing)}, which fusion reads")
    if text is not None and text.ngrams[0] > text.ngrams[1]:
        _fail(f"the shortest n-gram has {text.ngrams[0]} characters, the longest {text.ngrams[1]}")


def _check_means(manifest: Manifest, sizes: dict[str, int]) -> None:
    means = manifest.baseline.population_mean
    if means and not manifest.baseline.prior_steps:
        _fail("prior_steps is 0, and a population mean without weight is no baseline")
    for name, mean in means.items():
        if name not in sizes:
            _fail(f"there is a population mean of {shown(name)}, which fusion does not read")
        if len(mean) != sizes[name]:
            _fail(f"the population mean of {name} has {len(mean)} values, and fusion reads {sizes[name]} features")
    absent = [name for name in sizes if name not in means]
    if manifest.dialogue is None and absent:
        _fail(f"there is no population mean of {_names(absent)}")
    offsets = manifest.baseline.neutral_offset
    if offsets and set(offsets) != set(means):
        _fail(f"there is a neutral offset of {_names(offsets)}, and a population mean of {_names(means)}")
    for name, offset in offsets.items():
        if len(offset) != len(means[name]):
            _fail(f"the neutral offset of {name} has {len(offset)} values, and its population mean {len(means[name])}")
    if manifest.baseline.neutral_prior and manifest.dialogue is not None:
        _fail("there is a neutral prior, and a dialogue's baselines take utterances in as they are")
    if manifest.baseline.neutral_prior and not (offsets and NEUTRAL in manifest.labels):
        _fail(f"there is a neutral prior, which needs a neutral offset and the label {NEUTRAL}")


def _check_states(manifest: Manifest) -> None:
    known = manifest.modalities
    allowed = {"+".join(some) for count in range(1, len(known) + 1) for some in combinations(known, count)}
    for state in manifest.decision.states:
        if state not in allowed:
            _fail(f"its decision has the state {shown(state)}; the window's states are {_names(allowed)}")


def _expect(
    graph: str, tensors: dict[str, TensorSpec], name: str, shape: tuple[int, ...], dtype: str = "float32"
) -> None:
    if name not in tensors:
        _fail(f"{graph} has no tensor {name}; there are {_names(tensors)}")
    tensor = tensors[name]
    if tensor.shape != shape or tensor.dtype != dtype:
        wanted = "x".join(map(str, shape))
        _fail(f"{name} of {graph} is {_shape(tensor)} {tensor.dtype}, and should be {wanted} {dtype}")


def _by_name(tensors: tuple[TensorSpec, ...]) -> dict[str, TensorSpec]:
    return {tensor.name: tensor for tensor in tensors}


def _shape(tensor: TensorSpec) -> str:
    return "x".join(map(str, tensor.shape)) or "without a size"


def _names(names: object) -> str:
    return ", ".join(shown(name).strip("'") for name in sorted(names)) or "none"  # type: ignore[call-overload]
