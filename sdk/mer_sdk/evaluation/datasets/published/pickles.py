"""Feature files that are published as pickles, opened without running anything that is in them.

Unpickling calls whatever the file names. Here a file may name numpy's array constructors and plain containers alone;
anything else is refused before it is called.
"""

from __future__ import annotations

import collections
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mer_sdk.errors import DataError, reason_of

_CONTAINERS: dict[tuple[str, str], Any] = {
    ("builtins", "set"): set,
    ("builtins", "frozenset"): frozenset,
    ("builtins", "bytearray"): bytearray,
    ("builtins", "complex"): complex,
    ("collections", "OrderedDict"): collections.OrderedDict,
}
_NUMPY_NAMES = {("multiarray", "_reconstruct"), ("multiarray", "scalar"), ("numeric", "_frombuffer")}


def load_feature_pickle(path: Path) -> Any:
    """What a pickle of numpy arrays and containers holds. Python 2's strings are read as latin-1.

    Raises:
        DataError: the file is missing or truncated, or names anything but numpy arrays and plain containers.
    """
    try:
        with path.open("rb") as file:
            return _ArraysAndContainers(file, encoding="latin1").load()
    except _Forbidden as forbidden:
        raise DataError(
            f"{path} names {forbidden}, which could run code; only numpy arrays and plain containers are read: "
            "save the features as such again"
        ) from forbidden
    except OSError as error:
        raise DataError(f"{path} cannot be read ({reason_of(error)}); give the feature file") from error
    # Damaged pickles fail in many ways: unknown opcodes, odd arguments, numbers out of range.
    except (pickle.UnpicklingError, EOFError, ValueError, TypeError, IndexError, KeyError, AttributeError) as error:
        raise DataError(f"{path} is no pickle or is damaged ({error}); fetch it again") from error
    except (MemoryError, OverflowError, ImportError) as error:
        raise DataError(f"{path} is damaged ({type(error).__name__}: {error}); fetch it again") from error


class _Forbidden(Exception):
    """A name that a feature file has no business with."""


class _ArraysAndContainers(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        module = {"__builtin__": "builtins", "copy_reg": "copyreg"}.get(module, module)
        if (module, name) in _CONTAINERS:
            return _CONTAINERS[module, name]
        if module == "numpy" and name in ("ndarray", "dtype"):
            return getattr(np, name)
        if module == "_codecs" and name == "encode":
            return _latin1
        package, _, inner = module.rpartition(".")
        if package in ("numpy.core", "numpy._core") and (inner, name) in _NUMPY_NAMES:
            return _numpy_constructor(inner, name)
        raise _Forbidden(f"{module}.{name}")


def _numpy_constructor(module: str, name: str) -> Callable[..., Any]:
    # Numpy moved them in version 2; both names occur in published files.
    core = getattr(np, "_core", None) or np.core
    constructor: Callable[..., Any] = getattr(getattr(core, module), name)
    return constructor


def _latin1(text: str, encoding: str = "latin1") -> bytes:
    """How Python 2 pickles carry bytes. Other codecs could unpack without end."""
    if encoding not in ("latin1", "latin-1"):
        raise _Forbidden(f"the codec {encoding}")
    return text.encode("latin1")
