"""Program files of ExecuTorch in fewer bytes, and the builder that writes equal things once."""

from __future__ import annotations

import struct
from pathlib import Path

import flatbuffers  # type: ignore[import-untyped]
import numpy as np
import pytest
import torch
from flatbuffers import number_types  # type: ignore[import-untyped]
from flatbuffers.table import Table  # type: ignore[import-untyped]
from torch import nn

from mer_converters.targets.deduplicate import DeduplicatingBuilder
from mer_converters.targets.executorch import lower
from mer_converters.targets.executorch.compact import Copier, compacted, read_schema
from mer_sdk.runtimes import load_graph
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

SCHEMA = """
enum Kind : short { none = 0, one = 1 }  // a comment: with a colon;
union Any { First, Again: First, Second }
table First { size:uint; kind:Kind; }
table Second { name:string; sizes:[uint]; }
table Root { any:Any; rows:[First]; scale:float; kind:Kind = none_invalid; }
"""


def root_of(content: bytes) -> Table:
    return Table(content, struct.unpack_from("<I", content)[0])


def first(builder: flatbuffers.Builder, size: int) -> int:
    builder.StartObject(2)
    builder.PrependUint32Slot(0, size, 0)
    builder.PrependInt16Slot(1, 1, 0)
    return int(builder.EndObject())


def written(builder: flatbuffers.Builder) -> bytes:
    """A root with a second table and four rows, of which three are equal."""
    name = builder.CreateString("the name")
    builder.StartVector(4, 3, 4)
    for size in (3, 2, 1):
        builder.PrependUint32(size)
    sizes = builder.EndVector()
    builder.StartObject(2)
    builder.PrependUOffsetTRelativeSlot(0, name, 0)
    builder.PrependUOffsetTRelativeSlot(1, sizes, 0)
    second = builder.EndObject()
    rows = [first(builder, size) for size in (7, 7, 8, 7)]
    builder.StartVector(4, 4, 4)
    for row in reversed(rows):
        builder.PrependUOffsetTRelative(row)
    listed = builder.EndVector()
    builder.StartObject(5)
    builder.PrependUint8Slot(0, 3, 0)
    builder.PrependUOffsetTRelativeSlot(1, second, 0)
    builder.PrependUOffsetTRelativeSlot(2, listed, 0)
    builder.PrependFloat32Slot(3, 0.1, 0.0)
    builder.Finish(builder.EndObject(), file_identifier=b"TEST")
    return bytes(builder.Output())


def read(content: bytes) -> tuple[int, bytes, list[int], list[int], float]:
    root = root_of(content)
    second = Table(content, root.Indirect(root.Pos + root.Offset(6)))
    sizes, rows = second.Vector(second.Offset(6)), root.Vector(root.Offset(8))
    tables = [Table(content, root.Indirect(rows + 4 * row)) for row in range(root.VectorLen(root.Offset(8)))]
    return (
        root.Get(number_types.Uint8Flags, root.Pos + root.Offset(4)),
        second.String(second.Pos + second.Offset(4)),
        [second.Get(number_types.Uint32Flags, sizes + 4 * row) for row in range(3)],
        [table.Get(number_types.Uint32Flags, table.Pos + table.Offset(4)) for table in tables],
        root.Get(number_types.Float32Flags, root.Pos + root.Offset(10)),
    )


def test_equal_tables_are_written_once_and_read_as_before() -> None:
    plain, shared = written(flatbuffers.Builder(64)), written(DeduplicatingBuilder())
    assert read(plain) == read(shared) == (3, b"the name", [1, 2, 3], [7, 7, 8, 7], pytest.approx(0.1))
    assert len(shared) < len(plain)


def test_a_copy_holds_the_same_and_can_replace_and_leave_out() -> None:
    schema = read_schema(SCHEMA)
    assert [field.slot for field in schema.tables["Root"]] == [1, 2, 3, 4]
    plain = written(flatbuffers.Builder(64))
    builder = DeduplicatingBuilder()
    builder.Finish(Copier(schema, builder, lambda kind, table: {}).copy("Root", root_of(plain)))
    assert read(bytes(builder.Output())) == read(plain)
    builder = DeduplicatingBuilder()
    change = Copier(schema, builder, lambda kind, table: {"size": 5, "kind": None} if kind == "First" else {})
    builder.Finish(change.copy("Root", root_of(plain)))
    content = bytes(builder.Output())
    assert read(content)[3] == [5] * 4
    root = root_of(content)
    assert Table(content, root.Indirect(root.Vector(root.Offset(8)))).Offset(6) == 0


@pytest.mark.parametrize("field", ["size:Other;", "size:uint = 3;"])
def test_a_schema_that_would_be_copied_wrongly_is_refused(field: str) -> None:
    with pytest.raises(ValueError, match=r"Thing\.size"):
        read_schema(f"table Thing {{ {field} }}")


@pytest.mark.slow  # 6 s: two programs are lowered
def test_a_compacted_program_answers_as_before_and_carries_its_constants(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from executorch.exir._serialize._program import deserialize_pte_binary

    monkeypatch.setattr(lower, "compacted", lambda content: content)
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(2, 4, 3), nn.ReLU(), nn.Flatten(), nn.LayerNorm(36), nn.Linear(36, 9)).eval()
    given = torch.randn(1, 2, 5, 5)
    plain = lower.program_bytes(network, (given,))
    small = compacted(plain)
    assert len(small) < len(plain) - 500
    assert compacted(small) == small
    before, after = deserialize_pte_binary(plain), deserialize_pte_binary(small)
    assert before.named_data is not None
    assert before.named_data.pte_data
    assert after.named_data is None or not after.named_data.pte_data
    spec = GraphSpec("graph.pte", "", (TensorSpec("x", (1, 2, 5, 5)),), (TensorSpec("y", (1, 9)),))
    answers = []
    for name, content in (("plain", plain), ("small", small)):
        path = tmp_path / f"{name}.pte"
        path.write_bytes(content)
        answers.append(load_graph("executorch", path, spec, 1).run({"x": given.numpy()})["y"])
    assert np.array_equal(*answers)
    assert np.abs(answers[1] - network(given).detach().numpy()).max() < 1e-5
