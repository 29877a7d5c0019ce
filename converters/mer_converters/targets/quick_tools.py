"""What the tools of a conversion do again and again, and need not."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

# Objects made until Python looks for cycles among the new ones, and rounds of that until it looks among older ones.
COLLECT_AFTER = (50_000, 10, 100)


@contextmanager
def quick_tools() -> Iterator[None]:
    """Within it, exports are quicker, with the same result.

    - torch lists its composite operators anew for each namespace of operators, dozens of times an export, to find those
      that were added since: here only those are looked at.
    - Python searches for garbage all the time, also among the objects of what is imported, which are many and stay.
    """
    thresholds = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    try:
        with _operators_listed_once():
            yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


@contextmanager
def _operators_listed_once() -> Iterator[None]:
    import torch
    from torch._export import utils

    listed: set[str] = set()
    original = utils._materialize_cpp_cia_ops

    def list_new_ones() -> None:
        names = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
        for operator in set(names) - listed:
            namespace, name = operator.split("::")
            name, _, overload = name.partition(".")
            getattr(getattr(getattr(torch.ops, namespace), name), overload or "default")
            listed.add(operator)

    utils._materialize_cpp_cia_ops = list_new_ones
    try:
        yield
    finally:
        utils._materialize_cpp_cia_ops = original
