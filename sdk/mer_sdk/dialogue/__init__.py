"""Dialogue models: from utterances and who says them to an estimate of each."""
