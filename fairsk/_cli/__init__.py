"""The command line, ``fairsk audit`` and its like, also as ``python -m fairsk``."""

from __future__ import annotations

import argparse
import importlib
import io
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from fairsk._cli.words import in_options

__all__ = ["main"]

#: The modules of the commands, which import late what takes long: --help comes at once.
_COMMANDS = ("audit", "verify", "policy", "monitor", "concerns")

_EPILOG = """\
examples:
  fairsk audit predictions.csv --y-true hired --y-pred selected --sensitive race,sex \\
      --constraint demographic_parity --min-ratio 0.8 --out report.html
  fairsk verify report.html
  fairsk policy check fairness.toml
  fairsk monitor add loans.json day.csv --batch 2026-11-26
  fairsk concerns list concerns.db
  fairsk demo --sensitive race,sex

exit status:
  0  done; nothing that was asked for failed
  1  a criterion FAILED (audit), an alarm stands (monitor), or something does not follow (verify)
  2  the command line, or a file, cannot be read
  3  nothing failed, and not all is shown to hold (audit and monitor, with --strict)
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run what it asks for; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.run
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # names of groups may hold what the terminal cannot show
            stream.reconfigure(errors="backslashreplace")
    try:
        with _warnings_as_notes():
            return command(options)
    except BrokenPipeError:  # whoever reads our output has closed it, as `head` does
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except (ValueError, TypeError, ImportError, OSError, MemoryError) as error:
        parser.exit(2, f"fairsk: {_sentence(error)}\n")
    except KeyboardInterrupt:
        parser.exit(130, "fairsk: stopped\n")


def _parser() -> argparse.ArgumentParser:
    from fairsk import __version__

    parser = argparse.ArgumentParser(
        prog="fairsk",
        description="Audit the decisions of a classifier, check such an audit, watch decisions day by day, "
        "and make classifiers fair.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"fairsk {__version__}")
    commands = parser.add_subparsers(title="commands", dest="command", required=True, metavar="COMMAND")
    for name in _COMMANDS:
        importlib.import_module(f"fairsk._cli.{name}").add_parser(commands)
    _add_demo(commands)
    return parser


def _add_demo(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the demo, whose own module needs half the library."""
    from fairsk.rates import CONSTRAINTS

    text = "compare all of fairsk's approaches on bundled data, in under two minutes"
    demo = commands.add_parser("demo", help=text, description=text)
    demo.add_argument("--data", choices=("adult", "german_credit"), default="adult", help="which data")
    demo.add_argument("--sensitive", default="sex", help="column, or columns: race,sex (default: sex)")
    demo.add_argument(
        "--constraint", choices=tuple(CONSTRAINTS), default="demographic_parity", help="what should agree"
    )
    demo.add_argument("--max-difference", type=float, default=0.05, help="the bound (default: 0.05)")
    demo.add_argument("--seed", type=int, default=0, help="seed of the split and the net (default: 0)")
    demo.set_defaults(run=_run_demo)


def _run_demo(options: argparse.Namespace) -> int:
    from fairsk._cli.demo import run

    run(
        data=options.data,
        sensitive=[name.strip() for name in options.sensitive.split(",")],
        constraint=options.constraint,
        max_difference=options.max_difference,
        seed=options.seed,
    )
    return 0


def _sentence(error: BaseException) -> str:
    """Say in a sentence what went wrong."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.strerror}: {error.filename!r}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return "there is not enough memory."
    return in_options(str(error)) or type(error).__name__


@contextmanager
def _warnings_as_notes() -> Iterator[None]:
    """Print warnings as notes on the standard error stream, each once, with no line of code beside it."""
    with warnings.catch_warnings(record=True) as recorded:
        warnings.simplefilter("always")
        try:
            yield
        finally:
            for note in dict.fromkeys(str(warning.message) for warning in recorded if _is_ours(warning)):
                sys.stderr.write(f"note: {in_options(note)}\n")


def _is_ours(warning: warnings.WarningMessage) -> bool:
    """Return whether a warning is one that the user can do something about."""
    return not issubclass(warning.category, DeprecationWarning | PendingDeprecationWarning | ResourceWarning)
