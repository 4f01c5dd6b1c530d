"""Sections of a report: what a page, Markdown and the terminal show of it, in the order of reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fairsk._core.groups import attribute_name, list_groups
from fairsk._core.messages import in_words
from fairsk._core.results import Entries, Table, number, p_value, percent, row_count, with_interval
from fairsk._core.sections import Block, Card, Cards, Chart, Line, Section
from fairsk.audit._profiles.profile import PROFILES, ProfileTable
from fairsk.audit._report.attached import attached_sections
from fairsk.audit._report.audited import audited_section, limit_text
from fairsk.audit._report.results import (
    CODES,
    MOST_PAIRS,
    CalibrationBin,
    CriterionResult,
    GroupRateResult,
    ScoreResult,
    name_group,
)
from fairsk.rates import CELLS

if TYPE_CHECKING:
    from fairsk.audit._report.report import AuditReport

__all__ = ["report_sections", "summary_sentences", "summary_tables"]

#: No more groups than these are drawn, and no more rates side by side: more are no picture.
_MOST_DRAWN = 20
_MOST_PANELS = 3
#: Documents show tables whole, up to this many lines.
_MOST_LINES = 5_000

#: What a report shows and what it does not, on every page.
_NOTES = (
    "PASS: every interval lies within the bound. FAIL: one lies wholly beyond it. INCONCLUSIVE: these rows "
    "do not settle it. NOT APPLICABLE: there is nothing to compare. No verdict says that a model is fair, or "
    "that its use is lawful.",
    "Intervals of disparities hold for {pairs} and all rates of a criterion at once (Newcombe "
    "for differences, MOVER-R for ratios, Bonferroni over pairs); those of a group's rate are Wilson's, one "
    "at a time. Rows count as independent.",
    "Every number follows from the counts at the end of this report, but for what is marked as stated. "
    "fairsk verify recomputes it.",
)


def report_sections(report: AuditReport) -> list[Section]:
    """Return all sections of a report, with tables as long as they are."""
    caption = "What was asked and what was found"
    sections = [
        Section(
            "Disparities" if report.outcome is None else "Verdicts",
            summary_sentences(report),
            [_cards(report), _criteria_table(report, caption)],
        ),
        audited_section(report),
        *_by_attribute(report),
        *_profile_sections(report),
        *_stated_sections(report),
        _counts_section(report),
        _formulas_section(report),
        _reading_section(report),
        _provenance_section(report),
    ]
    return [replace(section, blocks=list(map(_at_length, section.blocks))) for section in sections]


def _at_length(block: Block) -> Block:
    """Return a block whose table is shown whole: who reads a document has no ``.frame()``."""
    if isinstance(block, Table):
        return replace(block, most_lines=_MOST_LINES)
    if isinstance(block, Chart):
        return replace(block, table=replace(block.table, most_lines=_MOST_LINES))
    return block


def summary_tables(report: AuditReport) -> list[Table]:
    """Return what a notebook and the terminal show: verdicts, the rates of each attribute, profiles."""
    tables = [_criteria_table(report, caption=report.title, notes=summary_sentences(report))]
    for names in report.settings.attributes:
        tables += list(_rate_tables(report, attribute_name(names)))
    return tables + [table for made in report.results.profiles for table in made._tables()]


def summary_sentences(report: AuditReport) -> list[str]:
    """Say in a few sentences what the report found, and of how many rows."""
    sentences = []
    for model, evidence in report.evidence.items():
        counts = evidence.counts
        of_model = f"{model}: " if model else ""
        rows = f"{of_model}{row_count(float(counts.n.sum()))} rows"
        unknown = {name: n for name, n in evidence.n_unknown.items() if n}
        if unknown:
            missing = ", ".join(f"{name} of {row_count(n)}" for name, n in unknown.items())
            rows += f"; not known: {missing}, which are compared with no group"
        sentences.append(f"{rows}.")
        if model in report.merged and report.merged[model].n_groups:
            said = report.merged[model]
            sentences.append(
                f"{of_model}{said.n_groups} small groups with {row_count(said.n_rows)} rows are merged into "
                f"one, for groups below {said.min_cell} rows are not published; it is compared with no group."
            )
    judged = [row for row in report.criteria if row.bound is not None or row.verdict == "NOT APPLICABLE"]
    if report.outcome is None:
        sentences.append("No bound is given, so nothing is judged.")
    else:
        outcomes = sorted(str(row.verdict) for row in judged)
        counted = {outcome: outcomes.count(outcome) for outcome in dict.fromkeys(outcomes)}
        sentences.append("Criteria: " + ", ".join(f"{n} {outcome}" for outcome, n in counted.items()) + ".")
    return sentences


def _cards(report: AuditReport) -> Cards:
    """Return what is seen at first sight: outcome, rows, and the widest disparity of each attribute."""
    rows = sum(float(tables.counts.n.sum()) for tables in report.evidence.values())
    models = len(report.evidence)
    cards = [
        _outcome_card(report),
        Card("Rows", row_count(rows / models), "each model" if models > 1 else ""),
    ]
    for names in report.settings.attributes:
        attribute = attribute_name(names)
        found = [row for row in report.criteria if row.attribute == attribute and row.groups]
        if found:
            row = max(found, key=_severity)
            text = f"{_title(row.constraint)}, {row.comparison}: {_ends(row)}"
            if row.among_large is not None:
                text += f". {row.among_large.sentence(report.settings.min_group_size)}"
            cards.append(Card(attribute, row.verdict or with_interval(row.value, row.low, row.high), text))
    return Cards(cards)


def _outcome_card(report: AuditReport) -> Card:
    if report.outcome is None:
        return Card("Outcome", "not judged", "no criterion has a bound")
    return Card("Outcome", report.outcome, "the worst of all criteria with a bound")


def _severity(row: CriterionResult) -> tuple[int, float]:
    """Order criteria by outcome, then by how far the disparity is from parity."""
    order = ("NOT APPLICABLE", None, "PASS", "INCONCLUSIVE", "FAIL")
    distance = row.value if row.comparison == "difference" else 1 - row.value
    return order.index(row.verdict), -1.0 if np.isnan(distance) else distance


def _several(report: AuditReport) -> bool:
    return len(report.evidence) > 1


def _has_strata(report: AuditReport) -> bool:
    return any(tables.counts.strata is not None for tables in report.evidence.values())


def _criteria_table(report: AuditReport, caption: str = "Verdicts", notes: Sequence[str] = ()) -> Table:
    """Return a line per criterion, attribute, stratum and model."""
    rows = report.criteria
    several, strata = _several(report), _has_strata(report)
    columns: dict[str, list[Any]] = {"id": [row.id for row in rows]}
    for name in ("code", "verdict", "model", "attribute", "constraint", "rate", "comparison"):
        columns[name] = [getattr(row, name) for row in rows]
    columns["stratum"] = ["" if row.stratum is None else name_group(row.stratum) for row in rows]
    for name in ("bound", "value", "low", "high", "confidence", "n", "smallest_detectable"):
        columns[name] = [getattr(row, name) for row in rows]
    columns["reference"] = ["" if row.reference is None else name_group(row.reference) for row in rows]
    columns["groups"] = [" / ".join(map(name_group, row.groups)) for row in rows]
    columns["caveat"] = [row.caveat for row in rows]
    text: dict[str, list[str]] = {"attribute": columns["attribute"]}
    if several:
        text["model"] = columns["model"]
    if strata:
        text["stratum"] = [name or "overall" for name in columns["stratum"]]
    if report.outcome is not None:
        text["verdict"] = [row.verdict or "-" for row in rows]
    text["criterion"] = [_title(row.constraint) for row in rows]
    text["measure"] = [row.comparison for row in rows]
    text["value"] = [with_interval(row.value, row.low, row.high) for row in rows]
    if report.outcome is not None:
        text["bound"] = [_bound(row) for row in rows]
    text["furthest apart"] = list(map(_ends, rows))
    if report.outcome is not None:
        text["code"] = columns["code"]
        remarks = [row.caveat for row in rows]
    else:
        text["would be seen"] = [number(row.smallest_detectable) for row in rows]
        remarks = [_unjudged_remark(report, row) for row in rows]
        notes = [*notes, *_unjudged_notes(report)]
    words = ("attribute", "model", "stratum", "criterion", "measure", "verdict", "furthest apart", "code")
    return Table(
        columns,
        text,
        caption,
        notes,
        words=words,
        outcomes=("verdict",),
        remarks=remarks,
    )


def _unjudged_remark(report: AuditReport, row: CriterionResult) -> str:
    """Say what only this line has: that nothing is known, or what there is among large groups."""
    if np.isnan(row.value):
        return row.caveat
    return "" if row.among_large is None else row.among_large.sentence(report.settings.min_group_size)


def _unjudged_notes(report: AuditReport) -> Iterator[str]:
    """Say once, for all criteria, what columns mean and which groups are small or not measured."""
    yield (
        "Would be seen: the disparity between these two groups that would be told from parity with 80% power."
    )
    for attribute in dict.fromkeys(row.attribute for row in report.criteria):
        rows = [row for row in report.criteria if row.attribute == attribute]
        small = dict.fromkeys(group for row in rows for group in row.small_groups)
        if small:
            fewest = f"{report.settings.min_group_size:g}"
            yield f"Fewer than {fewest} rows to measure a rate on, by {attribute}: {list_groups(small)}."
        unmeasured = dict[str, dict[Hashable, None]]()
        for row in rows:
            for rate, groups in row.unmeasured.items():
                unmeasured.setdefault(rate, {}).update(dict.fromkeys(groups))
        for rate, found in unmeasured.items():
            yield f"{_title(rate)} cannot be measured, by {attribute}, for: {list_groups(found)}."


def _pairs_table(report: AuditReport, attribute: str) -> Iterator[Table]:
    """Return the pairs of groups beyond a bound, where a criterion has more than the one that it names."""
    criteria = {row.id: row for row in report.criteria if row.attribute == attribute}
    pairs = [pair for pair in report.results.pairs if pair.id in criteria]
    counted = Counter((pair.model, pair.stratum, pair.id) for pair in pairs)
    if max(counted.values(), default=0) < 2:
        return
    columns: dict[str, list[Any]] = {"id": [pair.id for pair in pairs]}
    asked = [criteria[pair.id] for pair in pairs]
    text = {"criterion": [f"{_title(row.constraint)}, {row.comparison}" for row in asked]}
    if _several(report):
        text["model"] = columns["model"] = [pair.model for pair in pairs]
    if _has_strata(report):
        text["stratum"] = columns["stratum"] = [_stratum_name(pair.stratum) for pair in pairs]
    columns["rate"] = [pair.rate for pair in pairs]
    text["rate"] = [_title(pair.rate) for pair in pairs]
    for i, side in enumerate(("lowest", "highest")):
        columns[side] = [name_group(pair.groups[i]) for pair in pairs]
        columns[f"{side}_rate"] = [pair.group_rates[i] for pair in pairs]
        shown = zip(columns[side], columns[f"{side}_rate"], strict=True)
        text[side] = [f"{group} {number(rate)}" for group, rate in shown]
    for name in ("value", "low", "high"):
        columns[name] = [getattr(pair, name) for pair in pairs]
    text["value"] = [with_interval(pair.value, pair.low, pair.high) for pair in pairs]
    note = f"The {MOST_PAIRS} pairs of each criterion that break its bound most surely, if there are more."
    words = ("model", "stratum", "rate", "lowest", "highest")
    yield Table(columns, text, f"Pairs of {attribute} beyond the bound", [note], words=words)


def _stratum_name(stratum: Hashable) -> str:
    return name_group(stratum)


def _written(cells: Sequence[GroupRateResult | ScoreResult | None]) -> list[str]:
    return ["-" if c is None else with_interval(c.value, c.low, c.high) for c in cells]


def _bound(row: CriterionResult) -> str:
    return limit_text(row.comparison, row.bound)


def _ends(row: CriterionResult) -> str:
    """Write the two groups that lie furthest apart, with their rates."""
    if not row.groups:
        return "-"
    rates = [number(rate) for rate in row.group_rates]
    low, high = (f"{name_group(group)} {rate}" for group, rate in zip(row.groups, rates, strict=True))
    return f"{low} / {high} in {_title(row.rate)}"


def _by_attribute(report: AuditReport) -> Iterator[Section]:
    """Return a section per attribute: rates, then scores, each with its chart."""
    for names in report.settings.attributes:
        attribute = attribute_name(names)
        blocks: list[Any] = []
        blocks += _rate_blocks(report, names)
        blocks += _score_tables(report, attribute)
        blocks += _calibration_blocks(report, attribute)
        blocks += _pairs_table(report, attribute)
        yield Section(f"By {attribute}", (), blocks)


def _rate_tables(report: AuditReport, attribute: str) -> Iterator[Table]:
    """Return the rates of every group of an attribute, with intervals."""
    rows = [row for row in report.results.rates if row.attribute == attribute]
    lines: dict[tuple[Any, ...], dict[str, GroupRateResult]] = {}
    for row in rows:
        lines.setdefault((row.model, row.stratum, row.group), {})[row.rate] = row
    keys = _by_group(lines)
    n = [_rows_of(report, attribute, *key) for key in keys]
    totals = [_rows_of(report, attribute, key[0], key[1], None) for key in keys]
    columns: dict[str, list[Any]] = {"group": [name_group(group) for _, _, group in keys]}
    if _several(report):
        columns["model"] = [model for model, _, _ in keys]
    if _has_strata(report):
        columns["stratum"] = [_stratum_name(stratum) for _, stratum, _ in keys]
    text = {name: list(values) for name, values in columns.items()}
    shares = [part / total if total else float("nan") for part, total in zip(n, totals, strict=True)]
    columns |= {"n": n, "share": shares}
    text |= {"n": list(map(row_count, n)), "share": [f"{share:.1%}" for share in shares]}
    for rate in report.settings.rates:
        cells = [lines[key].get(rate.name) for key in keys]
        if not any(cells):
            continue
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            columns[rate.name + suffix] = [np.nan if c is None else getattr(c, part) for c in cells]
        text[_title(rate.name)] = _written(cells)
    for name, values in _function_columns(report, attribute, keys):
        columns[name], text[name] = values, list(map(number, values))
    note = f"{percent(report.settings.confidence)} intervals."
    yield Table(columns, text, f"Rates by {attribute}", [note], words=("model", "stratum"))


def _by_group(lines: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Order keys that begin with a model such that the models of a group stand together."""
    keys = list(lines)
    places = {key: place for place, key in enumerate(dict.fromkeys(key[1:] for key in keys))}
    return sorted(keys, key=lambda key: places[key[1:]])


