"""Quantized ExecuTorch programs for XNNPACK: making them, and reading back what they hold."""
