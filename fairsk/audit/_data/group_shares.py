"""Group shares: the representation of groups in a data set, against a baseline."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Number
from typing import Any, Protocol

import numpy as np
from numpy.random import RandomState
from scipy.special import ndtri
from scipy.stats import binomtest, fisher_exact

from fairsk._core.columns import Orders, SensitiveColumns
from fairsk._core.groups import attribute_name, format_group, order_labels
from fairsk._core.messages import list_texts, show
from fairsk._core.results import Backend, Record, Result, Table, number, p_value, row_count, with_interval
from fairsk._core.typing import Bools, Floats
from fairsk.audit._data.chi_square import ChiSquare, fit_test, two_sample_test
from fairsk.audit._data.columns import MISSING, is_unknown, name_groups
from fairsk.audit._data.findings import SEVERITIES, Finding, Settings, Severity, listed, part_counts
from fairsk.rates import RATES
from fairsk.statistics import rate_intervals
from fairsk.statistics._contrasts import pair_intervals
from fairsk.statistics._intervals import joint_confidence
from fairsk.statistics._multiplicity import adjust_p_values

__all__ = [
    "AttributeShares",
    "Baseline",
    "GroupShares",
    "SizedGroups",
    "compare_shares",
    "read_baseline",
    "shares_example",
]


class SizedGroups(Protocol):
    """Groups and how many rows they have: a ``Grouping`` of rows, or groups that were counted."""

    @property
    def names(self) -> tuple[str, ...]:
        """What the attributes are called."""

    @property
    def labels(self) -> tuple[Hashable, ...]:
        """The groups."""

    @property
    def orders(self) -> Orders:
        """The order of the attributes' values, where they have one."""

    def sums(self) -> Floats:
        """Return the rows of each group."""


@dataclass(frozen=True, eq=False)
class Baseline:
    """The shares that are expected, or another sample.

    Parameters
    ----------
    values : mapping of label to float
        Expected shares, which add up to 1; or the rows of another sample.
    sample : bool
        Whether it is a sample, with a sampling error of its own.
    """

    values: Mapping[Hashable, float]
    sample: bool = False


@dataclass(frozen=True, eq=False)
class AttributeShares(Record):
    """The shares of one attribute's groups.

    Parameters
    ----------
    attribute : str
        What the attribute is called.
    groups : tuple
        Groups of the data and of the baseline.
    rows : array of shape (n_groups,)
        Rows of each, 0 for groups of the baseline that the data lack.
    compared : array of shape (n_groups,)
        Which groups are compared: not those whose group is unknown, nor rows of none or of several groups,
        if the baseline does not know such.
    shares, low, high : array of shape (n_groups,)
        Shares of the compared rows (of all rows, for a group that is not compared), with Wilson intervals.
    expected : array of shape (n_groups,)
        The baseline's shares; NaN without one.
    test : ChiSquare or None
        The test against the baseline, where there is one.
    ratio, ratio_low, ratio_high, ratio_p : float
        Share over expected share of the group that is represented least. Interval and p hold for all
        groups at once.
    sample : bool
        Whether the baseline is a sample.
    """

    attribute: str
    groups: tuple[Hashable, ...]
    rows: Floats
    compared: Bools
    shares: Floats
    low: Floats
    high: Floats
    expected: Floats
    test: ChiSquare | None = None
    ratio: float = np.nan
    ratio_low: float = np.nan
    ratio_high: float = np.nan
    ratio_p: float = np.nan
    sample: bool = False

    @property
    def ratios(self) -> Floats:
        """The share of each group by its expected share: below 1, there are fewer of it than expected."""
        with np.errstate(divide="ignore", invalid="ignore"):
            ratios = self.shares / self.expected
        ratios.flags.writeable = False
        return ratios

    def off(self, confidence: float) -> list[str]:
        """Return for each group how its share departs from the baseline: "fewer", "more" or ""."""
        if self.test is None:
            return [""] * len(self.groups)
        critical_z = ndtri(0.5 + joint_confidence(confidence, int(self.compared.sum())) / 2)
        return ["fewer" if z < -critical_z else "more" if z > critical_z else "" for z in self._residuals()]

    def _residuals(self) -> Floats:
        residuals = np.full(len(self.groups), np.nan)
        if self.test is not None:
            residuals[self.compared] = self.test.residuals
        return residuals


