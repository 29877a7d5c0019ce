"""Training of dialogue models."""
