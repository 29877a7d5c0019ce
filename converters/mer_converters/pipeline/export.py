"""One target's artifacts: exported, read back, run, and held against fp32; what must stay in float is found."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from torch import nn

from mer_converters.pipeline.accuracy import Accuracy, Answers, compare_answers
from mer_converters.pipeline.float_fallback import FloatModules, fewest_in_float, ranked
from mer_converters.pipeline.gate import PASSED, Distance, distance, judge
from mer_converters.pipeline.golden import golden_file
from mer_converters.pipeline.graphs import Graph
from mer_converters.targets import ExportJob, QuantizingTarget, Target
from mer_quantization.confidence import Confidence, fitted_confidence
from mer_quantization.proof import GraphProof, check_proof
from mer_quantization.schemes import FP32, Scheme
from mer_quantization.sensitivity import OperationError
from mer_sdk.contract.golden import CaseOutput, GoldenCase, save_golden
from mer_sdk.contract.manifest import BaselineContract
from mer_sdk.errors import ConversionError
from mer_sdk.parity.golden import run_case
from mer_sdk.runtimes import Graph as RuntimeGraph
from mer_sdk.runtimes import load_graph

Sensitivities = dict[str, tuple[OperationError, ...]]
# What the steps take beside one another: loading a tool, exporting a graph, running the golden cases, and the clips.
LOAD_WEIGHT, EXPORT_WEIGHT, CHECK_WEIGHT, CLIPS_WEIGHT = 5.0, 3.0, 1.0, 6.0


@dataclass(frozen=True)
class Artifact:
    """One scheme of one target as written.

    Attributes:
        scheme: its name.
        seconds: from the end of the artifact before (the first one: from the start of the process) to its last check.
        conversion: fp32 of this target against torch.
        quantization: this scheme against fp32 of this target, None for fp32.
        check: what was checked without running, per graph.
        proof: what each graph holds in integers; empty for schemes in floating point.
        accuracy: a quantized scheme against fp32 on labelled clips, None where there were none.
        confidence: fitted to this artifact's answers on labelled clips, None where there were none.
        float_modules: graph -> operations of the network that stay in float, as asked for or moved by the fallback.
        moved: those of them that the fallback moved, "graph.operation", the most sensitive first.
        tries: artifacts that were made to find them, 1 where the first one was kept.
    """

    scheme: str
    seconds: float
    conversion: Distance
    quantization: Distance | None
    check: dict[str, str]
    proof: dict[str, GraphProof] = field(default_factory=dict)
    accuracy: Accuracy | None = None
    confidence: Confidence | None = None
    float_modules: FloatModules = field(default_factory=dict)
    moved: tuple[str, ...] = ()
    tries: int = 1


@dataclass(frozen=True, eq=False)
class ExportInputs:
    """What the artifacts of one target are made of.

    Attributes:
        target: where to.
        graphs: of the network in export form, the fusion last.
        baseline, temperature: of the checkpoint's card.
        cases: golden cases of the untouched network.
        calibration: folder of the calibration inputs, None where there are none.
        answer: runs loaded graphs over labelled clips; None where there are none.
        coverage: share of answers to give, for the abstention threshold.
        float_modules: graph -> operations that the user wants in float in quantized schemes.
        sensitivities: scheme -> graph -> its operations; empty where nothing is to be moved to float by itself.
        step: called before each step with what is done, and what it takes beside the others.
    """

    target: Target
    graphs: tuple[Graph, ...]
    baseline: BaselineContract
    temperature: float
    cases: tuple[GoldenCase, ...]
    calibration: Path | None = None
    answer: Callable[[Mapping[str, RuntimeGraph]], Answers] | None = None
    coverage: float = 1.0
    float_modules: FloatModules = field(default_factory=dict)
    sensitivities: dict[str, Sensitivities] = field(default_factory=dict)
    step: Callable[[str, float], None] = lambda doing, weight: None


def planned(graphs: Sequence[Graph], schemes: Sequence[Scheme], labelled: bool) -> float:
    """The weights of all steps of `build`, where no layer is moved to float."""
    each = EXPORT_WEIGHT * len(graphs) + CHECK_WEIGHT + (CLIPS_WEIGHT if labelled else 0.0)
    return LOAD_WEIGHT + each * len({FP32, *schemes})


@dataclass(frozen=True, eq=False)
class _ExportedScheme:
    """A scheme's files with what was found of them."""

    folder: Path
    files: dict[str, Path]
    check: dict[str, str]
    proof: dict[str, GraphProof]
    float_modules: FloatModules
    outputs: tuple[CaseOutput, ...]
    answers: Answers | None


