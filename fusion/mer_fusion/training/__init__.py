"""Training: one loop, and one file for each part that is trained (audio encoder, face encoder, fusion)."""
