"""Schemes by name: the unknown and the unsupported are refused with the nearest one that works."""

from __future__ import annotations

import pytest

from mer_quantization.schemes import FP16, FP32, INT8, W4, W8, check_calibration_data, find_scheme, nearest_scheme
from mer_sdk.errors import OptionError


def test_known_schemes() -> None:
    assert find_scheme("fp32") is FP32
    assert find_scheme("fp16", ("fp32", "fp16"), "onnx") is FP16


@pytest.mark.parametrize(("name", "nearest"), [("int8", "fp16"), ("w4", "fp16"), ("bf16", "fp16"), ("float", "fp32")])
def test_unknown_scheme_names_the_nearest(name: str, nearest: str) -> None:
    told = rf"scheme '{name}' is not supported.*(did you mean {nearest}\?|the nearest is '{nearest}')"
    with pytest.raises(OptionError, match=told):
        find_scheme(name, ("fp32", "fp16"))


def test_the_nearest_of_eight_bits_is_the_first_that_is_named() -> None:
    assert nearest_scheme("dyn8", ("fp32", "fp16", "w8", "int8", "w4")) == "w8"
    assert nearest_scheme("w2", ("fp32", "w8", "w4")) == "w4"


def test_quantized_schemes_are_judged_by_other_measures() -> None:
    assert [scheme.quantized for scheme in (FP32, FP16, W8, INT8, W4)] == [False, False, True, True, True]
    assert [scheme.limit is None for scheme in (FP32, FP16, W8, INT8, W4)] == [False, False, True, True, True]


def test_calibration_data_are_needed_or_refused() -> None:
    with pytest.raises(OptionError, match=r"'int8' takes its ranges from real input: give calibration data.*fp16, w8"):
        check_calibration_data((FP32, INT8), ())
    with pytest.raises(OptionError, match=r"w8, w4 would ignore calibration data; leave --data out.*: int8"):
        check_calibration_data((W8, W4), ("ravdess:there",))
    check_calibration_data((W8, INT8), ("ravdess:there",))
    check_calibration_data((W8, FP16), ())


def test_scheme_that_a_target_cannot_make() -> None:
    with pytest.raises(OptionError, match="'fp16' is not supported on target 'toy'; allowed: fp32;"):
        find_scheme("fp16", ("fp32",), "toy")
    assert nearest_scheme("fp64", ("fp32", "fp16")) == "fp32"
