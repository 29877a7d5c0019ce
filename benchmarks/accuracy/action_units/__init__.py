"""Protocol P1: sound and action units of the same takes, fused by networks at full precision and by students."""
