"""Hand-over for native apps: a typed wrapper and a golden-case test beside a bundle, generated from its manifest."""

from mer_converters.emit import cpp, kotlin, swift
from mer_converters.emit.app import check_finders, emit_app
from mer_converters.emit.registry import Language, find_language, language_names, languages
from mer_converters.emit.request import EmitRequest, parse_emit
from mer_converters.emit.write import emit

__all__ = [
    "EmitRequest",
    "Language",
    "check_finders",
    "cpp",
    "emit",
    "emit_app",
    "find_language",
    "kotlin",
    "language_names",
    "languages",
    "parse_emit",
    "swift",
]
