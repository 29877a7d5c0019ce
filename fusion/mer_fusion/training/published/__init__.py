"""Training on published features and protocols of the papers."""
