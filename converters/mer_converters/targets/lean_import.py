"""Importing a tool without the packages that it looks for and that no conversion here uses."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_packages(*names: str) -> Iterator[None]:
    """Within it, importing one of the packages fails as if it were not installed; afterwards all is as before.

    For tools that try to import every framework they could convert from, and go on without: with scikit-learn and
    ExecuTorch importing coremltools takes half as long again. Packages that were imported before are hidden, too, so
    that a tool finds the same whatever ran earlier in the process.
    """
    hidden = {name: sys.modules.get(name) for name in names}
    # An entry of None is how `import` is told that there is no such module.
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in hidden.items():
            if module is None:
                sys.modules.pop(name, None)
            else:
                sys.modules[name] = module
