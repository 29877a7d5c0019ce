"""Attention as one operation against torch's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import coremltools as ct
import numpy as np
import torch
from arrays import listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from torch.nn import functional


def attention(*leading: int) -> Case:
    """Without a mask, with one added to the scores, and with one that chooses keys and broadcasts."""
    added, chosen = normal(*leading, 5, 7, seed=3), normal(5, 7, seed=4) > 0
    chosen[:, 0] = True

    def build(q: Any, k: Any, v: Any) -> Any:
        return (
            mb.scaled_dot_product_attention(query=q, key=k, value=v),
            mb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=added),
            mb.scaled_dot_product_attention(query=q, key=k, value=v, attn_mask=chosen),
        )

    def reference(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return tuple(
            functional.scaled_dot_product_attention(q, k, v, attn_mask=mask)
            for mask in (None, torch.from_numpy(added), torch.from_numpy(chosen))
        )

    inputs = {"q": normal(*leading, 5, 8), "k": normal(*leading, 7, 8, seed=1), "v": normal(*leading, 7, 6, seed=2)}
    return Case(build, reference, inputs, opset=ct.target.iOS18, label=f"rank {len(leading) + 2}")


CASES: dict[str, list[Case]] = {"scaled_dot_product_attention": [attention(2), attention(2, 3)]}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_row_without_a_key_is_nan() -> None:
    from mer_converters.targets.coreml.interpreter.handlers.transformers import scaled_dot_product_attention

    x = torch.from_numpy(normal(1, 2, 3))
    found = scaled_dot_product_attention(x, x, x, torch.tensor([[True, False], [False, False]]))
    np.testing.assert_array_equal(torch.isnan(found).numpy(), [[[False] * 3, [True] * 3]])
