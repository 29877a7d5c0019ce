"""Protocols P1, P2, P4 and what quantization costs."""
