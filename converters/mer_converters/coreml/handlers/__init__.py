"""Handlers of ML Program operations, grouped as in Core ML's own documentation; importing a group registers them."""

from mer_converters.coreml.handlers.registry import flag, handler, handler_for, handler_names, ints

__all__ = ["flag", "handler", "handler_for", "handler_names", "ints"]
