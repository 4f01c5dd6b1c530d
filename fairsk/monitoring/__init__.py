"""Monitoring of decisions over time: alarms that mean something, dashboards, and a channel for concerns."""

from fairsk.monitoring._cohorts import Cohorts
from fairsk.monitoring._concerns import ConcernLog
from fairsk.monitoring._confidence_sequence import ConfidenceSequence
from fairsk.monitoring._dashboard import monitors_markdown, monitors_page
from fairsk.monitoring._exposition import exposition
from fairsk.monitoring._fleet import e_bh, mean_e_value
from fairsk.monitoring._monitor import FairnessMonitor, MonitorOutcome, MonitorStep
from fairsk.monitoring._pairs import MonitorPairs
from fairsk.monitoring._scores import ScoreTimeline

__all__ = [
    "Cohorts",
    "ConcernLog",
    "ConfidenceSequence",
    "FairnessMonitor",
    "MonitorOutcome",
    "MonitorPairs",
    "MonitorStep",
    "ScoreTimeline",
    "e_bh",
    "exposition",
    "mean_e_value",
    "monitors_markdown",
    "monitors_page",
]
