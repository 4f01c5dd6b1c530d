"""The audit of a data set: group shares, labels and missing values by group, proxies, and words of texts."""

from __future__ import annotations

import difflib
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.utils import check_random_state

from fairsk._core.columns import SensitiveColumns, refuse_shuffled, sensitive_columns
from fairsk._core.corpus import CorpusCounts
from fairsk._core.groups import Grouping, attribute_name, format_group
from fairsk._core.mentions import listed_terms, says_mentions, set_aside, text_column
from fairsk._core.messages import show
from fairsk._core.results import Backend, Result, Table, library_of
from fairsk._core.texts import read_texts
from fairsk._core.typing import RandomStateLike
from fairsk.audit._data.columns import (
    is_free_text,
    is_texts,
    is_unknown,
    label_rows,
    missing_rows,
    name_groups,
    read_columns,
    same_values,
)
from fairsk.audit._data.corpus import audit_counts
from fairsk.audit._data.findings import SEVERITIES, TOLERANCES, Finding, Settings, listed
from fairsk.audit._data.group_shares import (
    GroupShares,
    SizedGroups,
    compare_shares,
    read_baseline,
    shares_example,
)
from fairsk.audit._data.labels import LabelDependence, compare_labels
from fairsk.audit._data.lines import to_lines, what_to_do
from fairsk.audit._data.missing import MissingValues, compare_missing
from fairsk.audit._data.proxies import Proxies, measure_proxies
from fairsk.audit._data.words import WordsBeside, compare_words
from fairsk.statistics._intervals import check_confidence

__all__ = ["DatasetAudit", "audit_dataset"]


@dataclass(frozen=True, eq=False, repr=False)
class DatasetAudit(Result):
    """What an audit of a data set found, the most urgent first. Prints and renders itself.

    Parameters
    ----------
    n_samples : int
        Rows of the data set.
    attributes : tuple of str
        The sensitive attributes, and their intersection.
    findings : tuple of Finding
        What was checked: number, interval, p, severity, and what to do.
    shares : GroupShares
        The groups and their shares.
    labels : LabelDependence or None
        Labels by group; None without y.
    missing : MissingValues or None
        Missing values by group; None for counts of texts.
    proxies : Proxies or None
        How well other columns predict the group; None if not measured.
    settings : Settings
        Confidence, tolerances and the smallest group.
    words : WordsBeside or None
        The words beside each group that texts mention; None without texts.
    """

    n_samples: int
    attributes: tuple[str, ...]
    findings: tuple[Finding, ...]
    shares: GroupShares
    labels: LabelDependence | None
    missing: MissingValues | None
    proxies: Proxies | None
    settings: Settings
    words: WordsBeside | None = None
    library: Backend | None = None

    def _tables(self) -> list[Table]:
        names = ("severity", "check", "attribute", "about", "measure", "value", "low", "high", "p", "advice")
        columns = {name: [getattr(finding, name) for finding in self.findings] for name in names}
        lines = to_lines(self.findings)
        severities = [line.top.severity for line in lines]
        text = {
            "severity": [f"{i}. {severity}" for i, severity in enumerate(severities, 1)],
            "check": [line.top.check for line in lines],
            "about": [line.about for line in lines],
            "measure": [line.top.measure for line in lines],
            "value": [line.value for line in lines],
            "p": [line.p for line in lines],
        }
        counts = {severity: severities.count(severity) for severity in SEVERITIES}
        summary = ", ".join(f"{count} {severity}" for severity, count in counts.items() if count)
        caption = f"Audit of {self.n_samples:,} rows by {', '.join(self.attributes)}: {summary}"
        parts = ("shares", "labels", "missing", "proxies", "words")
        details = ", ".join(f".{name}" for name in parts if getattr(self, name) is not None)
        checked = {finding.check for finding in self.findings}
        levels = [
            f"{check} {notice:g} / {warning:g}"
            for check, (notice, warning) in self.settings.tolerances.items()
            if check in checked
        ]
        notes = [
            "",
            "What to do:",
            *what_to_do(lines),
            "",
            f"Levels of notice / warning: {', '.join(levels)}; groups are small below "
            f"{self.settings.min_group_size} rows.",
            f"Intervals hold with {self.settings.confidence:.0%} confidence; p is corrected (Holm) within a "
            "check. OK: within its level, however certain. INCONCLUSIVE: beyond its level, perhaps by "
            "chance; or within it, but perhaps far beyond.",
            f"Findings that are alike share a line; .findings holds all {len(self.findings)}. "
            f"Details: {details}.",
        ]
        return [
            Table(columns, text, caption, notes, words=("check", "about", "measure"), outcomes=("severity",))
        ]


