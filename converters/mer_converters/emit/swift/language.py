"""Swift as a language: which files there are for which bundle."""

from __future__ import annotations

from collections.abc import Mapping

from mer_converters.emit.naming import code_conditions
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.stages import stage_templates
from mer_converters.emit.swift.app import swift_app
from mer_converters.emit.swift.values import RUNTIMES, module_name, values
from mer_converters.emit.template import fill, read_template

_BUNDLE = ("bundle/Contract.swift", "bundle/Graph.swift", "bundle/Signature.swift", "face/Frame.swift")


@register
class Swift:
    """A Swift package with a library and its tests."""

    name = "swift"
    title = "Swift"
    runtimes: Mapping[str, str] = RUNTIMES
    kinds: tuple[Kind, ...] = ("window", "dialogue", "finder")

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        module, found, holds = module_name(source), values(source), code_conditions(source)
        paths = {"Package.swift": "bundle/Package.swift"}
        paths |= {f"Sources/{module}/{name.split('/')[1]}": name for name in _sources(source)}
        paths |= {f"Tests/{module}Tests/{name}.swift": f"checks/{name}.swift" for name in _tests(source)}
        return {path: fill(read_template(f"swift/{name}"), found, holds) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return f"Tests/{module_name(source)}Tests/Resources/golden.bin"

    def app_files(self, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
        """See `Language.app_files`."""
        return swift_app(self, source, finder)


def _sources(source: SourceBundle) -> list[str]:
    """The templates of a bundle's code."""
    return [*_BUNDLE, *(f"{name}.swift" for name in stage_templates(source))]


def _tests(source: SourceBundle) -> list[str]:
    found = ["Golden", "GoldenTests"]
    if source.kind == "finder":
        return [*found, "FinderTests"]
    found += ["DecisionTests", "WindowTests" if source.kind == "window" else "DialogueTests"]
    return found + [f"{'Sound' if name == 'audio' else 'Face'}Tests" for name in source.modalities if name != "text"]
