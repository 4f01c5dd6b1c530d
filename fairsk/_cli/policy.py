"""``fairsk policy check``: whether a fairness policy can be read, and what it leaves open."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

__all__ = ["add_parser", "run"]

_DESCRIPTION = """\
Read a fairness policy, a TOML file that says what an organisation promises about the decisions of a model;
show what it promises and what it leaves open. Every mistake is named with its line.
"""

_EPILOG = """\
examples:
  fairsk policy check fairness.toml
  fairsk policy check fairness.toml --out policy.html

exit status:
  0  the policy can be read; what it leaves open is listed
  2  it cannot
"""


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the command to the command line."""
    text = "check a fairness policy, and make a page of it"
    parser = commands.add_parser("policy", help=text, description=text)
    actions = parser.add_subparsers(title="actions", dest="action", required=True, metavar="ACTION")
    check = actions.add_parser(
        "check",
        help="show what a policy promises and what it leaves open",
        description=_DESCRIPTION,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    check.add_argument("policy", metavar="FILE", help="the policy, such as fairness.toml")
    check.add_argument("--out", metavar="PAGE", help="a page to write: .html, or .md for Markdown")
    check.set_defaults(run=run)


def run(options: argparse.Namespace) -> int:
    """Check a policy; return the exit status.

    Parameters
    ----------
    options : namespace
        The path of the policy, ``policy``, and of a page to write, ``out``, or None.

    Returns
    -------
    int
        0; a policy that cannot be read raises.
    """
    out = None if options.out is None else Path(options.out)
    if out is not None and out.suffix not in (".html", ".md"):
        raise ValueError(f"--out {options.out!r:.200} must end with .html or .md.")
    from fairsk.audit import FairnessPolicy

    policy = FairnessPolicy.from_toml(Path(options.policy))
    gaps = policy.gaps()
    lines = [str(policy), ""]
    lines += ["Left open", *(f"- {gap}" for gap in gaps)] if gaps else ["Nothing is left open."]
    if out is not None:
        out.write_text(policy.to_html() if out.suffix == ".html" else policy.to_markdown(), encoding="utf-8")
        lines += ["", f"Written: {out}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return 0
