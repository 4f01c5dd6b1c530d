"""Monitoring of decisions over time: alarms that mean something, dashboards, and a channel for concerns."""

from fairsk.monitoring._cohorts.cohorts import Cohorts
from fairsk.monitoring._concerns import ConcernLog
from fairsk.monitoring._dashboard.page import monitors_markdown, monitors_page
from fairsk.monitoring._evidence.fleet import e_bh, mean_e_value
from fairsk.monitoring._files import create_monitor, open_monitor, read_monitor
from fairsk.monitoring._monitor import FairnessMonitor
from fairsk.monitoring._prometheus.exposition import exposition
from fairsk.monitoring._service import FORM_TEXTS, app

__all__ = [
    "FORM_TEXTS",
    "Cohorts",
    "ConcernLog",
    "FairnessMonitor",
    "app",
    "create_monitor",
    "e_bh",
    "exposition",
    "mean_e_value",
    "monitors_markdown",
    "monitors_page",
    "open_monitor",
    "read_monitor",
]
