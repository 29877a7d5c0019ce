"""For tests alone: runs graphs of bundles for a JVM, over standard input and output, in the runtimes of this Python.

Numbers are little-endian uint32, values float32. "o", length of a path, path, size of a graph's file -> a handle.
"r", handle, number of inputs, each its number of values and these -> number of outputs, each likewise.
"""

from __future__ import annotations

import struct
import sys
from typing import BinaryIO

import numpy as np

from mer_sdk.contract.bundle import Bundle
from mer_sdk.runtimes.graph import DTYPES, Graph, GraphSpec


def _number(stream: BinaryIO) -> int:
    return int(struct.unpack("<I", stream.read(4))[0])


def _open(path: str, size: int) -> tuple[Graph, GraphSpec]:
    """The graph whose file has so many bytes: the JVM gives its content, and this process opens the bundle's."""
    bundle = Bundle.open(path)
    assert bundle.path is not None
    name = next(key for key, one in bundle.manifest.graphs.items() if (bundle.path / one.file).stat().st_size == size)
    return bundle.load_graphs()[name], bundle.manifest.graphs[name]


def _run(graph: Graph, spec: GraphSpec, given: BinaryIO, made: BinaryIO) -> None:
    values = {}
    assert _number(given) == len(spec.inputs)
    for tensor in spec.inputs:
        array = np.frombuffer(given.read(4 * _number(given)), "<f4").reshape(tensor.shape)
        values[tensor.name] = array.astype(DTYPES[tensor.dtype])
    found = graph.run(values)
    made.write(struct.pack("<I", len(spec.outputs)))
    for tensor in spec.outputs:
        content = np.ascontiguousarray(found[tensor.name], "<f4").tobytes()
        made.write(struct.pack("<I", len(content) // 4) + content)
    made.flush()


def main() -> None:
    given, made = sys.stdin.buffer, sys.stdout.buffer
    graphs: list[tuple[Graph, GraphSpec]] = []
    while what := given.read(1):
        if what == b"o":
            path = given.read(_number(given)).decode()
            graphs.append(_open(path, _number(given)))
            made.write(struct.pack("<I", len(graphs) - 1))
            made.flush()
        else:
            graph, spec = graphs[_number(given)]
            _run(graph, spec, given, made)


if __name__ == "__main__":
    main()
