"""Making models small: distillation and the schemes of quantization."""
