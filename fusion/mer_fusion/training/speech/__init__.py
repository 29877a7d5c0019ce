"""Training of the audio encoder."""
