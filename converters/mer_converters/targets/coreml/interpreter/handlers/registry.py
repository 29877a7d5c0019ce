"""The table of operations: name in the ML Program -> the function that computes it.

A handler is called with the operation's inputs as keyword arguments, named as in the operation set. A number is a
`torch.Tensor` (0-d for a scalar; floats always float32, also where the program says fp16), a string is `str`, and a
variadic input or a list value is a Python list. What the program leaves out is left out, so defaults are those of the
operation set. A handler gives a tensor or a list value, or a tuple of them in the order of the outputs; it never writes
into its inputs. The interpreter casts results to their declared types.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from torch import Tensor

Handler = Callable[..., Any]
H = TypeVar("H", bound=Handler)

_HANDLERS: dict[str, Handler] = {}


def handler(*names: str) -> Callable[[H], H]:
    """Decorator that registers a function for the operations of those names.

    Raises:
        ValueError: no name, or one that has a handler already.
    """
    if not names:
        raise ValueError("a handler needs the name of at least one operation")

    def add(function: H) -> H:
        for name in names:
            if name in _HANDLERS:
                raise ValueError(f"operation {name!r} has the handler {_HANDLERS[name].__qualname__} already")
            _HANDLERS[name] = function
        return function

    return add


def handler_for(name: str) -> Handler | None:
    """The handler of an operation, None where there is none."""
    return _HANDLERS.get(name)


def handler_names() -> tuple[str, ...]:
    """Names of all operations with a handler, sorted."""
    return tuple(sorted(_HANDLERS))


def ints(value: Tensor) -> list[int]:
    """The entries of an integer tensor; of a 0-d one, a list of one."""
    return [int(entry) for entry in value.reshape(-1).tolist()]


def flag(value: Tensor) -> bool:
    """A boolean scalar."""
    return bool(value.item())
