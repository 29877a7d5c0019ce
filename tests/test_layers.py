"""Imports point one way: converters -> quantization -> fusion -> sdk."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ORDER = ("mer_sdk", "mer_fusion", "mer_quantization", "mer_converters")
FOLDERS = {"mer_sdk": "sdk", "mer_fusion": "fusion", "mer_quantization": "quantization", "mer_converters": "converters"}
# What a device has: nothing of these may be imported at the top of an SDK file.
HEAVY = {"torch", "cv2", "scipy", "av", "soundfile", "matplotlib", "onnxruntime", "ai_edge_litert", "coremltools"}


def imported(tree: ast.AST) -> set[str]:
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module.split(".")[0])
    return names


@pytest.mark.parametrize("package", ORDER)
def test_no_package_imports_one_above_it(package: str) -> None:
    above = set(ORDER[ORDER.index(package) + 1 :])
    files = sorted((ROOT / FOLDERS[package] / package).rglob("*.py"))
    assert files
    for path in files:
        wrong = imported(ast.parse(path.read_text())) & above
        assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)}"


def test_sdk_files_import_nothing_heavy_at_the_top() -> None:
    for path in sorted((ROOT / "sdk" / "mer_sdk").rglob("*.py")):
        top = ast.Module(body=[n for n in ast.parse(path.read_text()).body if isinstance(n, ast.stmt)], type_ignores=[])
        for statement in top.body:
            if isinstance(statement, ast.Import | ast.ImportFrom):
                wrong = imported(ast.Module(body=[statement], type_ignores=[])) & HEAVY
                assert not wrong, f"{path.relative_to(ROOT)} imports {sorted(wrong)} before it is needed"
