"""A process for each target, so many at a time, and what they tell of how far they are."""
