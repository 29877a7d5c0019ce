"""An Android app: Gradle project, capture, consent and one screen round the libraries of a bundle and a face finder."""

from __future__ import annotations

from collections.abc import Mapping

from mer_converters.emit.app_words import consent_words
from mer_converters.emit.golden import golden_bytes
from mer_converters.emit.kotlin.values import package_name, values
from mer_converters.emit.naming import code_conditions
from mer_converters.emit.registry import Language
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.template import fill, read_template

_PROJECT = {
    "settings.gradle.kts": "settings.gradle.kts",
    "build.gradle.kts": "build.gradle.kts",
    "gradle.properties": "gradle.properties",
    "gradle/wrapper/gradle-wrapper.properties": "gradle-wrapper.properties",
    "gradlew": "gradlew",
    "gradlew.bat": "gradlew.bat",
    ".gitignore": "gitignore",
    "README.md": "README.md",
    "app/build.gradle.kts": "app.gradle.kts",
    "app/src/main/AndroidManifest.xml": "AndroidManifest.xml",
    "app/src/main/res/values/strings.xml": "strings.xml",
}
_SOURCES = ("MainActivity.kt", "Pipeline.kt", "BarsView.kt")
_HEARING = ("Microphone.kt",)
_SEEING = ("Camera.kt", "YuvFrame.kt", "FaceBoxView.kt")


def kotlin_app(language: Language, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
    """See `Language.app_files`."""
    found = _values(source, finder)
    paths = dict(_PROJECT)
    sources = (*_SOURCES, *(_HEARING if "audio" in source.modalities else ()), *(_SEEING if finder else ()))
    folder = f"app/src/main/kotlin/{package_name(source).replace('.', '/')}/app"
    paths |= {f"{folder}/{name}": name for name in sources}
    texts = {
        path: fill(read_template(f"kotlin/app/{name}"), found, code_conditions(source)).encode()
        for path, name in paths.items()
    }
    modules = {"emotion": source} | ({"finder": finder} if finder else {})
    return texts | {
        path: content for name, one in modules.items() for path, content in _module(language, name, one).items()
    }


def _module(language: Language, name: str, source: SourceBundle) -> dict[str, bytes]:
    """A library with its bundle in its assets."""
    files = {f"{name}/{path}": text.encode() for path, text in language.files(source).items()}
    files[f"{name}/{language.golden_path(source)}"] = golden_bytes(source)
    wanted = ["manifest.json", *(graph.file for graph in source.graphs.values())]
    if (source.path / "manifest.sig").is_file():
        wanted.append("manifest.sig")
    for file in wanted:
        files[f"{name}/src/main/assets/{source.path.name}/{file}"] = (source.path / file).read_bytes()
    return files


def _values(source: SourceBundle, finder: SourceBundle | None) -> Mapping[str, str]:
    modalities = source.modalities
    permissions = {"audio": "Manifest.permission.RECORD_AUDIO", "face": "Manifest.permission.CAMERA"}
    return (
        values(source)
        | consent_words(modalities)
        | {
            "finder_package": package_name(finder) if finder else "",
            "finder_bundle": finder.path.name if finder else "",
            "finder_sources": ", `finder/src`" if finder else "",
            "permissions": ", ".join(permissions[name] for name in modalities),
            "frame_parameter": ", width: Int, height: Int" if finder else "",
            "frame_type": ", Int, Int" if finder else "",
            "frame_argument": ", width, height" if finder else "",
        }
    )
