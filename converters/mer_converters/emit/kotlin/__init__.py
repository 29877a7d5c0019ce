"""Kotlin for Android: LiteRT or ONNX Runtime; a library, or a whole app."""

from mer_converters.emit.kotlin.language import Kotlin

__all__ = ["Kotlin"]
