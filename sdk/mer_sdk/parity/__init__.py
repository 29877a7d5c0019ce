"""How far two sets of numbers are apart: golden cases run, tolerances, comparison of bundles."""
