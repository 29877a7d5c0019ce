"""Training of window models: encoders, feature cache, fusion."""
