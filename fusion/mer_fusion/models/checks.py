"""Checks that configurations and networks of this package share: one wording for a value or a shape that is wrong."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any, TypeVar

from torch import Tensor

from mer_sdk.errors import OptionError, SignalError

Config = TypeVar("Config")


def is_whole(value: object, least: int) -> bool:
    """Whether `value` is an int (no bool) of at least `least`."""
    return isinstance(value, int) and not isinstance(value, bool) and value >= least


def is_share(value: object) -> bool:
    """Whether `value` is a number of at least 0 and below 1."""
    return isinstance(value, (int, float)) and 0.0 <= value < 1.0


def check(name: str, value: object, fine: bool, allowed: str) -> None:
    """Refuse an option.

    Raises:
        OptionError: not `fine`; says what was given and what is allowed.
    """
    if not fine:
        raise OptionError(f"{name} is {value!r}; it must be {allowed}: change it in the configuration")


def check_shape(name: str, x: Tensor, expected: tuple[int, ...]) -> None:
    """Refuse a tensor of another shape.

    Raises:
        SignalError: says the shape given and the one expected.
    """
    if tuple(x.shape) != expected:
        raise SignalError(f"{name} has shape {tuple(x.shape)}; it must be {expected} (batch, steps, ...): reshape it")


def plain_dict(config: Any) -> dict[str, Any]:
    """The options of a configuration dataclass as JSON can hold them: tuples become lists."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(config).items()}


def config_from_dict(cls: type[Config], model: str, values: Mapping[str, Any]) -> Config:
    """The configuration that `plain_dict` gave; lists become tuples.

    Raises:
        OptionError: a name that is no option of `model`, or a value outside its range.
    """
    known = [f.name for f in fields(cls)]  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise OptionError(f"{model} has no option {', '.join(unknown)}; allowed: {', '.join(known)}; rename it")
    return cls(**{k: tuple(v) if isinstance(v, list) else v for k, v in values.items()})
