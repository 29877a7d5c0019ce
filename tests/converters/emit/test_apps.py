"""The projects that --app writes, as far as they are checked without a compiler: files, references, scripts, syntax."""

from __future__ import annotations

import hashlib
import os
import plistlib
import re
import shutil
import subprocess
import xml.etree.ElementTree as ElementTree
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tiny_bundle
import tiny_dialogue
from one_modality import one_modality

from mer_converters.emit import find_language
from mer_converters.emit.source_bundle import SourceBundle
from mer_sdk.contract.manifest import FINDER, BaselineContract, Decision, FinderContract
from mer_sdk.parity.face_finder_golden import FinderCase
from mer_sdk.runtimes.graph import GraphSpec, TensorSpec

SUFFIX = {"kotlin": ("tflite", "tflite"), "swift": ("coreml", "mlpackage")}


def _graph_files(folder: Path, names: tuple[str, ...], suffix: str) -> Path:
    """Files, or packages, that no runtime reads."""
    folder.mkdir(parents=True)
    for name in names:
        file = folder / f"{name}.{suffix}"
        if suffix == "mlpackage":
            (file / "Data").mkdir(parents=True)
            file = file / "Data" / "model.mlmodel"
        file.write_bytes(name.encode() * 50)
    (folder / "manifest.json").write_text("{}")
    return folder


def _window(folder: Path, target: str, suffix: str) -> SourceBundle:
    path = _graph_files(folder / f"tiny-{target}.mer", tiny_bundle.NAMES, suffix)
    graphs = {name: tiny_bundle.TorchGraph(name, network) for name, network in tiny_bundle.networks().items()}
    manifest = replace(tiny_bundle.manifest(target, suffix, path), decision=Decision(1.7, 0.4))
    return SourceBundle(path, manifest, tiny_bundle.golden(graphs))