def _title(name: str) -> str:
    """Write the name of a rate or a metric as the head of a column."""
    return "AUC" if name == "auc" else in_words(name)


def _function_columns(
    report: AuditReport, attribute: str, keys: Iterable[tuple[Any, ...]]
) -> Iterator[tuple[str, list[float]]]:
    """Return the values that functions of rows were stated to have, as columns beside the rates."""
    stated = report.stated.get("metrics", {})
    names = dict.fromkeys(
        name for tables in stated.values() if attribute in tables for name in tables[attribute]["values"]
    )
    for name in names:
        values = []
        for model, stratum, group in keys:
            table = stated.get(model, {}).get(attribute)
            value = None
            if table is not None and stratum is None:
                if group is None:
                    value = table["overall"].get(name)
                elif (label := list(group) if isinstance(group, tuple) else group) in table["groups"]:
                    value = table["values"][name][table["groups"].index(label)]
            values.append(float("nan") if value is None else float(value))
        yield f"{name} (stated)", values


def _rows_of(report: AuditReport, attribute: str, model: str, stratum: Hashable, group: Hashable) -> float:
    """Return how many rows a group has."""
    table = report._margins[model, attribute]
    n = table.counts.n
    if table.counts.strata is not None:
        n = n.sum(1) if stratum is None else n[:, table.counts.strata.index(stratum)]
    return float(n.sum() if group is None else n[table.counts.groups.index(group)])


