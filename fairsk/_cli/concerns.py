"""``fairsk concerns``: what those who answer concerns do with the file of them."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from fairsk._core.messages import shorten, show

__all__ = ["add_parser", "open_log", "read_secret"]

_DESCRIPTION = """\
Look through concerns about decisions, answer them, and check that nobody has changed what was stored. DB is
the file that fairsk monitor serve --concerns DB keeps.
"""

_EPILOG = """\
examples:
  what has come, and what is not answered yet
    fairsk concerns list concerns.db --state received
  that somebody looks at the first one, and what came of it
    fairsk concerns answer concerns.db 1 --state "in review"
    fairsk concerns answer concerns.db 1 --state answered --reason "data corrected"
  whether the file holds, against the head that was published last month
    fairsk concerns verify concerns.db
  a table for a spreadsheet
    fairsk concerns export concerns.db --out concerns.csv
  the ticket that goes out with a decision
    fairsk concerns ticket concerns.db loan-4711 --batch 2026-11-26 --secret-file ticket.secret

A secret is read from a file, or from the environment variable FAIRSK_SECRET, and never from the command line,
which everybody on the machine can see.

exit status:
  0  done; what was checked holds
  1  something in the file does not hold (verify)
  2  the command line or a file cannot be read
"""

#: The environment variable that holds the secret of tickets.
SECRET_VARIABLE = "FAIRSK_SECRET"
_STATES = ("received", "in review", "answered")
_REASONS = (
    "decision corrected",
    "decision confirmed",
    "data corrected",
    "system changed",
    "explanation given",
    "passed on",
    "not about this system",
    "not enough information",
    "duplicate",
    "withdrawn",
)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    parser = commands.add_parser(
        "concerns",
        help="list and answer concerns about decisions, and verify the file of them",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    listed = _action(actions, "list", _list, "list concerns, for those who answer them")
    listed.add_argument("--state", action="append", choices=_STATES, help="those in this state alone")
    listed.add_argument("--json", action="store_true", help="print them as JSON")
    answer = _action(actions, "answer", _answer, "change the state of a concern")
    answer.add_argument("number", type=int, metavar="NUMBER", help="its number, as list shows it")
    answer.add_argument("--state", required=True, choices=_STATES[1:], help="how far it has come now")
    answer.add_argument(
        "--reason", choices=_REASONS, metavar="REASON", help=f"of an answer: {', '.join(_REASONS)}"
    )
    verify = _action(actions, "verify", _verify, "find what was changed, removed, or written anew")
    verify.add_argument(
        "--anchor",
        metavar="N:LINK",
        help="a head that this command printed earlier, and that was kept where nobody could change it",
    )
    export = _action(actions, "export", _export, "write concerns as CSV that no spreadsheet runs")
    export.add_argument("--out", required=True, metavar="FILE", help="the file, a .csv")
    export.add_argument("--state", action="append", choices=_STATES, help="those in this state alone")
    ticket = _action(actions, "ticket", _ticket, "print the ticket that goes out with a decision")
    ticket.add_argument(
        "decision", metavar="DECISION", help="what names the decision: 1 to 64 letters, digits, _.:-"
    )
    ticket.add_argument(
        "--batch", default="", metavar="ID", help="the batch in which the decision is counted"
    )
    add_secret(ticket)


def _action(
    actions: argparse._SubParsersAction[argparse.ArgumentParser],
    name: str,
    run: Callable[[argparse.Namespace], int],
    text: str,
) -> argparse.ArgumentParser:
    parser = actions.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.")
    parser.add_argument("db", metavar="DB", help="the file of concerns")
    parser.set_defaults(run=run)
    return parser


def add_secret(parser: argparse._ActionsContainer) -> None:
    """Add the option that says where the secret of tickets is."""
    parser.add_argument(
        "--secret-file",
        metavar="FILE",
        help=f"the file with the secret of tickets; without it, the variable {SECRET_VARIABLE} has it",
    )


def read_secret(path: str | None) -> bytes | None:
    """Return the secret of tickets, from a file or from the environment; None if there is none.

    Raises
    ------
    ValueError
        If the file is empty.

    Warns
    -----
    UserWarning
        If everybody may read the file.
    """
    if path is None:
        return (
            os.environb.get(SECRET_VARIABLE.encode()) or None if os.supports_bytes_environ else _from_text()
        )
    with open(path, "rb") as file:
        secret = file.read().strip()
        mode = os.fstat(file.fileno()).st_mode
    if not secret:
        raise ValueError(f"--secret-file {show(path)} is empty.")
    if os.name == "posix" and mode & (stat.S_IROTH | stat.S_IWOTH):
        from fairsk._core.warnings import warn_user

        warn_user(f"Everybody on this machine may read {show(path)}, and so make tickets: chmod 600 helps.")
    return secret


def _from_text() -> bytes | None:
    return os.environ.get(SECRET_VARIABLE, "").encode() or None


@contextmanager
def open_log(
    path: str, *, mode: Literal["create", "write", "read"] = "write", **options: Any
) -> Iterator[Any]:
    """Open a file of concerns for as long as it is used.

    Raises
    ------
    ValueError
        If it is no such file, or the disk does not do what it should.
    """
    import sqlite3

    from fairsk.monitoring._concerns import ConcernLog

    try:
        with ConcernLog(path, mode=mode, **options) as log:
            yield log
    except sqlite3.Error as error:
        raise ValueError(f"{show(path)} cannot be used: {shorten(str(error), 200)}.") from None


def _list(options: argparse.Namespace) -> int:
    with open_log(options.db, mode="read") as log:
        found = log.concerns(states=options.state or _STATES)
    if options.json:
        from fairsk._core.canonical import indented, plain_numbers

        sys.stdout.write(indented(plain_numbers(found.to_dict())) + "\n")
    else:
        from fairsk._cli.printing import print_tables

        print_tables(found)
    return 0


def _answer(options: argparse.Namespace) -> int:
    with open_log(options.db) as log:
        status = log.answer(options.number, options.state, reason=options.reason)
    reason = "" if status.reason is None else f", {status.reason}"
    sys.stdout.write(f"concern {status.number}: {status.state}{reason}, since {status.since}\n")
    return 0


def _verify(options: argparse.Namespace) -> int:
    from fairsk._cli.printing import print_lines

    with open_log(options.db, mode="read") as log:
        findings = log.verify(_anchor(options.anchor))
        number, link = log.head()
    if findings:
        print_lines([f"The file does not hold: {len(findings):,} found.", *(f"- {one}" for one in findings)])
        return 1
    print_lines([f"The file holds: {number:,} links follow from each other."])
    # Not wrapped: it is to be copied.
    sys.stdout.write(f"head, to publish now and to verify against later: {number}:{link}\n")
    return 0


def _anchor(text: str | None) -> tuple[int, str] | None:
    """Return the head that a text says.

    Raises
    ------
    ValueError
        If it says none.
    """
    if text is None:
        return None
    named = re.fullmatch(r"(\d{1,18}):([0-9a-f]{64}|)", text.strip())
    if named is None:
        raise ValueError(f"--anchor {show(text)}: write N:LINK, as fairsk concerns verify printed it.")
    return int(named[1]), named[2]


def _export(options: argparse.Namespace) -> int:
    if not options.out.casefold().endswith(".csv"):
        raise ValueError(f"--out {show(options.out)}: the name must end in .csv.")
    if (
        os.path.exists(options.out)
        and os.path.exists(options.db)
        and os.path.samefile(options.out, options.db)
    ):
        raise ValueError(f"--out {show(options.out)} would overwrite the file that is read.")
    with open_log(options.db, mode="read") as log:
        n = log.to_csv(Path(options.out), **({"states": options.state} if options.state else {}))
    sys.stdout.write(f"wrote {options.out} ({n:,} {'concern' if n == 1 else 'concerns'})\n")
    return 0


def _ticket(options: argparse.Namespace) -> int:
    secret = read_secret(options.secret_file)
    if secret is None:
        raise ValueError(
            f"A ticket takes a secret: name its file with --secret-file, or set {SECRET_VARIABLE}."
        )
    with open_log(options.db, mode="read", secret=secret) as log:
        sys.stdout.write(f"{log.ticket(options.decision, batch=options.batch)}\n")
    return 0
