"""Training on utterances of paired recordings (protocol P1)."""