@dataclass(frozen=True, eq=False, repr=False)
class GroupShares(Result):
    """The shares of all groups, and how they depart from a baseline. Prints and renders itself.

    Parameters
    ----------
    parts : tuple of AttributeShares
        One for each attribute, and one for their intersection.
    settings : Settings
        Confidence, tolerances and the smallest group.
    """

    parts: tuple[AttributeShares, ...]
    settings: Settings
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        columns: dict[str, list[Any]] = {
            "attribute": [part.attribute for part in self.parts for _ in part.groups],
            "group": [format_group(group) for part in self.parts for group in part.groups],
            "rows": [int(n) for part in self.parts for n in part.rows],
        }
        for name in ("shares", "low", "high", "expected", "ratios"):
            columns[name.removesuffix("s")] = [
                value for part in self.parts for value in getattr(part, name).tolist()
            ]
        columns["residual"] = [z for part in self.parts for z in part._residuals().tolist()]
        columns["reading"] = [word for part in self.parts for word in part.off(self.settings.confidence)]
        text = {name: list(map(number, columns[name])) for name in ("attribute", "group", "rows")}
        intervals = zip(columns["share"], columns["low"], columns["high"], strict=True)
        text["share"] = [with_interval(*values) for values in intervals]
        if any(part.test is not None for part in self.parts):
            text |= {name: list(map(number, columns[name])) for name in ("expected", "ratio")}
            text["residual"] = [number(z, 1) for z in columns["residual"]]
            text["reading"] = columns["reading"]
        notes = [
            f"{part.attribute}: {_baseline_words(part)}, chi-square {part.test.statistic:.2f}, "
            f"df {part.test.df}, p {p_value(part.test.p)}{part.test.remark}, "
            f"Cohen's w {with_interval(part.test.effect, part.test.low, part.test.high)}."
            for part in self.parts
            if part.test is not None
        ]
        left_out = [
            (
                part.attribute,
                [group for group, is_in in zip(part.groups, part.compared, strict=True) if not is_in],
            )
            for part in self.parts
        ]
        unknown = [attribute for attribute, groups in left_out if any(map(is_unknown, groups))]
        if unknown:
            notes.append(f"{MISSING} is no group of the baseline, and not compared, for: {listed(unknown)}.")
        for attribute, groups in left_out:
            if aside := [group for group in groups if not is_unknown(group)]:
                notes.append(f"{attribute}: not in the baseline, and not compared: {listed(aside)}.")
        return [Table(columns, text, "Group shares", notes, words=("group", "reading"))]

    def findings(self) -> list[Finding]:
        """Return what to make of the shares."""
        share_p = adjust_p_values([np.nan if part.test is None else part.test.p for part in self.parts])
        ratio_p = adjust_p_values([part.ratio_p for part in self.parts])
        findings = []
        for part, p, least_p in zip(self.parts, share_p.tolist(), ratio_p.tolist(), strict=True):
            findings.append(self._whole(part, p))
            if part.test is not None:
                findings.append(self._least_represented_group(part, least_p))
            unknown = [n for group, n in zip(part.groups, part.rows, strict=True) if is_unknown(group)]
            if unknown:
                share = float(sum(unknown) / part.rows.sum())
                advice = (
                    f"The group of {sum(unknown):,.0f} rows is not known: find out why, and fill it in, for "
                    "who does not say may differ from who does. Here they are a group of their own, "
                    f"{MISSING}."
                )
                numbers = share, np.nan, np.nan, np.nan
                findings.append(
                    self.settings.finding(
                        "unknown groups", part.attribute, "share", numbers, dict.fromkeys(SEVERITIES, advice)
                    )
                )
        return findings

    def _whole(self, part: AttributeShares, p: float) -> Finding:
        test = part.test
        if test is None:
            numbers = (np.nan, np.nan, np.nan, np.nan)
            reason = (
                "There is one group only."
                if part.compared.sum() < 2
                else "No baseline is stated: give baseline= to compare the shares with those you expect."
            )
            advice: Mapping[Severity, str] = {"NOT APPLICABLE": reason}
        else:
            numbers = (test.effect, test.low, test.high, p)
            words, whole = part.off(self.settings.confidence), part.rows[part.compared].sum()
            fewer, more = (
                [
                    f"{format_group(group)} ({row_count(n)} / {_expected(share * whole)})"
                    for group, word, n, share in zip(
                        part.groups, words, part.rows, part.expected, strict=True
                    )
                    if word == way
                ]
                for way in ("fewer", "more")
            )
            fact = f"Fewer rows than expected of: {listed(fewer)}. " if fewer else ""
            fact += f"More than expected of: {listed(more)}. " if more else ""
            remedy = (
                f"{fact}Collect more of the groups with few, or weigh rows, or state the population of the "
                "data; look at the rates of each group (group_metrics)."
            )
            advice = {
                "WARNING": remedy,
                "NOTICE": remedy,
                "INCONCLUSIVE": f"{fact}Too few rows to tell: w may be as large as {number(test.high)}. "
                "Collect more.",
                "OK": f"{fact}The shares lie close to those expected.",
            }
        return self.settings.finding("group shares", part.attribute, "Cohen's w", numbers, advice)

    def _least_represented_group(self, part: AttributeShares, p: float) -> Finding:
        lowest = int(np.nanargmin(np.where(part.compared, part.ratios, np.nan)))
        group = format_group(part.groups[lowest])
        expected = part.expected[lowest] * part.rows[part.compared].sum()
        fact = f"{number(int(part.rows[lowest]))} rows of {group} where {_expected(expected)} are expected"
        advice: Mapping[Severity, str] = {
            "WARNING": f"{fact}: collect more, and look at {group} on its own until then.",
            "NOTICE": f"{fact}: collect more, or weigh them up.",
            "INCONCLUSIVE": f"{fact}: too few to tell whether that is chance. Collect more.",
            "OK": f"{fact}: no group falls far short.",
        }
        numbers = part.ratio, part.ratio_low, part.ratio_high, p
        about = f"{part.attribute}: {group}"
        return self.settings.finding(
            "least represented", part.attribute, "share / expected", numbers, advice, about
        )


