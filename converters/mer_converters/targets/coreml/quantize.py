"""The quantized schemes of a saved Core ML program, made by coremltools' own passes.

w8: int8 weights, one scale a channel, symmetric. w4: 16 levels a weight (a palette). int8: also the inputs and outputs
of convolutions, linear layers and poolings, with the ranges of `mer_converters.targets.coreml.calibrate`.

In floating point stay: everything a logarithm depends on (the log-mel front end); products of two tensors, softmax,
norms and gates, which coremltools has no 8-bit form of; and sums of two tensors. With 8-bit sums the fusion of GRJCA's
student, whose gated attention adds residuals, named fp32's label in 97.7 % of 128 windows, without in 99.2 %, and the
file was larger.
"""

from __future__ import annotations

import contextlib
import io
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mer_converters.targets.coreml.calibrate import Range
from mer_converters.targets.coreml.program import leads_to, load_function, read_package
from mer_converters.targets.coreml.source import read_sources, record_sources
from mer_sdk.errors import ConversionError

if TYPE_CHECKING:
    from torch.export import ExportedProgram

# The passes that take given ranges are not coremltools' public interface: another version may do something else.
TESTED_VERSIONS = ("9.0",)
# coremltools leaves smaller weights alone unless told; the students' matrices are small.
WEIGHT_THRESHOLD = 64
PALETTE_BITS = 4
FLOAT_TYPES = ("add",)
_LEAST_WIDTH = 256 * 2.0**-14


def weights_to_int8(model: Any, float_parts: Mapping[str, None]) -> Any:
    """An `MLModel` with int8 weights, per output channel, symmetric.

    Args:
        model: in floating point, or with quantized activations.
        float_parts: as `float_operations` gives them.
    """
    from coremltools.optimize import coreml as cto

    config = cto.OpLinearQuantizerConfig(
        mode="linear_symmetric", dtype="int8", granularity="per_channel", weight_threshold=WEIGHT_THRESHOLD
    )
    with _quiet():
        return cto.linear_quantize_weights(model, _configuration(config, float_parts))


def weights_to_palette(model: Any, float_parts: Mapping[str, None]) -> Any:
    """An `MLModel` whose weights take 16 levels each tensor, found by k-means; arguments as `weights_to_int8`."""
    from coremltools.optimize import coreml as cto

    config = cto.OpPalettizerConfig(mode="kmeans", nbits=PALETTE_BITS, weight_threshold=WEIGHT_THRESHOLD)
    with _quiet():
        return cto.palettize_weights(model, _configuration(config, float_parts))


def activations_to_int8(model: Any, ranges: Mapping[str, Range], float_parts: Mapping[str, None]) -> Any:
    """An `MLModel` with quantize and dequantize around every operation that has an 8-bit form, `FLOAT_TYPES` left
    out.

    Args:
        model: in floating point.
        ranges: of every float value of the model.
        float_parts: as `float_operations` gives them.

    Raises:
        ConversionError: this version of coremltools is not one that the passes were tested with.
    """
    import coremltools as ct
    from coremltools.converters.mil.frontend.milproto.load import load
    from coremltools.converters.mil.mil.passes.defs.optimize_activation_quantization import (
        insert_suffix_quantize_dequantize_pair,
    )
    from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY
    from coremltools.models.utils import _apply_graph_pass
    from coremltools.optimize import coreml as cto
    from coremltools.optimize.coreml._quantization_passes import insert_prefix_quantize_dequantize_pair

    if ct.__version__ not in TESTED_VERSIONS:
        raise ConversionError(
            f"static int8 for Core ML uses passes of coremltools {', '.join(TESTED_VERSIONS)}; version "
            f"{ct.__version__} is installed: pip install coremltools=={TESTED_VERSIONS[-1]}, or take --scheme w8"
        )
    # Not symmetric: what leaves a ReLU has no negative half.
    config = _configuration(cto.OpLinearQuantizerConfig(mode="linear", dtype="int8"), float_parts)
    config.op_type_configs = dict.fromkeys(FLOAT_TYPES)
    statistics = {name: _statistics(found) for name, found in ranges.items()}
    before, after = insert_prefix_quantize_dequantize_pair(), insert_suffix_quantize_dequantize_pair()
    for graph_pass in (before, after):
        graph_pass.config = config
        graph_pass.activation_stats = statistics
    passes = [before, after, PASS_REGISTRY["common::dequantize_quantize_pair_elimination"]]
    with _quiet():
        return _apply_graph_pass(
            model, passes, spec_version=ct.target.iOS17, pymil_load_func=load, skip_model_load=True
        )


