"""Runs `mer` in the process of a test."""

import pytest

from mer_sdk.cli import main


def mer(*arguments) -> int:
    """The exit code of `mer ARGUMENTS`."""
    with pytest.raises(SystemExit) as caught:
        main([str(argument) for argument in arguments])
    return caught.value.code or 0