def shares_example(groups: Sequence[Hashable]) -> str:
    """Write shares of some groups as a baseline."""
    shares = ", ".join(f"{group!r}: {1 / len(groups):.3g}" for group in groups[:3])
    return f"baseline={{{shares}{', ...' if len(groups) > 3 else ''}}}"


def _expected(n: float) -> str:
    """Write an expected number of rows, of few of them with a decimal: 4 are fewer than 4.5."""
    return f"{n:,.0f}" if n >= 100 else row_count(round(n, 1))


def _baseline_words(part: AttributeShares) -> str:
    return "against another sample" if part.sample else "against the stated shares"


# --- baselines ---------------------------------------------------------------------------------------------


def read_baseline(
    baseline: Any,
    grouping: SizedGroups,
    attributes: tuple[str, ...],
    rows_of: Callable[[Any, tuple[str, ...]], SensitiveColumns],
    aside: Collection[Hashable] = (),
) -> Baseline | None:
    """Return the expected shares of the groups of an attribute, as the user states them.

    Parameters
    ----------
    baseline : None, "equal", mapping or data
        Nothing; equal shares of all groups that occur; shares or counts by label; another sample; or a
        mapping from attributes (a tuple of them, for an intersection) to these.
    grouping : Grouping or counted groups
        The groups of one attribute, or of an intersection.
    attributes : tuple of str
        All attributes.
    rows_of : callable
        Reads the columns of some attributes out of another sample.
    aside : collection of labels, default=()
        Groups that shares need not say anything of: rows of none, or of several groups.

    Raises
    ------
    ValueError
        If shares do not add up to 1, one is not positive, a group of the data is not in the baseline, or a
        sample has none of the groups.
    TypeError
        If it is none of these.
    """
    names = grouping.names
    if isinstance(baseline, Mapping):
        baseline = _of_attribute(baseline, names, attributes)
    groups = [group for group in grouping.labels if not is_unknown(group) and group not in aside]
    about = attribute_name(names)
    if baseline is None or not groups:
        return None
    if isinstance(baseline, str):
        if baseline != "equal":
            what = '"equal", shares, counts or another sample'
            raise ValueError(f"baseline must be {what}; got {show(baseline)}.")
        return Baseline(dict.fromkeys(groups, 1 / len(groups)))
    if not isinstance(baseline, Mapping):
        if not hasattr(baseline, "shape") and not isinstance(baseline, list):
            raise TypeError(
                'baseline must be "equal", a mapping from group to share or count, or another sample with '
                f"the same columns; got {type(baseline).__name__}."
            )
        reference = name_groups(rows_of(baseline, names))
        if not set(groups) & set(reference.labels):
            raise ValueError(
                f"The reference sample has none of the groups of {about}: the data hold "
                f"{listed(map(repr, groups))}, the sample {listed(map(repr, reference.labels))}. Call groups "
                f"alike in both; shares and counts are written with their groups, {shares_example(groups)}."
            )
        return Baseline(dict(zip(reference.labels, reference.sums().tolist(), strict=True)), sample=True)
    values = {label: float(value) for label, value in baseline.items()}
    total = sum(values.values())
    if not all(0 < value < np.inf for value in values.values()):
        raise ValueError(
            f"The baseline of {about} must expect something of every group, got {_show(baseline)}. A group "
            "that should not occur at all is no group of the baseline: take its rows out of the data."
        )
    if abs(total - 1) > 1e-6 and any(value % 1 for value in values.values()):
        raise ValueError(
            f"The baseline of {about} adds up to {total:g}: shares must add up to 1, counts be whole numbers."
        )
    unstated = [group for group in groups if group not in values]
    if unstated:
        raise ValueError(
            f"The baseline of {about} does not say how many to expect of: {listed(map(repr, unstated))}; it "
            f"has {listed(map(repr, values))}. Give these groups a share, or take their rows out of the data."
        )
    return Baseline({label: value / total for label, value in values.items()})


