"""What monitors say: the dashboard, the metrics, and whether all can be read."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Callable, Hashable
from html import escape, unescape
from typing import TYPE_CHECKING

from fairsk._core.messages import shorten
from fairsk.monitoring._service.answers import Answer, html_answer, json_answer, text_answer
from fairsk.monitoring._service.monitor_files import MonitorFiles, Readings

if TYPE_CHECKING:
    from fairsk.monitoring._concerns import ConcernLog

__all__ = ["MonitorViews"]

_LOGGER = logging.getLogger("fairsk.monitoring")

_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">')
_LONGEST_NAME = 100
#: Failures that a page lists; a page for people is no log.
_MOST_FAILURES = 20
_STATES_HELP = (
    "# HELP fairsk_state_readable Whether the state file of a monitor could be read.\n"
    "# TYPE fairsk_state_readable gauge\n"
)


class MonitorViews:
    """Answers about monitors, and about concerns as far as they are shown with them.

    Each is made in one thread at a time, and kept for as long as nothing changes.

    Parameters
    ----------
    files : MonitorFiles
        The state files.
    concerns : ConcernLog or None
        The log of concerns.
    title : str
        The heading of the dashboard.
    min_cell : int
        The least number of decisions by which two texts for Prometheus differ.
    """

    def __init__(self, files: MonitorFiles, concerns: ConcernLog | None, title: str, min_cell: int) -> None:
        self.files, self.concerns, self.title, self.min_cell = files, concerns, title, min_cell
        self._kept: dict[str, tuple[Hashable, Answer]] = {}

    def page(self) -> Answer:
        """Answer with the dashboard."""
        readings, version = self._now()
        return self._keep("page", version, lambda: self._page(readings))

    def metrics(self) -> Answer:
        """Answer with the text for Prometheus."""
        readings, version = self._now()
        return self._keep("metrics", version, lambda: self._metrics(readings))

    def summary(self) -> Answer:
        """Answer with the numbers of concerns, small ones hidden."""
        assert self.concerns is not None
        concerns = self.concerns
        return self._keep("summary", concerns.head(), lambda: json_answer(200, concerns.summary().to_dict()))

    def health(self) -> Answer:
        """Answer whether the state files and the log of concerns can be read."""
        readings = self.files.read()
        failures = [f"{name}: {reason}" for name, reason in readings.failures]
        if self.concerns is not None:
            try:
                self.concerns.head()
            except sqlite3.Error as error:
                _LOGGER.error("The log of concerns cannot be read: %s", error)
                failures.append("The log of concerns cannot be read.")
        said = {"ok": not failures, "monitors": len(readings.monitors), "failures": failures}
        return json_answer(503 if failures else 200, said)

    def _now(self) -> tuple[Readings, Hashable]:
        readings = self.files.read()
        return readings, (readings.versions, None if self.concerns is None else self.concerns.head())

    def _keep(self, name: str, version: Hashable, make: Callable[[], Answer]) -> Answer:
        kept = self._kept.get(name)
        if kept is None or kept[0] != version:
            kept = self._kept[name] = (version, make())
        return kept[1]

    def _page(self, readings: Readings) -> Answer:
        from fairsk.monitoring._dashboard.page import monitors_page

        page = monitors_page(readings.monitors, title=self.title, concerns=self.concerns)
        policy = _POLICY.search(page)
        assert policy is not None, "every page has a policy"
        return html_answer(200, _with_failures(page, readings.failures), unescape(policy[1]))

    def _metrics(self, readings: Readings) -> Answer:
        from fairsk.monitoring._prometheus.exposition import CONTENT_TYPE, escaped, exposition

        text = exposition(readings.monitors, min_cell=self.min_cell, concerns=self.concerns)
        if readings.names:
            failed = {name for name, _ in readings.failures}
            text += _STATES_HELP + "".join(
                f'fairsk_state_readable{{file="{escaped(name)}"}} {int(name not in failed)}\n'
                for name in readings.names
            )
        return text_answer(200, text, CONTENT_TYPE)


def _with_failures(page: str, failures: tuple[tuple[str, str], ...]) -> str:
    """Say at the top of a page which monitors are missing on it."""
    if not failures:
        return page
    lines = [
        f"<p><strong>{escape(shorten(name, _LONGEST_NAME))}</strong> could not be read, and is missing here: "
        f"{escape(reason)}</p>"
        for name, reason in failures[:_MOST_FAILURES]
    ]
    if len(failures) > _MOST_FAILURES:
        lines.append(f"<p>{len(failures) - _MOST_FAILURES:,} more could not be read.</p>")
    said = f'<div role="alert" class="fsk-bad">{"".join(lines)}</div>\n</header>'
    return page.replace("</header>", said, 1)
