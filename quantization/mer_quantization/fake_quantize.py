"""A network whose convolutions and linear layers compute as if in int8, and still learn: torchao's PT2E.

Fake-quantized are the weights (symmetric, one scale an output channel), inputs and outputs of convolutions and linear
layers, a ReLU behind them going along: what the scheme int8 holds in integers on every target. Everything else (the
log-mel front end, softmax, norms, products of two tensors, sums) stays in floating point. Rounding passes gradients
straight through (Jacob et al. 2018, "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference").

Batch norms are folded before, as every target's tool does: the weights that learn are the weights that are rounded.
Folding leaves a batch norm that does nothing, so that the trained weights go back into a network of the same names and
shapes, which is an ordinary checkpoint.
"""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from mer_fusion.encoders.audio import AudioEncoder
from mer_fusion.encoders.backbone import leave_doing_nothing, pointwise
from mer_fusion.encoders.face import FaceEncoder
from mer_fusion.models.temporal import fold_weight_norm, remove_dropout
from mer_sdk.errors import MissingExtra

if TYPE_CHECKING:
    from torch.fx import GraphModule
    from torchao.quantization.pt2e.quantizer import Quantizer

Norm: TypeAlias = nn.BatchNorm1d | nn.BatchNorm2d
Weighted: TypeAlias = nn.Conv1d | nn.Conv2d | nn.Linear


class FakeQuantized(nn.Module):
    """A module in its place whose weighted layers compute under fake quantization; its parameters keep their names.

    Ranges of activations follow the batches (a moving average of least and largest values) in training mode, until
    `observed` training runs have been seen, and never in evaluation mode. Those of weights are the weights' own.

    Args:
        module: in float32 and free of batch norms that belong to a layer (`trainable`); it is left as it is.
        example: inputs of one run, of at least two rows.
        any_rows: other numbers of rows are allowed than in `example`; not every network can be captured so.

    Attributes:
        runs: training runs so far, in the state, so that an interrupted training goes on with frozen ranges.
        observed: how many of them move the ranges; None for all.

    Raises:
        MissingExtra: torchao or ExecuTorch's quantizer is not installed.
    """

    runs: Tensor

    def __init__(self, module: nn.Module, example: tuple[Tensor, ...], any_rows: bool = True) -> None:
        super().__init__()
        # A copy of a graph sorts its parts anew. Copies of this one keep their order, by which running averages go.
        self.graph = copy.deepcopy(_prepared(module, example, any_rows))
        self.observed: int | None = None
        self.register_buffer("runs", torch.zeros((), dtype=torch.int64))

    def forward(self, *inputs: Tensor) -> object:
        """What the module gives."""
        if self.training:
            self._observe(self.observed is None or int(self.runs) < self.observed)
            self.runs += 1
        return self.graph(*inputs)

    def train(self, mode: bool = True) -> FakeQuantized:
        """Only whether ranges move depends on it: the graph has no dropout, which would widen them, and no batch
        norm in training."""
        # An exported graph refuses train() and eval().
        self.training = mode
        if not mode:
            self._observe(False)
        return self

    def weights(self) -> dict[str, Tensor]:
        """Parameters by their name in the module that was given."""
        return {name: value.detach() for name, value in self.graph.named_parameters()}

    @property
    def weight(self) -> Tensor:
        """The weight of a single layer, by which callers find its device."""
        weight: Tensor = self.graph.weight
        return weight

    def _observe(self, on: bool) -> None:
        from torchao.quantization.pt2e import disable_observer, enable_observer

        self.graph.apply(enable_observer if on else disable_observer)


