"""Imports point one way: between the distributions' packages, between the SDK's rooms, and from file to file."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("mer_sdk", "mer_fusion", "mer_quantization", "mer_converters")
FOLDERS = {"mer_sdk": "sdk", "mer_fusion": "fusion", "mer_quantization": "quantization", "mer_converters": "converters"}
# The SDK's rooms: each may import those before it. What a device's sensor needs ends with `window`.
ROOMS = (
    "errors",
    "limits",
    "jobs",
    "runtimes",
    "contract",
    "media",
    "frontends",
    "window",
    "dialogue",
    "live",
    "evaluation",
    "parity",
    "bench",
    "batch",
    "report",
    "phone",
    "cli",
)
# What a device has: nothing of these may be imported at the top of an SDK file.
HEAVY = {
    "distributed",
    "pyarrow",
    "torch",
    "cv2",
    "scipy",
    "av",
    "soundfile",
    "matplotlib",
    "onnxruntime",
    "ai_edge_litert",
    "coremltools",
}
LARGEST_FOLDER = 16


def modules(package: str) -> dict[str, Path]:
    """Dotted name -> file of every module of a package."""
    base = ROOT / FOLDERS[package]
    found = {}
    for path in sorted((base / package).rglob("*.py")):
        parts = path.relative_to(base).with_suffix("").parts
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    assert found
    return found


def imported(tree: ast.AST, known: set[str] | None = None) -> set[str]:
    """Dotted names that a tree imports; with `known`, `from package import module` counts as the module."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            inner = {f"{node.module}.{alias.name}" for alias in node.names}
            names |= (inner & known) if known and inner & known else {node.module}
    return names


def top_packages(tree: ast.AST) -> set[str]:
    return {name.split(".")[0] for name in imported(tree)}


@pytest.mark.parametrize("package", ORDER)
def test_no_package_imports_one_above_it(package: str) -> None:
    above = set(ORDER[ORDER.index(package) + 1 :])
    for path in modules(package).values():
        wrong = top_packages(ast.parse(path.read_text())) & above
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_the_rooms_of_the_sdk_import_only_those_before_them() -> None:
    found = modules("mer_sdk")
    rooms = {name.split(".")[1] for name in found if "." in name}
    assert rooms == set(ROOMS), "a room was added or removed: give it its place in ROOMS"
    for name, path in found.items():
        if "." not in name:
            continue
        place = ROOMS.index(name.split(".")[1])
        for other in imported(ast.parse(path.read_text())):
            if other.startswith("mer_sdk."):
                assert ROOMS.index(other.split(".")[1]) <= place, f"{name} imports {other}"


def in_circles(arrows: dict[str, set[str]]) -> set[str]:
    """Names from which arrows lead into a circle."""
    # What nothing left imports is taken away until all are gone, or only circles are left.
    while free := {name for name, others in arrows.items() if not others & set(arrows)}:
        arrows = {name: others for name, others in arrows.items() if name not in free}
    return set(arrows)


def files_that_import(package: str) -> dict[str, set[str]]:
    """Module -> modules of the same package that it imports, at the top or where it needs them."""
    found = modules(package)
    return {
        name: imported(ast.parse(path.read_text()), set(found)) & set(found) - {name} for name, path in found.items()
    }


@pytest.mark.parametrize("package", ORDER)
def test_no_files_import_each_other_in_a_circle(package: str) -> None:
    assert not in_circles(files_that_import(package))


@pytest.mark.parametrize("package", ORDER)
def test_no_rooms_import_each_other_in_a_circle(package: str) -> None:
    """Of what lies side by side in a folder, files and folders, no two need each other, however far around."""
    arrows = files_that_import(package)
    folders = {name.rsplit(".", 1)[0] for name in arrows if "." in name}
    for folder in sorted(folders):
        rooms: dict[str, set[str]] = {}
        for name, others in arrows.items():
            if name.startswith(f"{folder}."):
                own = name.removeprefix(f"{folder}.").split(".")[0]
                inside = {
                    other.removeprefix(f"{folder}.").split(".")[0] for other in others if other.startswith(f"{folder}.")
                }
                rooms.setdefault(own, set()).update(inside - {own})
        assert not in_circles(rooms), f"in {folder}"


@pytest.mark.parametrize("package", ORDER)
def test_no_folder_holds_more_modules_than_one_can_look_through(package: str) -> None:
    counts: dict[Path, int] = {}
    for path in modules(package).values():
        counts[path.parent] = counts.get(path.parent, 0) + 1
    crowded = {str(folder.relative_to(ROOT)): count for folder, count in counts.items() if count > LARGEST_FOLDER}
    # Core ML's own documentation groups its operations so; the handlers follow it.
    crowded.pop("converters/mer_converters/targets/coreml/interpreter/handlers", None)
    assert not crowded


def test_sdk_files_import_nothing_heavy_at_the_top() -> None:
    for path in modules("mer_sdk").values():
        for statement in ast.parse(path.read_text()).body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                wrong = top_packages(ast.Module(body=[statement], type_ignores=[])) & HEAVY
                assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)} before it is needed"
