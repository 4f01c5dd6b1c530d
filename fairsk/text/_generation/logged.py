"""The audit of what a language model has written of groups, from a log of texts or of their scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from fairsk._core.columns import refuse_shuffled, value_columns
from fairsk._core.factorize import Coded, is_missing
from fairsk._core.groups import encode_groups, format_group, list_groups
from fairsk._core.messages import show
from fairsk._core.results import library_of
from fairsk._core.typing import Floats, Ints, RandomStateLike
from fairsk._core.validation import generator
from fairsk.statistics._intervals import check_confidence
from fairsk.statistics._resampling import check_resamples
from fairsk.text._generation.asking import Judges, named_judges, scores_of
from fairsk.text._generation.comparing import Written, audit_of
from fairsk.text._generation.results import GenerationAudit

__all__ = ["logged_generation_audit"]


def logged_generation_audit(
    prompts: Any,
    groups: Any,
    *,
    texts: Any = None,
    judge: Judges | None = None,
    scores: Any = None,
    confidence: float = 0.95,
    n_resamples: int = 10_000,
    random_state: RandomStateLike = None,
) -> GenerationAudit:
    """Audit what a language model has written of groups, from a log.

    Parameters
    ----------
    prompts : array-like of shape (n_texts,) or (n_texts, n_columns)
        What the text of each row was written on, by an id that does not depend on the group: such as the
        template, or the question; several columns make one id.
    groups : array-like of shape (n_texts,) or (n_texts, n_columns)
        The group of each row; several columns make an intersection.
    texts : array-like of shape (n_texts,), optional
        What was written, for ``judge``.
    judge : callable, or mapping of str to callable, optional
        As in :func:`generation_audit`.
    scores : array-like of shape (n_texts,) or (n_texts, n_scores), or mapping of str to array-like, optional
        Scores that are there already, NaN or None where there is none; several come as a frame, or by name.
    confidence : float in (0, 1), default=0.95
        The coverage probability of each interval.
    n_resamples : int, default=10_000
        How many permutations are drawn where not all can be counted.
    random_state : int, Generator, RandomState or None, default=None
        Seed of the draws.

    Returns
    -------
    GenerationAudit
        Differences and distances of scores between the groups, beside what chance makes of them.

    Raises
    ------
    TypeError
        If something is no text, or cannot judge.
    ValueError
        If there is nothing to compare: no scores, a single group, or no prompt with texts of two.

    Warns
    -----
    UserWarning
        If a judge has no score for any text of a group.

    See Also
    --------
    generation_audit : The same of texts that a model is asked for.
    fairsk.audit.audit_predictions : The audit of decisions.

    Notes
    -----
    What is compared, and how, stands at :func:`generation_audit`. A prompt counts for two groups if both have
    scores on it; however many there are, each such prompt counts alike. Prompts
    with texts of one group only are not compared; they are counted (``one_group``), and are part of the mean
    of their group, so that the means of two groups can lie apart by more or less than their difference.

    The permutation test assumes that within a prompt nothing but the group tells texts apart. In a log
    something may: people of one group may have asked at other times, or of other versions of a model. Prompts
    that combine id and version, or day, answer that.

    Examples
    --------
    >>> from fairsk.text import logged_generation_audit
    >>> result = logged_generation_audit(
    ...     ["q1"] * 8 + ["q2"] * 8,
    ...     ["f", "m"] * 8,
    ...     scores={"refused": [1, 0, 1, 0, 1, 0, 0, 0, 1, 0, 1, 0, 0, 0, 1, 1]},
    ... )
    >>> gap = result.gaps[0]
    >>> gap.difference, gap.n_prompts, gap.is_exact, round(gap.p_value, 3)
    (0.625, 2, True, 0.047)
    """
    check_confidence(confidence)
    check_resamples(n_resamples)
    refuse_shuffled(prompts=prompts, groups=groups, texts=texts, scores=scores)
    if (scores is None) == (judge is None) or (judge is not None and texts is None):
        raise ValueError(
            "Give either scores=, or texts= and the judge= of them: logged_generation_audit compares scores."
        )
    judges = {} if judge is None else named_judges(judge)
    n = _row_count(groups)
    grouping = encode_groups(value_columns("groups", groups, n))
    if len(grouping.labels) < 2:
        raise ValueError(f"groups has only {list_groups(grouping.labels)}: at least two are compared.")
    asked, labels = _asked(prompts, n)
    layout = Written(
        groups=tuple(grouping.labels),
        labels=labels,
        prompt=asked,
        group=grouping.codes,
        term=np.zeros(n, dtype=np.intp),
        is_aligned=False,
    )
    if (layout.n_groups() < 2).all():
        raise ValueError(
            f"None of the {len(labels):,} prompts has texts of two groups: texts are compared on the "
            "same prompt. Give an id that does not depend on the group, such as the template."
        )
    written = [""] * n if texts is None else _texts_or_none(texts, n)
    given = {name: scores_of(name, function, written) for name, function in judges.items()}
    return audit_of(
        layout,
        given or _given_scores(scores, n),
        written,
        terms="fixed",
        confidence=confidence,
        n_resamples=n_resamples,
        rng=generator(random_state),
        library=library_of(prompts, groups, texts, scores),
    )


def _row_count(groups: Any) -> int:
    try:
        n = len(groups)
    except TypeError:
        raise TypeError(f"groups takes values, one per row; got {show(groups)}.") from None
    if n == 0:
        raise ValueError("groups is empty: there is nothing to compare.")
    return n


def _lists(argument: str, values: Any, n: int) -> dict[str, list[Any]]:
    """Return the columns of an argument by name, each as a list of Python's own values."""
    columns = value_columns(argument, values, n)
    return {
        name: (column.to_array() if isinstance(column, Coded) else column).tolist()
        for name, column in zip(columns.names, columns.columns, strict=True)
    }


