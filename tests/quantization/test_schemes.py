"""Schemes by name: the unknown and the unsupported are refused with the nearest one that works."""

from __future__ import annotations

import pytest

from mer_quantization.schemes import FP16, FP32, find_scheme, nearest_scheme
from mer_sdk.errors import OptionError


def test_known_schemes() -> None:
    assert find_scheme("fp32") is FP32
    assert find_scheme("fp16", ("fp32", "fp16"), "onnx") is FP16


@pytest.mark.parametrize(("name", "nearest"), [("int8", "fp16"), ("w4", "fp16"), ("bf16", "fp16"), ("float", "fp32")])
def test_unknown_scheme_names_the_nearest(name: str, nearest: str) -> None:
    with pytest.raises(OptionError, match=f"scheme '{name}' is not supported.*fp32, fp16; the nearest is '{nearest}'"):
        find_scheme(name)


def test_scheme_that_a_target_cannot_make() -> None:
    with pytest.raises(OptionError, match="'fp16' is not supported on target 'toy'; allowed: fp32;"):
        find_scheme("fp16", ("fp32",), "toy")
    assert nearest_scheme("fp64", ("fp32", "fp16")) == "fp32"