def _rate_blocks(report: AuditReport, names: Sequence[str]) -> Iterator[Table | Chart]:
    """Return the rates of an attribute, drawn if it is one attribute of one model and few groups."""
    attribute = attribute_name(names)
    [table] = _rate_tables(report, attribute)
    counts = next(iter(report.evidence.values())).by(*names).comparable().counts
    if not _is_drawn(report, names, len(counts.groups)):
        yield table
        return
    if counts.strata is not None:
        counts = counts.marginal(*counts.names)
    rates = [rate for rate in report.settings.rates if rate.is_share][:_MOST_PANELS]
    yield Chart(
        "rates",
        f"Rates by {attribute}",
        table,
        counts,
        rates,
        confidence=report.settings.confidence,
        min_group_size=report.settings.min_group_size,
    )


def _is_drawn(report: AuditReport, names: Sequence[str], n_groups: int) -> bool:
    return len(names) == 1 and not _several(report) and 2 <= n_groups <= _MOST_DRAWN


def _score_tables(report: AuditReport, attribute: str) -> Iterator[Table]:
    """Return the metrics of scores of every group."""
    rows = [row for row in report.results.scores if row.attribute == attribute]
    if not rows:
        return
    lines: dict[tuple[Any, ...], dict[str, ScoreResult]] = {}
    for row in rows:
        lines.setdefault((row.model, row.group), {})[row.measure] = row
    keys = _by_group(lines)
    columns: dict[str, list[Any]] = {
        "group": ["largest difference" if group is None else name_group(group) for _, group in keys]
    }
    if _several(report):
        columns["model"] = [model for model, _ in keys]
    text = {name: list(values) for name, values in columns.items()}
    for measure in dict.fromkeys(row.measure for row in rows):
        cells = [lines[key].get(measure) for key in keys]
        for part, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            columns[measure + suffix] = [np.nan if c is None else getattr(c, part) for c in cells]
        text[_title(measure)] = _written(cells)
        if measure == "auc":
            errors = [None if c is None else c.error_bound for c in cells]
            columns["auc_error_bound"] = errors
            text["within"] = ["-" if error is None else f"±{error:.4f}" for error in errors]
        if measure == "calibration_error":
            chance = [None if c is None else c.by_chance for c in cells]
            columns["calibration_error_by_chance"] = chance
            text["by chance"] = list(map(number, chance))
    notes = [
        "AUC, from histograms: within that much of the area under the ROC curve of the scores themselves. By "
        "chance: the calibration error that perfectly calibrated scores would show on average."
    ]
    yield Table(columns, text, f"Scores by {attribute}", notes, words=("model",))


