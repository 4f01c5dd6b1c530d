"""Attached results: what other parts of fairsk found, such as counterfactual audits, as reports state it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from fairsk._core.messages import show
from fairsk._core.results import Entries, Result, Table
from fairsk._core.sections import Section

__all__ = ["attached_sections", "attached_state"]

_PARAGRAPH = "A result that the author attached. It cannot be recomputed from the counts of this report."


def attached_state(attached: Any) -> list[dict[str, Any]]:
    """Return attached results as a report states them: what they show, and all values behind it.

    Parameters
    ----------
    attached : Result, sequence of Result, or mapping of str to Result
        The results; a mapping gives them their titles, which by default say what they are.

    Raises
    ------
    TypeError
        If something is no result, or a title is no text.
    ValueError
        If two results have the same title.
    """
    if isinstance(attached, Mapping):
        pairs = list(attached.items())
    else:
        results = [attached] if isinstance(attached, Result) else attached
        if not isinstance(results, Sequence) or isinstance(results, str):
            _refuse(results)
        pairs = [(_title_of(result), result) for result in results]
    for title, result in pairs:
        if not isinstance(result, Result):
            _refuse(result)
        if not isinstance(title, str):
            raise TypeError(f"The titles of attached= are texts; got {show(title)}.")
    titles = [title for title, _ in pairs]
    for i, title in enumerate(titles):
        if title in titles[:i]:
            raise ValueError(
                f"Two attached results have the title {show(title)}: give each its own, "
                "attached={'Names': ..., 'Pronouns': ...}."
            )
    stated = [(title, result._for_report()) for title, result in pairs]
    return [
        {"title": title, "blocks": [_block_state(block) for block in result._tables()], "values": result}
        for title, result in stated
    ]


def attached_sections(stated: Sequence[Mapping[str, Any]]) -> Iterator[Section]:
    """Return a section per attached result, as the report states it."""
    for one in stated:
        blocks = [_block(state) for state in one["blocks"]]
        yield Section(f"{one['title']} (stated)", [_PARAGRAPH], blocks)


def _refuse(value: Any) -> None:
    raise TypeError(
        "attached= takes results of fairsk, such as what counterfactual_audit returns, one or several; got "
        f"{show(value)}."
    )


def _title_of(result: Any) -> str:
    """Return the name of a kind of result, as people write it: "Counterfactual audit"."""
    words = re.findall("[A-Z]+(?![a-z])|[A-Z][a-z]*", type(result).__name__)
    return " ".join(words).capitalize()


def _block_state(block: Table | Entries) -> dict[str, Any]:
    """Return a table as it is shown: its cells as text."""
    if isinstance(block, Entries):
        return {"entries": [[name, text] for name, text in block.lines]}
    head, *body = block.cells()
    return {
        "head": head,
        "body": body,
        "caption": block.caption,
        "notes": block.all_notes,
        "words": list(block.words),
        "outcomes": list(block.outcomes),
        "remarks": [block.remark(line) for line in range(len(body))] if block.remarks else [],
    }


def _block(state: Mapping[str, Any]) -> Table | Entries:
    """Return a table from how it was shown."""
    if "entries" in state:
        return Entries([(name, text) for name, text in state["entries"]])
    columns = {name: [row[j] for row in state["body"]] for j, name in enumerate(state["head"])}
    return Table(
        columns,
        columns,
        state["caption"],
        state["notes"],
        words=state["words"],
        outcomes=state["outcomes"],
        remarks=state["remarks"],
    )
