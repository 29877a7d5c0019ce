"""The contract that every port obeys: manifest, bundle files, golden cases, and what an estimate is."""
