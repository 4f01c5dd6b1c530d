"""Rows of a report counted again, and compared with its counts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from fairsk._core.canonical import Finding, differences, plain_numbers, step
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import format_group, list_groups
from fairsk._core.messages import list_texts, show
from fairsk._core.validation import read_labels
from fairsk.audit._evidence import Evidence, merge_small_groups
from fairsk.audit._small_groups import MergedGroups

__all__ = ["count_again", "recounted_findings"]

#: What rows consist of, by the names that audit_predictions gives them.
_ROWS = ("y_true", "y_pred", "sensitive_features", "y_score", "sample_weight", "strata")
_CELL = re.compile(r"/counts/(?:cells|squares)/(\w+)/(\d+)")


def count_again(document: Mapping[str, Any], against: Any, columns: Any = None) -> dict[str, Evidence]:
    """Count rows as those of a report were counted, small groups not merged.

    Parameters
    ----------
    document : mapping
        The report.
    against : frame, GroupCounts or mapping
        A frame with the columns of the report; counts; or arrays by the names that ``audit_predictions``
        gives them. For a report of several models, a mapping of their names to one of these.
    columns : mapping of str to str or list of str, optional
        The columns, where they are not called as the report says, or it does not say.

    Returns
    -------
    dict of str to Evidence
        The tables by model.

    Raises
    ------
    TypeError, ValueError
        If these are no rows, or cannot be counted.
    """
    models = list(document["evidence"])
    if models == [""]:
        return {"": _count(document, "", against, columns)}
    if not isinstance(against, Mapping) or set(against) != set(models):
        raise ValueError(
            "The report is of several models: give a dict of their rows by the names of the models, "
            f"{list_texts(map(show, models))}."
        )
    return {model: _count(document, model, against[model], columns) for model in models}


def _count(document: Mapping[str, Any], model: str, against: Any, columns: Any) -> Evidence:
    settings = document["settings"]
    if isinstance(against, GroupCounts):
        return Evidence.from_counts(against)
    if isinstance(against, Mapping):
        if unknown := [name for name in against if name not in _ROWS]:
            raise ValueError(
                f"against has {show(unknown[0])}: name arrays as audit_predictions does, {list_texts(_ROWS)}."
            )
        rows: dict[str, Any] = {name: against.get(name) for name in _ROWS}
        return Evidence.from_rows(**rows, **_about(document, model))
    if isinstance(against, str | bytes) or hasattr(against, "__fspath__"):
        raise TypeError(
            "against takes rows, not the name of a file: read it first, such as by pandas.read_csv, or use "
            "the command line, fairsk verify REPORT --against FILE."
        )
    known = {name: value for name, value in (settings["columns"] or {}).items() if name in _ROWS}
    named = known | dict(columns or {})
    if not named.get("sensitive_features"):
        raise ValueError(
            "The report does not say from which columns its rows were read: name them by columns=, such as "
            'columns={"y_pred": "hired", "sensitive_features": ["sex"]}, or give arrays.'
        )
    return Evidence.from_frame(
        against,
        **{name: value for name, value in named.items() if value},
        **_about(document, model),
    )


def _about(document: Mapping[str, Any], model: str) -> dict[str, Any]:
    """Return how the rows were counted."""
    return {
        "pos_label": document["settings"]["pos_label"],
        "bins": _bins(document, model),
        "with_median": document["evidence"][model].get("median") is not None,
    }


def _bins(document: Mapping[str, Any], model: str) -> int:
    """Return how many bins of scores were asked for: a power of two, of which the last may hold nothing."""
    columns = document["settings"]["columns"] or {}
    if "bins" in columns:
        return int(columns["bins"])
    histograms = document["evidence"][model].get("histograms")
    n_bins = 64 if histograms is None else len(histograms["edges"]) + 1
    return 1 << (n_bins - 1).bit_length()


def recounted_findings(document: Mapping[str, Any], again: Mapping[str, Evidence]) -> list[Finding]:
    """Return where the counts of a report are not those of the rows.

    Parameters
    ----------
    document : mapping
        The report.
    again : mapping of str to Evidence
        What :func:`count_again` returned; small groups are merged here as they were in the report.
    """
    found: list[Finding] = []
    small_groups = document["small_groups"]
    if small_groups:
        how = MergedGroups.from_state(next(iter(small_groups.values())))
        try:
            again, merged = merge_small_groups(again, how.min_cell, how.rule)
        except ValueError as error:
            sentence = f"The small groups of the rows cannot be merged as the report says: {error}"
            return [Finding("rows", "small_groups", sentence)]
        state = plain_numbers(merged.to_state())
        for model, said in small_groups.items():
            found += differences(said, state, f"small_groups/{step(model)}", how="counted")
    for model, tables in again.items():
        state = plain_numbers(tables.to_state())
        found += _compare(document["evidence"][model], state, f"evidence/{step(model)}")
    return found


def _compare(said: Mapping[str, Any], again: Mapping[str, Any], path: str) -> list[Finding]:
    """Compare the groups first: where they differ, so does everything that is listed by group."""
    groups = [read_labels(state["counts"]["groups"]) for state in (said, again)]
    if groups[0] != groups[1]:
        sentences = [
            f"The report {verb}: {list_groups(labels)}."
            for verb, labels in (
                ("has groups that the rows do not have", [g for g in groups[0] if g not in groups[1]]),
                ("lacks groups that the rows have", [g for g in groups[1] if g not in groups[0]]),
            )
            if labels
        ] or ["The groups of the report are in another order than those of the rows."]
        return [Finding("rows", f"{path}/counts/groups", sentence) for sentence in sentences]
    found = differences(said, again, path, how="counted")
    return [_with_group(one, groups[0]) for one in found]


def _with_group(found: Finding, groups: Sequence[Any]) -> Finding:
    """Say of which group and cell a count is: paths have numbers."""
    cell = _CELL.search(found.path)
    if cell is None or int(cell[2]) >= len(groups):
        return found
    group = show(format_group(groups[int(cell[2])]))
    return replace(found, sentence=f"{found.sentence} That is {cell[1]} of the group {group}.")
