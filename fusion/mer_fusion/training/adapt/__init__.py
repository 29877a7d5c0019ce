"""Adaptation of a trained window model to one's own clips."""
