"""Gradients held to differences of a loss that is computed another way."""

from collections.abc import Callable, Mapping

import numpy as np
import torch


def plain(state: Mapping[str, torch.Tensor]) -> dict[str, np.ndarray]:
    """Copies of tensors as double precision."""
    return {name: value.detach().numpy().astype(np.float64).copy() for name, value in state.items()}


def assert_gradients(
    model: torch.nn.Module,
    loss: Callable[[Mapping[str, np.ndarray]], float],
    places: int = 2,
    step: float = 1e-6,
    tolerance: float = 2e-5,
) -> int:
    """Hold the gradients of `model` (already backward, float64) to central differences of `loss` of its parameters.

    Of each parameter the largest gradient and others drawn by a seed are compared, `places` in all.

    Returns:
        How many were compared.
    """
    weights, draw, compared = plain(model.state_dict()), np.random.default_rng(0), 0
    for name, parameter in model.named_parameters():
        if parameter.grad is None:
            continue
        gradient, values = parameter.grad.numpy().ravel(), weights[name].ravel()  # a view of the weights
        chosen = {int(np.abs(gradient).argmax()), *draw.integers(0, len(gradient), places - 1).tolist()}
        for place in chosen:
            before, found = values[place], []
            for sign in (1, -1):
                values[place] = before + sign * step
                found.append(loss(weights))
            values[place] = before
            difference = (found[0] - found[1]) / (2 * step)
            assert abs(difference - gradient[place]) <= tolerance * max(1e-3, abs(difference)), (
                name,
                place,
                difference,
                gradient[place],
            )
            compared += 1
    return compared
