"""Encoders of one step: a PCM chunk or a face crop to a feature vector, large and small."""
