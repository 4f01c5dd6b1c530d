"""``fairsk monitor``: a tolerance tested day by day, from files in a cron job, on pages, as a service."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from fairsk._cli.adding import add, create
from fairsk._cli.batches import add_reading
from fairsk._cli.concerns import add_secret
from fairsk._cli.showing import page, serve, show_monitors

__all__ = ["add_parser"]

_DESCRIPTION = """\
Test, batch by batch, whether a tolerance between groups is kept, with alarms that are wrong at most once in
1 / alpha monitors, however long they run. A monitor is a file, STATE, that holds counts and no rows.
"""

_EPILOG = """\
examples:
  a monitor of four fifths of the highest rate, and which columns of the files of each day are what
    fairsk monitor create loans.json --constraint demographic_parity --min-ratio 0.8 \\
        --y-pred approved --sensitive sex --name "Loans"
  what a cron job adds every night; it prints something only if an alarm stands
    fairsk monitor add loans.json day.csv --batch 2026-11-26 --quiet
  a file with the days of months
    fairsk monitor add loans.json decisions.csv --by-column day --before 2026-11-26 --skip-known
  how it stands, for people, for programs, on a page
    fairsk monitor show loans.json
    fairsk monitor show loans.json hires.json --json
    fairsk monitor page loans.json hires.json --out monitors.html
  the page, metrics for Prometheus, and concerns, as a service
    fairsk monitor serve loans.json hires.json --concerns concerns.db --port 8000
  a simulated year with a drift in the middle
    fairsk monitor demo

exit status:
  0  no alarm stands
  1  an alarm stands: the tolerance was not kept since the start, or is not kept lately (add, show)
  2  the command line or a file cannot be read, or a batch was added before
  3  with --strict: it is not shown, so far, that the tolerance is kept (add, show)
"""

_CREATE = """\
Make the file of a monitor. What it tests is fixed from now on; columns that are named here are remembered, so
that the lines that add batches are short. Name them here, or with the first batch.
"""

_ADD = """\
Count closed batches and add them to a monitor: files as CSV or Parquet, which are counted as fairsk audit
counts them, or counts that another engine has made. A batch is counted once, and never changed; rows that
come late are a batch of their own. Several processes may add to one file: each waits for the others.
"""

_ADD_EPILOG = """\
examples:
  fairsk monitor add loans.json day.csv --batch 2026-11-26 --y-pred approved --sensitive sex
  fairsk monitor add loans.json decisions.csv --by-column day --before 2026-11-26 --skip-known --quiet
  fairsk monitor add loans.json --counts counts.json --batch 2026-11-27

What names no option is read from the columns that were named when the monitor was made, or with its first
batch. An option that names another one holds for this time, and with --remember from now on.

exit status:
  0  no alarm stands
  1  an alarm stands
  2  the command line or a file cannot be read, or a batch was added before: nothing was added
  3  with --strict: it is not shown, so far, that the tolerance is kept
"""

_DEMO = """\
Simulate a year of decisions on bundled census data. In the middle a share of the approvals of women is lost.
Three monitors watch it, the page is served, and Prometheus is asked for its alerts, where they are installed.
All that was started ends with the demo; the files stay.
"""

_DEMO_EPILOG = """\
exit status:
  0  every monitor alarmed after the drift, and none before
  1  one did not
  2  the command line cannot be read, or something is not installed
