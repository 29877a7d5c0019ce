"""TFLite files read, quantized and proved: what the target's quantized schemes are made of."""
