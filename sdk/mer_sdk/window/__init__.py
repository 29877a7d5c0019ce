"""Window models: from sound and frames to an estimate at every step."""
