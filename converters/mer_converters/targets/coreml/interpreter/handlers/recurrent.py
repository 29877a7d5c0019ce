"""Recurrent layers. Sequences are [s, b, I], states [b, H]; weights of the gates lie one after another by rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from mer_converters.targets.coreml.interpreter.handlers.registry import handler

# With the parameters that a program cannot change: hard sigmoid is clip(0.2 x + 0.5, 0, 1), scaled tanh is tanh.
_ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "tanh": torch.tanh,
    "scaled_tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "hard_sigmoid": lambda x: (0.2 * x + 0.5).clamp(0.0, 1.0),
    "sigmoid_hard": lambda x: (0.2 * x + 0.5).clamp(0.0, 1.0),
    "relu": torch.relu,
    "linear": lambda x: x,
}


@handler("rnn")
def rnn(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Tensor | bool = False,
    activation: str = "tanh",
) -> tuple[Tensor, Tensor]:
    """h = activation(W_ih x + W_hh h + b); gives the states (all or the last) and the last one."""
    activate = _ACTIVATIONS[activation.lower()]
    h, states = initial_h, []
    for step in _in_order(functional.linear(x, weight_ih, bias), direction):
        h = activate(step + h @ weight_hh.T)
        states.append(h)
    return _sequence(states, direction, bool(output_sequence)), h


@handler("gru")
def gru(
    x: Tensor,
    initial_h: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Tensor | bool = False,
    recurrent_activation: str = "sigmoid",
    activation: str = "tanh",
    reset_after: Tensor | bool = False,
    input_bias: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """Gated recurrent unit with the gates in the order reset, output, update.

    h = (1 - z) o + z h. The reset gate multiplies h before the output gate's matrix, o = act(W_o x + R_o (r h) + b_o),
    as Core ML computes it (Cho et al. 2014, arXiv 1406.1078v3); with `reset_after` (iOS 18) it multiplies the product,
    o = act(W_o x + b_io + r (R_o h + b_o)), as torch.nn.GRU does. `bias` belongs to the recurrent side then, and
    `input_bias` to the input's; without `reset_after` only their sum matters.

    Returns:
        States (all or the last) and the last one.
    """
    gate, activate = _ACTIVATIONS[recurrent_activation.lower()], _ACTIVATIONS[activation.lower()]
    size = weight_hh.shape[1]
    recurrent, output = weight_hh.T, weight_hh[size : 2 * size].T
    b = torch.zeros(3 * size) if bias is None else bias
    h, states = initial_h, []
    for step in _in_order(functional.linear(x, weight_ih, input_bias), direction):
        x_r, x_o, x_z = step.split(size, dim=-1)
        h_r, h_o, h_z = (h @ recurrent + b).split(size, dim=-1)
        r, z = gate(x_r + h_r), gate(x_z + h_z)
        inner = r * h_o if reset_after else (r * h) @ output + b[size : 2 * size]
        h = (1 - z) * activate(x_o + inner) + z * h
        states.append(h)
    return _sequence(states, direction, bool(output_sequence)), h


@handler("lstm")
def lstm(
    x: Tensor,
    initial_h: Tensor,
    initial_c: Tensor,
    weight_ih: Tensor,
    weight_hh: Tensor,
    bias: Tensor | None = None,
    peephole: Tensor | None = None,
    weight_ih_back: Tensor | None = None,
    weight_hh_back: Tensor | None = None,
    bias_back: Tensor | None = None,
    peephole_back: Tensor | None = None,
    direction: str = "forward",
    output_sequence: Tensor | bool = False,
    recurrent_activation: str = "sigmoid",
    cell_activation: str = "tanh",
    activation: str = "tanh",
    clip: Tensor | None = None,
) -> tuple[Tensor, Tensor, Tensor]:
    """Long short-term memory with the gates in the order input, forget, output, cell.

    With "bidirectional", states hold the forward direction first ([b, 2H]) and the `_back` weights compute the other.
    `peephole` [3H] (input, forget, output) adds the cell to the gates, the output gate seeing the new one; `clip`
    bounds the cell after each step.

    Returns:
        States (all, or the last of each direction), the last state and the last cell.
    """
    activations = tuple(_ACTIVATIONS[name.lower()] for name in (recurrent_activation, cell_activation, activation))
    bound = None if clip is None else float(clip)
    everything = bool(output_sequence)

    def one(way: str, h: Tensor, c: Tensor, *weights: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        return _lstm(x, h, c, way, everything, activations, bound, *weights)

    if direction != "bidirectional":
        return one(direction, initial_h, initial_c, weight_ih, weight_hh, bias, peephole)
    (h_forward, h_back), (c_forward, c_back) = initial_h.chunk(2, dim=-1), initial_c.chunk(2, dim=-1)
    forward = one("forward", h_forward, c_forward, weight_ih, weight_hh, bias, peephole)
    back = one("reverse", h_back, c_back, weight_ih_back, weight_hh_back, bias_back, peephole_back)
    y, h, c = (torch.cat(pair, dim=-1) for pair in zip(forward, back, strict=True))
    return y, h, c


def _lstm(
    x: Tensor,
    h: Tensor,
    c: Tensor,
    direction: str,
    everything: bool,
    activations: tuple[Callable[[Tensor], Tensor], ...],
    clip: float | None,
    weight_ih: Tensor | None,
    weight_hh: Tensor | None,
    bias: Tensor | None,
    peephole: Tensor | None,
) -> tuple[Tensor, Tensor, Tensor]:
    assert weight_ih is not None
    assert weight_hh is not None
    gate, activate_cell, activate = activations
    size = weight_hh.shape[1]
    p_i, p_f, p_o = (torch.zeros(3 * size) if peephole is None else peephole).split(size)
    states = []
    for step in _in_order(functional.linear(x, weight_ih, bias), direction):
        i, f, o, z = (step + h @ weight_hh.T).split(size, dim=-1)
        c = gate(f + p_f * c) * c + gate(i + p_i * c) * activate_cell(z)
        if clip is not None:
            c = c.clamp(-clip, clip)
        h = gate(o + p_o * c) * activate(c)
        states.append(h)
    return _sequence(states, direction, everything), h, c


def _in_order(steps: Tensor, direction: str) -> Tensor:
    """Steps [s, ...] in the order in which they are computed."""
    return steps.flip(0) if direction == "reverse" else steps


def _sequence(states: list[Tensor], direction: str, everything: bool) -> Tensor:
    """States [s, b, H] in the order of the inputs, or the one computed last [1, b, H]."""
    if not everything:
        return states[-1][None]
    return torch.stack(states[::-1] if direction == "reverse" else states)