def audit_dataset(
    frame: Any,
    sensitive_features: Any = None,
    y: Any = None,
    baseline: Any = None,
    *,
    pos_label: Any = None,
    confidence: float = 0.95,
    min_group_size: int = 30,
    tolerances: Mapping[str, tuple[float, float]] | None = None,
    proxies: bool = True,
    cv: int = 5,
    most_words: int = 10,
    random_state: RandomStateLike = None,
) -> DatasetAudit:
    """Audit a data set before a model learns from it.

    Parameters
    ----------
    frame : frame or array-like of shape (n_samples, n_columns), texts, or CorpusCounts
        The data: a pandas, polars or pyarrow frame, or a 2-D array; a list, series or array of texts; or the
        counts of a collection of texts.
    sensitive_features : str, int, list of these, callable, or array-like
        The sensitive columns by name or index, or their values: an array of shape (n_samples,) or (n_samples,
        n_columns), a series or a frame. With several,
        each is audited, and their intersection where groups, labels and sizes are. A callable gets the data;
        one that reads texts, such as ``TermSwapper.mentioned``, says who each mentions, and the words beside
        each group are audited, too; it may stand in a list beside
        columns. Of counts of texts: the names of some attributes; by default all.
    y : str, int or array-like of shape (n_samples,), optional
        The labels, or the column that holds them; any number of classes.
    baseline : None, "equal", mapping or data, optional
        Whom the data should hold: equal shares of the groups that occur; shares or counts by group label;
        a reference sample with the same sensitive columns; or a mapping from attributes to any of these.
        The key of an intersection is the tuple of its attributes, its labels are tuples of values, and such
        a baseline for the intersection is one for each attribute too. For counts of texts another sample is
        the ``CorpusCounts`` of another collection, with whose words theirs are compared; under the key
        "words" for that alone.
    pos_label : label, optional
        The positive label; by default the second of two. Of more labels, by default the one that differs
        most is reported.
    confidence : float in (0, 1), default=0.95
        Coverage of the intervals; 1 - confidence is the level of the tests.
    min_group_size : int, default=30
        Smaller groups are named, and are left out where rates of groups are compared.
    tolerances : mapping of str to (float, float), optional
        Other levels for notice and warning, such as ``{"proxies": (0.6, 0.7)}``. By default: "group shares"
        .1 and .3 (Cohen's w), "least represented" .8 and .5 (share by expected share), "unknown groups" .01
        and .05 (share of rows), "group and label" .1 and .3 (Cramer's V), "label rates" .1 and .2 and
        "missing values" .05 and .1 (largest difference between groups), "proxies" .65 and .8 (AUC), "words"
        .7 and 2.3 (difference of log odds: about twice, and ten times, the odds).
    proxies : bool, default=True
        Whether to measure how well the other columns tell the group.
    cv : int, default=5
        Folds for that.
    most_words : int, default=10
        Of texts: how many words that stand beside a group more often than elsewhere, and how many that do
        less often, are named. With 0 none are, for they may offend; how many there are is said.
    random_state : int, Generator, RandomState or None, default=None
        Draws folds, the rows of large tables, and tables where expected counts are small.

    Returns
    -------
    DatasetAudit
        Findings with severities, and ``shares``, ``labels``, ``missing``, ``proxies`` and ``words`` behind
        them.

    Raises
    ------
    ValueError
        If a column is not there, lengths or the order of rows differ, the labels are a sensitive column or
        a copy of another one, shares do not add up to 1, a group of the data is not in a
        stated baseline, y looks like a measurement, or a parameter is out of range.
    TypeError
        If the baseline is of no known kind, or values are given as text.

    See Also
    --------
    fairsk.text.CorpusCounts : Counts of millions of texts, as they come.
    fairsk.metrics.group_metrics : Rates of each group, of predictions.
    fairsk.statistics.verdict : A disparity of decisions against a tolerance.

    Notes
    -----
    Rows whose group is missing are a group of their own, "(missing)", and a finding. Missing values are
    None, NaN and NA; text such as "?" is a value.

    A severity takes both size and significance: WARNING and NOTICE for a number beyond its level that is more
    than chance; INCONCLUSIVE for one beyond it that may be chance, or within it but whose interval reaches
    the warning level; else OK. NOT APPLICABLE where there is nothing to compare. It says what the rows show,
    and not whether a use of them is right.

    The chi-square of 600 rows against 400 where 500 and 500 are expected is 40, p about 2.5e-10: such shares
    do not come about by chance.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.audit import audit_dataset
    >>> people = np.repeat([["man"], ["woman"]], [600, 400], axis=0)
    >>> audit = audit_dataset(people, 0, baseline="equal")
    >>> print(audit.shares)
    Group shares
    attribute  group  rows                 share  expected  ratio  residual  reading
    --------------------------------------------------------------------------------
    column 0   man     600  0.600 [0.569, 0.630]     0.500  1.200       6.3  more
    column 0   woman   400  0.400 [0.370, 0.431]     0.500  0.800      -6.3  fewer
    column 0: against the stated shares, chi-square 40.00, df 1, p 2.5e-10, Cohen's w 0.200 [0.138, 0.262].
    """
    settings = _settings(confidence, min_group_size, tolerances, cv)
    if isinstance(most_words, bool) or not isinstance(most_words, int | np.integer) or most_words < 0:
        raise ValueError(f"most_words must be a number of words, 0 for none; got {show(most_words)}.")
    if isinstance(random_state, np.random.Generator):
        random_state = np.random.RandomState(random_state.bit_generator)
    rng = check_random_state(random_state)
    if isinstance(frame, CorpusCounts):
        return _audit_corpus(frame, sensitive_features, y, baseline, settings, int(most_words), rng)
    if sensitive_features is None:
        raise ValueError(
            "sensitive_features must say whose rows they are: columns by name or position, values, or a "
            "callable of the data."
        )
    return _audit_rows(
        frame,
        sensitive_features,
        y,
        baseline,
        pos_label,
        settings,
        cv if proxies else 0,
        int(most_words),
        rng,
    )