def float_operations(package: str | Path, sensitive: tuple[str, ...] = ()) -> dict[str, None]:
    """Names of the operations, and of the constants that they read, that stay in floating point.

    Args:
        package: the saved program.
        sensitive: names of further operations; their constants are found here.

    Raises:
        ConversionError: the package cannot be read, or has no operation of a name in `sensitive`.
    """
    function = load_function(read_package(package))
    keep: dict[str, None] = {}
    known: dict[Any, bool] = {}
    names = set()
    for operation in function.operations:
        names.add(operation.name)
        if operation.name in sensitive or leads_to("log", operation, known):
            keep[operation.name] = None
            for value in operation.get_flattened_inputs():
                if value.op is not None and value.op.op_type == "const":
                    keep[value.op.name] = None
    unknown = sorted(set(sensitive) - names)
    if unknown:
        raise ConversionError(f"{Path(package).name} has no operation {', '.join(unknown)} to keep in floating point")
    return keep


def operations_of(
    package: str | Path, program: Callable[[], ExportedProgram], paths: tuple[str, ...]
) -> tuple[str, ...]:
    """Names of a saved program's operations that came from layers of the network which it was converted from.

    Core ML's names are those of torch.export's nodes, with what coremltools appends.

    Args:
        package: the saved program.
        program: gives what it was converted from.
        paths: of layers, those below them included.

    Raises:
        ConversionError: the program has no operation of one of them.
    """
    if not paths:
        return ()
    homes = {
        _stem(node.name): [path.split("@")[0] for path, _ in node.meta.get("nn_module_stack", {}).values()]
        for node in program().graph.nodes
    }
    found: dict[str, list[str]] = {path: [] for path in paths}
    for operation in load_function(read_package(package)).operations:
        for path in homes.get(_stem(operation.name), ()):
            if path in found and operation.op_type != "const":
                found[path].append(operation.name)
    lost = [path for path, names in found.items() if not names]
    if lost:
        raise ConversionError(f"{Path(package).name} has no operation of {', '.join(lost)} to keep in floating point")
    return tuple(dict.fromkeys(name for names in found.values() for name in names))


def _stem(name: str) -> str:
    return re.sub(r"(_0)?(_cast_fp(16|32))?$", "", name)


def open_model(package: str | Path) -> Any:
    """The saved package as an `MLModel`, without compiling it."""
    import coremltools as ct

    with _quiet():
        return ct.models.MLModel(str(package), skip_model_load=True)


def keep_sources(model: Any, package: str | Path) -> None:
    """Note in a model made from a package where its values come from, which the passes lose."""
    record_sources(model, read_sources(read_package(package).spec))


def _statistics(found: Range) -> dict[str, float]:
    """A range as the passes take it: with 0 in it, and wide enough for a scale that fp16 holds as a normal number."""
    low, high = min(found.low, 0.0), max(found.high, 0.0)
    missing = max(0.0, _LEAST_WIDTH - (high - low))
    return {"rmin": low, "rmax": high + missing}


def _configuration(config: Any, float_parts: Mapping[str, None]) -> Any:
    from coremltools.optimize import coreml as cto

    return cto.OptimizationConfig(global_config=config, op_name_configs=dict(float_parts))


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the progress bars of the passes, which cannot be turned off."""
    with contextlib.redirect_stderr(io.StringIO()):
        yield
