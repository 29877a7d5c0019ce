"""Clips of one's own: a table or folders, and what is left out of them."""