def build(material: ExportInputs, schemes: Sequence[Scheme], folder: Path, started: float) -> tuple[Artifact, ...]:
    """Export and measure in this process. Fp32 is always made, as the reference, and removed if not asked for.

    Args:
        material: see there.
        schemes: what to keep.
        folder: the artifacts go to `folder/SCHEME/GRAPH.SUFFIX`, and the golden cases with a quantized artifact's own
            logits to `golden_file`.
        started: time.time() when the work was asked for.

    Raises:
        MerError: an artifact is not what the contract says or does not run.
    """
    artifacts, mark = [], started
    material.step(f"loading {material.target.needs[1]}", LOAD_WEIGHT)
    material.target.load()
    fp32 = _make(material, FP32, folder / FP32.name, {})
    conversion = distance(fp32.outputs, [case.answer for case in material.cases])
    for scheme in (FP32, *(scheme for scheme in schemes if scheme != FP32)):
        if scheme not in schemes:
            continue
        made, moved, tries = _made(material, scheme, folder, fp32, conversion)
        if scheme.quantized:
            pairs = zip(material.cases, made.outputs, strict=True)
            own = [replace(case, made=output.logits) for case, output in pairs]
            save_golden(folder / golden_file(scheme.name), own)
        now = time.time()
        artifacts.append(
            Artifact(
                scheme.name,
                now - mark,
                conversion,
                None if scheme == FP32 else distance(made.outputs, fp32.outputs),
                made.check,
                made.proof,
                _accuracy(scheme, made, fp32),
                _confidence(material, made),
                made.float_modules,
                moved,
                tries,
            )
        )
        mark = now
    if FP32 not in schemes:
        shutil.rmtree(folder / FP32.name)
    return tuple(artifacts)


def _made(
    material: ExportInputs, scheme: Scheme, folder: Path, fp32: _ExportedScheme, conversion: Distance
) -> tuple[_ExportedScheme, tuple[str, ...], int]:
    """A scheme, with more operations in float where it would not pass the gate: (artifact, what was moved, tries)."""
    if scheme == FP32:
        return fp32, (), 1
    requested = kept_in_float(material.target, material.graphs, scheme, material.float_modules)
    first = _make(material, scheme, folder / scheme.name, requested, fp32)
    ranking = ranked(material.sensitivities.get(scheme.name, {})) if scheme.quantized else []
    ranking = [(graph, name) for graph, name in ranking if name not in requested.get(graph, ())]

    def passes(made: _ExportedScheme | None) -> bool:
        if made is None:
            return False
        apart, accuracy = distance(made.outputs, fp32.outputs), _accuracy(scheme, made, fp32)
        return judge(scheme, conversion, apart, accuracy=accuracy).state == PASSED

    if not ranking or passes(first):
        return first, (), 1

    def make(moved: FloatModules) -> _ExportedScheme | None:
        names = {graph: (*requested.get(graph, ()), *moved.get(graph, ())) for graph in (*requested, *moved)}
        try:
            return _make(material, scheme, folder / f"{scheme.name}-{_count(names)}", names, fp32, first)
        except ConversionError:
            return None  # nothing is left in integers in one of the graphs

    found = fewest_in_float(ranking, make, passes)
    kept = found.result or first
    final = folder / scheme.name
    if kept.folder != final:
        shutil.rmtree(final)
        shutil.copytree(kept.folder, final)
    for rest in folder.glob(f"{scheme.name}-*"):
        shutil.rmtree(rest)
    return kept, tuple(f"{graph}.{name}" for graph, name in found.moved), found.tries


