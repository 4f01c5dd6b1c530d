"""Audits: what there is to know about data before a model learns from them.

``dataset`` has the function and its result; ``shares``, ``labels``, ``missing`` and ``proxies`` each hold
one part of it, ``findings`` the verdicts, ``lines`` what is printed of them, ``chisquare`` the tests, and
``columns`` looks at values.
"""

from fairsk.audit.dataset import DatasetAudit, audit_dataset
from fairsk.audit.findings import Finding
from fairsk.audit.labels import LabelDependence
from fairsk.audit.missing import MissingValues
from fairsk.audit.proxies import Proxies
from fairsk.audit.shares import GroupShares

__all__ = [
    "DatasetAudit",
    "Finding",
    "GroupShares",
    "LabelDependence",
    "MissingValues",
    "Proxies",
    "audit_dataset",
]
