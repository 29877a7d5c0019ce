"""C++ code for apps, compiled and run: the golden tests in the runtimes of this machine's Python wheels.

Slow, as compilers are. It needs g++; Kotlin and Swift are in files of their own.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import struct
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from sealing import run_sealed

import mer_converters.emit as emit_module
from mer_converters.emit import emit, find_language
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.bundle import Bundle, file_sha256

pytestmark = pytest.mark.slow

NATIVE = Path(__file__).with_name("native")
WHEELS = Path(emit_module.__file__).parent / "templates" / "cpp" / "wheels"
TARGETS = ("onnx", "tflite", "executorch")
# Warnings are errors in what is generated; the runtimes' headers are their own.
FLAGS = ("-std=c++20", "-O0", "-fPIC", "-Wall", "-Wextra", "-Werror", "-I.")


@dataclass(frozen=True)
class Native:
    """A runtime of a Python wheel: a folder for what is made, where its headers are, and what is linked."""

    folder: Path
    headers: tuple[Path, ...]
    libraries: tuple[Path, ...]
    defines: tuple[str, ...] = ()

    def compile(self, code: Path, source: Path) -> Path:
        """An object file of one source, in the folder of this runtime."""
        made = self.folder / f"{source.stem}.o"
        includes = [word for path in self.headers for word in ("-isystem", str(path))]
        _done(["g++", *FLAGS, *self.defines, *includes, "-c", str(source), "-o", str(made)], code)
        return made

    def link(self, objects: list[Path], made: Path, *more: str) -> Path:
        """A program, or with -shared a library."""
        paths = ":".join(str(path) for path in dict.fromkeys(library.parent for library in self.libraries))
        tail = [*map(str, self.libraries), f"-Wl,-rpath,{paths}", "-Wl,--allow-shlib-undefined"]
        _done(["g++", *map(str, objects), *more, "-o", str(made), "-Wl,--no-as-needed", *tail], self.folder)
        return made


def _done(command: list[str], folder: Path) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}"
    return done.stdout + done.stderr


def _package(name: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or not spec.submodule_search_locations:
        pytest.skip(f"needs {name}, which is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


def _library(folder: Path, pattern: str) -> Path:
    found = sorted(folder.glob(pattern))
    if not found:
        pytest.skip(f"needs {pattern}, which the wheel in {folder.name} does not have")
    return found[0]


def _native(target: str, folder: Path) -> Native:
    if target == "onnx":
        library = _library(_package("onnxruntime") / "capi", "libonnxruntime.so.*")
        # The library names itself with its major version alone.
        linked = folder / "libonnxruntime.so.1"
        linked.symlink_to(library)
        return Native(folder, (WHEELS / "onnx",), (linked,))
    if target == "tflite":
        return Native(folder, (WHEELS / "litert",), (_library(_package("ai_edge_litert"), "libLiteRt.so"),))
    root, torch = _package("executorch"), _package("torch") / "lib"
    include = root / "include"
    libraries = [_library(root / "extension" / "pybindings", "_portable_lib*.so")]
    libraries.append(_library(root / "backends" / "qualcomm", "libqnn_executorch_backend.so"))
    libraries += [_library(torch, f"lib{name}.so") for name in ("torch_python", "torch", "torch_cpu", "c10")]
    libraries.append(_library(Path(str(sysconfig.get_config_var("LIBDIR"))), "libpython3.*.so"))
    portable = include / "executorch" / "runtime" / "core" / "portable_type" / "c10"
    return Native(folder, (include, portable), tuple(libraries), ("-DC10_USING_CUSTOM_GENERATED_MACROS",))


@dataclass(frozen=True)
class Built:
    """A bundle with its C++ code and objects."""

    bundle: Path
    code: Path
    native: Native
    objects: list[Path]

    def run(self, program: Path, golden: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The golden test where it may open no socket and write no file, with nothing but a home, which stays empty."""
        command = [str(program), str(self.bundle), str(golden or self.code / "golden.bin")]
        return run_sealed(command, program.with_name("home"), needed=False)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of TARGET.mer, one tiny bundle a target."""
    if shutil.which("g++") is None:
        pytest.skip("needs g++, which is not installed")
    folder = tmp_path_factory.mktemp("emit")
    _done([sys.executable, str(NATIVE / "export_tiny.py"), str(folder)], folder)
    return folder


@pytest.fixture(scope="module")
def build(bundles: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Built]:
    """Target -> its bundle with code and objects, compiled once."""
    kept: dict[str, Built] = {}

    def built(target: str) -> Built:
        if target not in kept:
            bundle = bundles / f"{target}.mer"
            code, native = emit(bundle, "cpp"), _native(target, tmp_path_factory.mktemp(target))
            sources = sorted(code.glob("*.cpp"))
            if target != "onnx":
                # The parts that do not know the runtime were compiled one by one for the first; here all at once.
                whole = native.folder / "whole.cc"
                whole.write_text("".join(f'#include "{path}"\n' for path in sources))
                sources = [whole]
            kept[target] = Built(bundle, code, native, [native.compile(code, path) for path in sources])
        return kept[target]

    return built


@pytest.mark.parametrize("target", TARGETS)
def test_cpp_passes_its_golden_test_which_can_fail(target: str, build: Callable[[str], Built], tmp_path: Path) -> None:
    built = build(target)
    program = built.native.link(built.objects, tmp_path / "golden_test")
    passed = built.run(program)
    assert passed.returncode == 0, passed.stdout + passed.stderr
    lines = [line for line in passed.stdout.splitlines() if line.startswith("ok")]
    assert sum("largest error of the logits" in line for line in lines) >= 4
    assert any("warm baseline: audio" in line for line in lines)

    # A logit of the first case that is off by more than the tolerance, and a graph that is not this bundle's.
    content = bytearray((built.code / "golden.bin").read_bytes())
    place = content.index(b"case0_logits") + len("case0_logits") + 8
    content[place : place + 4] = struct.pack("<f", struct.unpack_from("<f", content, place)[0] + 3e-4)
    (tmp_path / "golden.bin").write_bytes(content)
    failed = built.run(program, tmp_path / "golden.bin")
    assert failed.returncode == 1
    assert failed.stdout.count("FAILED") == 1
    assert "FAILED case 0" in failed.stdout
    graph = next(built.bundle.glob("fusion.*"))
    with graph.open("ab") as file:
        file.write(b"\0")
    other = built.run(program)
    assert other.returncode == 1
    assert "emit this code again" in other.stderr
    os.truncate(graph, graph.stat().st_size - 1)
    # One bit of a graph of the same size.
    content = graph.read_bytes()
    graph.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    other = built.run(program)
    assert other.returncode == 1
    assert "is not the file that this code was generated from" in other.stderr
    graph.write_bytes(content)


def test_cpp_of_one_modality_compiles(build: Callable[[str], Built], tmp_path: Path) -> None:
    built = build("onnx")
    whole = Bundle.open(built.bundle).manifest
    fusion = whole.graphs["fusion"]
    inputs = tuple(tensor for tensor in fusion.inputs if not tensor.name.startswith("face"))
    graphs = {"audio": whole.graphs["audio"], "fusion": replace(fusion, inputs=inputs)}
    for name, text in find_language("cpp").files(SourceBundle(built.bundle, replace(whole, graphs=graphs), ())).items():
        (tmp_path / name).write_text(text)
    whole = tmp_path / "whole.cc"
    whole.write_text('#include "sensor.cpp"\n#include "golden_test.cpp"\n')
    _done(["g++", *FLAGS, "-fsyntax-only", str(whole)], tmp_path)


HASHING = """
#include <iostream>
#include "graph.hpp"
int main(int, char** files) {
  while (*++files) std::cout << mer::first::sha256(*files) << "\\n";
}
"""


def test_cpp_hashes_files_of_any_length(build: Callable[[str], Built], tmp_path: Path) -> None:
    built, files = build("onnx"), []
    for length in (0, 1, 55, 56, 57, 63, 64, 65, 119, 120, 128, 100_000):
        files.append(tmp_path / f"{length}.bin")
        files[-1].write_bytes(bytes(index * index % 251 for index in range(length)))
    source = tmp_path / "hashing.cc"
    source.write_text(HASHING)
    hashing = [built.native.compile(built.code, path) for path in (built.code / "sha256.cpp", source)]
    told = _done([str(built.native.link(hashing, tmp_path / "hashing")), *map(str, files)], tmp_path).split()
    assert told == [file_sha256(path) for path in files]
