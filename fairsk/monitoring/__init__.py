"""Monitoring of decisions over time: alarms that mean something, dashboards, and a channel for concerns."""

from fairsk.monitoring._cohort_results import IncompleteCohorts, MissingLabels
from fairsk.monitoring._cohorts import Cohorts
from fairsk.monitoring._concerns import ConcernLog
from fairsk.monitoring._confidence_sequence import ConfidenceSequence
from fairsk.monitoring._dashboard import monitors_markdown, monitors_page
from fairsk.monitoring._exposition import exposition
from fairsk.monitoring._files import create_monitor, open_monitor, read_monitor
from fairsk.monitoring._fleet import FleetAlarms, MeanEValue, e_bh, mean_e_value
from fairsk.monitoring._monitor import FairnessMonitor, MonitorOutcome, MonitorStep
from fairsk.monitoring._pairs import MonitorPairs
from fairsk.monitoring._scores import ScoreTimeline
from fairsk.monitoring._service import app

__all__ = [
    # evidence
    "FairnessMonitor",
    "MonitorOutcome",
    "MonitorStep",
    "MonitorPairs",
    "ConfidenceSequence",
    "ScoreTimeline",
    # labels that arrive late, and many monitors
    "Cohorts",
    "IncompleteCohorts",
    "MissingLabels",
    "FleetAlarms",
    "MeanEValue",
    "e_bh",
    "mean_e_value",
    # where monitors are kept and shown
    "create_monitor",
    "open_monitor",
    "read_monitor",
    "monitors_markdown",
    "monitors_page",
    "exposition",
    "app",
    # what people report
    "ConcernLog",
]
