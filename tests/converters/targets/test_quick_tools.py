"""Exports are quicker and the same: what torch lists once, it lists whole."""

from __future__ import annotations

import gc

import torch
from torch import nn
from torch._export import utils

from mer_converters.targets.quick_tools import quick_tools


def _exported(module: nn.Module) -> str:
    program = torch.export.export(module, (torch.zeros(1, 4, 8, 8),)).run_decompositions()
    return str(program.graph_module.code)


def test_the_exported_program_is_the_same() -> None:
    module = nn.Sequential(nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Hardswish(), nn.Flatten(), nn.LazyLinear(3)).eval()
    module(torch.zeros(1, 4, 8, 8))
    plain = _exported(module)
    with quick_tools():
        assert [_exported(module), _exported(module)] == [plain, plain]


def test_operators_that_are_added_within_are_listed() -> None:
    with quick_tools():
        utils._materialize_cpp_cia_ops()
        library = torch.library.Library("mer_quick_tools", "DEF")
        library.define("twice(Tensor x) -> Tensor")
        library.impl("twice", lambda x: x + x, "CompositeImplicitAutograd")
        names = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        assert "mer_quick_tools::twice" in names
        utils._materialize_cpp_cia_ops()
        assert "twice" in torch.ops.mer_quick_tools.__dict__


def test_all_is_as_before_afterwards() -> None:
    before = gc.get_threshold(), utils._materialize_cpp_cia_ops
    with quick_tools():
        assert gc.get_threshold() != (700, 10, 10)
        assert utils._materialize_cpp_cia_ops is not before[1]
    assert (gc.get_threshold(), utils._materialize_cpp_cia_ops) == before
