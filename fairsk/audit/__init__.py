"""Audits: of data, before a model learns from them.

``_data`` holds the audit of a data set.
"""

from fairsk.audit._data.dataset import audit_dataset

__all__ = ["audit_dataset"]
