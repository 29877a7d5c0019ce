"""Swift for Apple systems: Core ML; a package, or a whole app."""

from mer_converters.emit.swift.language import Swift

__all__ = ["Swift"]
