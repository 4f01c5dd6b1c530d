"""A channel for concerns about decisions: a log that only grows, tickets, and what follows from them."""

from fairsk.monitoring._concerns.concern import CATEGORIES as CATEGORIES
from fairsk.monitoring._concerns.concern import REASONS as REASONS
from fairsk.monitoring._concerns.concern import SOURCES as SOURCES
from fairsk.monitoring._concerns.concern import STATES as STATES
from fairsk.monitoring._concerns.concern import Concern as Concern
from fairsk.monitoring._concerns.concern import ConcernStatus as ConcernStatus
from fairsk.monitoring._concerns.concern import Receipt as Receipt
from fairsk.monitoring._concerns.log import ConcernLog as ConcernLog
from fairsk.monitoring._concerns.tables import ConcernList as ConcernList
from fairsk.monitoring._concerns.tables import ConcernSummary as ConcernSummary
from fairsk.monitoring._concerns.verification import ConcernFinding as ConcernFinding

__all__ = ["ConcernLog"]
