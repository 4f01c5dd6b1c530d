"""Monitoring of decisions over time: alarms that mean something, dashboards, and a channel for concerns."""
