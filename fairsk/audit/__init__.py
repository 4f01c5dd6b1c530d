"""Audits: what there is to know about data before a model learns from them.

``dataset`` has the function and its result; ``shares``, ``labels``, ``missing`` and ``proxies`` each hold
one part of it, ``findings`` the verdicts, ``lines`` what is printed of them, ``chisquare`` the tests, and
``columns`` looks at values.
"""

from fairsk.audit._dataset import DatasetAudit, audit_dataset
from fairsk.audit._findings import Finding
from fairsk.audit._group_shares import GroupShares
from fairsk.audit._labels import LabelDependence
from fairsk.audit._missing import MissingValues
from fairsk.audit._proxies import Proxies

__all__ = [
    "DatasetAudit",
    "Finding",
    "GroupShares",
    "LabelDependence",
    "MissingValues",
    "Proxies",
    "audit_dataset",
]
