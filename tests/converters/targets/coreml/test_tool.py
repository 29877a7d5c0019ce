"""coremltools as conversions use it: programs are validated at the end of a list of passes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from building import program
from coremltools.converters.mil.mil import Builder as mb  # noqa: N813
from coremltools.converters.mil.mil.passes.pass_pipeline import PassPipeline, PassPipelineManager
from coremltools.converters.mil.mil.passes.pass_registry import PASS_REGISTRY

from mer_converters.targets.coreml.tool import validated_once

NAME = "common::dead_code_elimination"


class Damaging:
    """A pass that leaves a program whose inputs do not know who reads them."""

    def set_options(self, options: Any) -> None:
        pass

    def __call__(self, built: Any) -> None:
        (value,) = built.functions["main"].inputs.values()
        value.child_ops.clear()


def test_a_program_that_a_pass_damaged_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PASS_REGISTRY.passes, NAME, Damaging())
    built = program(lambda x: mb.relu(x=x), {"x": np.zeros((1, 3), np.float32)})
    with validated_once(), pytest.raises(Exception, match=r"consumed|child_ops|Var"):
        PassPipelineManager.apply_pipeline(built, PassPipeline([NAME], "damaging"))
