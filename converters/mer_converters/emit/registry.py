"""Languages by name. A language turns a bundle's manifest into the source files of one platform."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol, TypeVar

from mer_converters.emit.source_bundle import Kind, SourceBundle
from mer_sdk.errors import OptionError


class Language(Protocol):
    """What a language offers.

    Attributes:
        name: the name on the command line, and the end of the folder's name.
        title: the name in sentences.
        runtimes: target -> the runtime that the written code runs it in.
        kinds: of bundles that code is written for.
    """

    name: str
    title: str
    runtimes: Mapping[str, str]
    kinds: tuple[Kind, ...]

    def files(self, source: SourceBundle) -> dict[str, str]:
        """Path in the folder -> text of every source file. The same bundle gives the same texts."""

    def golden_path(self, source: SourceBundle) -> str:
        """Path in the folder of the golden file that the test reads."""


_LANGUAGES: dict[str, Language] = {}
T = TypeVar("T", bound=Language)


def register(kind: type[T]) -> type[T]:
    """Class decorator: make the language known under its name."""
    language = kind()
    _LANGUAGES[language.name] = language
    return kind


def languages() -> tuple[Language, ...]:
    """All languages, in alphabetical order of their names."""
    return tuple(_LANGUAGES[name] for name in language_names())


def language_names() -> tuple[str, ...]:
    """The names of all languages, in alphabetical order."""
    return tuple(sorted(_LANGUAGES))


def find_language(name: str) -> Language:
    """The language of that name.

    Raises:
        OptionError: there is none; the message lists them.
    """
    if name not in _LANGUAGES:
        raise OptionError(f"--emit {name!r} is unknown; allowed: {', '.join(language_names())}")
    return _LANGUAGES[name]
