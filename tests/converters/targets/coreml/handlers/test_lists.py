"""Lists of tensors: what the program reads back is what it wrote."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from arrays import integers, listed, normal
from building import Case, check
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813

from mer_sdk.errors import ConversionError


def written(dtype: str) -> Case:
    """Written one by one, and several at once; unwritten entries are zeros; gathered in another order."""
    x = normal(4, 3) if dtype == "fp32" else integers(4, 3)

    def row(x: Any, index: int) -> Any:
        return mb.squeeze(x=mb.slice_by_index(x=x, begin=[index, 0], end=[index + 1, 3]), axes=[0])

    def build(x: Any) -> Any:
        ls = mb.make_list(init_length=4, dynamic_length=False, elem_shape=[np.int32(3)], dtype=dtype)
        ls = mb.list_write(ls=ls, index=1, value=row(x, 0))
        some = mb.list_scatter(ls=ls, indices=[3, 0], value=mb.slice_by_index(x=x, begin=[1, 0], end=[3, 3]))
        return (
            mb.list_read(ls=some, index=3),
            mb.list_gather(ls=some, indices=[2, 1, 0]),
            mb.list_gather(ls=ls, indices=[0, 1, 2, 3]),
            mb.list_length(ls=some),
        )

    def reference(x: torch.Tensor) -> Any:
        zeros = torch.zeros_like(x[0])
        early = torch.stack([zeros, x[0], zeros, zeros])
        return x[1], torch.stack([zeros, x[0], x[2]]), early, torch.tensor(4, dtype=torch.int32)

    return Case(build, reference, {"x": x}, label=dtype)


def in_a_loop() -> Case:
    """A loop that writes running sums, as converters of dynamic recurrent networks make it."""

    def build(x: Any) -> Any:
        ls = mb.make_list(init_length=4, dynamic_length=False, elem_shape=[np.int32(3)], dtype="fp32")

        def condition(i: Any, total: Any, ls: Any) -> Any:
            return mb.less(x=i, y=4)

        def body(i: Any, total: Any, ls: Any) -> Any:
            total = mb.add(x=total, y=mb.gather(x=x, indices=i, axis=0))
            return mb.add(x=i, y=1), total, mb.list_write(ls=ls, index=i, value=total)

        start = (np.int32(0), mb.mul(x=mb.gather(x=x, indices=np.int32(0), axis=0), y=0.0), ls)
        _, _, ls = mb.while_loop(_cond=condition, _body=body, loop_vars=start)
        return mb.list_gather(ls=ls, indices=[0, 1, 2, 3])

    def reference(x: torch.Tensor) -> torch.Tensor:
        return x.cumsum(0)

    return Case(build, reference, {"x": normal(4, 3)}, fp16=None, label="loop")


BASIC = [written("fp32"), written("int32")]
CASES: dict[str, list[Case]] = {
    "make_list": BASIC,
    "list_write": [in_a_loop()],
    "list_scatter": BASIC[:1],
    "list_read": BASIC[:1],
    "list_gather": BASIC[:1],
    # The passes of fp16 put in the length, which is known.
    "list_length": [replace(BASIC[0], fp16=None, label="length")],
}


@listed(CASES)
def test_against_torch(operation: str, case: Case, tmp_path: Path) -> None:
    check(operation, case, tmp_path)


def test_list_grows_behind_its_end() -> None:
    from mer_converters.targets.coreml.interpreter.handlers.lists import list_length, list_write, make_list

    one = torch.ones(2)
    ls = list_write(make_list([torch.tensor(2)], torch.tensor(1)), torch.tensor(4), one)
    assert int(list_length(ls)) == 5
    assert ls[4] is one


def test_entry_that_was_never_written_is_refused() -> None:
    from mer_converters.targets.coreml.interpreter.handlers.lists import list_read, make_list

    ls = make_list(["unknown"], torch.tensor(2))
    with pytest.raises(ConversionError, match="entry 1 of a list of 2 that was never written"):
        list_read(ls, torch.tensor(1))
