"""The quantized schemes of ExecuTorch programs, made by torchao's PT2E with ExecuTorch's quantizer for XNNPACK.

In int8 are convolutions, linear layers (a ReLU behind them goes along) and, beside the tool, embedding tables. In int8
the input and output of each have a fixed range, from the least and largest value over all calibration inputs; in dyn8
the input's range is found as the program runs, per row of a linear layer and per image of a convolution. A convolution
over one channel is depthwise to XNNPACK, which has no dyn8 for it: there it stays in float, weight and all.

In floating point stay: everything a logarithm depends on (the log-mel front end), linear maps that are no parameters,
and all operations without a weight: softmax, norms, gates, products of two tensors, sums. XNNPACK would take sums,
products and concatenations too.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from mer_sdk.errors import ConversionError

if TYPE_CHECKING:
    from torch.fx import GraphModule, Node
    from torchao.quantization.pt2e.quantizer import QuantizationConfig, Quantizer

# A constant of this many values or less is no weight worth a scale.
WEIGHT_THRESHOLD = 64
# The tool's own least scale, 2**-12, is coarser than the weights of some channels.
_LEAST_SCALE = 2.0**-20


class Int8Table(nn.Module):
    """An embedding whose rows are held in int8, symmetric, each with its own scale.

    Made of plain operations: the tool's own form would need the library of quantized kernels on the device. Ids [...],
    int32 or int64 -> float32 [..., width]. A row of zeros stays zero.
    """

    def __init__(self, table: nn.Embedding) -> None:
        super().__init__()
        weight = table.weight.detach()
        scale = (weight.abs().amax(dim=1, keepdim=True) / 127.0).clamp(min=_LEAST_SCALE)
        self.register_buffer("rows", torch.round(weight / scale).to(torch.int8))
        self.register_buffer("scale", scale)

    def forward(self, ids: Tensor) -> Tensor:
        return F.embedding(ids, self.rows).float() * F.embedding(ids, self.scale)


class FlatConv2d(nn.Module):
    """A Conv1d as a Conv2d over a height of 1: XNNPACK quantizes inputs as they come for the latter alone.

    [B, inputs, T] -> [B, outputs, T'].
    """

    def __init__(self, conv: nn.Conv1d) -> None:
        super().__init__()
        # A padding by name would be that of both axes.
        assert not isinstance(conv.padding, str)
        self.flat = nn.Conv2d(
            conv.in_channels,
            conv.out_channels,
            (1, conv.kernel_size[0]),
            stride=(1, conv.stride[0]),
            padding=(0, conv.padding[0]),
            dilation=(1, conv.dilation[0]),
            groups=conv.groups,
            bias=conv.bias is not None,
        )
        state = conv.state_dict()
        self.flat.load_state_dict({**state, "weight": state["weight"].unsqueeze(2)})

    def forward(self, x: Tensor) -> Tensor:
        # Not reshape, which XNNPACK's pass for channels-last layouts fails on between three and four axes.
        flat: Tensor = self.flat(x.unsqueeze(2))
        return flat.squeeze(2)


def quantized(
    module: nn.Module,
    example: tuple[Tensor, ...],
    float_modules: tuple[str, ...] = (),
    samples: Iterable[tuple[Tensor, ...]] | None = None,
) -> GraphModule:
    """A module of the same inputs and outputs with quantized weights, for `mer_converters.targets.executorch.lower`.

    Args:
        module: an eval module in float32; it is not changed.
        example: inputs of one run.
        float_modules: paths of submodules, as `named_modules` gives them, whose operations stay in float.
        samples: inputs of one run each, whose ranges activations get (int8); None to find them as it runs (dyn8).

    Raises:
        ConversionError: no submodule of a path in `float_modules`, or no sample.
    """
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e

    dynamic = samples is None
    changed = _quantizable(module, float_modules, dynamic)
    captured = torch.export.export(changed, example, strict=False).module()
    fed = _logarithm_feeds(captured)

    def wanted(node: Node) -> bool:
        stack = node.meta.get("nn_module_stack", {}).values()
        kept = node.name in fed or _has_fixed_matrix(node, captured)
        return not kept and not any(_within(path, float_modules) for path, _ in stack)

    prepared = prepare_pt2e(captured, _quantizer(dynamic, wanted))
    runs = 0
    with torch.no_grad():
        # Weights are observed as the module runs, so that dyn8 needs a run too.
        for given in [example] if samples is None else samples:
            prepared(*given)
            runs += 1
    if not runs:
        raise ConversionError("there are no calibration inputs, which a static scheme takes its ranges from")
    result: GraphModule = convert_pt2e(prepared)
    return result


def _quantizable(module: nn.Module, float_modules: tuple[str, ...], dynamic: bool) -> nn.Module:
    """A copy whose tables are in int8 and, where activations are dynamic, whose Conv1d are in a form for it."""
    changed = copy.deepcopy(module).eval()
    parts = dict(changed.named_modules())
    missing = [path for path in float_modules if path not in parts]
    if missing:
        raise ConversionError(f"there is no submodule {', '.join(missing)} to keep in floating point")
    for path, part in parts.items():
        if _within(path, float_modules):
            continue
        if isinstance(part, nn.Embedding) and part.weight.numel() > WEIGHT_THRESHOLD and part.max_norm is None:
            changed.set_submodule(path, Int8Table(part))
        elif dynamic and isinstance(part, nn.Conv1d) and not isinstance(part.padding, str):
            changed.set_submodule(path, FlatConv2d(part))
    return changed.eval()


def _within(path: str, roots: Iterable[str]) -> bool:
    return any(path == root or path.startswith(f"{root}.") for root in roots)


def _logarithm_feeds(captured: nn.Module) -> frozenset[str]:
    """Names of the nodes that a logarithm depends on."""
    assert isinstance(captured, torch.fx.GraphModule)
    logarithms = ("aten.log.", "aten.log2.", "aten.log10.", "aten.log1p.")
    open_nodes = [node for node in captured.graph.nodes if str(node.target).startswith(logarithms)]
    seen: set[str] = set()
    while open_nodes:
        node = open_nodes.pop()
        if node.name not in seen:
            seen.add(node.name)
            open_nodes.extend(node.all_input_nodes)
    return frozenset(seen)


def _has_fixed_matrix(node: Node, captured: nn.Module) -> bool:
    """Whether a linear layer's matrix is no parameter: a transform that was never trained, such as Atsuko's spectra.

    Its values are exact by design, and the program that comes of quantizing it is wrong: with Atsuko's in int8 the
    fusion's logits were all noise after lowering (-0.7 dB), while the same graph in torch had 27 dB.
    """
    if node.target is not torch.ops.aten.linear.default:
        return False
    trained = {name for name, _ in captured.named_parameters()}
    open_nodes = [node.all_input_nodes[1]]
    while open_nodes:
        source = open_nodes.pop()
        if source.op == "get_attr" and str(source.target) in trained:
            return False
        open_nodes.extend(source.all_input_nodes)
    return True


def _quantizer(dynamic: bool, wanted: Callable[[Node], bool]) -> Quantizer:
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import XNNPACKQuantizer
    from executorch.backends.xnnpack.quantizer.xnnpack_quantizer_utils import OP_TO_ANNOTATOR

    configuration = _configuration(dynamic)

    def allowed(node: Node) -> bool:
        return wanted(node) and not (dynamic and _has_one_channel(node))

    class WeightedOnly(XNNPACKQuantizer):
        """The tool's quantizer for operations with a weight."""

        def transform_for_annotation(self, model: GraphModule) -> GraphModule:
            # Would turn the scalars of sums and products, which are not quantized here, into constants.
            return model

        def annotate(self, model: GraphModule) -> GraphModule:
            if dynamic:
                # Otherwise left alone: for dynamic inputs the tool has no pattern of a convolution before a ReLU.
                OP_TO_ANNOTATOR["conv_relu"](model, configuration, allowed)
            annotated: GraphModule = super().annotate(model)
            return annotated

    quantizer: Quantizer = WeightedOnly().set_filter_function(allowed)
    for operation in (torch.ops.aten.conv2d, torch.ops.aten.conv1d, torch.ops.aten.linear):
        quantizer.set_operator_type(operation.default, configuration)
    return quantizer


def _has_one_channel(node: Node) -> bool:
    return node.target is torch.ops.aten.conv2d.default and node.all_input_nodes[1].meta["val"].shape[1] == 1


def _configuration(dynamic: bool) -> QuantizationConfig:
    from torchao.quantization.pt2e import MinMaxObserver, PerChannelMinMaxObserver, PlaceholderObserver
    from torchao.quantization.pt2e.quantizer import QuantizationConfig, QuantizationSpec

    # The tool's own choice for static ranges is a histogram, which clips; other targets take the least and largest.
    observer: Any = PlaceholderObserver if dynamic else MinMaxObserver
    activation = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-128,
        quant_max=127,
        qscheme=torch.per_tensor_affine,
        is_dynamic=dynamic,
        observer_or_fake_quant_ctr=observer.with_args(eps=_LEAST_SCALE),
    )
    weight = QuantizationSpec(
        dtype=torch.int8,
        quant_min=-127,
        quant_max=127,
        qscheme=torch.per_channel_symmetric,
        ch_axis=0,
        observer_or_fake_quant_ctr=PerChannelMinMaxObserver.with_args(eps=_LEAST_SCALE),
    )
    return QuantizationConfig(activation, None if dynamic else activation, weight, None)