def _calibration_blocks(report: AuditReport, attribute: str) -> Iterator[Table | Chart]:
    """Return label rates beside mean scores, bin by bin."""
    rows = [row for row in report.results.calibration if row.attribute == attribute]
    if not rows:
        return
    table = _calibration_table(report, rows, attribute)
    groups = dict.fromkeys(row.group for row in rows)
    if not _is_drawn(report, (attribute,), len(groups)):
        yield Chart("calibration", f"Calibration by {attribute}", table, folded=True)
        return
    lines = {}
    for group in groups:
        points = [(r.mean_score, r.label_rate, r.low, r.high) for r in rows if r.group == group]
        lines[group] = Line(*np.array(points).T)
    yield Chart("calibration", f"Calibration by {attribute}", table, lines=lines, folded=True)


def _calibration_table(report: AuditReport, rows: Sequence[CalibrationBin], attribute: str) -> Table:
    order = {key: place for place, key in enumerate(_by_group((r.model, r.group, r.bin) for r in rows))}
    rows = sorted(rows, key=lambda row: order[row.model, row.group, row.bin])
    columns: dict[str, list[Any]] = {"group": [name_group(row.group) for row in rows]}
    if _several(report):
        columns["model"] = [row.model for row in rows]
    text = {name: list(values) for name, values in columns.items()}
    for name in ("n", "mean_score", "label_rate", "low", "high"):
        columns[name] = [getattr(row, name) for row in rows]
    text |= {
        "n": [row_count(row.n) for row in rows],
        "mean score": [number(row.mean_score) for row in rows],
        "label rate": [with_interval(row.label_rate, row.low, row.high) for row in rows],
    }
    return Table(columns, text, f"Calibration by {attribute}", words=("model",))


