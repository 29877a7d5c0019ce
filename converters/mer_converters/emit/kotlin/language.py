"""Kotlin as a language: which files there are for which bundle."""

from __future__ import annotations

from collections.abc import Mapping

from mer_converters.emit.kotlin.app import kotlin_app
from mer_converters.emit.kotlin.values import RUNTIMES, package_words, values
from mer_converters.emit.naming import code_conditions
from mer_converters.emit.registry import register
from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_converters.emit.stages import stage_templates
from mer_converters.emit.template import fill, read_template

_ADAPTERS = {"tflite": "bundle/LiteRtGraph.kt", "onnx": "bundle/OnnxGraph.kt"}
_BUNDLE = ("bundle/Contract.kt", "bundle/Graph.kt", "bundle/Signature.kt")


@register
class Kotlin:
    """An Android library with Gradle; all but the runtime's graph and `GoldenTest.kt` is plain Kotlin for any JVM."""

    name = "kotlin"
    title = "Kotlin"
    runtimes: Mapping[str, str] = RUNTIMES
    kinds: tuple[Kind, ...] = ("window", "dialogue", "finder")

    def files(self, source: SourceBundle) -> dict[str, str]:
        """See `Language.files`."""
        found, holds = values(source), code_conditions(source)
        package = "/".join(package_words(source))
        paths = {f"src/main/kotlin/{package}/{name.split('/')[1]}": name for name in _sources(source)}
        paths |= {f"src/androidTest/kotlin/{package}/{name.split('/')[1]}": name for name in _checks(source)}
        paths["build.gradle.kts"] = "bundle/build.gradle.kts"
        return {path: fill(read_template(f"kotlin/{name}"), found, holds) for path, name in paths.items()}

    def golden_path(self, source: SourceBundle) -> str:
        """See `Language.golden_path`."""
        return "src/androidTest/assets/golden.bin"

    def app_files(self, source: SourceBundle, finder: SourceBundle | None) -> dict[str, bytes]:
        """See `Language.app_files`."""
        return kotlin_app(self, source, finder)


def _sources(source: SourceBundle) -> list[str]:
    """The templates of a bundle's code."""
    # Swift's standard library reads JSON.
    json = ["window/Json.kt"] if source.kind != "finder" else []
    own = [*_BUNDLE, _ADAPTERS[source.manifest.target], "face/Frame.kt", *json]
    return own + [f"{name}.kt" for name in stage_templates(source)]


def _checks(source: SourceBundle) -> list[str]:
    """The templates of the golden test."""
    found = ["Golden", "GoldenCheck", "GoldenTest"]
    if source.kind == "finder":
        found += ["FinderCheck"]
    else:
        found += ["DecisionCheck"]
        found += ["WindowCheck", "AlignmentCheck"] if source.kind == "window" else ["DialogueCheck"]
        found += [f"{'Sound' if name == 'audio' else 'Face'}Check" for name in source.modalities if name != "text"]
    return [f"checks/{name}.kt" for name in found]
