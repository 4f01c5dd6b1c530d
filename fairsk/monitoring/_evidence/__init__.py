"""Evidence against a tolerance: of all groups together, of pairs of them, and of many monitors."""