def _of_attribute(baseline: Mapping[Any, Any], names: tuple[str, ...], attributes: tuple[str, ...]) -> Any:
    """Return the part of a baseline that is about one attribute, or about their intersection."""
    if not baseline:
        raise ValueError("The baseline is empty: give each group a share or a count.")
    if not all(isinstance(value, Number) for value in baseline.values()):  # one per attribute
        keys = [*attributes, attributes]
        unknown = [key for key in baseline if key not in keys]
        if unknown:
            raise ValueError(
                f"The baseline names {listed(map(repr, unknown))}; the attributes are "
                f"{listed(map(repr, keys if len(attributes) > 1 else attributes))}."
            )
        key = names if len(names) > 1 else names[0]
        if key in baseline or not isinstance(baseline.get(attributes), Mapping):
            return baseline.get(key)
        baseline = baseline[attributes]
    elif len(attributes) > 1 and not all(
        isinstance(label, tuple) and len(label) == len(attributes) for label in baseline
    ):
        raise ValueError(
            "There are several attributes: give a baseline for each, such as baseline={"
            f"{attributes[0]!r}: ..., {attributes[1]!r}: ...}}, or one of their intersection, with a tuple "
            "of values for each group."
        )
    if len(names) == len(attributes):
        return baseline
    position = attributes.index(names[0])
    marginal: dict[Hashable, float] = {}
    for label, value in baseline.items():
        marginal[label[position]] = marginal.get(label[position], 0) + value
    return marginal


def _show(values: Mapping[Any, Any]) -> str:
    return list_texts(f"{show(label)}: {show(value)}" for label, value in values.items())


# --- comparing ---------------------------------------------------------------------------------------------


def compare_shares(
    attribute: str,
    grouping: SizedGroups,
    baseline: Baseline | None,
    confidence: float,
    rng: RandomState,
    aside: Collection[Hashable] = (),
) -> AttributeShares:
    """Count the groups of an attribute and compare their shares with a baseline, if there is one.

    Groups that stand aside are compared only if the baseline has them.
    """
    observed = dict(zip(grouping.labels, grouping.sums().tolist(), strict=True))
    stated = {} if baseline is None else baseline.values
    groups = tuple(order_labels({*observed, *stated}, grouping.orders))
    n = np.array([observed.get(group, 0.0) for group in groups])
    # A baseline that knows nothing of missing values says nothing about how many there should be.
    unknown_stated = any(map(is_unknown, stated))
    compared = np.array(
        [
            baseline is None
            or ((unknown_stated or not is_unknown(group)) and (group in stated or group not in aside))
            for group in groups
        ]
    )
    whole = np.where(compared, n[compared].sum(), n.sum())
    counts = part_counts(n, whole)
    shares, (low, high) = counts.rate("base_rate"), rate_intervals(counts, "base_rate", confidence)
    expected = np.full(len(groups), np.nan)
    if baseline is None or compared.sum() < 2:
        return AttributeShares(attribute, groups, n, compared, shares, low, high, expected)
    baseline_n = np.array([stated.get(group, 0.0) for group in groups])
    expected[compared] = baseline_n[compared] / baseline_n[compared].sum()
    if baseline.sample:
        test = two_sample_test(n[compared], baseline_n[compared], confidence, rng)
    else:
        test = fit_test(n[compared], expected[compared], confidence, rng)
    smallest_ratio = _least_represented(n[compared], baseline_n[compared], baseline.sample, confidence)
    measured = attribute, groups, n, compared, shares, low, high, expected
    return AttributeShares(*measured, test, *smallest_ratio, sample=baseline.sample)


def _least_represented(
    n: Floats, base_n: Floats, sample: bool, confidence: float
) -> tuple[float, float, float, float]:
    """Return the smallest share over expected share, with interval and p that hold for all groups."""
    total, base_total = n.sum(), base_n.sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        lowest = int(np.nanargmin(n / total / (base_n / base_total)))
    level = joint_confidence(confidence, len(n))
    group = part_counts(n[[lowest]], np.array([total]))
    if sample:
        other_group = part_counts(base_n[[lowest]], np.array([base_total]))
        value, (low, high) = pair_intervals(group, other_group, RATES["base_rate"], "ratio", level)
        p = fisher_exact(
            [[n[lowest], total - n[lowest]], [base_n[lowest], base_total - base_n[lowest]]]
        ).pvalue
    else:
        share = base_n[lowest] / base_total
        low, high = (end / share for end in rate_intervals(group, "base_rate", level))
        value = group.rate("base_rate") / share
        p = binomtest(int(n[lowest]), int(total), share).pvalue
    return float(value[0]), float(low[0]), float(high[0]), min(1.0, float(p) * len(n))
