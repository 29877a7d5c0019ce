"""Recurrent layers against torch.nn's, and against steps written out where torch has no such option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from arrays import listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch import nn

STEPS, BATCH, INPUT, HIDDEN = 5, 2, 3, 4
SEQUENCE = {"x": normal(STEPS, BATCH, INPUT), "h": normal(BATCH, HIDDEN, seed=1)}
ACTIVATIONS = {
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "linear": lambda x: x,
    "scaled_tanh": torch.tanh,
    "hard_sigmoid": lambda x: torch.clamp(0.2 * x + 0.5, 0, 1),
}


def seeded(layer: nn.Module) -> Any:
    """A recurrent layer whose weights are the same in every run."""
    with torch.no_grad():
        for seed, parameter in enumerate(layer.parameters()):
            parameter.copy_(torch.from_numpy(normal(*parameter.shape, seed=10 + seed, scale=0.5)))
    return layer


def reordered(weight: torch.Tensor, order: tuple[int, ...]) -> np.ndarray:
    """Blocks of torch's gates in the order of the operation set."""
    blocks = weight.detach().chunk(len(order))
    return torch.cat([blocks[index] for index in order]).numpy()


def ways(step: Any) -> list[Any]:
    """Forward with all states, reverse with all, reverse with the last."""
    return [step("forward", True), step("reverse", True), step("reverse", False)]


def in_order(x: torch.Tensor, direction: str) -> torch.Tensor:
    return x.flip(0) if direction == "reverse" else x


def picked(y: torch.Tensor, direction: str, everything: bool) -> torch.Tensor:
    """torch's states of the turned sequence as the operation gives them."""
    return in_order(y, direction) if everything else y[-1:]


def plain(activation: str, bias: bool) -> Case:
    layer = seeded(nn.RNN(INPUT, HIDDEN, nonlinearity=activation, bias=bias))
    weights: dict[str, Any] = {"weight_ih": layer.weight_ih_l0.detach().numpy()}
    weights["weight_hh"] = layer.weight_hh_l0.detach().numpy()
    if bias:
        weights["bias"] = (layer.bias_ih_l0 + layer.bias_hh_l0).detach().numpy()

    def build(x: Any, h: Any) -> Any:
        def one(direction: str, everything: bool) -> Any:
            return mb.rnn(
                x=x, initial_h=h, direction=direction, output_sequence=everything, activation=activation, **weights
            )

        return sum((tuple(result) for result in ways(one)), ())

    def reference(x: torch.Tensor, h: torch.Tensor) -> Any:
        def one(direction: str, everything: bool) -> Any:
            with torch.no_grad():
                y, last = layer(in_order(x, direction), h[None])
            return picked(y, direction, everything), last[0]

        return sum(ways(one), ())

    return Case(build, reference, SEQUENCE, label=f"{activation}{' with bias' if bias else ''}")


def gated_like_torch() -> Case:
    """`reset_after` and two biases are torch.nn.GRU, whose gates are reset, update, new."""
    layer = seeded(nn.GRU(INPUT, HIDDEN))
    order = (0, 2, 1)
    weights = {
        "weight_ih": reordered(layer.weight_ih_l0, order),
        "weight_hh": reordered(layer.weight_hh_l0, order),
        "input_bias": reordered(layer.bias_ih_l0, order),
        "bias": reordered(layer.bias_hh_l0, order),
        "reset_after": True,
    }

    def build(x: Any, h: Any) -> Any:
        def one(direction: str, everything: bool) -> Any:
            return mb.gru(x=x, initial_h=h, direction=direction, output_sequence=everything, **weights)

        return sum((tuple(result) for result in ways(one)), ())

    def reference(x: torch.Tensor, h: torch.Tensor) -> Any:
        def one(direction: str, everything: bool) -> Any:
            with torch.no_grad():
                y, last = layer(in_order(x, direction), h[None])
            return picked(y, direction, everything), last[0]

        return sum(ways(one), ())

    return Case(build, reference, SEQUENCE, opset=ct.target.iOS18, label="reset after, as torch")


def gated_before(gate: str, activation: str, bias: bool) -> Case:
    """Core ML's own form: the reset gate multiplies the state before the output gate's matrix."""
    w, r = normal(3, HIDDEN, INPUT, seed=2), normal(3, HIDDEN, HIDDEN, seed=3)
    b = normal(3, HIDDEN, seed=4) if bias else np.zeros((3, HIDDEN), np.float32)

    def build(x: Any, h: Any) -> Any:
        def one(direction: str, everything: bool) -> Any:
            options = {"bias": b.reshape(-1)} if bias else {}
            return mb.gru(
                x=x, initial_h=h, weight_ih=w.reshape(-1, INPUT), weight_hh=r.reshape(-1, HIDDEN), direction=direction,
                output_sequence=everything, recurrent_activation=gate, activation=activation, **options,
            )  # fmt: skip

        return sum((tuple(result) for result in ways(one)), ())

    def reference(x: torch.Tensor, h: torch.Tensor) -> Any:
        (w_r, w_o, w_z), (r_r, r_o, r_z) = torch.from_numpy(w), torch.from_numpy(r)
        b_r, b_o, b_z = torch.from_numpy(b)

        def one(direction: str, everything: bool) -> Any:
            state, states = h, []
            for step in in_order(x, direction):
                reset = ACTIVATIONS[gate](step @ w_r.T + state @ r_r.T + b_r)
                update = ACTIVATIONS[gate](step @ w_z.T + state @ r_z.T + b_z)
                new = ACTIVATIONS[activation](step @ w_o.T + (reset * state) @ r_o.T + b_o)
                state = (1 - update) * new + update * state
                states.append(state)
            return picked(torch.stack(states), direction, everything), state

        return sum(ways(one), ())

    return Case(build, reference, SEQUENCE, label=f"{gate} {activation}{' with bias' if bias else ''}")


