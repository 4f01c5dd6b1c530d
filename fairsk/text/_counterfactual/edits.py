"""Edits: each text about one group, rewritten for the others and as a control, and what must be asked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import eq
from typing import Any, Protocol

import numpy as np

from fairsk._core.messages import list_labels, show
from fairsk._core.texts import read_texts, replace_texts
from fairsk._core.typing import Ints
from fairsk.text._counterfactual.controls import REPEAT, Control, check_control, control_texts

__all__ = ["Edits", "Swapper", "check_swapper", "counterfactual_texts", "edit_texts"]


class Swapper(Protocol):
    """What an audit needs of a :class:`fairsk.text.TermSwapper`, or of what stands in for one."""

    @property
    def group_names(self) -> Sequence[str]:
        """The groups, in the order in which they are compared."""

    def mentioned(self, X: Any) -> Any:
        """Return the group that each text names, ``"none"`` or ``"several"``."""

    def pairs(self, texts: Sequence[str]) -> Sequence[Any]:
        """Return the rewritings of each text that names one group, each with its row, source and target."""


@dataclass(frozen=True)
class Edits:
    """Texts that name one group, their rewritings and controls, each by its place among what is asked.

    Parameters
    ----------
    group_names : tuple of str
        The groups.
    mentions : mapping of str to int
        How many texts name each group alone, ``"none"`` and ``"several"``.
    rows : array of int of shape (n_named,)
        The rows of X that name one group.
    texts : list of str of length n_named
        Their texts.
    sources : array of int of shape (n_named,)
        The position of the group that each names.
    of_text : array of int of shape (n_pairs,)
        Which of these texts each rewriting is of.
    targets : array of int of shape (n_pairs,)
        The position of the group that it names.
    asked_rows : array of int of shape (n_asked,)
        The row of X that each question is made of.
    asked : list of str of length n_asked
        The text that is put in its place.
    n_first : int
        How many of them are asked at once; those after them a second time.
    source_at : array of int of shape (n_named,)
        Where each text stands among what is asked.
    pair_at : array of int of shape (n_pairs,)
        Where each rewriting stands.
    control_at : array of int of shape (n_named,)
        Where each control stands; -1 where there is none.
    n_unchanged : int
        How many controls are the text itself.
    """

    group_names: tuple[str, ...]
    mentions: Mapping[str, int]
    rows: Ints
    texts: list[str]
    sources: Ints
    of_text: Ints
    targets: Ints
    asked_rows: Ints
    asked: list[str]
    n_first: int
    source_at: Ints
    pair_at: Ints
    control_at: Ints
    n_unchanged: int

    def rows_to_ask(self, X: Any, text: str | int | None) -> tuple[Any, Any]:
        """Return the rows to ask about, as X's kind of container, and those to ask a second time."""
        parts = slice(None, self.n_first), slice(self.n_first, None)
        asked, again = (replace_texts(X, text, self.asked_rows[part], self.asked[part]) for part in parts)
        return asked, again


def check_swapper(swapper: Any) -> tuple[str, ...]:
    """Return the groups of a swapper; refuse what is none.

    Raises
    ------
    TypeError
        If it lacks a method.
    """
    lacking = [name for name in ("group_names", "pairs", "mentioned") if not hasattr(swapper, name)]
    if lacking:
        raise TypeError(
            f"swapper must be a TermSwapper, or have {list_labels(['group_names', 'pairs', 'mentioned'])}; "
            f"{show(swapper)} lacks {list_labels(lacking)}."
        )
    return tuple(swapper.group_names)


