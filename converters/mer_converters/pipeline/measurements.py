"""What is made once for all targets before they are converted: calibration inputs and sensitivities."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mer_converters.pipeline.export import Sensitivities
from mer_converters.pipeline.float_fallback import FloatModules
from mer_converters.pipeline.golden import golden_inputs, one_thread
from mer_converters.pipeline.graphs import Graph
from mer_converters.processes.progress import Say, Step
from mer_fusion.checkpoint import Checkpoint
from mer_fusion.torch_bundle import open_checkpoint
from mer_quantization.calibration import calibration_inputs, read_samples, save_samples
from mer_quantization.recordings import DataOptions
from mer_quantization.schemes import Scheme
from mer_quantization.sensitivity import quantizable, sensitivity
from mer_sdk.errors import OptionError


def float_modules(graphs: tuple[Graph, ...], names: tuple[str, ...]) -> FloatModules:
    """GRAPH.LAYER by graph.

    Raises:
        OptionError: no such graph or layer.
    """
    found: FloatModules = {}
    known = {graph.name: [name for name, _ in graph.module.named_modules() if name] for graph in graphs}
    for given in names:
        graph, _, layer = given.partition(".")
        if layer not in known.get(graph, ()):
            layers = quantizable(next(item.module for item in graphs if item.name == graph)) if graph in known else {}
            allowed = f"layers of {graph}: {', '.join(layers)}" if layers else f"graphs: {', '.join(known)}"
            raise OptionError(f"--keep-float {given} names no layer; give GRAPH.LAYER; {allowed}")
        found[graph] = (*found.get(graph, ()), layer)
    return found


def record_calibration(checkpoint: Path, data: DataOptions, folder: Path, say: Say) -> None:
    """Write the calibration inputs of every graph, once for all targets.

    Raises:
        OptionError, DataError: as `calibration_inputs`.
        OSError: the folder cannot be written.
    """
    inputs = calibration_inputs(
        open_checkpoint(checkpoint),
        data,
        progress=lambda done, total: say(Step("calibration", f"clip {done} of {total}", done / total)),
    )
    save_samples(folder, inputs)


def sensitivities(
    checkpoint: Checkpoint,
    graphs: tuple[Graph, ...],
    wanted: Mapping[str, tuple[Scheme, ...]],
    folder: Path,
    golden_folder: Path,
    say: Say,
) -> dict[str, Sensitivities]:
    """Scheme -> graph -> what each operation loses.

    Args:
        wanted: target -> its schemes.
        folder: calibration inputs; where it is missing the golden cases are taken, and written to `golden_folder`.

    Raises:
        OSError: `golden_folder` cannot be written.
    """
    schemes = {scheme.name: scheme for found in wanted.values() for scheme in found if scheme.quantized}
    if not schemes:
        return {}
    if not folder.is_dir():
        folder = golden_folder
        save_samples(folder, golden_inputs(checkpoint.network.prepare_for_export(), checkpoint.card))
    found: dict[str, Sensitivities] = {}
    pairs = [(scheme, graph) for scheme in schemes.values() for graph in graphs]
    for number, (scheme, graph) in enumerate(pairs):
        say(Step("sensitivity", f"what each operation of {graph.name} loses in {scheme.name}", number / len(pairs)))
        inputs = [tensor.name for tensor in graph.contract.inputs]
        with one_thread():
            rows = sensitivity(graph.module, inputs, read_samples(folder / f"{graph.name}.npz"), scheme)
        found.setdefault(scheme.name, {})[graph.name] = rows
    say(Step("sensitivity", "done", 1.0))
    return found