"""

_PORT = 8000
_TITLE = "Fairness monitors"


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "monitor",
        help="test a tolerance day by day: create, add, show, page, serve, demo",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    for add_action in (_add_create, _add_add, _add_show, _add_page, _add_serve, _add_demo):
        add_action(actions)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
    **more: Any,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(
        name,
        help=text,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        **({"description": f"{text[0].upper()}{text[1:]}."} | more),
    )
    parser.set_defaults(run=run)
    return parser


def _add_create(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "create", create, "make the file of a monitor", description=_CREATE)
    parser.add_argument("state", metavar="STATE", help="the file, such as loans.json")
    asked = parser.add_argument_group("what is tested")
    asked.add_argument(
        "--constraint",
        metavar="NAME",
        default="demographic_parity",
        help="what should agree between groups, such as equal_opportunity, or the name of a rate (default: "
        "demographic_parity)",
    )
    bound = asked.add_mutually_exclusive_group(required=True)
    bound.add_argument(
        "--min-ratio", type=float, metavar="R", help="the lowest rate is at least R times the highest"
    )
    bound.add_argument("--max-difference", type=float, metavar="D", help="rates differ by at most D")
    asked.add_argument(
        "--reference",
        action="append",
        metavar="GROUP",
        help="the group that all others are compared with; of several columns: race=White,sex=man",
    )
    asked.add_argument(
        "--alpha",
        type=float,
        metavar="A",
        help="the probability that the test ever raises a false alarm (default: 0.05)",
    )
    asked.add_argument(
        "--mean-batches-between-false-alarms",
        type=float,
        metavar="N",
        help="of the detector of changes (default: 1000)",
    )
    asked.add_argument(
        "--prior",
        nargs="+",
        metavar="FILE",
        help="the audit before deployment, a report.json or tables: what they let expect is noticed sooner",
    )
    parser.add_argument("--name", default="", help="what the monitor is called on pages")
    add_reading(parser, "columns of the files that will be added")


def _add_add(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(
        actions, "add", add, "count closed batches and add them", description=_ADD, epilog=_ADD_EPILOG
    )
    parser.add_argument("state", metavar="STATE", help="the file of a monitor")
    parser.add_argument("files", nargs="*", metavar="FILE", help="CSV or Parquet; several are one table")
    parser.add_argument(
        "--counts", metavar="FILE", help="in place of tables: JSON of GroupCounts.to_state(); - is the input"
    )
    batch = parser.add_argument_group("batches")
    which = batch.add_mutually_exclusive_group(required=True)
    which.add_argument("--batch", metavar="ID", help="what the batch is called, such as 2026-11-26")
    which.add_argument(
        "--by-column",
        metavar="COLUMN",
        help="each value of this column is a batch, in their order. The last may still grow, and is left out",
    )
    until = batch.add_mutually_exclusive_group()
    until.add_argument("--before", metavar="ID", help="with --by-column: batches before this one are closed")
    until.add_argument("--last-too", action="store_true", help="with --by-column: the last one is closed too")
    batch.add_argument(
        "--skip-known",
        action="store_true",
        help="pass over batches that were added before, which is an error else",
    )
    add_reading(parser, "columns, where the monitor does not know them yet, or others")
    parser.add_argument(
        "--remember",
        action="store_true",
        help="read files with these columns from now on, not only this time",
    )
    _add_status(parser)
    parser.add_argument(
        "--timeout",
        type=float,
        default=60.0,
        metavar="S",
        help="for how many seconds to wait for other processes (default: 60)",
    )


def _add_show(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "show", show_monitors, "say how monitors stand")
    parser.add_argument("states", nargs="+", metavar="STATE", help="files of monitors")
    parser.add_argument("--json", action="store_true", help="print all they hold, as JSON")
    _add_status(parser)


def _add_page(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "page", page, "write a page of monitors")
    parser.add_argument("states", nargs="+", metavar="STATE", help="files of monitors")
    parser.add_argument("--out", required=True, metavar="PAGE", help="the page: .html, or .md for Markdown")
    parser.add_argument("--title", default=_TITLE, help="what stands at the top")
    parser.add_argument("--concerns", metavar="DB", help="a file of concerns, whose numbers are shown")


def _add_serve(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(actions, "serve", serve, "serve the page, metrics for Prometheus, and concerns")
    parser.add_argument("states", nargs="*", metavar="STATE", help="files of monitors")
    parser.add_argument("--title", default=_TITLE, help="what stands at the top")
    parser.add_argument("--host", default="127.0.0.1", help="where to listen (default: 127.0.0.1)")
    parser.add_argument("--port", type=int, default=_PORT, help=f"the port (default: {_PORT}; 0: a free one)")
    concerns = parser.add_argument_group("concerns")
    concerns.add_argument(
        "--concerns",
        metavar="DB",
        help="take concerns, and keep them in this file, which is made if it is not there",
    )
    add_secret(concerns)
    concerns.add_argument(
        "--group", action="append", metavar="GROUP[,GROUP]", help="the groups that a sender may declare"
    )
    concerns.add_argument(
        "--store-text", action="store_true", help="take texts, too, which may hold what is personal"
    )


def _add_demo(actions: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = _action(
        actions,
        "demo",
        _run_demo,
        "watch a simulated year with a drift in the middle",
        description=_DEMO,
        epilog=_DEMO_EPILOG,
    )
    parser.add_argument(
        "--seconds", type=float, default=20.0, metavar="S", help="how long the year takes (default: 20)"
    )
    parser.add_argument(
        "--folder", metavar="FOLDER", help="new or empty, for the files (default: a temporary one, kept)"
    )
    parser.add_argument("--seed", type=int, default=0, help="seed of the year (default: 0)")
    parser.add_argument("--no-services", action="store_true", help="start neither service nor Prometheus")
    parser.add_argument(
        "--pictures", metavar="FOLDER", help="draw the pages at the end, where Chromium is installed"
    )


def _run_demo(options: argparse.Namespace) -> int:
    from fairsk._cli.monitor_demo import run  # needs half the library

    return run(
        folder=options.folder,
        seconds=options.seconds,
        seed=options.seed,
        services=not options.no_services,
        pictures=options.pictures,
    )


def _add_status(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--quiet", action="store_true", help="print nothing unless an alarm stands")
    parser.add_argument(
        "--strict", action="store_true", help="exit with 3 while it is not shown that the tolerance is kept"
    )
