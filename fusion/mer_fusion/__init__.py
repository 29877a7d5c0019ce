"""Models that are trained: encoders, fusion networks, their losses, and the training loop."""
