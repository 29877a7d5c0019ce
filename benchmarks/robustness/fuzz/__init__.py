"""Seeded damage to everything that is read from files: bundles, profiles, data sets, media, manifests in a browser."""
