"""Media files: decoding, and what their packets say of time and geometry."""
