"""Offsets per class and group: thresholds for three and more classes."""
