"""Bundled data, offline: real tables to try fairsk on, with their source and licence."""

from fairsk.datasets._bundled import load_adult, load_german_credit

__all__ = ["load_adult", "load_german_credit"]
