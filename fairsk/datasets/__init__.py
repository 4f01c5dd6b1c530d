"""Data sets: real tables to try fairsk on, bundled or fetched from OpenML, with their sources and licences.

The loaders (``load_*``) read what is bundled and never open a connection. The fetchers (``fetch_*``) go to
openml.org when they are called, and only then; what they got is cached.
"""

from fairsk.datasets._bundled import load_adult, load_german_credit
from fairsk.datasets._openml import fetch_acs_income, fetch_bank_marketing, fetch_compas, fetch_law_school

__all__ = [
    "fetch_acs_income",
    "fetch_bank_marketing",
    "fetch_compas",
    "fetch_law_school",
    "load_adult",
    "load_german_credit",
]