def trainable(module: nn.Module) -> nn.Module:
    """A copy in evaluation mode with the same output, in the form that `FakeQuantized` takes.

    Norms that `fold_norms` has made to do nothing are gone, with their shift as the bias of the layer; weight
    normalisation is folded; dropout is gone.

    Args:
        module: after `fold_norms`.
    """
    changed = copy.deepcopy(module).eval()
    for layer_path, norm_path in norm_pairs(changed):
        layer, norm = _pair(changed, layer_path, norm_path)
        if layer.bias is None:
            layer.bias = nn.Parameter(norm.bias.detach().clone())
        changed.set_submodule(norm_path, nn.Identity())
    fold_weight_norm(changed)
    remove_dropout(changed)
    return changed


@torch.no_grad()
def fold_norms(module: nn.Module) -> None:
    """Put every batch norm behind a convolution or linear layer into its weights, in place, and leave it doing nothing.

    The norm stays, with mean 0 and variance 1, and shifts where its layer has no bias. In evaluation mode the output is
    the same. A layer's channels are scaled as a whole, so that its rounded weights are the same too.
    """
    for layer_path, norm_path in norm_pairs(module):
        layer, norm = _pair(module, layer_path, norm_path)
        mean, variance = norm.running_mean, norm.running_var
        assert mean is not None
        assert variance is not None
        scale = norm.weight / torch.sqrt(variance + norm.eps)
        shift = norm.bias - mean * scale
        layer.weight.mul_(scale.reshape(-1, *[1] * (layer.weight.ndim - 1)))
        if layer.bias is not None:
            layer.bias.copy_(layer.bias * scale + shift)
            shift = torch.zeros_like(shift)
        leave_doing_nothing(norm)
        norm.bias.copy_(shift)