def _audit_rows(
    frame: Any,
    sensitive_features: Any,
    y: Any,
    baseline: Any,
    pos_label: Any,
    settings: Settings,
    cv: int,
    most_words: int,
    rng: np.random.RandomState,
) -> DatasetAudit:
    """Audit rows; without folds, proxies are not measured."""
    library = library_of(frame)
    table = read_columns(frame)
    n_samples = len(table)
    by_column = _is_selector(sensitive_features)
    selector, values = (sensitive_features, None) if by_column else (None, sensitive_features)
    if isinstance(selector, list | tuple) and len(selector) == 1 and callable(selector[0]):
        selector = selector[0]
    if not callable(selector):
        _refuse_unknown("The sensitive column", selector, frame, table)
    refuse_shuffled(frame=frame, sensitive_features=values, y=y)
    sensitive = sensitive_columns(frame, selector, values, n_samples=n_samples)
    singles = _single_attributes(sensitive)
    attributes = list(singles)
    if len(singles) > 1:
        attributes.append((attribute_name(sensitive.names), name_groups(sensitive)))
    by_mention = any(map(says_mentions, _functions(selector)))
    aside = {
        about: set_aside(groups.names, groups.labels) if by_mention else () for about, groups in attributes
    }
    target = None if y is None else _target(frame, table, y)
    if target is not None:
        _refuse_sensitive_labels(target, sensitive)
    used_names = {*sensitive.names, *(() if target is None else target.names)}
    columns = zip(table.names, table.columns, strict=True)
    other_columns = [(name, column) for name, column in columns if name not in used_names]

    if target is not None and not _is_key(y):
        _refuse_copies(target, other_columns)

    rows_of = _SampleColumns(selector if by_column else None, sensitive.names, singles[0][1])
    shares = GroupShares(
        tuple(
            compare_shares(
                about,
                grouping,
                read_baseline(baseline, grouping, sensitive.names, rows_of, aside[about]),
                settings.confidence,
                rng,
                aside[about],
            )
            for about, grouping in attributes
        ),
        settings,
        library,
    )
    with_values = [*other_columns, *zip(sensitive.names, sensitive.columns, strict=True)]
    labels = None
    if target is not None:
        with_values += zip(target.names, target.columns, strict=True)
        labels = _labels(target, attributes, pos_label, settings, rng, library)
    missing_by_column = {name: missing_rows(column) for name, column in with_values}
    missing = compare_missing(missing_by_column, singles, settings, rng, library)
    texts = _text_columns(frame, selector, table.names)
    proxies = _proxies(other_columns, singles, texts, cv, settings, rng, library) if cv else None
    words, others = _words(frame, selector, sensitive, settings, most_words, library)
    others += [_small_groups(about, grouping, settings, aside[about]) for about, grouping in attributes]
    return DatasetAudit(
        n_samples=n_samples,
        attributes=tuple(about for about, _ in attributes),
        findings=_all_findings((shares, labels, missing, proxies, words), others),
        shares=shares,
        labels=labels,
        missing=missing,
        proxies=proxies,
        settings=settings,
        words=words,
        library=library,
    )


