"""Bundles of which no code is written: nothing that a manifest says becomes code; what no app could run is refused."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
import tiny_bundle
from graphless_bundle import Change, graphless_bundle
from manifests.cases import cases

from mer_converters.emit import emit
from mer_converters.emit.source_bundle import open_source_bundle
from mer_sdk.contract.bundle import Bundle
from mer_sdk.contract.manifest import DialogueContract, Manifest
from mer_sdk.errors import BundleError, OptionError
from mer_sdk.runtimes.graph import TensorSpec


def _renamed(manifest: Manifest, graph: str, **changes: object) -> Manifest:
    return replace(manifest, graphs={**manifest.graphs, graph: replace(manifest.graphs[graph], **changes)})


HOSTILE: dict[str, Change] = {
    "a comment's end": lambda m: replace(m, name="tiny */ evil() /*"),
    "a line's end": lambda m: replace(m, model="grjca\nevil();"),
    "a line's end of Unicode's": lambda m: replace(m, scheme="fp32\u2028evil()"),
    "a backslash": lambda m: replace(m, scheme="fp32 \\"),
    "a hash that is none": lambda m: replace(m, checkpoint_sha256="#include </etc/passwd>"),
    "a text's end": lambda m: _renamed(m, "audio", inputs=(TensorSpec('pcm"+evil()+"', (1, tiny_bundle.CHUNK)),)),
    "a text of Kotlin's": lambda m: _renamed(m, "audio", outputs=(TensorSpec("${evil()}", (1, tiny_bundle.AUDIO)),)),
    "a graph's name": lambda m: replace(m, graphs={**m.graphs, "x@y": m.graphs["audio"]}),
    "letters from right to left": lambda m: replace(m, name="tiny \u202e)(live"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_a_manifest_says_never_becomes_code(name: str, tmp_path: Path) -> None:
    bundle = Bundle.open(graphless_bundle(tmp_path, "onnx"))
    opened = Bundle(HOSTILE[name](bundle.manifest), bundle.path)
    with pytest.raises(BundleError, match="cannot stand in code") as caught:
        open_source_bundle(opened)
    assert str(caught.value).isprintable()
    with pytest.raises(OptionError, match="rename it"):
        open_source_bundle(Bundle(bundle.manifest, bundle.path.rename(tmp_path / "$(evil).mer")))


def test_no_code_is_written_for_a_manifest_that_is_refused(tmp_path: Path) -> None:
    refused = [case for case in cases() if case.says is not None]
    assert len(refused) > 60
    for case in refused:
        bundle = tmp_path / "bad.mer"
        bundle.mkdir(exist_ok=True)
        (bundle / "manifest.json").write_text(case.text)
        for language in ("cpp", "kotlin", "swift"):
            with pytest.raises(BundleError) as caught:
                emit(bundle, language)
            assert case.says in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["bad.mer"]


@pytest.mark.parametrize(
    ("language", "target", "sentence"),
    [
        ("swift", "onnx", "is for onnx, which the Swift code does not run; convert the model with --target coreml, or"),
        ("kotlin", "executorch", "convert the model with --target tflite or onnx, or use --emit cpp for this one"),
        ("cpp", "coreml", "or use --emit swift for this one"),
        ("rust", "onnx", "--emit 'rust' is unknown; allowed: cpp, kotlin, swift"),
    ],
)
def test_a_target_that_the_language_does_not_run_is_refused(
    language: str, target: str, sentence: str, tmp_path: Path
) -> None:
    bundle = graphless_bundle(tmp_path, target)
    with pytest.raises(OptionError, match=re.escape(sentence)):
        emit(bundle, language)
    assert list(tmp_path.iterdir()) == [bundle]


def test_bundles_that_no_app_could_feed_are_refused(tmp_path: Path) -> None:
    def without_encoder(manifest: Manifest) -> Manifest:
        return replace(manifest, graphs={"face": manifest.graphs["face"], "fusion": manifest.graphs["fusion"]})

    def other_words(manifest: Manifest) -> Manifest:
        return replace(manifest, labels=(*tiny_bundle.LABELS[:-1], "bored"))

    with pytest.raises(BundleError, match="there is no graph for audio, which fusion reads"):
        emit(graphless_bundle(tmp_path / "a", "onnx", without_encoder), "cpp")
    with pytest.raises(OptionError, match="no affect norm is known for the label 'bored'"):
        emit(graphless_bundle(tmp_path / "b", "onnx", other_words), "cpp")


def test_bundles_of_another_kind_are_refused(tmp_path: Path) -> None:
    path = graphless_bundle(tmp_path, "onnx")
    manifest = Bundle.open(path).manifest
    talk = Bundle(replace(manifest, dialogue=DialogueContract()), path)
    with pytest.raises(BundleError, match=r"the fusion graph has the inputs .* needed are .*, speakers and logits"):
        open_source_bundle(talk)
    odd = Bundle(replace(manifest, graphs={"other": manifest.graphs["face"]}), path)
    with pytest.raises(OptionError, match="tiny holds other and neither a fusion graph nor a face finder"):
        open_source_bundle(odd)
    checkpoint = Bundle(manifest, loader=lambda threads: {})
    with pytest.raises(OptionError, match="tiny is a checkpoint; --emit reads a bundle: convert it first"):
        open_source_bundle(checkpoint)


def test_nothing_is_written_into_the_sdk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = graphless_bundle(tmp_path, "onnx")
    monkeypatch.setattr("mer_sdk.contract.bundle.packaged_bundles", lambda: {"tiny": path})
    with pytest.raises(OptionError, match=r"tiny came with the SDK and lies in .*tiny-onnx\.mer; copy it"):
        emit("tiny", "cpp")
    assert list(tmp_path.iterdir()) == [path]
