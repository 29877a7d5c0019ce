"""C++ in the runtimes of this machine's Python wheels: compiled and linked, and the golden test that came out."""

from __future__ import annotations

import importlib.util
import subprocess
import sysconfig
from dataclasses import dataclass
from pathlib import Path

import pytest
from sandboxed import run_sandboxed

import mer_converters.emit as emit_module

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
        done(["g++", *FLAGS, *self.defines, *includes, "-c", str(source), "-o", str(made)], code)
        return made

    def link(self, objects: list[Path], made: Path, *more: str) -> Path:
        """A program, or with -shared a library."""
        paths = ":".join(str(path) for path in dict.fromkeys(library.parent for library in self.libraries))
        tail = [*map(str, self.libraries), f"-Wl,-rpath,{paths}", "-Wl,--allow-shlib-undefined"]
        done(["g++", *map(str, objects), *more, "-o", str(made), "-Wl,--no-as-needed", *tail], self.folder)
        return made


def done(command: list[str], folder: Path) -> str:
    """What a command printed that ended well."""
    ran = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, f"{' '.join(command)}\n{ran.stdout[-3000:]}{ran.stderr[-3000:]}"
    return ran.stdout + ran.stderr


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


def wheel_runtime(target: str, folder: Path) -> Native:
    """The runtime of a target; the test is skipped where its wheel lacks something."""
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
    """A bundle with its C++ code and the program of its golden test."""

    bundle: Path
    code: Path
    native: Native
    program: Path

    def run(self, folder: Path, golden: Path | None = None) -> subprocess.CompletedProcess[str]:
        """The golden test where it may open no socket and write no file, with nothing but a home, which stays empty."""
        command = [str(self.program), str(self.bundle), str(golden or self.code / "golden.bin")]
        return run_sandboxed(command, folder / "home", needed=False)


@dataclass(frozen=True)
class App:
    """The project of the app for ONNX, and the folder in which CMake built it against the wheel's library."""

    code: Path
    built: Path


def one_source(code: Path, folder: Path, left_out: tuple[str, ...] = ("trust",)) -> Path:
    """One source of all, as the build of the app has it; who checks signatures adds trust/."""
    sources = [path for path in sorted(code.rglob("*.cpp")) if path.parent.name not in left_out]
    whole = folder / "whole.cc"
    whole.write_text("".join(f'#include "{path}"\n' for path in sources))
    return whole
