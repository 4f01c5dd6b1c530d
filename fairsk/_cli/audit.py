"""``fairsk audit``: a report of a file of predictions, in one command."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from fairsk._cli.columns import Columns, add_columns, rows_in, split_names
from fairsk._cli.labels import read_pos_label, read_references
from fairsk._core.messages import list_texts, show

__all__ = ["add_parser", "run"]

#: What a report is written as, by the suffix of its file: the name of the method.
_WRITERS = {
    ".html": "to_html",
    ".htm": "to_html",
    ".json": "to_json",
    ".md": "to_markdown",
    ".markdown": "to_markdown",
}

#: 128 bits, in hexadecimal digits.
_SHORTEST_SALT = 32

_DESCRIPTION = """\
Audit the decisions in a file: who is selected, how often that is right, and whether a bound is kept.

FILE is CSV (with a header; also .csv.gz and .tsv) or Parquet. Its rows are counted where they are, by
DuckDB, however many they are; the report holds counts and no rows.
"""

_EPILOG = """\
examples:
  how often each group is selected, and what page to show of it
    fairsk audit predictions.csv --y-pred selected --sensitive race,sex --out report.html
  four fifths of the highest rate, for a pipeline that is to stop below it
    fairsk audit predictions.csv --y-pred selected --sensitive race,sex --min-ratio 0.8 --strict
  error rates that differ by at most .05, against White men, for the summary of a CI job
    fairsk audit predictions.parquet --y-true hired --y-pred selected --sensitive race,sex \\
        --constraint equalized_odds --max-difference 0.05 --reference race=White,sex=man \\
        --out report.html --json report.json --summary "$GITHUB_STEP_SUMMARY"
  what an organisation promises, beside what it measured last month
    fairsk audit predictions-*.parquet --y-true hired --y-pred selected --sensitive race,sex \\
        --policy fairness.toml --against last-month.json
  small groups kept out of the report, and a commitment to the counts before that
    fairsk audit predictions.csv --y-pred selected --sensitive race,sex --min-cell 10 \\
        --salt auto --json report.json

Without a bound (--min-ratio, --max-difference or --policy) nothing is judged: rates and intervals are shown.

