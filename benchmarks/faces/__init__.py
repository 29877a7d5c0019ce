"""Face finder, tracking and identity."""
