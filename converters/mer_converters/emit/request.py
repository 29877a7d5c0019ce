"""What `mer-convert --emit` asks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mer_converters.emit.app import check_app, check_finders, emit_app
from mer_converters.emit.registry import find_language
from mer_converters.emit.source_bundle import Kind
from mer_converters.emit.write import check_kind, check_target, emit
from mer_sdk.errors import OptionError


@dataclass(frozen=True)
class EmitRequest:
    """The values of `--emit`, read.

    Attributes:
        languages: for every bundle that is converted.
        bundles: (language, folder) of bundles that are there already.
        app: whole apps (`--app`) instead of code.
    """

    languages: tuple[str, ...] = ()
    bundles: tuple[tuple[str, Path], ...] = ()
    app: bool = False

    @property
    def targets(self) -> tuple[str, ...]:
        """The targets that the languages have a runtime for, each once."""
        return tuple(dict.fromkeys(target for name in self.languages for target in find_language(name).runtimes))

    def check(self, targets: Sequence[str]) -> None:
        """Raises OptionError where none of the targets request for runs in one of the languages."""
        for name in self.languages:
            language = find_language(name)
            if not any(target in language.runtimes for target in targets):
                check_target(language, targets[0], f"--target {' '.join(targets)}")

    def check_kind(self, kind: Kind, name: str, folder: Path, targets: Sequence[str]) -> None:
        """Before a conversion: raises OptionError where a language, or an app, has no code for a kind of bundle, or an
        app's face finder is not in the folder; `name` is what is converted."""
        for language in map(find_language, self.languages):
            check_kind(language, kind, name)
        if self.app and self.languages:
            check_app(kind, name)
            check_finders(folder, [target for target in targets if self.fitting(target)])

    def write(self, bundle: Path, language: str) -> Path:
        """Write the code or the app of a bundle; the folder that it is in."""
        return emit_app(bundle, language) if self.app else emit(bundle, language)

    def fitting(self, target: str) -> tuple[str, ...]:
        """The languages that have a runtime for a target."""
        return tuple(name for name in self.languages if target in find_language(name).runtimes)


def parse_emit(values: Sequence[str], app: bool = False) -> EmitRequest:
    """Read the values of `--emit`: LANGUAGE, or LANGUAGE:BUNDLE for a bundle that is there already.

    Raises:
        OptionError: an unknown language, both kinds at once, or `--app` alone.
    """
    if app and not values:
        raise OptionError("--app writes an app in a language; give it with --emit cpp, --emit kotlin or --emit swift")
    languages = [value for value in values if ":" not in value]
    bundles = [value.partition(":") for value in values if ":" in value]
    for name in (*languages, *(name for name, _, _ in bundles)):
        find_language(name)
    if languages and bundles:
        raise OptionError(
            f"--emit {languages[0]} converts first and --emit {''.join(bundles[0])} does not; call mer-convert twice"
        )
    return EmitRequest(tuple(dict.fromkeys(languages)), tuple((name, Path(path)) for name, _, path in bundles), app)
