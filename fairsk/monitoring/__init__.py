"""Monitoring of decisions over time: alarms that mean something, dashboards, and a channel for concerns."""

from fairsk.monitoring._dashboard import monitors_markdown, monitors_page
from fairsk.monitoring._monitor import FairnessMonitor, MonitorOutcome, MonitorStep
from fairsk.monitoring._scores import ScoreTimeline

__all__ = [
    "FairnessMonitor",
    "MonitorOutcome",
    "MonitorStep",
    "ScoreTimeline",
    "monitors_markdown",
    "monitors_page",
]
