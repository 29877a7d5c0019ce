"""Milliseconds, megabytes and imports."""