def _asked(prompts: Any, n: int) -> tuple[Ints, tuple[str, ...]]:
    """Return the position of each row's prompt, and how prompts are shown; several columns make one id."""
    rows = list(zip(*_lists("prompts", prompts, n).values(), strict=True))
    lacking = [i for i, row in enumerate(rows) if any(map(is_missing, row))]
    if lacking:
        raise ValueError(
            f"prompts is missing in {len(lacking):,} rows, such as row {lacking[0]}: texts are compared on "
            "the same prompt. Leave these rows out."
        )
    places: dict[tuple[Any, ...], int] = {}
    codes = np.array([places.setdefault(row, len(places)) for row in rows], dtype=np.intp)
    return codes, tuple(format_group(row[0] if len(row) == 1 else row) for row in places)


def _given_scores(scores: Any, n: int) -> dict[str, Floats]:
    """Return the scores of a log by name."""
    if isinstance(scores, Mapping):
        columns = {str(name): _lists(str(name), values, n) for name, values in scores.items()}
        if wide := [name for name, parts in columns.items() if len(parts) != 1]:
            raise ValueError(f"The score {show(wide[0])} must hold one number per text, not several columns.")
        lists = {name: next(iter(parts.values())) for name, parts in columns.items()}
    else:
        lists = _lists("scores", scores, n)
        if len(lists) == 1:
            lists = {"score": next(iter(lists.values()))}
    if not lists:
        raise ValueError("scores is empty: give a score per text.")
    return {name: _as_numbers(name, values) for name, values in lists.items()}


def _as_numbers(name: str, values: list[Any]) -> Floats:
    try:
        numbers = np.array([np.nan if is_missing(value) else value for value in values], dtype=float)
    except (TypeError, ValueError):
        other = next(
            value for value in values if not is_missing(value) and not isinstance(value, int | float)
        )
        raise ValueError(f"The score {show(name)} must hold a number per text; got {show(other)}.") from None
    if np.isinf(numbers).any():
        raise ValueError(f"The score {show(name)} has infinite values; NaN or None say that there is none.")
    return numbers


def _texts_or_none(texts: Any, n: int) -> list[str | None]:
    """Return texts, None where a row has none."""
    columns = _lists("texts", texts, n)
    if len(columns) != 1:
        raise ValueError(f"texts has {len(columns)} columns: give the one that holds what was written.")
    rows = [None if is_missing(text) else text for text in next(iter(columns.values()))]
    for text in rows:
        if text is not None and not isinstance(text, str):
            raise TypeError(f"texts must hold texts, or None where nothing was written; got {show(text)}.")
    return rows
