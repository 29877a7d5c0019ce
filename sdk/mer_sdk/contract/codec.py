"""Frozen dataclasses to JSON and back, with the JSON Schema they imply.

The contract files of a bundle are written by Python and read by other languages, so the mapping is the plain one:
a dataclass is an object, a tuple an array, `X | None` a nullable value, a mapping an object. Unknown keys are refused,
so that a misspelt field is found where it is written.
"""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, TypeVar

T = TypeVar("T")
_SCALARS = {str: "string", int: "integer", float: "number", bool: "boolean"}


def to_json(value: Any) -> Any:
    """The plain JSON value (dict, list, str, number, bool, None) of a dataclass or of anything inside one."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: to_json(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    return value


def from_json(kind: type[T], data: Any) -> T:
    """The dataclass `kind` read from plain JSON.

    Raises:
        ValueError: a field is missing, unknown or of another type; the message carries its path.
    """
    return typing.cast(T, _read(kind, data, kind.__name__))


def json_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a dataclass."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__, **_schema(kind)}


def _read(kind: Any, data: Any, path: str) -> Any:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        return _read(next(item for item in arguments if item is not type(None)), data, path)
    if dataclasses.is_dataclass(kind):
        if not isinstance(data, dict):
            raise ValueError(f"{path}: an object is expected, found {type(data).__name__}")
        hints = typing.get_type_hints(kind)
        fields = {field.name: field for field in dataclasses.fields(kind)}
        unknown = sorted(set(data) - set(fields))
        if unknown:
            raise ValueError(f"{path}: unknown field {unknown[0]!r}")
        values = {}
        for name, field in fields.items():
            if name in data:
                values[name] = _read(hints[name], data[name], f"{path}.{name}")
            elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
                raise ValueError(f"{path}: field {name!r} is missing")
        return typing.cast(Any, kind)(**values)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{path}: an array is expected, found {type(data).__name__}")
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_read(arguments[0], item, f"{path}[{i}]") for i, item in enumerate(data))
        if len(data) != len(arguments):
            raise ValueError(f"{path}: {len(arguments)} values are expected, found {len(data)}")
        pairs = zip(arguments, data, strict=True)
        return tuple(_read(item, value, f"{path}[{i}]") for i, (item, value) in enumerate(pairs))
    if origin in (dict, Mapping):
        if not isinstance(data, dict):
            raise ValueError(f"{path}: an object is expected, found {type(data).__name__}")
        return {key: _read(arguments[1], item, f"{path}.{key}") for key, item in data.items()}
    if kind is Any:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ValueError(f"{path}: {kind.__name__} is expected, found {data!r}")
    return data


def _schema(kind: Any) -> dict[str, Any]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if item is type(None) else _schema(item) for item in arguments]}
    if dataclasses.is_dataclass(kind):
        hints = typing.get_type_hints(kind)
        fields = dataclasses.fields(kind)
        missing = dataclasses.MISSING
        required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
        return {
            "type": "object",
            "properties": {field.name: _schema(hints[field.name]) for field in fields},
            "required": required,
            "additionalProperties": False,
        }
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return {"type": "array", "items": _schema(arguments[0])}
        return {"type": "array", "prefixItems": [_schema(item) for item in arguments], "minItems": len(arguments)}
    if origin in (dict, Mapping):
        return {"type": "object", "additionalProperties": _schema(arguments[1])}
    return {"type": _SCALARS[kind]} if kind in _SCALARS else {}
