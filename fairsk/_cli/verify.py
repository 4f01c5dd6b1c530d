"""``fairsk verify``: what in a report does not follow from the counts inside."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from fairsk._cli.columns import Columns, add_columns, rows_in
from fairsk._cli.words import in_options
from fairsk._core.messages import show

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Recompute a report, a .json or .html that fairsk audit wrote, from the counts inside, and name every number
that does not follow. With --against, count the rows again, too: those of the file that was audited.
"""

_EPILOG = """\
examples:
  fairsk verify report.html
  fairsk verify report.json --against predictions.parquet

What a report only states (its title, where the data came from) cannot be recomputed; its digest covers it.

exit status:
  0  everything follows from the counts
  1  something does not
  2  a file cannot be read
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "verify",
        help="recompute every number of a report from the counts inside",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("report", metavar="REPORT", help="a .json or .html report")
    parser.add_argument(
        "--against", nargs="+", metavar="FILE", help="the CSV or Parquet files that were audited"
    )
    parser.add_argument("--commitment", metavar="DIGEST", help="a digest that was published elsewhere")
    parser.add_argument("--salt", default="", help="the salt of that digest")
    add_columns(parser, "columns, where the report does not say them")
    parser.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Verify a report; return the exit status."""
    path = Path(options.report)
    _refuse_other_files(path)

    from fairsk.audit import verify
    from fairsk.audit._report.verification import read_report

    published = {"commitment": options.commitment, "salt": options.salt}
    if options.against is None:
        checked = verify(path, **published)
    elif checked := verify(path):
        # The document follows from itself: what it says of its columns is its own.
        settings = read_report(path).document["settings"]
        columns = Columns.from_options(options)
        if not columns.sensitive:
            columns = Columns.from_settings(settings["columns"] or {})
        with rows_in(options.against, columns, options.missing) as rows:
            checked = verify(path, against=rows.relation, columns=columns.arguments(), **published)
    # Findings name places in the document, which are no parameters.
    sys.stdout.write(f"{in_options(str(checked)) if checked else checked}\n")
    return checked.exit_code


def _refuse_other_files(path: Path) -> None:
    """Refuse what begins neither as JSON nor as a page, such as a report written as Markdown.

    Raises
    ------
    ValueError
        If it does.
    """
    if path.is_file():
        with path.open("rb") as file:
            start = file.read(1024).removeprefix(b"\xef\xbb\xbf").lstrip()
        if start[:1] not in (b"{", b"<"):
            raise ValueError(f"{show(str(path))} is no report of fairsk: give its .json or .html.")