def _proxies(
    columns: Sequence[tuple[str, Any]],
    attributes: Sequence[tuple[str, Grouping]],
    texts: Collection[str],
    cv: int,
    settings: Settings,
    rng: np.random.RandomState,
    library: Backend | None,
) -> Proxies:
    """Measure proxies among the columns that hold no free text, nor what the groups were read from."""
    free_text = [name for name, column in columns if name in texts or is_free_text(column)]
    kinds = [(name, column) for name, column in columns if name not in free_text]
    return measure_proxies(kinds, attributes, cv, settings, rng, library, free_text)


def _all_findings(parts: Sequence[Any], others: Sequence[Finding]) -> tuple[Finding, ...]:
    """Return the findings of all parts, the most urgent first."""
    findings = [finding for part in parts if part is not None for finding in part.findings()]
    return tuple(sorted([*findings, *others], key=lambda finding: SEVERITIES.index(finding.severity)))


def _audit_corpus(
    counts: CorpusCounts,
    selected: Any,
    y: Any,
    baseline: Any,
    settings: Settings,
    most_words: int,
    rng: np.random.RandomState,
) -> DatasetAudit:
    """Audit counts of texts."""
    if y is not None:
        raise ValueError(
            "y is for rows, and these are counts: count labels as a column, columns={'label': ...}."
        )
    attributes, shares, words = audit_counts(counts, selected, baseline, settings, most_words, rng)
    small = [_small_groups(about, groups, settings, groups.aside) for about, groups in attributes]
    return DatasetAudit(
        n_samples=counts.n_texts,
        attributes=tuple(about for about, _ in attributes),
        findings=_all_findings((shares, words), small),
        shares=shares,
        labels=None,
        missing=None,
        proxies=None,
        settings=settings,
        words=words,
    )


def _functions(selector: Any) -> list[Any]:
    """Return the functions in a selector."""
    return [
        each for each in (selector if isinstance(selector, list | tuple) else [selector]) if callable(each)
    ]


def _text_columns(frame: Any, selector: Any, names: Sequence[str]) -> list[str]:
    """Return the columns of texts that functions read groups from, where they say so."""
    functions = _functions(selector)
    if is_texts(frame):
        return [names[0]] if functions else []
    columns = [column for column in map(text_column, functions) if column is not None]
    return [names[c] if isinstance(c, int) and c not in names else str(c) for c in columns]


def _words(
    frame: Any,
    selector: Any,
    sensitive: SensitiveColumns,
    settings: Settings,
    most_words: int,
    library: Backend | None,
) -> tuple[WordsBeside | None, list[Finding]]:
    """Return the words beside the groups that a function of texts says, or why no words are compared."""
    entries = list(selector) if isinstance(selector, list | tuple) else [selector]
    whole = is_texts(frame)
    readers = [each for each in entries if callable(each) and (whole or text_column(each) is not None)]
    readers = list(filter(says_mentions, readers)) or readers
    if not readers:
        return None, []
    if len(readers) > 1 or len(entries) != len(sensitive.columns):
        why = (
            "Words are compared by one function of texts that returns one column, and "
            f"{len(readers)} return {len(sensitive.columns)}: audit it alone to see them."
        )
        nothing = (np.nan, np.nan, np.nan, np.nan)
        about = attribute_name(sensitive.names)
        return None, [settings.finding("words", about, "log odds", nothing, {"NOT APPLICABLE": why})]
    place = entries.index(readers[0])
    column = sensitive.columns[place]
    counts = CorpusCounts.from_texts(
        read_texts(frame, text_column(readers[0])),
        mentions=column.tolist() if isinstance(column, np.ndarray) else column.to_array(),
        leave_out=listed_terms(readers[0]),
    )
    return compare_words(counts, None, settings, most_words, library, sensitive.names[place]), []


