"""What is to be converted, checked before anything is made."""

from __future__ import annotations

import importlib.util
import sys
from dataclasses import dataclass, replace
from pathlib import Path

from mer_converters.pipeline.float_fallback import FloatModules
from mer_converters.pipeline.graphs import Graph, network_graphs
from mer_converters.pipeline.measurements import float_modules
from mer_converters.pipeline.staging import refuse_other
from mer_converters.targets import find_target
from mer_fusion.checkpoint import Checkpoint, load_checkpoint
from mer_fusion.torch_bundle import manifest_of
from mer_quantization.confidence import check_coverage
from mer_quantization.recordings import DataOptions, check_data
from mer_quantization.schemes import SCHEMES, Scheme, check_calibration_data, find_scheme
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import MissingExtra


@dataclass(frozen=True)
class ConvertOptions:
    """How to convert.

    Attributes:
        out: folder that the bundles go into; made where it is missing.
        force: write a bundle although the gate failed; its manifest then says so.
        jobs: targets converted at the same time, at least 1.
        data: clips that calibrate the schemes which need it; None where there are none.
        check_data: clips on which schemes are judged and their confidence is fitted; None for other clips of `data`.
        coverage: share of answers to give, above 0 and at most 1; the others will be "unknown". Used where there are
            clips to choose the threshold on.
        keep_float: GRAPH.LAYER, layers that stay in float in quantized schemes, those below them included.
        fallback: whether the most sensitive layers of a quantized artifact that fails the gate are moved to float, as
            few as let it through.

    Raises:
        OptionError: a coverage outside (0, 1].
    """

    out: Path
    force: bool = False
    jobs: int = 2
    data: DataOptions | None = None
    check_data: DataOptions | None = None
    coverage: float = 0.9
    keep_float: tuple[str, ...] = ()
    fallback: bool = True

    def __post_init__(self) -> None:
        check_coverage(self.coverage)

    @property
    def labelled(self) -> DataOptions | None:
        """The clips that judge: `check_data`, or others of `data`."""
        return self.check_data or self.data


@dataclass(frozen=True, eq=False)
class Plan:
    """A conversion whose names, options and files were looked at.

    Attributes:
        checkpoint: what is converted.
        graphs: of its network in export form.
        schemes: target -> its schemes, both in the order asked for.
        keep: graph -> layers that stay in float in quantized schemes.
        options: see `ConvertOptions`.
    """

    checkpoint: Checkpoint
    graphs: tuple[Graph, ...]
    schemes: dict[str, tuple[Scheme, ...]]
    keep: FloatModules
    options: ConvertOptions

    def bundle_name(self, target: str, scheme: Scheme) -> str:
        """The name of a bundle's folder."""
        return f"{self.checkpoint.card.network.model}-{target}-{scheme.name}.mer"


def plan(checkpoint: Path, targets: tuple[str, ...], schemes: tuple[str, ...], options: ConvertOptions) -> Plan:
    """Look at everything that could be refused.

    Args:
        checkpoint: a `.safetensors` file with its card beside it.
        targets, schemes: names; each target in each scheme, in this order.
        options: see `ConvertOptions`.

    Raises:
        OptionError: an unknown name; a scheme that the target does not have; calibration data that is missing, or that
            no scheme would use; a layer that is not there.
        CheckpointError: the checkpoint cannot be read.
        MissingExtra: a target's tool is not installed.
        DataError: the data sets are not there, or have nothing to use.
        ConversionError: something that is no bundle lies where one would go.
    """
    wanted = {target: _schemes_of(target, schemes) for target in targets}
    for target in targets:
        _refuse_missing_tool(target)
    check_calibration_data([SCHEMES[name] for name in schemes], options.data.data if options.data else ())
    loaded = load_checkpoint(checkpoint)
    graphs = network_graphs(loaded.network.prepare_for_export(), loaded.card)
    manifest = manifest_of(loaded)
    options = replace(options, data=_looked(options.data, manifest), check_data=_looked(options.check_data, manifest))
    planned = Plan(loaded, graphs, wanted, float_modules(graphs, options.keep_float), options)
    for target, found in wanted.items():
        for scheme in found:
            refuse_other(options.out / planned.bundle_name(target, scheme))
    return planned


def _looked(given: DataOptions | None, manifest: Manifest) -> DataOptions | None:
    """Options of data that are there; what is left out of them is told."""
    if given is None:
        return None
    look = check_data(given, manifest)
    for clip in look.left_out:
        print(f"left out: {clip.clip}: {clip.reason}", file=sys.stderr, flush=True)
    return look.options


def _schemes_of(target: str, names: tuple[str, ...]) -> tuple[Scheme, ...]:
    allowed = find_target(target).schemes
    return tuple(find_scheme(name, allowed, target) for name in names)


def _refuse_missing_tool(target: str) -> None:
    module, distribution = find_target(target).needs
    if importlib.util.find_spec(module.split(".")[0]) is None:
        raise MissingExtra(f"target {target}", distribution, "convert")
