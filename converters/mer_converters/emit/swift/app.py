"""An iPhone app: Xcode project, capture, consent and one screen round the packages of a bundle and a face finder."""

from __future__ import annotations

from collections.abc import Mapping

from mer_converters.emit.app_words import consent_words
from mer_converters.emit.golden import golden_bytes
from mer_converters.emit.naming import code_conditions
from mer_converters.emit.registry import Language
from mer_converters.emit.source_bundle import SourceBundle
from mer_converters.emit.swift.values import module_name, values
from mer_converters.emit.swift.xcode_project import XcodeApp, project_file
from mer_converters.emit.template import fill, read_template

_SOURCES = ("EmotionApp.swift", "ContentView.swift", "Pipeline.swift")
_HEARING = ("Microphone.swift",)
_SEEING = ("Camera.swift",)
_INFO = "App/Info.plist"


def swift_app(language: Language, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
    """See `Language.app_files`."""
    found = _values(source, finder)
    sources = [*_SOURCES, *(_HEARING if "audio" in source.modalities else ()), *(_SEEING if finder else ())]
    paths = {"README.md": "README.md", _INFO: "Info.plist"} | {f"App/{name}": name for name in sources}
    contents = {
        path: fill(read_template(f"swift/app/{name}"), found, code_conditions(source)).encode()
        for path, name in paths.items()
    }
    packages = {"emotion": source} | ({"finder": finder} if finder else {})
    models = [f"{one.path.name}/{graph.file}" for one in packages.values() for graph in one.graphs.values()]
    app = XcodeApp(
        name="Emotion",
        identifier=f"org.example.{module_name(source)}",
        compiled=(*(f"App/{name}" for name in sources), *models),
        info=_INFO,
        packages=tuple((folder, module_name(one)) for folder, one in packages.items()),
    )
    contents["Emotion.xcodeproj/project.pbxproj"] = project_file(app, found["generated"]).encode()
    for folder, one in packages.items():
        contents |= _package(language, folder, one)
    return contents


def _package(language: Language, folder: str, source: SourceBundle) -> dict[str, bytes]:
    """A Swift package, and its bundle beside it, where its tests find it."""
    files = {f"{folder}/{path}": text.encode() for path, text in language.files(source).items()}
    files[f"{folder}/{language.golden_path(source)}"] = golden_bytes(source)
    wanted = ["manifest.json", *(["manifest.sig"] if (source.path / "manifest.sig").is_file() else [])]
    graphs = tuple(f"{graph.file}/" for graph in source.graphs.values())
    wanted += [spec.path for spec in source.manifest.files if spec.path.startswith(graphs)]
    return files | {f"{source.path.name}/{path}": (source.path / path).read_bytes() for path in wanted}


def _values(source: SourceBundle, finder: SourceBundle | None) -> Mapping[str, str]:
    hears, sees = "audio" in source.modalities, finder is not None
    return (
        values(source)
        | consent_words(source.modalities)
        | {
            "finder_module": module_name(finder) if finder else "",
            "finder_bundle": finder.path.name if finder else "",
            "finder_sources": ", `finder/`" if finder else "",
            "finder_folder": " and in `finder`" if finder else "",
            "frame_pattern": ", size" if sees else "",
            "size_parameter": ", _ size: CGSize" if sees else "",
            "size_type": ", CGSize" if sees else "",
            "size_argument": ", size" if sees else "",
            "any_permission": " || ".join([*(["hears"] if hears else []), *(["sees"] if sees else [])]),
        }
    )
