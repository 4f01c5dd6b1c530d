"""Missing values by group: shares, and tests of dependence."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import RandomState

from fairsk._core.groups import Grouping, format_group
from fairsk._core.results import Backend, Record, Result, Table, number, p_value, with_interval
from fairsk._core.typing import Bools, Floats
from fairsk.audit._data.chi_square import ChiSquare, dependence_test
from fairsk.audit._data.findings import Finding, Settings, Severity, extremes, largest_difference, part_counts
from fairsk.statistics import rate_intervals
from fairsk.statistics._multiplicity import adjust_p_values

__all__ = ["MissingColumn", "MissingValues", "compare_missing"]


@dataclass(frozen=True, eq=False)
class MissingColumn(Record):
    """The missing values of one column in the groups of one attribute.

    Parameters
    ----------
    attribute, column : str
        What they are called.
    groups : tuple
        Groups that occur.
    rows, missing : array of shape (n_groups,)
        Rows of each group, and those without a value.
    shares, low, high : array of shape (n_groups,)
        The share without a value, with Wilson intervals.
    test : ChiSquare or None
        The test of dependence in groups of at least the smallest size.
    difference, difference_low, difference_high : float
        The largest difference between shares of these groups, and its interval for all pairs at once.
    """

    attribute: str
    column: str
    groups: tuple[Hashable, ...]
    rows: Floats
    missing: Floats
    shares: Floats
    low: Floats
    high: Floats
    test: ChiSquare | None
    difference: float
    difference_low: float
    difference_high: float


@dataclass(frozen=True, eq=False, repr=False)
class MissingValues(Result):
    """Which columns have missing values, in which groups. Prints and renders itself.

    Parameters
    ----------
    parts : tuple of MissingColumn
        One for each attribute and column with missing values.
    attributes, complete : tuple of str
        The attributes that were looked at, and the columns without missing values.
    settings : Settings
        Confidence, tolerances and the smallest group.
    """

    parts: tuple[MissingColumn, ...]
    attributes: tuple[str, ...]
    complete: tuple[str, ...]
    settings: Settings
    library: Backend | None = None

    @property
    def adjusted_p_values(self) -> list[float]:
        """The p-value of each part, adjusted for how many there are (Holm)."""
        return adjust_p_values([np.nan if part.test is None else part.test.p for part in self.parts]).tolist()

    def _tables(self) -> list[Table]:
        adjusted = zip(self.parts, self.adjusted_p_values, strict=True)
        columns: dict[str, list[Any]] = {
            "column": [part.column for part in self.parts for _ in part.groups],
            "attribute": [part.attribute for part in self.parts for _ in part.groups],
            "group": [format_group(group) for part in self.parts for group in part.groups],
            "rows": [int(n) for part in self.parts for n in part.rows],
            "missing": [int(n) for part in self.parts for n in part.missing],
        }
        for title, name in (("share", "shares"), ("low", "low"), ("high", "high")):
            columns[title] = [value for part in self.parts for value in getattr(part, name).tolist()]
        columns["adjusted_p"] = [p for part, p in adjusted for _ in part.groups]
        names = ("column", "attribute", "group", "rows", "missing")
        text = {name: list(map(number, columns[name])) for name in names}
        intervals = zip(columns["share"], columns["low"], columns["high"], strict=True)
        text["share"] = [with_interval(*values) for values in intervals]
        text["adjusted p"] = list(map(p_value, columns["adjusted_p"]))
        notes = [f"No value is missing in {len(self.complete)} columns."] if self.complete else []
        return [Table(columns, text, "Missing values by group", notes, words=("attribute", "group"))]

    def findings(self) -> list[Finding]:
        """Return what to make of the missing values."""
        findings = []
        pairs = list(zip(self.parts, self.adjusted_p_values, strict=True))
        for attribute in self.attributes:
            of_attribute = [self._column(part, p) for part, p in pairs if part.attribute == attribute]
            if not of_attribute:
                numbers = (0.0, np.nan, np.nan, np.nan)  # that nothing is missing is no estimate
                advice: Mapping[Severity, str] = {"OK": "No other column has missing values."}
                of_attribute = [
                    self.settings.finding("missing values", attribute, "max - min", numbers, advice)
                ]
            findings += of_attribute
        return findings

    def _column(self, part: MissingColumn, p: float) -> Finding:
        numbers = part.difference, part.difference_low, part.difference_high, p
        shares = np.where(part.rows >= self.settings.min_group_size, part.shares, np.nan)
        fact = ""
        if not np.isnan(part.difference):
            fact = f"{part.column} is missing for {extremes(part.groups, shares, '{:.1%}'.format, 'of')}"
        remedy = f"{fact}: find out why. To drop these rows, or to fill them in, hits groups unequally."
        advice: Mapping[Severity, str] = {
            "WARNING": remedy,
            "NOTICE": remedy,
            "INCONCLUSIVE": f"{fact}: too few rows to tell whether that is chance.",
            "OK": f"{fact}.",
            "NOT APPLICABLE": f"Fewer than two groups have {self.settings.min_group_size} rows.",
        }
        about = f"{part.column} by {part.attribute}"
        return self.settings.finding("missing values", part.attribute, "max - min", numbers, advice, about)


def compare_missing(
    missing_by_column: Mapping[str, Bools],
    attributes: Sequence[tuple[str, Grouping]],
    settings: Settings,
    rng: RandomState,
    library: Backend | None = None,
) -> MissingValues:
    """Compare the shares of missing values between the groups of each attribute.

    Parameters
    ----------
    missing_by_column : mapping of str to array of shape (n_samples,)
        Which rows lack a value, by column.
    attributes : sequence of (str, Grouping)
        The attributes; a column that is one of them is not compared with itself.
    settings : Settings
        Confidence and the smallest group.
    rng : RandomState
        Draws tables where expected counts are small.
    library : str, optional
        The library of the user's frame.
    """
    parts = []
    for attribute, grouping in attributes:
        n = grouping.sums()
        large = n >= settings.min_group_size
        for name, is_missing in missing_by_column.items():
            if name == attribute or not is_missing.any():
                continue
            missing = grouping.sums(is_missing.astype(float))
            counts = part_counts(missing, n)
            table = np.stack([missing, n - missing], axis=1)[large]
            parts.append(
                MissingColumn(
                    attribute,
                    name,
                    grouping.labels,
                    n,
                    missing,
                    counts.rate("base_rate"),
                    *rate_intervals(counts, "base_rate", settings.confidence),
                    dependence_test(table, settings.confidence, rng),
                    *largest_difference(missing[large], n[large], settings.confidence),
                )
            )
    complete = tuple(name for name, is_missing in missing_by_column.items() if not is_missing.any())
    return MissingValues(tuple(parts), tuple(name for name, _ in attributes), complete, settings, library)
