"""Metrics of scores: ranking, calibration and distances between groups, from one sort of the scores."""