@torch.no_grad()
def restore(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put the weights of a `trainable` copy that has learned back into the module that it was made of, in place.

    Args:
        weights: name -> value, as `FakeQuantized.weights` gives them.
    """
    shifts = {layer: norm for layer, norm in norm_pairs(module) if module.get_submodule(layer).bias is None}
    for name, value in weights.items():
        path, _, leaf = name.rpartition(".")
        layer = module.get_submodule(path)
        if leaf == "bias" and path in shifts:
            layer, leaf = module.get_submodule(shifts[path]), "bias"
        if parametrize.is_parametrized(layer, leaf):
            setattr(layer, leaf, value)  # length and direction are found again
        else:
            getattr(layer, leaf).copy_(value)


def fake_quantized_encoder(encoder: AudioEncoder | FaceEncoder) -> None:
    """Let backbone and projection of an encoder compute under fake quantization, in place.

    The front end (log-mel, contrast) stays in float. Dropout goes: it scales what it leaves, which widens ranges.
    """
    if isinstance(encoder, AudioEncoder):
        encoder.prepare_for_export()
        maps = torch.zeros(2, 1, encoder.config.frames, encoder.config.bands)
    else:
        maps = torch.zeros(2, 1, encoder.config.size, encoder.config.size)
    pooled = torch.zeros(2, encoder.project.in_features)
    for name, example in (("backbone", maps), ("project", pooled)):
        part = encoder.get_submodule(name)
        fold_norms(part)
        encoder.set_submodule(name, FakeQuantized(trainable(part), (example,)))
    encoder.dropout.p = 0.0


def restore_encoder(encoder: AudioEncoder | FaceEncoder, tuned: AudioEncoder | FaceEncoder) -> None:
    """Put what a fake-quantized copy of an encoder has learned into it, in place."""
    if isinstance(encoder, AudioEncoder):
        encoder.fold_standardisation()
    for name in ("backbone", "project"):
        part, learned = encoder.get_submodule(name), tuned.get_submodule(name)
        assert isinstance(learned, FakeQuantized)
        fold_norms(part)
        restore(part, {key: value.cpu() for key, value in learned.weights().items()})


def norm_pairs(module: nn.Module) -> list[tuple[str, str]]:
    """Paths of each convolution or linear layer and the batch norm that alone reads its output.

    They are neighbours in a sequence, or `norm` beside `conv` or `hidden`, as the project's networks name them.
    """
    pairs = []
    for path, parent in module.named_modules():
        children = dict(parent.named_children())
        if isinstance(parent, nn.Sequential):
            neighbours = list(itertools.pairwise(children))
        else:
            neighbours = [(name, "norm") for name in ("conv", "hidden") if name in children and "norm" in children]
        prefix = f"{path}." if path else ""
        pairs += [
            (prefix + layer, prefix + norm)
            for layer, norm in neighbours
            if isinstance(children[layer], Weighted) and isinstance(children[norm], Norm)
        ]
    return pairs


def _pair(module: nn.Module, layer_path: str, norm_path: str) -> tuple[Weighted, Norm]:
    layer, norm = module.get_submodule(layer_path), module.get_submodule(norm_path)
    assert isinstance(layer, Weighted)
    assert isinstance(norm, Norm)
    return layer, norm


def _prepared(module: nn.Module, example: tuple[Tensor, ...], any_rows: bool) -> GraphModule:
    try:
        from torchao.quantization.pt2e.quantize_pt2e import prepare_qat_pt2e
    except ImportError as error:
        raise MissingExtra("training under fake quantization", "torchao", "convert") from error
    # Parameters of the graph are those of the module itself.
    own = copy.deepcopy(module).eval().requires_grad_(True)
    axes = {0: torch.export.Dim("rows", min=1)} if any_rows else None
    shapes: tuple[object, ...] = tuple(axes for _ in example)
    if own.forward.__code__.co_flags & inspect.CO_VARARGS:
        shapes = (shapes,)  # *inputs count as one argument
    captured = torch.export.export(own, example, dynamic_shapes=shapes, strict=False)
    prepared: GraphModule = prepare_qat_pt2e(captured.module(), _quantizer())
    _learn_by_pointwise(prepared)
    return prepared


def _learn_by_pointwise(prepared: GraphModule) -> None:
    """Let the strided 1 x 1 convolutions of a graph, which are strided in every export, learn by `pointwise`.

    After the ranges have their places: the layer's input and output are rounded as those of the strided one.
    """
    for node in prepared.graph.find_nodes(op="call_function", target=torch.ops.aten.conv2d.default):
        parameter = node.args[1]
        while parameter.op != "get_attr":
            parameter = parameter.args[0]
        if prepared.get_parameter(parameter.target).shape[2:] == (1, 1) and len(node.args) == 4:
            node.target = pointwise
    prepared.recompile()


def _quantizer() -> Quantizer:
    try:
        from executorch.backends.xnnpack.quantizer.xnnpack_quantizer import (
            XNNPACKQuantizer,
            get_symmetric_quantization_config,
        )
    except ImportError as error:
        raise MissingExtra("training under fake quantization", "executorch", "convert") from error
    from torchao.quantization.pt2e import FusedMovingAvgObsFakeQuantize, MovingAveragePerChannelMinMaxObserver

    usual = get_symmetric_quantization_config(is_per_channel=True, is_qat=True)
    # The tool lets the ranges of weights lag behind them; at conversion they are those of the weights as they are.
    observer = MovingAveragePerChannelMinMaxObserver
    at_once = FusedMovingAvgObsFakeQuantize.with_args(observer=observer, averaging_constant=1.0)
    weight = replace(usual.weight, observer_or_fake_quant_ctr=at_once)
    # Not is_qat: that looks, slowly, for batch norms behind convolutions, and those are folded.
    configuration = replace(usual, weight=weight, is_qat=False)

    class WeightedOnly(XNNPACKQuantizer):
        """The tool's quantizer for operations with a weight."""

        def transform_for_annotation(self, model: GraphModule) -> GraphModule:
            # Would turn the scalars of sums and products, which are not quantized here, into constants.
            return model

    quantizer: Quantizer = WeightedOnly()
    for operation in (torch.ops.aten.conv2d, torch.ops.aten.conv1d, torch.ops.aten.linear):
        quantizer.set_operator_type(operation.default, configuration)
    return quantizer
