"""Frozen dataclasses to JSON and back, with the JSON Schema they imply.

The contract files of a bundle are written by Python and read by other languages, so the mapping is the plain one:
a dataclass is an object, a tuple an array, `X | None` a nullable value, a mapping an object. Unknown keys are refused,
so that a misspelt field is found where it is written. What a field may hold (`mer_sdk.limits`) is checked when it is
read, and stands in the schema.
"""

from __future__ import annotations

import dataclasses
import functools
import types
import typing
from collections.abc import Mapping
from numbers import Integral, Real
from typing import Any, TypeVar

from mer_sdk.errors import OptionError
from mer_sdk.limits import Limits, check_count, check_scalar, limits_schema, shown

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
    if isinstance(value, Real) and not isinstance(value, int | float):  # of numpy, which JSON's writer does not know
        return int(value) if isinstance(value, Integral) else float(value)
    return value


def from_json(kind: type[T], data: Any, ignore_unknown: bool = False) -> T:
    """The dataclass `kind` read from plain JSON.

    Args:
        kind: a dataclass.
        data: plain JSON.
        ignore_unknown: leave out fields that `kind` does not have, at any depth, instead of refusing them.

    Raises:
        ValueError: a field is missing, unknown, of another type, or outside its limits; the message carries its path.
    """
    return typing.cast(T, _read(kind, data, kind.__name__, None, ignore_unknown))


def json_schema(kind: type) -> dict[str, Any]:
    """The JSON Schema (draft 2020-12) of a dataclass."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": kind.__name__, **_schema(kind)}


def _read(kind: Any, data: Any, path: str, limits: Limits | None, lenient: bool) -> Any:
    kind, limits = _parted(kind, limits)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        if data is None and type(None) in arguments:
            return None
        return _read(next(item for item in arguments if item is not type(None)), data, path, limits, lenient)
    if dataclasses.is_dataclass(kind):
        return _read_object(kind, data, path, lenient)
    if origin is tuple:
        if not isinstance(data, list):
            raise ValueError(f"{path}: an array is expected, found {shown(data)}")
        check_count(len(data), path, limits)
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            return tuple(_read(arguments[0], item, f"{path}[{i}]", limits, lenient) for i, item in enumerate(data))
        if len(data) != len(arguments):
            raise ValueError(f"{path}: {len(arguments)} values are expected, found {len(data)}")
        pairs = zip(arguments, data, strict=True)
        return tuple(_read(item, value, f"{path}[{i}]", limits, lenient) for i, (item, value) in enumerate(pairs))
    if origin in (dict, Mapping):
        if not isinstance(data, dict):
            raise ValueError(f"{path}: an object is expected, found {shown(data)}")
        check_count(len(data), path, limits)
        return {key: _read(arguments[1], item, f"{path}.{key}", limits, lenient) for key, item in data.items()}
    if kind is Any:
        return data
    if kind is float and isinstance(data, int) and not isinstance(data, bool) and abs(data) < 2**53:
        data = float(data)
    # JSON has one kind of number: 250.0 is an integer to its schema, and to languages that know no other.
    if kind is int and isinstance(data, float) and data.is_integer() and abs(data) < 2**53:
        data = int(data)
    if not isinstance(data, kind) or (isinstance(data, bool) and kind is not bool):
        raise ValueError(f"{path}: {_SCALARS[kind]} is expected, found {shown(data)}")
    if limits is not None:
        check_scalar(data, path, limits)
    return data


def _read_object(kind: Any, data: Any, path: str, lenient: bool) -> Any:
    if not isinstance(data, dict):
        raise ValueError(f"{path}: an object is expected, found {shown(data)}")
    hints = _hints(kind)
    fields = {field.name: field for field in dataclasses.fields(kind)}
    unknown = sorted(set(data) - set(fields))
    if unknown and not lenient:
        raise ValueError(f"{path}: unknown field {shown(unknown[0])}")
    values = {}
    for name, field in fields.items():
        if name in data:
            values[name] = _read(hints[name], data[name], f"{path}.{name}", None, lenient)
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise ValueError(f"{path}: field {name!r} is missing")
    try:
        return kind(**values)
    except OptionError as error:
        raise ValueError(f"{path}: {error}") from error


@functools.cache
def _hints(kind: type) -> dict[str, Any]:
    return typing.get_type_hints(kind, include_extras=True)


def _parted(kind: Any, limits: Limits | None) -> tuple[Any, Limits | None]:
    """`Annotated[kind, Limits(...)]` as its kind and its limits; any other kind with the limits around it."""
    if typing.get_origin(kind) is not typing.Annotated:
        return kind, limits
    own = [item for item in typing.get_args(kind)[1:] if isinstance(item, Limits)]
    return typing.get_args(kind)[0], own[0] if own else limits


def _schema(kind: Any, limits: Limits | None = None) -> dict[str, Any]:
    kind, limits = _parted(kind, limits)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return {"anyOf": [{"type": "null"} if item is type(None) else _schema(item, limits) for item in arguments]}
    if dataclasses.is_dataclass(kind):
        hints = _hints(typing.cast(type, kind))
        fields = dataclasses.fields(kind)
        missing = dataclasses.MISSING
        required = [field.name for field in fields if field.default is missing and field.default_factory is missing]
        return {
            "type": "object",
            "properties": {field.name: _schema(hints[field.name]) | _default(field) for field in fields},
            "required": required,
            "additionalProperties": False,
        }
    if origin is tuple:
        if len(arguments) == 2 and arguments[1] is Ellipsis:
            most = {} if limits is None or limits.items is None else {"maxItems": limits.items}
            return {"type": "array", "items": _schema(arguments[0], limits), **most}
        count = len(arguments)
        items = [_schema(item, limits) for item in arguments]
        return {"type": "array", "prefixItems": items, "minItems": count, "maxItems": count}
    if origin in (dict, Mapping):
        most = {} if limits is None or limits.items is None else {"maxProperties": limits.items}
        return {"type": "object", "additionalProperties": _schema(arguments[1], limits), **most}
    return {"type": _SCALARS[kind], **limits_schema(kind, limits)} if kind in _SCALARS else {}


def _default(field: dataclasses.Field[Any]) -> dict[str, Any]:
    """What a field is where it is not there, in the words of JSON Schema."""
    if field.default_factory is not dataclasses.MISSING:
        return {"default": to_json(field.default_factory())}
    return {} if field.default is dataclasses.MISSING else {"default": to_json(field.default)}