def edit_texts(
    X: Any,
    swapper: Swapper,
    *,
    text: str | int | None = None,
    control: Control = None,
    by_row: bool = False,
) -> Edits:
    """Rewrite the texts of X for every other group, and as a control.

    Parameters
    ----------
    X, text
        See :func:`counterfactual_audit`.
    swapper : TermSwapper
        What rewrites.
    control : {"auto", "repeat"}, callable or None
        What else rewrites.
    by_row : bool, default=False
        Whether the same text in two rows makes two questions, for other columns may differ.
    """
    names = check_swapper(swapper)
    check_control(control, swapper)
    texts = read_texts(X, text)
    pairs = swapper.pairs(texts)
    position = {name: code for code, name in enumerate(names)}
    source_of = {pair.row: position[pair.source] for pair in pairs}
    rows = np.fromiter(source_of, dtype=np.intp, count=len(source_of))
    sources = np.fromiter(source_of.values(), dtype=np.intp, count=len(source_of))
    named = [texts[row] for row in rows]
    controls = control_texts(control, swapper, named)
    questions = _Questions(by_row)
    source_at = [questions.place(row, words) for row, words in zip(rows.tolist(), named, strict=True)]
    n_sources = len(questions.rows)  # the distinct texts come first
    pair_at = [questions.place(pair.row, pair.counterfactual) for pair in pairs]
    if control == REPEAT:
        n_first = len(questions.rows)
        control_at = [n_first + place for place in source_at]
        questions.repeat(n_sources)
    else:
        control_at = [
            -1 if words is None else questions.place(row, words)
            for row, words in zip(rows.tolist(), controls, strict=True)
        ]
        n_first = len(questions.rows)
    place_of = {row: i for i, row in enumerate(source_of)}
    return Edits(
        group_names=names,
        mentions=_mentions(swapper, names, texts, sources, set(source_of)),
        rows=rows,
        texts=named,
        sources=sources,
        of_text=np.array([place_of[pair.row] for pair in pairs], dtype=np.intp),
        targets=np.array([position[pair.target] for pair in pairs], dtype=np.intp),
        asked_rows=np.array(questions.rows, dtype=np.intp),
        asked=questions.texts,
        n_first=n_first,
        source_at=np.array(source_at, dtype=np.intp),
        pair_at=np.array(pair_at, dtype=np.intp),
        control_at=np.array(control_at, dtype=np.intp),
        n_unchanged=0 if control == REPEAT else sum(map(eq, named, controls)),
    )


class _Questions:
    """What is asked: each distinct text once, or once per row."""

    def __init__(self, by_row: bool) -> None:
        self._by_row = by_row
        self._places: dict[tuple[int, str], int] = {}
        self.rows: list[int] = []
        self.texts: list[str] = []

    def place(self, row: int, text: str) -> int:
        """Return the place of a question, which is new or has been asked."""
        place = self._places.setdefault((row if self._by_row else -1, text), len(self.rows))
        if place == len(self.rows):
            self.rows.append(row)
            self.texts.append(text)
        return place

    def repeat(self, n: int) -> None:
        """Ask the first questions once more."""
        self.rows += self.rows[:n]
        self.texts += self.texts[:n]


def _mentions(
    swapper: Swapper, names: tuple[str, ...], texts: Sequence[str], sources: Ints, named: set[int]
) -> dict[str, int]:
    """Count the texts that name each group alone, none, and several."""
    others = [words for row, words in enumerate(texts) if row not in named]
    n_several = int(np.sum(np.asarray(swapper.mentioned(others), dtype=object) == "several")) if others else 0
    counts = np.bincount(sources, minlength=len(names)).tolist()
    return dict(zip(names, counts, strict=True)) | {"none": len(others) - n_several, "several": n_several}


def counterfactual_texts(
    X: Any, swapper: Any, *, text: str | int | None = None, control: Control = "auto"
) -> Any:
    """Return what :func:`counterfactual_audit` will ask a model, so that its cost is known before.

    Parameters
    ----------
    X : array-like of shape (n_samples,), frame, or 2-D array
        Texts, or a table that has a column of them.
    swapper : TermSwapper
        Whose terms are exchanged.
    text : str or int, optional
        Which column of a table holds the texts; a table of one column needs no name.
    control : {"auto", "repeat"}, callable or None, default="auto"
        The control, as in the audit.

    Returns
    -------
    container
        The distinct texts that are asked about, of X's kind, with the other columns of a table: texts that
        name one group, their rewritings, and their controls. With ``control="repeat"``, the texts to be
        asked a second time stand at the end once more.

    Raises
    ------
    ValueError
        If the column of texts is not named, or ``control`` is none.
    TypeError
        If X holds no texts, or the swapper cannot rewrite them.

    See Also
    --------
    counterfactual_audit : Asks them.

    Notes
    -----
    ``len`` of it is the number of questions; ``model.cost(...)`` of it, where a model has that method, as
    :class:`fairsk.text.LLMClassifier` does, the calls and tokens that they cost.

    Examples
    --------
    >>> from fairsk.text import TermSwapper, counterfactual_texts
    >>> swapper = TermSwapper({"female": ["she", "woman", "lady"], "male": ["he", "man", "gentleman"]})
    >>> counterfactual_texts(["She is kind.", "That lady sings.", "It rains."], swapper)
    ['She is kind.', 'That lady sings.', 'He is kind.', 'That gentleman sings.', ...]
    """
    edits = edit_texts(X, swapper, text=text, control=control, by_row=text is not None)
    return replace_texts(X, text, edits.asked_rows, edits.asked)
