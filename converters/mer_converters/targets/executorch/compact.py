"""A program file in fewer bytes: the same operations and constants, written without what no runtime needs.

As ExecuTorch 1.4 writes it, every weight, scale and bias is a piece of the file of its own with a key of 64 letters,
which stands in the list of pieces and in the delegate that reads it. Keys let methods share constants; the programs
here have one method. So each delegate carries its own constants, at an offset, as the format has it too. Left out are
fields that hold their default and the handles that link to a profile of the converter's graph.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from flatbuffers import number_types
from flatbuffers.table import Table

from mer_converters.targets.deduplicate import DeduplicatingBuilder

ALIGNMENT = 16
_SCALARS = {
    "ubyte": number_types.Uint8Flags,
    "ushort": number_types.Uint16Flags,
    "short": number_types.Int16Flags,
    "int": number_types.Int32Flags,
    "uint": number_types.Uint32Flags,
    "uint64": number_types.Uint64Flags,
    "float": number_types.Float32Flags,
}


@dataclass(frozen=True)
class Field:
    """A field of a table: its name, its type as the schema writes it ("[uint]"), and its place in the vtable."""

    name: str
    kind: str
    slot: int


@dataclass(frozen=True)
class Schema:
    """What of a flatbuffer schema is needed to copy a file.

    Attributes:
        tables: name -> its fields.
        unions: name -> the tables it may be, the first of which has number 1.
        enums: name -> the scalar that holds it.
    """

    tables: Mapping[str, tuple[Field, ...]]
    unions: Mapping[str, tuple[str, ...]]
    enums: Mapping[str, str]


def read_schema(text: str) -> Schema:
    """Read a schema of tables, unions of tables and enums, as XNNPACK's graphs have it; no structs, no nested vectors.

    Raises:
        ValueError: a field of another type, or with another default than 0.
    """
    text = re.sub(r"//[^\n]*", "", text)
    enums = dict(re.findall(r"enum\s+(\w+)\s*:\s*(\w+)", text))
    unions = {
        name: tuple(item.split(":")[-1].strip() for item in body.split(",") if item.strip())
        for name, body in re.findall(r"union\s+(\w+)\s*\{(.*?)\}", text, re.DOTALL)
    }
    bodies = dict(re.findall(r"table\s+(\w+)\s*\{(.*?)\}", text, re.DOTALL))
    tables = {}
    for table, body in bodies.items():
        fields, slot = [], 0
        for name, kind, default in re.findall(r"(\w+)\s*:\s*(\[?\w+\]?)\s*(?:=\s*(\w+))?[^;]*;", body):
            slot += kind in unions  # a union is preceded by the number of its table
            if kind.strip("[]") not in {"string", *_SCALARS, *enums, *unions, *bodies}:
                raise ValueError(f"{table}.{name} is a {kind}, which is not known")
            if default not in ("", "0") and not default.endswith("_invalid"):
                raise ValueError(f"{table}.{name} has the default {default}, where 0 is known alone")
            fields.append(Field(name, kind, slot))
            slot += 1
        tables[table] = tuple(fields)
    return Schema(tables, unions, enums)


class Copier:
    """Copies tables of one flatbuffer into a builder.

    Args:
        schema: of the flatbuffer.
        builder: of the new one.
        replace: asked for every table (name, table); gives its fields' scalars by name where they are to be others and
            None for fields to leave out. Fields that it does not name are copied.
    """

    def __init__(
        self, schema: Schema, builder: DeduplicatingBuilder, replace: Callable[[str, Table], Mapping[str, int | None]]
    ) -> None:
        self._schema, self._builder, self._replace = schema, builder, replace

    def copy(self, kind: str, table: Table) -> int:
        """Offset of the copy of a table and of all below it."""
        others = self._replace(kind, table)
        parts: list[tuple[int, int]] = []
        scalars: list[tuple[Any, int, Any]] = []
        slots = 0
        for field in self._schema.tables[kind]:
            slots = field.slot + 1
            flags = _SCALARS.get(self._schema.enums.get(field.kind, field.kind))
            if field.name in others:
                if others[field.name] is not None:
                    scalars.append((flags, field.slot, others[field.name]))
                continue
            place = table.Offset(4 + 2 * field.slot)
            if not place:
                continue
            if flags is not None:
                scalars.append((flags, field.slot, table.Get(flags, table.Pos + place)))
            elif field.kind in self._schema.unions:
                number = table.Get(number_types.Uint8Flags, table.Pos + table.Offset(4 + 2 * (field.slot - 1)))
                below = self._schema.unions[field.kind][number - 1]
                parts.append((field.slot, self._below(below, table, place)))
                scalars.append((number_types.Uint8Flags, field.slot - 1, number))
            else:
                parts.append((field.slot, self._part(field.kind, table, place)))
        self._builder.StartObject(slots)
        # Written from the end: the widest last, which leaves no gaps.
        narrow = [item for item in scalars if item[0].bytewidth < number_types.UOffsetTFlags.bytewidth]
        for flags, slot, value in sorted(narrow, key=lambda item: item[0].bytewidth):
            self._builder.PrependSlot(flags, slot, value, 0)
        for slot, offset in parts:
            self._builder.PrependUOffsetTRelativeSlot(slot, offset, 0)
        wide = [item for item in scalars if item not in narrow]
        for flags, slot, value in sorted(wide, key=lambda item: item[0].bytewidth):
            self._builder.PrependSlot(flags, slot, value, 0)
        return self._builder.EndObject()

    def _below(self, kind: str, table: Table, place: int) -> int:
        return self.copy(kind, Table(table.Bytes, table.Indirect(table.Pos + place)))

    def _part(self, kind: str, table: Table, place: int) -> int:
        if kind == "string":
            return self._builder.CreateString(table.String(table.Pos + place))
        if not kind.startswith("["):
            return self._below(kind, table, place)
        start, count = table.Vector(place), table.VectorLen(place)
        item = kind.strip("[]")
        flags = _SCALARS.get(self._schema.enums.get(item, item))
        if flags is None:
            rows = [self.copy(item, Table(table.Bytes, table.Indirect(start + 4 * row))) for row in range(count)]
            self._builder.StartVector(4, count, 4)
            for row in reversed(rows):
                self._builder.PrependUOffsetTRelative(row)
        else:
            values = [table.Get(flags, start + flags.bytewidth * row) for row in range(count)]
            self._builder.StartVector(flags.bytewidth, count, flags.bytewidth)
            for value in reversed(values):
                self._builder.Prepend(flags, value)
        return self._builder.EndVector()


def compacted(content: bytes) -> bytes:
    """The program file in fewer bytes; its methods give what they gave.

    Args:
        content: of a program with XNNPACK delegates and one method, as ExecuTorch writes it.
    """
    from executorch.exir._serialize._flatbuffer_program import ProgramT
    from executorch.exir._serialize._program import (
        PTEFile,
        _ExtendedHeader,
        _get_extended_header,
        _insert_flatbuffer_header,
        deserialize_pte_binary,
        serialize_pte_binary,
    )

    file = deserialize_pte_binary(content)
    store = file.named_data
    named = {} if store is None else {key: store.buffers[item.buffer_index] for key, item in store.pte_data.items()}
    for part in file.program.backend_delegate_data:
        part.data = _delegate(bytes(part.data), named)
    plain = bytes(
        serialize_pte_binary(
            PTEFile(file.program, file.mutable_data), extract_delegate_segments=True, segment_alignment=ALIGNMENT
        )
    )
    header = _get_extended_header(plain)
    if header is None:
        return plain
    builder = DeduplicatingBuilder()
    builder.Finish(ProgramT.InitFromPackedBuf(plain).Pack(builder), file_identifier=plain[4:8])
    program = bytes(builder.Output())
    length = -(-_ExtendedHeader.EXPECTED_LENGTH // ALIGNMENT) * ALIGNMENT
    size = length + len(program)
    start = -(-size // ALIGNMENT) * ALIGNMENT
    head = _ExtendedHeader(size, start, header.segment_data_size).to_bytes()
    whole = _insert_flatbuffer_header(program, r"ET\w\w", head.ljust(length, b"\0"))
    return whole.ljust(start, b"\0") + plain[header.segment_base_offset :]


def _delegate(payload: bytes, named: Mapping[str, bytes]) -> bytes:
    """The payload of an XNNPACK delegate that carries its constants, which were looked up in `named`."""
    from executorch.backends.xnnpack.serialization.xnnpack_graph_serialize import XNNHeader, _get_schema_bytes

    header = XNNHeader.from_bytes(payload[: XNNHeader.EXPECTED_LENGTH])
    graph = payload[header.flatbuffer_offset : header.flatbuffer_offset + header.flatbuffer_size]
    constants = bytearray(payload[header.constant_data_offset :][: header.constant_data_size])
    places: dict[str, int] = {}

    def replace(kind: str, table: Table) -> Mapping[str, int | None]:
        if kind == "XNode":
            return {"debug_handle": None}
        key = table.Offset(8) if kind == "ConstantDataOffset" else 0
        name = table.String(table.Pos + key).decode() if key else ""
        if not name:
            return {}
        if name not in places:
            constants.extend(bytes(-len(constants) % ALIGNMENT))
            places[name] = len(constants)
            constants.extend(named[name])
        return {"offset": places[name], "named_key": None}

    builder = DeduplicatingBuilder()
    root = Table(graph, number_types.UOffsetTFlags.packer_type.unpack_from(graph, 0)[0])
    place = Copier(read_schema(_get_schema_bytes().decode()), builder, replace).copy("XNNGraph", root)
    builder.Finish(place, file_identifier=graph[4:8])
    content = bytes(builder.Output())
    first = -(-XNNHeader.EXPECTED_LENGTH // ALIGNMENT) * ALIGNMENT
    second = first + -(-len(content) // ALIGNMENT) * ALIGNMENT
    begin = XNNHeader(first, len(content), second, len(constants)).to_bytes()
    return begin.ljust(first, b"\0") + content.ljust(second - first, b"\0") + bytes(constants)
