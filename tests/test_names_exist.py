"""What benchmarks, tools and demos import of this repository is there: no other test starts most of them."""

from __future__ import annotations

import ast
import functools
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = {
    "mer_sdk": ROOT / "sdk",
    "mer_fusion": ROOT / "fusion",
    "mer_quantization": ROOT / "quantization",
    "mer_converters": ROOT / "converters",
    "benchmarks": ROOT,
    "tools": ROOT,
}
FILES = [path for folder in ("benchmarks", "tools", "demos") for path in sorted((ROOT / folder).rglob("*.py"))]


def test_imported_names_exist() -> None:
    wanted = [(file, module, name) for file in FILES for module, name in _imports(file)]
    assert len(wanted) > 500
    assert not [
        f"{file.relative_to(ROOT)}: {module} {name}" for file, module, name in wanted if not _there(module, name)
    ]


def _there(module: str, name: str | None) -> bool:
    place = PACKAGES[module.split(".")[0]].joinpath(*module.split("."))
    source = _source(place)
    return source is not None and (name is None or _source(place / name) is not None or name in _names(source))


def _imports(file: Path) -> Iterator[tuple[str, str | None]]:
    """Module and name, None where the module itself is imported; those of this repository, wherever they stand."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] in PACKAGES:
            yield from ((node.module, alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            yield from ((alias.name, None) for alias in node.names if alias.name.split(".")[0] in PACKAGES)


def _source(place: Path) -> Path | None:
    """The file of a module or package, None where there is none."""
    file = place.with_suffix(".py")
    if file.is_file():
        return file
    if place.is_dir():
        return place / "__init__.py"
    return None


@functools.cache
def _names(source: Path) -> set[str]:
    """What a module defines or imports; a lazy package names it in a text."""
    if not source.is_file():
        return set()
    found: set[str] = set()
    for node in ast.walk(ast.parse(source.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
        elif isinstance(node, ast.alias):
            found.add(node.asname or node.name)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and source.name == "__init__.py":
            found.add(node.value)
    return found
