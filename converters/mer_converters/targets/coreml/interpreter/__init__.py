"""A saved ML Program computed operation by operation: the spec-level check."""