def _finder(folder: Path, target: str, suffix: str) -> SourceBundle:
    path = _graph_files(folder / f"face_finder-{target}-fp32.mer", (FINDER,), suffix)
    outputs = (TensorSpec("scores", (1, 30)), TensorSpec("boxes", (1, 30, 4)))
    graph = GraphSpec(f"finder.{suffix}", "fp32", (TensorSpec("frame", (1, 32, 40, 3)),), outputs)
    manifest = replace(
        tiny_bundle.manifest(target, suffix, path),
        model="face_finder",
        graphs={FINDER: graph},
        finder=FinderContract(height=32, width=40),
        baseline=BaselineContract(0.0, {}),
    )
    frame = np.zeros((8, 8, 3), np.uint8)
    case = FinderCase(frame, np.zeros(30, np.float32), np.zeros((30, 4), np.float32), np.zeros((0, 5), np.float32))
    return SourceBundle(path, manifest, (), (case,))


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Language -> the folder of its app, written once."""
    written: dict[str, Path] = {}

    def folder(language: str) -> Path:
        if language not in written:
            target, suffix = SUFFIX[language]
            bundles, made = tmp_path_factory.mktemp("bundles"), tmp_path_factory.mktemp(language)
            contents = find_language(language).app_files(
                _window(bundles, target, suffix), _finder(bundles, target, suffix)
            )
            for path, content in contents.items():
                (made / path).parent.mkdir(parents=True, exist_ok=True)
                (made / path).write_bytes(content)
            written[language] = made
        return written[language]

    return folder


@pytest.mark.parametrize("language", SUFFIX)
def test_nothing_of_the_templates_is_left_and_code_is_laid_out_well(language: str, app: Callable[[str], Path]) -> None:
    files = [path for path in app(language).rglob("*") if path.suffix in (".kt", ".kts", ".swift", ".xml", ".md", "")]
    assert len(files) > 40
    for path in (path for path in files if path.is_file()):
        text = path.read_text()
        assert not re.search(r"@\w+@|#if |#end\b|#else\b", text), path
        assert text.endswith("\n"), path
        if path.suffix in (".kt", ".swift"):
            assert not [line for line in text.splitlines() if len(line) > 120 or line != line.rstrip()], path


def test_the_android_project_uses_strings_permissions_and_bundles_that_are_there(app: Callable[[str], Path]) -> None:
    folder = app("kotlin")
    main = folder / "app/src/main"
    strings = {one.get("name"): one.text for one in ElementTree.parse(main / "res/values/strings.xml").getroot()}
    code = "".join(path.read_text() for path in main.rglob("*.kt"))
    assert set(re.findall(r"R\.string\.(\w+)", code)) | {"app_name"} == set(strings)
    assert "camera and the microphone" in strings["consent_text"]
    manifest = ElementTree.parse(main / "AndroidManifest.xml").getroot()
    name = "{http://schemas.android.com/apk/res/android}name"
    permissions = {one.get(name) for one in manifest.findall("uses-permission")}
    assert permissions == {"android.permission.CAMERA", "android.permission.RECORD_AUDIO"}
    for bundle in re.findall(r"assets\.bytes\(\"(.+?)/\$it\"\)", code):
        module = "finder" if "finder" in bundle else "emotion"
        assets = folder / module / "src/main/assets" / bundle
        assert {path.suffix for path in assets.iterdir()} == {".json", ".tflite"}


def _run_gradlew(folder: Path, home: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "GRADLE_USER_HOME": str(home)}
    return subprocess.run(
        ["sh", str(folder / "gradlew"), *words], env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
def test_gradlew_fetches_checks_and_starts_the_gradle_that_is_named(app: Callable[[str], Path], tmp_path: Path) -> None:
    folder = tmp_path / "with a space"
    wrapper = folder / "gradle" / "wrapper" / "gradle-wrapper.properties"
    wrapper.parent.mkdir(parents=True)
    for path in ("gradlew", "gradle/wrapper/gradle-wrapper.properties"):
        (folder / path).write_bytes((app("kotlin") / path).read_bytes())
    archive = tmp_path / "gradle-9.9-bin.zip"
    with zipfile.ZipFile(archive, "w") as content:
        content.writestr("gradle-9.9/bin/gradle", 'echo "started $*"\n')
    text = wrapper.read_text()
    text = re.sub(r"distributionUrl=.*", f"distributionUrl=file\\\\://{archive}", text)
    wrapper.write_text(text)
    refused = _run_gradlew(folder, tmp_path / "home", "help")
    assert refused.returncode == 1
    assert "is not the file that gradle-wrapper.properties names" in refused.stderr
    assert not list((tmp_path / "home").rglob("gradle.zip"))
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    wrapper.write_text(re.sub(r"distributionSha256Sum=.*", f"distributionSha256Sum={digest}", text))
    for _ in range(2):
        started = _run_gradlew(folder, tmp_path / "home", "help", "--offline")
        assert started.stdout.strip() == f"started -p {folder} help --offline", started.stderr
        archive.unlink(missing_ok=True)


def test_the_xcode_project_names_files_that_are_there(app: Callable[[str], Path]) -> None:
    folder = app("swift")
    info = plistlib.loads((folder / "App/Info.plist").read_bytes())
    assert {"NSCameraUsageDescription", "NSMicrophoneUsageDescription"} <= set(info)
    text = (folder / "Emotion.xcodeproj/project.pbxproj").read_text()
    known = set(re.findall(r"^        ([0-9A-F]{24}) = ", text, re.MULTILINE))
    assert set(re.findall(r"\b[0-9A-F]{24}\b", text)) == known
    paths = re.findall(r"path = \"?([^\";]+)\"?; sourceTree = SOURCE_ROOT", text)
    assert {path.name for path in (folder / "App").iterdir()} == {
        Path(path).name for path in paths if path.startswith("App/")
    }
    assert all((folder / path).exists() for path in paths)
    for package in re.findall(r"relativePath = (\w+)", text):
        products = re.findall(r'library\(name: "(\w+)"', (folder / package / "Package.swift").read_text())
        assert len(products) == 1
        assert f"productName = {products[0]};" in text


def test_every_swift_file_is_swift_by_its_grammar(app: Callable[[str], Path], tmp_path: Path) -> None:
    tree_sitter = pytest.importorskip("tree_sitter", reason="needs tree-sitter")
    grammar = pytest.importorskip("tree_sitter_swift", reason="needs tree-sitter-swift")
    parser = tree_sitter.Parser(tree_sitter.Language(grammar.language()))
    texts = {str(path): path.read_text() for path in app("swift").rglob("*.swift")}
    talk = SourceBundle(tmp_path, tiny_dialogue.manifest(("text", "audio", "face"), "coreml", None), ())
    texts |= {f"dialogue {path}": text for path, text in find_language("swift").files(talk).items()}
    window = _window(tmp_path, "coreml", "mlpackage")
    for name in ("audio", "face"):
        alone = replace(window, manifest=one_modality(window.manifest, name))
        texts |= {f"{name} {path}": text for path, text in find_language("swift").files(alone).items()}
    assert len(texts) > 100
    assert not {name: _errors(parser, text) for name, text in texts.items() if _errors(parser, text)}
    assert _errors(parser, "func f() -> { }")


def _errors(parser, text: str) -> list[tuple[int, str]]:
    """Line and kind of what the grammar could not read."""
    found, nodes = [], [parser.parse(text.encode()).root_node]
    while nodes:
        node = nodes.pop()
        if node.type == "ERROR" or node.is_missing:
            found.append((node.start_point[0] + 1, node.type))
        elif node.has_error:
            nodes += node.children
    return found
