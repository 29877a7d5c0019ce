"""Protocol P2: real audio-visual clips of people whom nothing has learned from."""
