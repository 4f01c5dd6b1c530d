"""How monitors stand: on the terminal, on a page, as a service, and as the exit status of a command."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from fairsk._cli.columns import split_names
from fairsk._cli.concerns import open_log, read_secret
from fairsk._core.messages import show

__all__ = ["exit_status", "is_alarm", "page", "say", "sentences_of", "serve", "show_monitors"]


def show_monitors(options: argparse.Namespace) -> int:
    """Say how monitors stand."""
    monitors, unread = _read(options.states)
    if options.json:
        from fairsk._core.canonical import indented, plain_numbers

        said = [{"file": path, **monitor.to_dict()} for path, monitor in monitors.items()]
        sys.stdout.write(indented(plain_numbers({"monitors": said, "unread": unread})) + "\n")
    else:
        shown = {
            path: monitor for path, monitor in monitors.items() if not options.quiet or is_alarm(monitor)
        }
        for place, (path, monitor) in enumerate(shown.items()):
            heading = [] if len(options.states) == 1 else [*([""] if place else []), path]
            say([*heading, *sentences_of(monitor)])
    if unread:
        raise ValueError(" ".join(unread.values()))
    return exit_status(monitors.values(), strict=options.strict)


def _read(paths: Sequence[str]) -> tuple[dict[str, Any], dict[str, str]]:
    """Return the monitors in files, and why others cannot be read: one broken file hides no alarm."""
    from fairsk._cli.words import in_options
    from fairsk.monitoring._files import read_monitor

    monitors, unread = dict[str, Any](), dict[str, str]()
    for path in dict.fromkeys(paths):
        try:
            monitors[path] = read_monitor(path)
        except (ValueError, OSError) as error:
            said = error.strerror if isinstance(error, OSError) else None
            reason = f"{said}: {show(path)}." if said else str(error)
            unread[path] = in_options(reason)
    return monitors, unread


def page(options: argparse.Namespace) -> int:
    """Write the page of monitors."""
    from fairsk.monitoring._dashboard.page import monitors_markdown, monitors_page
    from fairsk.monitoring._files import read_monitor, replace_file

    suffix = os.path.splitext(options.out)[1].casefold()
    if suffix not in (".html", ".htm", ".md"):
        raise ValueError(f"--out {show(options.out)}: the name must end in .html or .md.")
    folder = os.path.dirname(options.out) or "."
    if os.path.isdir(options.out) or not os.path.isdir(folder):
        raise ValueError(f"--out {show(options.out)}: there is no such folder to write a file in.")
    if any(
        os.path.exists(path) and os.path.realpath(path) == os.path.realpath(options.out)
        for path in options.states
    ):
        raise ValueError(f"--out {show(options.out)} would overwrite a file that is read.")
    monitors = _called({path: read_monitor(path) for path in options.states})
    with ExitStack() as stack:
        log = (
            None if options.concerns is None else stack.enter_context(open_log(options.concerns, mode="read"))
        )
        write = monitors_markdown if suffix == ".md" else monitors_page
        text = write(monitors, title=options.title, concerns=log)
    data = text.encode("utf-8")
    replace_file(options.out, data)  # a server may read it meanwhile
    sys.stdout.write(f"wrote {options.out} ({max(1, round(len(data) / 1000)):,} kB)\n")
    return 0


def _called(monitors: Mapping[str, Any]) -> dict[str, Any]:
    """Return monitors by what they are called: their names, or else their files."""
    names = [monitor.name or os.path.basename(path) for path, monitor in monitors.items()]
    if len(set(names)) < len(names):
        names = [f"{monitor.name or 'monitor'} ({path})" for path, monitor in monitors.items()]
    return dict(zip(names, monitors.values(), strict=True))


def serve(options: argparse.Namespace) -> int:
    """Serve monitors and concerns until the process is stopped."""
    if not options.states and options.concerns is None:
        raise ValueError("name files of monitors, or a file of concerns with --concerns.")
    asked = (options.secret_file, options.group, options.store_text or None)
    if options.concerns is None and any(one is not None for one in asked):
        raise ValueError(
            "--secret-file, --group and --store-text are about concerns: name their file with --concerns."
        )
    from fairsk._cli.service import listen, run_service

    listening = listen(options.host, options.port)
    from fairsk.monitoring._service import app

    with ExitStack() as stack:
        log = None
        if options.concerns is not None:
            secret = read_secret(options.secret_file)
            if secret is None:
                sys.stderr.write("note: without --secret-file or FAIRSK_SECRET, tickets are refused.\n")
            opened = open_log(
                options.concerns,
                mode="create",
                secret=secret,
                groups=tuple(split_names(options.group)),
                store_text=options.store_text,
            )
            log = stack.enter_context(opened)
        application = app(options.states, concerns=log, title=options.title)
        run_service(
            application, listening, ["/", "/metrics", "/healthz", *(["/concerns/form"] if log else [])]
        )
    return 0


def exit_status(monitors: Collection[Any], *, strict: bool) -> int:
    """Return the exit status of how monitors stand."""
    if any(map(is_alarm, monitors)):
        return 1
    return 3 if strict and any(monitor.outcome != "PASS" for monitor in monitors) else 0


def is_alarm(monitor: Any) -> bool:
    """Whether an alarm stands, of the test or of the detector of changes."""
    # An outcome takes the confidence sequences of all pairs of groups, and nobody needs them for this.
    return monitor.alarm is not None or monitor.change is not None


def sentences_of(monitor: Any) -> list[str]:
    """Say how a monitor stands."""
    return str(monitor).splitlines()


def say(lines: Sequence[str]) -> None:
    """Print lines."""
    from fairsk._cli.printing import print_lines

    print_lines(lines)