def _profile_sections(report: AuditReport) -> Iterator[Section]:
    """Return a section per profile."""
    by_name: dict[str, list[ProfileTable]] = {}
    for table in report.results.profiles:
        by_name.setdefault(table.profile, []).append(table)
    for tables in by_name.values():
        profile = PROFILES[tables[0].profile]
        yield Section(profile.title, profile.paragraphs, [t for each in tables for t in each._tables()])


def _stated_sections(report: AuditReport) -> Iterator[Section]:
    """Return what is stated: rows of own profiles, the audit of the data, and attached results."""
    for own in report.stated.get("profiles", ()):
        rows = own["rows"]
        names = list(dict.fromkeys(name for row in rows for name in row))
        columns = {name: [row.get(name) for row in rows] for name in names}
        caption = f"{own['name']}{' of ' + own['model'] if own['model'] else ''} (stated)"
        table = Table(columns, caption=caption, notes=own.get("notes", ()), words=("group",))
        yield Section(f"Profile {own['name']}", (), [table] if names else ())
    data = report.stated.get("data")
    if data:
        findings = data["findings"]
        shown = ("severity", "check", "attribute", "about", "measure", "value", "p", "advice")
        columns = {name: [finding.get(name) for finding in findings] for name in shown}
        text = {name: list(map(number, values)) for name, values in columns.items()}
        text["p"] = [p_value(float("nan") if p is None else p) for p in columns["p"]]
        del text["advice"]
        table = Table(
            columns,
            text,
            "Audit of the data (stated)",
            words=shown[1:5],
            outcomes=("severity",),
            remarks=[advice or "" for advice in columns["advice"]],
        )
        yield Section("The data", ["What an audit of the data found. It cannot be recomputed."], [table])
    yield from attached_sections(report.stated.get("attached", ()))


