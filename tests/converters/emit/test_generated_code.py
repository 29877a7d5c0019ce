"""The code that is written of a bundle, in every language for every target: nothing of the templates is left in it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import tiny_bundle
from graphless_bundle import generated_texts, graphless_bundle
from one_modality import one_modality

from mer_converters.emit import emit, languages
from mer_converters.emit.template import fill, wrapped
from mer_sdk.contract.manifest import Manifest
from mer_sdk.errors import ConversionError
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

KINDS = [(language.name, target) for language in languages() for target in language.runtimes]


@pytest.mark.parametrize(("language", "target"), KINDS)
def test_every_language_writes_every_target_from_the_manifest(language: str, target: str, tmp_path: Path) -> None:
    folder = emit(graphless_bundle(tmp_path, target), language)
    assert folder == tmp_path / f"tiny-{target}-{language}"
    texts = generated_texts(folder)
    contract = next(text for path, text in texts.items() if Path(path).stem in ("Contract", "contract"))
    for wanted in (*tiny_bundle.LABELS, str(tiny_bundle.CHUNK), str(tiny_bundle.CROP), "1.7", "0.4", "0.81"):
        assert wanted in contract, wanted
    everything = "".join(texts.values())
    assert "0.0001" in everything
    assert "made_logits" not in everything


@pytest.mark.parametrize(("language", "target"), [("cpp", "onnx"), ("kotlin", "tflite"), ("swift", "coreml")])
def test_the_same_bundle_gives_the_same_bytes(language: str, target: str, tmp_path: Path) -> None:
    first = emit(graphless_bundle(tmp_path / "a", target), language)
    second = emit(graphless_bundle(tmp_path / "b", target), language)
    again = emit(tmp_path / "a" / f"tiny-{target}.mer", language)
    assert again == first
    for path in first.rglob("*"):
        if path.is_file():
            assert path.read_bytes() == (second / path.relative_to(first)).read_bytes(), path


def test_a_bundle_of_one_modality_has_no_code_for_the_other(tmp_path: Path) -> None:
    bundle = graphless_bundle(tmp_path, "onnx", lambda manifest: one_modality(manifest, "audio"))
    text = "".join(generated_texts(emit(bundle, "cpp")).values())
    assert "SoundSteps" in text
    assert "crop_face" not in text
    assert "kFace" not in text
    kotlin = generated_texts(emit(tmp_path / "tiny-onnx.mer", "kotlin"))
    assert not any("FaceCrop" in path for path in kotlin)
    assert "cropFace" not in "".join(kotlin.values())


@pytest.mark.parametrize(
    ("language", "target", "name"),
    [("cpp", "onnx", "kFinderGraph"), ("kotlin", "onnx", "val FINDER"), ("swift", "coreml", "let finder")],
)
def test_further_graphs_of_the_manifest_are_in_the_contract(
    language: str, target: str, name: str, tmp_path: Path
) -> None:
    def with_finder(manifest: Manifest) -> Manifest:
        frame = TensorSpec("frame", (1, 128, 160, 3), "float32", (0.0, 255.0))
        finder = GraphSpec("face.graph", "fp32", (frame,), (TensorSpec("boxes", (1, 99, 4)),))
        words = GraphSpec("audio.graph", "fp32", (TensorSpec("ids", (1, 8), "int32"),), (TensorSpec("x", (1, 4)),))
        return replace(manifest, graphs={**manifest.graphs, "finder": finder, "words": words})

    texts = generated_texts(emit(graphless_bundle(tmp_path, target, with_finder), language))
    contract = next(text for path, text in texts.items() if Path(path).stem in ("Contract", "contract"))
    assert name in contract
    assert "99" in contract
    # The code runs float32 alone.
    assert '"ids"' not in contract


def test_only_what_was_generated_is_replaced(tmp_path: Path) -> None:
    bundle = graphless_bundle(tmp_path, "onnx")
    folder = emit(bundle, "cpp")
    (folder / "app.cpp").write_text("int main() {}\n")
    with pytest.raises(ConversionError, match=r"holds app\.cpp, which was not generated: move it away"):
        emit(bundle, "cpp")
    assert (folder / "sensor.cpp").is_file()
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["tiny-onnx-cpp", "tiny-onnx.mer"]


def test_templates() -> None:
    text = "a @x@\n  //#if one\nb\n//#else\nc\n//#end\n#if two\nd\n#end\n"
    assert fill(text, {"x": "1"}, {"one"}) == "a 1\nb\n"
    assert fill(text, {"x": "1"}, {"two"}) == "a 1\nc\nd\n"
    with pytest.raises(KeyError):
        fill(text, {}, ())
    for broken in ("//#end\n", "//#if one\n"):
        with pytest.raises(ValueError, match="without"):
            fill(broken, {}, ())
    assert wrapped(["1", "2", "3"], "  ", 8) == "1, 2,\n  3"
