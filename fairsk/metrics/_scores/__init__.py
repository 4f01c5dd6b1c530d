"""Metrics of scores, from one sort."""