def kept_in_float(target: Target, graphs: Sequence[Graph], scheme: Scheme, requested: FloatModules) -> FloatModules:
    """Graph -> layers that a scheme leaves in float from the start.

    Those asked for; and, where activations have fixed ranges and the target is better for it (`first_in_float`), every
    convolution that reads a single channel, which is an encoder's first. It has nine weights a filter and reads the
    log-mel or grey values themselves, and on calibration inputs it is the most sensitive layer of its graph in every
    model.
    """
    if not scheme.quantized:
        return {}
    kept = dict(requested)
    for graph in graphs if scheme.calibrated and target.first_in_float else ():
        single = [
            name
            for name, layer in graph.module.named_modules()
            if isinstance(layer, nn.Conv2d) and layer.in_channels == 1 and layer.groups == 1
        ]
        names = tuple(dict.fromkeys((*kept.get(graph.name, ()), *single)))
        if names:
            kept[graph.name] = names
    return kept


def _make(
    material: ExportInputs,
    scheme: Scheme,
    folder: Path,
    float_modules: FloatModules,
    fp32: _ExportedScheme | None = None,
    same: _ExportedScheme | None = None,
) -> _ExportedScheme:
    """Export every graph, or take it from `same` where that keeps the same operations in float, and run the cases."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    target = material.target
    files: dict[str, Path] = {}
    check: dict[str, str] = {}
    proof: dict[str, GraphProof] = {}
    for graph in material.graphs:
        path = files[graph.name] = folder / f"{graph.name}{target.suffix}"
        keep = float_modules.get(graph.name, ())
        if same is not None and same.float_modules.get(graph.name, ()) == keep:
            _copy(same.files[graph.name], path)
            check |= {name: said for name, said in same.check.items() if name == graph.name}
            proof |= {name: found for name, found in same.proof.items() if name == graph.name}
            continue
        material.step(f"exporting {graph.name} in {scheme.name}", EXPORT_WEIGHT)
        spec = graph.spec(path.name, scheme.name)
        inputs = material.calibration if scheme.calibrated else None
        samples = None if inputs is None else inputs / f"{graph.name}.npz"
        source = fp32.files[graph.name] if fp32 is not None else None
        target.export(ExportJob(graph.module, graph.example, spec, scheme, source, samples, keep, graph.exported), path)
        said = target.check(path, spec)
        if said:
            check[graph.name] = said
        if scheme.quantized:
            proof[graph.name] = _proof(target, scheme, graph, path, keep)
    material.step(f"running the golden cases in {scheme.name}", CHECK_WEIGHT)
    specs = {graph.name: graph.spec(files[graph.name].name, "") for graph in material.graphs}
    loaded = {name: load_graph(target.runtime, files[name], spec, 1) for name, spec in specs.items()}
    outputs = tuple(run_case(loaded, specs, material.baseline, case.given) for case in material.cases)
    answers = None
    if material.answer is not None:
        material.step(f"answering labelled clips in {scheme.name}", CLIPS_WEIGHT)
        answers = material.answer(loaded)
    return _ExportedScheme(folder, files, check, proof, float_modules, outputs, answers)


def _proof(target: Target, scheme: Scheme, graph: Graph, path: Path, keep: tuple[str, ...]) -> GraphProof:
    if not isinstance(target, QuantizingTarget):
        raise ConversionError(f"{target.name} cannot prove what it holds in integers, so {scheme.name} is not written")
    proof = target.proof(path)
    check_proof(graph.name, scheme, proof, graph.module, keep)
    return proof


def _accuracy(scheme: Scheme, made: _ExportedScheme, fp32: _ExportedScheme) -> Accuracy | None:
    if not scheme.quantized or made.answers is None or fp32.answers is None:
        return None
    return compare_answers(made.answers, fp32.answers)


def _confidence(material: ExportInputs, made: _ExportedScheme) -> Confidence | None:
    found = made.answers
    # Of people whom it has met a network is too sure; the card's decision was fitted to others.
    if found is None or found.met or not np.isfinite(found.log_probabilities).all():
        return None
    return fitted_confidence(
        found.truth, found.log_probabilities, found.groups, material.temperature, material.coverage, found.composed
    )


def _count(float_modules: FloatModules) -> int:
    return sum(map(len, float_modules.values()))


def _copy(source: Path, path: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, path)
    else:
        shutil.copyfile(source, path)