def _single_attributes(sensitive: SensitiveColumns) -> list[tuple[str, Grouping]]:
    """Return each sensitive column's name and groups."""
    if len(set(sensitive.names)) < len(sensitive.names):
        raise ValueError(
            f"The sensitive columns are {listed(map(repr, sensitive.names))}: give each a name, once."
        )
    return [
        (name, name_groups(SensitiveColumns((name,), (column,))))
        for name, column in zip(sensitive.names, sensitive.columns, strict=True)
    ]


@dataclass(frozen=True)
class _SampleColumns:
    """Reads the columns of some attributes in another sample.

    Parameters
    ----------
    selector : selector or None
        The sensitive columns; None if the sample is their values.
    attributes : tuple of str
        What they are called.
    groups : Grouping
        Those of the first attribute, for an example in an error.
    """

    selector: Any
    attributes: tuple[str, ...]
    groups: Grouping

    def __call__(self, reference: Any, names: tuple[str, ...]) -> SensitiveColumns:
        """Return the columns of these attributes."""
        if self.selector is not None:
            if np.ndim(reference) == 1 and not (_functions(self.selector) and is_texts(reference)):
                example = shares_example([group for group in self.groups.labels if not is_unknown(group)])
                raise ValueError(
                    "The baseline is one column of values, which names no groups. Shares and counts are "
                    f"written with their groups, {example}; another sample is a frame, or a 2-D array, with "
                    "the sensitive columns."
                )
            if not callable(self.selector):
                what = "In the baseline, the sensitive column"
                _refuse_unknown(what, self.selector, reference, read_columns(reference))
        sample = sensitive_columns(reference, self.selector, reference if self.selector is None else None)
        if len(sample.columns) != len(self.attributes):
            raise ValueError(
                f"The reference sample has {len(sample.columns)} sensitive columns and the data have "
                f"{len(self.attributes)}: give it the same columns."
            )
        return SensitiveColumns(names, tuple(sample.columns[self.attributes.index(name)] for name in names))


def _settings(
    confidence: float, min_group_size: int, tolerances: Mapping[str, tuple[float, float]] | None, cv: int
) -> Settings:
    check_confidence(confidence)
    if min_group_size < 1:
        raise ValueError(f"min_group_size must be at least 1, got {min_group_size}.")
    if cv < 2:
        raise ValueError(f"cv must be at least 2 folds, got {cv}.")
    levels = dict(TOLERANCES)
    for check, pair in (tolerances or {}).items():
        if check not in levels:
            checks = listed(map(repr, levels), len(levels))
            raise ValueError(f"There is no check {check!r}: tolerances are for {checks}.")
        if np.shape(pair) != (2,):
            raise ValueError(f"The levels of {check!r} are two, of notice and of warning; got {pair!r}.")
        (notice, warning), upwards = pair, levels[check][0] < levels[check][1]
        if not (notice < warning if upwards else notice > warning):
            side = "above" if upwards else "below"
            raise ValueError(f"The warning level of {check!r} must lie {side} its notice level, got {pair}.")
        levels[check] = (float(notice), float(warning))
    return Settings(confidence, min_group_size, levels)


def _is_selector(sensitive_features: Any) -> bool:
    """Whether sensitive_features names columns; in an audit every list does, unlike in a display."""
    names = isinstance(sensitive_features, str | int | np.integer | list | tuple)
    return names or callable(sensitive_features)


def _is_key(key: Any) -> bool:
    """Whether this is the name or the position of a column."""
    return isinstance(key, str | int | np.integer)