def _counts_section(report: AuditReport) -> Section:
    """Return the counts that everything follows from."""
    blocks = []
    for model, tables in report.evidence.items():
        counts = tables.counts
        groups = [name_group(group) for group in counts.groups]
        columns: dict[str, list[Any]] = {"group": groups}
        if counts.strata is not None:
            columns = {
                "group": groups * len(counts.strata),
                "stratum": [name_group(stratum) for stratum in counts.strata for _ in groups],
            }
        titles = (
            dict(zip(CELLS, CELLS, strict=True)) if counts.labelled else {"fp": "selected", "tn": "rejected"}
        )
        text = {name: list(values) for name, values in columns.items()}
        for cell, title in titles.items():
            columns[title] = counts.cells[cell].T.ravel().tolist()
            text[title] = list(map(row_count, columns[title]))
        of_model = f" of {model}" if model else ""
        by = attribute_name(counts.names)
        blocks.append(Table(columns, text, f"Counts{of_model} by {by}", words=("stratum",)))
    return Section("Counts", (), blocks)


def _formulas_section(report: AuditReport) -> Section:
    """Return the formula of every rate that is shown, and what each criterion asks."""
    rates = {rate.name: rate for rate in report.settings.rates}
    constraints = {one.constraint.name: one.constraint for one in report.settings.criteria}
    for constraint in constraints.values():
        rates |= {rate.name: rate for rate in constraint.rates}
    formulas = {
        "rate": list(map(_title, rates)),
        "formula": [f"({rate.numerator}) / ({rate.denominator})" for rate in rates.values()],
    }
    asked = {
        "criterion": list(map(_title, constraints)),
        "rates": [", ".join(_title(rate.name) for rate in one.rates) for one in constraints.values()],
        "asks": [one.description for one in constraints.values()],
    }
    blocks = [
        Table(formulas, caption="Rates", words=tuple(formulas)),
        Table(asked, caption="What each criterion asks", words=tuple(asked)),
    ]
    return Section("Formulas", ["tp, fp, fn, tn are the counts above; n is their sum."], blocks)


def _reading_section(report: AuditReport) -> Section:
    """Return what the words and codes of the report mean."""
    strict = [row.reference is not None for row in report.criteria]
    pairs = "all pairs of groups"
    if any(strict):
        pairs = "each group against the reference"
        if not all(strict):
            pairs += " (all pairs of groups where there is none)"
    verdicts, intervals, counts = _NOTES
    notes = [intervals.format(pairs=pairs), counts]
    if report.outcome is None:
        return Section("How to read this report", notes)
    used = {row.code for row in report.criteria}
    codes = [(code, reason) for code, reason in CODES.values() if code in used]
    columns = {"code": [code for code, _ in codes], "meaning": [reason for _, reason in codes]}
    table = Table(columns, caption="Codes", words=("meaning",))
    return Section("How to read this report", [verdicts, *notes], [table])


def _provenance_section(report: AuditReport) -> Section:
    said = report.stated.get("provenance", {})
    lines = [(str(name), str(value)) for name, value in said.items()]
    return Section("Provenance", ["As stated by the author; it cannot be recomputed."], [Entries(lines)])
