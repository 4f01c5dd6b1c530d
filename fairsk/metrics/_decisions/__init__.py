"""Metrics of decisions: labels against predicted labels."""
