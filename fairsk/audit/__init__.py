"""Audits: of data, before a model learns from them, and of predictions.

``_data`` holds the audit of a data set, ``_report`` that of predictions, made of the tables of ``_evidence``;
``_profiles`` are named calculations, ``_policy`` is what an organisation promises.
"""

from fairsk.audit._data.dataset import audit_dataset
from fairsk.audit._policy import BiasScenario as BiasScenario
from fairsk.audit._policy import FairnessPolicy
from fairsk.audit._policy import PolicyCriterion as PolicyCriterion
from fairsk.audit._profiles.profile import PROFILES, Profile
from fairsk.audit._report.comparison import compare
from fairsk.audit._report.predictions import audit_models, audit_predictions
from fairsk.audit._report.report import AuditReport, FairnessCheckError
from fairsk.audit._report.verification import Verification as Verification
from fairsk.audit._report.verification import verify

__all__ = [
    "PROFILES",
    "AuditReport",
    "FairnessCheckError",
    "FairnessPolicy",
    "Profile",
    "audit_dataset",
    "audit_models",
    "audit_predictions",
    "compare",
    "verify",
]
