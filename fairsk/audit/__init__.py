"""Audits of data sets: groups, labels, missing values and proxies, before a model is trained.

``_dataset`` has the function and its result; ``_group_shares``, ``_labels``, ``_missing`` and ``_proxies``
each hold one part of it, ``_findings`` the severities, ``_lines`` what is printed of them, ``_chi_square``
the tests, and ``_columns`` looks at values.
"""

from fairsk.audit._dataset import audit_dataset

__all__ = ["audit_dataset"]
