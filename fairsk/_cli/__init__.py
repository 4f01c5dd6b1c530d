"""The command line: ``fairsk demo``, or ``python -m fairsk demo``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from fairsk.rates import CONSTRAINTS

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Read the command line and run what it asks for; return the exit status."""
    parser = argparse.ArgumentParser(prog="fairsk", description="Make classifiers fair inside scikit-learn.")
    commands = parser.add_subparsers(dest="command", required=True)
    demo = commands.add_parser(
        "demo", help="compare all of fairsk's approaches on bundled data, in under two minutes"
    )
    demo.add_argument("--data", choices=("adult", "german_credit"), default="adult", help="which data")
    demo.add_argument("--sensitive", default="sex", help="column, or columns: race,sex (default: sex)")
    demo.add_argument(
        "--constraint", choices=tuple(CONSTRAINTS), default="demographic_parity", help="what should agree"
    )
    demo.add_argument("--max-difference", type=float, default=0.05, help="the bound (default: 0.05)")
    demo.add_argument("--seed", type=int, default=0, help="seed of the split and the net (default: 0)")
    options = parser.parse_args(arguments)

    from fairsk._cli.demo import run

    try:
        run(
            data=options.data,
            sensitive=[name.strip() for name in options.sensitive.split(",")],
            constraint=options.constraint,
            max_difference=options.max_difference,
            seed=options.seed,
        )
    except (ValueError, ImportError) as error:
        parser.exit(2, f"fairsk: {error}\n")
    return 0
