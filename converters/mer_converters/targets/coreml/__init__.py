"""Saved Core ML programs (ML Program) computed operation by operation in torch: a check without a Mac."""