def memory_like_torch(bias: bool) -> Case:
    """torch.nn.LSTM, whose gates are input, forget, cell, output; also both directions at once."""
    layer = seeded(nn.LSTM(INPUT, HIDDEN, bidirectional=True, bias=bias))
    order = (0, 1, 3, 2)

    def weights(suffix: str, name: str) -> dict[str, Any]:
        made = {
            f"weight_ih{name}": reordered(getattr(layer, f"weight_ih_l0{suffix}"), order),
            f"weight_hh{name}": reordered(getattr(layer, f"weight_hh_l0{suffix}"), order),
        }
        if bias:
            both = getattr(layer, f"bias_ih_l0{suffix}") + getattr(layer, f"bias_hh_l0{suffix}")
            made[f"bias{name}"] = reordered(both, order)
        return made

    def build(x: Any, h: Any, c: Any) -> Any:
        both = {"x": x, "initial_h": h, "initial_c": c, "direction": "bidirectional"}
        both |= weights("", "") | weights("_reverse", "_back")
        state = {
            "x": x,
            "initial_h": mb.slice_by_index(x=h, begin=[0, HIDDEN], end=[BATCH, 2 * HIDDEN]),
            "initial_c": mb.slice_by_index(x=c, begin=[0, HIDDEN], end=[BATCH, 2 * HIDDEN]),
        }
        return (
            *mb.lstm(output_sequence=True, **both),
            *mb.lstm(output_sequence=False, **both),
            *mb.lstm(output_sequence=True, direction="reverse", **state, **weights("_reverse", "")),
        )

    def reference(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        def folded(state: torch.Tensor) -> torch.Tensor:
            return torch.cat([state[0], state[1]], -1)

        with torch.no_grad():
            y, (h_n, c_n) = layer(x, (torch.stack(h.chunk(2, -1)), torch.stack(c.chunk(2, -1))))
        last = folded(h_n)
        return y, last, folded(c_n), last[None], last, folded(c_n), y[..., HIDDEN:], h_n[1], c_n[1]

    inputs = {
        "x": SEQUENCE["x"],
        "h": normal(BATCH, 2 * HIDDEN, seed=5),
        "c": normal(BATCH, 2 * HIDDEN, seed=6),
    }
    return Case(build, reference, inputs, label=f"as torch{', with bias' if bias else ''}")


def memory_with_options(gate: str, cell: str, activation: str, clip: float) -> Case:
    """Peepholes, a bound of the cell and other activations, step by step."""
    w, r, b = normal(4, HIDDEN, INPUT, seed=2), normal(4, HIDDEN, HIDDEN, seed=3), normal(4, HIDDEN, seed=4)
    p = normal(3, HIDDEN, seed=5)

    def build(x: Any, h: Any, c: Any) -> Any:
        return mb.lstm(
            x=x, initial_h=h, initial_c=c, weight_ih=w.reshape(-1, INPUT), weight_hh=r.reshape(-1, HIDDEN),
            bias=b.reshape(-1), peephole=p.reshape(-1), output_sequence=True, clip=np.float32(clip),
            recurrent_activation=gate, cell_activation=cell, activation=activation,
        )  # fmt: skip

    def reference(x: torch.Tensor, h: torch.Tensor, c: torch.Tensor) -> Any:
        w_, r_, b_, (p_i, p_f, p_o) = (torch.from_numpy(array) for array in (w, r, b, p))
        states = []
        for step in x:
            i, f, o, z = (step @ w_[gate_].T + h @ r_[gate_].T + b_[gate_] for gate_ in range(4))
            kept = ACTIVATIONS[gate](f + p_f * c) * c
            c = torch.clamp(kept + ACTIVATIONS[gate](i + p_i * c) * ACTIVATIONS[cell](z), -clip, clip)
            h = ACTIVATIONS[gate](o + p_o * c) * ACTIVATIONS[activation](c)
            states.append(h)
        return torch.stack(states), h, c

    return Case(build, reference, SEQUENCE | {"c": normal(BATCH, HIDDEN, seed=7)}, label=f"{gate} {cell} {activation}")


CASES: dict[str, list[Case]] = {
    "rnn": [plain("tanh", True), plain("relu", False)],
    "gru": [gated_like_torch(), gated_before("sigmoid", "tanh", True), gated_before("hard_sigmoid", "relu", False)],
    "lstm": [
        memory_like_torch(True),
        memory_like_torch(False),
        memory_with_options("sigmoid", "tanh", "scaled_tanh", 0.6),
        memory_with_options("hard_sigmoid", "linear", "relu", 2.0),
    ],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)