exit status:
  0  no criterion failed, or no bound is given
  1  a criterion FAILED
  2  the command line or a file cannot be read
  3  with --strict: a criterion is INCONCLUSIVE, or none could be judged
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "audit",
        help="audit a file of predictions: rates by group, verdicts, a report",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("files", nargs="+", metavar="FILE", help="CSV or Parquet; several are one table")
    add_columns(parser).add_argument(
        "--pos-label",
        metavar="VALUE",
        help="the positive label, unless labels are 0 and 1, or true and false",
    )
    asked = parser.add_argument_group("what is asked")
    asked.add_argument(
        "--constraint",
        action="append",
        metavar="NAME[,NAME]",
        help="what should agree between groups, such as demographic_parity (the default with a bound), "
        "equal_opportunity or equalized_odds",
    )
    bound = asked.add_mutually_exclusive_group()
    bound.add_argument(
        "--min-ratio", type=float, metavar="R", help="the lowest rate is at least R times the highest"
    )
    bound.add_argument("--max-difference", type=float, metavar="D", help="rates differ by at most D")
    asked.add_argument(
        "--reference",
        action="append",
        metavar="GROUP",
        help="the group that all others are compared with; of several columns: race=White,sex=man. By "
        "default all pairs of groups are compared",
    )
    asked.add_argument("--policy", metavar="FILE", help="a fairness.toml with criteria, in place of a bound")
    asked.add_argument("--confidence", type=float, metavar="C", help="of all intervals (default: 0.95)")
    asked.add_argument(
        "--min-group-size",
        type=int,
        metavar="N",
        help="groups with fewer rows are called small (default: 30)",
    )
    asked.add_argument(
        "--strict", action="store_true", help="exit with 3 if a criterion is INCONCLUSIVE, or none is judged"
    )
    report = parser.add_argument_group("the report")
    report.add_argument(
        "--out",
        action="append",
        metavar="FILE",
        help="write the report as .html, .json or .md, by the suffix; may be given several times",
    )
    report.add_argument("--json", metavar="FILE", help="write the report as JSON")
    report.add_argument("--summary", metavar="FILE", help="append the report to FILE as Markdown")
    report.add_argument("--title", help="what stands at the top")
    report.add_argument(
        "--against",
        metavar="REPORT",
        help="say what changed since REPORT, a .json of earlier, also in --summary and beside each --out: in "
        "the same file if that is .md, else in a second one, NAME-changes.html or NAME-changes.json",
    )
    report.add_argument(
        "--min-cell",
        type=int,
        metavar="K",
        help="merge groups with fewer than K rows, so that nothing of them can be told from the report",
    )
    report.add_argument(
        "--salt",
        metavar="TEXT",
        help="print a commitment to publish, which this secret of at least 32 characters goes into; auto "
        "draws one and prints it. fairsk verify --commitment takes both",
    )
    report.add_argument(
        "--provenance",
        action="append",
        metavar="KEY=VALUE",
        help="what the report is to state of where data and model come from, such as date=2026-01-31",
    )
    report.add_argument(
        "--profile",
        action="append",
        metavar="NAME[,NAME]",
        help="add the tables of a named calculation, such as four_fifths or ll144",
    )
    report.add_argument(
        "--profile-option",
        action="append",
        metavar="[PROFILE.]KEY=VALUE",
        help="what only you know and a profile prints",
    )
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Audit what the command line asks for; return the exit status."""
    columns, constraints = Columns.from_options(options), split_names(options.constraint)
    outputs = _outputs(options)
    _check(options, constraints)
    policy = None if options.policy is None else _read_policy(options.policy)
    pos_label = options.pos_label
    if policy is not None:
        columns = replace(columns, sensitive=columns.sensitive or policy.sensitive_features)
        pos_label = policy.pos_label if pos_label is None else pos_label
    if not columns.sensitive:
        raise ValueError("name the columns of groups with --sensitive.")
    profiles = _profiles(options.profile, options.profile_option)
    provenance = _provenance(options.provenance)
    earlier = None if options.against is None else _read_earlier(options.against)

    from fairsk._cli.printing import print_report, print_tables

    with rows_in(options.files, columns, options.missing) as rows:
        from fairsk.audit import audit_predictions

        references = read_references(options.reference, columns.sensitive, rows.kinds)
        report = audit_predictions(
            **columns.arguments(),
            frame=rows.relation,
            constraint=constraints or None,
            max_difference=options.max_difference,
            min_ratio=options.min_ratio,
            reference=references,
            policy=policy,
            pos_label=read_pos_label(pos_label, columns, rows.kinds),
            profiles=_withread_references(profiles, columns.sensitive, rows.kinds),
            confidence=options.confidence,
            min_group_size=options.min_group_size,
            min_cell=options.min_cell,
            title=options.title or f"Audit of {rows.name}",
            provenance={"data": rows.name} | provenance,
        )
    changes = None
    if earlier is not None:
        from fairsk.audit import compare

        changes = compare(report, earlier)
    commitment = list(_commitment(report, options.salt))
    # Files first: what reads the standard output may close it early.
    written = list(_write_all(report, changes, outputs))
    if options.summary is not None:
        with open(options.summary, "a", encoding="utf-8", newline="\n") as file:
            file.write(_markdown(report, changes) + "\n")
    print_report(report, rows.name)
    if changes is not None:
        sys.stdout.write(f"\nSince {os.path.basename(options.against)}\n")
        print_tables(changes)
    sys.stdout.writelines([*commitment, *written])
    return _status([row.verdict for row in report.criteria], strict=options.strict)


def _status(outcomes: Sequence[str | None], *, strict: bool) -> int:
    """Return the exit status of what was found."""
    if "FAIL" in outcomes:
        return 1
    settled = "INCONCLUSIVE" not in outcomes and "PASS" in outcomes
    return 3 if strict and not settled else 0


def _check(options: argparse.Namespace, constraints: Sequence[str]) -> None:
    """Refuse, before anything is counted, what cannot be asked.

    Raises
    ------
    ValueError
        If options contradict each other, or a constraint is unknown.
    """
    from fairsk.rates import get_constraint

    has_bound = options.min_ratio is not None or options.max_difference is not None
    if options.y_pred is None and options.y_score is None:
        raise ValueError("name the column of decisions with --y-pred, or that of scores with --y-score.")
    if options.policy is not None and (has_bound or constraints or options.reference):
        raise ValueError("--policy says what is asked: leave out --constraint, bounds and --reference.")
    if options.strict and not has_bound and options.policy is None:
        raise ValueError("--strict needs a bound: --min-ratio, --max-difference or --policy.")
    if options.policy is not None and not os.path.isfile(options.policy):
        raise ValueError(f"--policy: there is no file {show(options.policy)}.")
    if options.min_group_size is not None and options.min_group_size < 0:
        raise ValueError(f"--min-group-size must not be negative; got {options.min_group_size}.")
    if options.salt not in (None, "auto") and len(options.salt) < _SHORTEST_SALT:
        raise ValueError(
            f"--salt must be a secret of at least {_SHORTEST_SALT} characters, or auto, which draws one: who "
            "can guess the salt can try counts until the commitment fits."
        )
    for name in constraints:
        constraint = get_constraint(name)
        if options.y_true is None and any(rate.needs_labels for rate in constraint.rates):
            raise ValueError(f"--constraint {name} depends on the labels: name their column with --y-true.")
    if has_bound:
        from fairsk._core.bounds import bounded_constraints

        for option, value in (
            ("--min-ratio", options.min_ratio),
            ("--max-difference", options.max_difference),
        ):
            if value is not None and not 0 <= value <= 1:
                raise ValueError(f"{option} must lie between 0 and 1; got {value:g}.")
        asked = list(constraints) or "demographic_parity"
        bounded_constraints(asked, options.max_difference, options.min_ratio)


@dataclass(frozen=True)
class _Output:
    """A file to write: the report by a method of it, and where what changed goes if it is asked for."""

    path: str
    method: str
    changes: str | None = None


def _outputs(options: argparse.Namespace) -> list[_Output]:
    """Return the files to write; an hour of counting must not end in vain.

    Raises
    ------
    ValueError
        If a suffix is none of a report, a folder is not there, or a file is one of the data, or comes twice.
    """
    outputs = []
    for path in options.out or ():
        suffix = Path(path).suffix.lower()
        if suffix not in _WRITERS:
            raise ValueError(f"--out {show(path)}: the name must end in .html, .json or .md.")
        method = _WRITERS[suffix]
        # Whoever verifies a page or JSON compares all of it: what changed stands in a file of its own.
        beside = options.against is not None and method != "to_markdown"
        stem, end = os.path.splitext(path)
        outputs.append(_Output(path, method, f"{stem}-changes{end}" if beside else None))
    if options.json is not None:
        outputs.append(_Output(options.json, "to_json"))
    reports = [one.path for one in outputs]
    for one in outputs:
        if one.changes in reports:
            raise ValueError(f"--out {show(one.path)}: what changed is written to {show(one.changes)} too.")
    paths = [*reports, *(one.changes for one in outputs if one.changes is not None)]
    for option, path in [("--summary", options.summary), *(("--out", path) for path in paths)]:
        if path is None:
            continue
        folder = os.path.dirname(path) or "."
        if not path or os.path.isdir(path) or not os.path.isdir(folder):
            raise ValueError(f"{option} {show(path)}: there is no such folder to write a file in.")
        inputs = [*options.files, options.against, options.policy]
        if any(name is not None and os.path.exists(path) and _is_same(path, name) for name in inputs):
            raise ValueError(f"{option} {show(path)} would overwrite a file that is read.")
    return outputs


def _is_same(path: str, other: str) -> bool:
    return os.path.exists(other) and os.path.samefile(path, other)


def _write_all(report: Any, changes: Any, outputs: Sequence[_Output]) -> Iterator[str]:
    """Write the report, and what changed, to every file; yield what to say of each."""
    for one in outputs:
        is_markdown = one.method == "to_markdown"
        yield _write(one.path, _markdown(report, changes) if is_markdown else getattr(report, one.method)())
        if one.changes is not None:
            yield _write(one.changes, changes.to_html() if one.method == "to_html" else _as_json(changes))


def _markdown(report: Any, changes: Any) -> str:
    """Return the report as Markdown, with what changed at its end."""
    if changes is None:
        return str(report.to_markdown())
    from fairsk._pages.markdown import render_markdown

    sections = [*report._sections(), *changes._sections()]
    return render_markdown(report.title, sections, digest=report.digest)


def _as_json(changes: Any) -> str:
    return json.dumps(changes.to_dict(), indent=2, allow_nan=False) + "\n"


def _commitment(report: Any, salt: str | None) -> Iterator[str]:
    """Yield what to publish of a report and what to keep; of one with merged groups, what not to publish."""
    merged = any(said.n_groups or said.n_strata for said in report.merged.values())
    if salt is None and merged:
        yield (
            "\nSmall groups are merged: do not publish the digest of the report beside its counts, for it\n"
            "does not bind to the counts before that. --salt auto makes a commitment that does.\n"
        )
    if salt is None:
        return
    used = secrets.token_hex(_SHORTEST_SALT // 2) if salt == "auto" else salt
    yield f"\ncommitment, to publish now: {report.commitment(used)}\n"
    if salt == "auto":
        yield f"salt, to keep for the auditor: {used}\n"
    if merged:
        yield (
            "Small groups are merged: publish the commitment alone, and not the digest of the report beside\n"
            "its counts. To check it takes the salt and the rows: fairsk verify --against FILE.\n"
        )


def _provenance(texts: Iterable[str] | None) -> dict[str, str]:
    """Return what is stated of data and model.

    Raises
    ------
    ValueError
        If it is not written ``KEY=VALUE``, or a key comes twice or is our own.
    """
    stated = dict[str, str]()
    for text in texts or ():
        key, equals, value = text.partition("=")
        if not equals or not key:
            raise ValueError(f"--provenance {show(text)}: write KEY=VALUE, such as date=2026-01-31.")
        if key in stated or key == "fairsk":  # the version: verification relies on it
            why = "is the version that made the report" if key == "fairsk" else "is given twice"
            raise ValueError(f"--provenance {show(text)}: {show(key)} {why}.")
        stated[key] = value
    return stated


def _write(path: str, text: str) -> str:
    """Write a report, and return what to say of it.

    Line ends stay as they are, on every system: each byte of a page can be checked.
    """
    data = text.encode("utf-8")
    Path(path).write_bytes(data)
    return f"wrote {path} ({max(1, round(len(data) / 1000)):,} kB)\n"


def _read_policy(path: str) -> Any:
    from fairsk.audit import FairnessPolicy

    return FairnessPolicy.from_toml(Path(path))


def _read_earlier(path: str) -> Any:
    from fairsk.audit import AuditReport

    return AuditReport.from_json(Path(path).read_bytes())


def _profiles(names: Iterable[str] | None, options: Sequence[str] | None) -> dict[str, dict[str, Any]]:
    """Return the options of each profile: texts, or what ``true``, ``false`` and lists in brackets mean.

    Raises
    ------
    ValueError
        If a profile is unknown, or an option is not written ``PROFILE.KEY=VALUE``.
    """
    profiles: dict[str, dict[str, Any]] = {name: {} for name in split_names(names)}
    if profiles:
        from fairsk.audit._profiles.profile import as_profile

        for name in profiles:
            as_profile(name)
    for text in options or ():
        key, equals, value = text.partition("=")
        owner, dot, rest = key.partition(".")
        if dot and owner in profiles:
            key = rest
        elif len(profiles) == 1:
            (owner,) = profiles
        else:
            owner = ""
        if not equals or not key or not owner:
            of = f" ({list_texts(profiles)})" if profiles else ""
            raise ValueError(
                f"--profile-option {show(text)}: write PROFILE.KEY=VALUE, with the name of a --profile{of}."
            )
        is_plain = value not in ("true", "false") and not value.startswith("[")
        try:
            profiles[owner][key.replace("-", "_")] = value if is_plain else json.loads(value)
        except ValueError:
            raise ValueError(f"--profile-option {show(text)}: a list is written [0.1, 0.5].") from None
    return profiles


def _withread_references(
    profiles: Mapping[str, Mapping[str, Any]],
    sensitive: Sequence[str],
    kinds: Mapping[str, str],
) -> dict[str, dict[str, Any]]:
    """Return the options of profiles, in which references are read as --reference is."""
    completed = dict[str, dict[str, Any]]()
    for name, options in profiles.items():
        completed[name] = dict(options)
        if isinstance(options.get("reference"), str):
            completed[name]["reference"] = read_references([options["reference"]], sensitive, kinds)
    return completed