def _refuse_unknown(what: str, keys: Any, frame: Any, table: SensitiveColumns) -> None:
    """Refuse names and positions of columns that the data do not have."""
    names = list(table.names)
    for key in keys if isinstance(keys, list | tuple) else [keys]:
        if isinstance(key, str) and not hasattr(frame, "columns"):
            raise ValueError(
                f"{what} {show(key)} has no name in an array: give its position, from 0 to {len(names) - 1}."
            )
        if isinstance(key, str) and key not in names:
            close = difflib.get_close_matches(key, names, n=1)
            hint = f" Did you mean {show(close[0])}?" if close else ""
            if isinstance(keys, list | tuple) and len(keys) == len(table) > 1:
                hint = " Values, one per row, go in an array or a series: np.array(values)."
            raise ValueError(
                f"{what} {show(key)} is not there. The columns are: {listed(map(repr, names), 20)}.{hint}"
            )
        if isinstance(key, int | np.integer) and not -len(names) <= key < len(names):
            raise ValueError(f"{what} {key} is not there: there are {len(names)} columns, counted from 0.")


def _refuse_sensitive_labels(target: SensitiveColumns, sensitive: SensitiveColumns) -> None:
    """Refuse labels that are a sensitive column: there is nothing to compare."""
    for name, column in zip(sensitive.names, sensitive.columns, strict=True):
        if name in target.names:
            raise ValueError(
                f"The labels and a sensitive column are both {name!r}. y is what a model is to predict: give "
                "another column, or leave y out."
            )
        if same_values(target.columns[0], column):
            raise ValueError(
                f"The labels {target.names[0]!r} and the sensitive column {name!r} have the same value in "
                "every row. y is what a model is to predict: give another column, or leave y out."
            )


def _refuse_copies(target: SensitiveColumns, other_columns: Sequence[tuple[str, Any]]) -> None:
    """Refuse labels that are a column of the data too, where that would be taken for a proxy."""
    for name, column in other_columns:
        if same_values(target.columns[0], column):
            raise ValueError(
                f"The labels are also the column {name!r} of the data. Say so, y={name!r}, or leave the "
                "column out."
            )


def _target(frame: Any, table: SensitiveColumns, y: Any) -> SensitiveColumns:
    """Return the column of labels, from values or by its name."""
    if not _is_key(y):
        target = sensitive_columns(None, None, y, n_samples=len(table))
        if len(target.columns) > 1:
            raise ValueError(f"y must be one column of labels, got {len(target.columns)}.")
        return SensitiveColumns((str(getattr(y, "name", None) or "y"),), target.columns)
    _refuse_unknown("The column of labels", y, frame, table)
    return sensitive_columns(frame, y if isinstance(y, str) else int(y))


def _labels(
    target: SensitiveColumns,
    attributes: Sequence[tuple[str, Grouping]],
    pos_label: Any,
    settings: Settings,
    rng: np.random.RandomState,
    library: Backend | None,
) -> LabelDependence:
    """Compare the labels of the rows that have one."""
    with_label = np.flatnonzero(~missing_rows(target.columns[0]))
    if len(with_label) == 0:
        raise ValueError("y has no labels: all are missing.")
    labels = label_rows(target.names[0], target.columns[0][with_label])
    parts = []
    for about, grouping in attributes:
        labelled = grouping.take(with_label)
        parts.append(compare_labels(about, labelled, labels, pos_label, settings, rng))
    return LabelDependence(tuple(parts), settings, len(target) - len(with_label), library)


def _small_groups(
    about: str, grouping: SizedGroups, settings: Settings, aside: Collection[Hashable] = ()
) -> Finding:
    """Return the finding on groups below the smallest size."""
    n = {
        group: size
        for group, size in zip(grouping.labels, grouping.sums().tolist(), strict=True)
        if not is_unknown(group) and group not in aside
    }
    small = [group for group, size in n.items() if size < settings.min_group_size]
    numbers = float(len(small)), np.nan, np.nan, np.nan
    if not n:
        return Finding(
            "small groups", about, about, "groups", *numbers, "NOT APPLICABLE", "No row has a known group."
        )
    if not small:
        smallest = min(n, key=n.__getitem__)
        advice = f"The smallest group, {format_group(smallest)}, has {n[smallest]:,.0f} rows."
        return Finding("small groups", about, about, "groups", *numbers, "OK", advice)
    advice = (
        f"Fewer than {settings.min_group_size} rows: {listed(small)}. Their rates are too uncertain to act "
        "on: collect more, or join groups where that makes sense."
    )
    return Finding("small groups", about, about, "groups", *numbers, "NOTICE", advice)
