"""What a GroupScoring is told: scores by name, groups, and classes, checked."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import get_scorer, get_scorer_names

from fairsk._core.class_events import ClassEvents, names_several
from fairsk._core.columns import column_keys
from fairsk._core.factorize import is_missing
from fairsk._core.groups import list_groups, sort_labels
from fairsk._core.labels import target_column
from fairsk._core.messages import did_you_mean, show
from fairsk._sklearn.compat import BaseScorer
from fairsk.rates import AMOUNT_CONSTRAINTS, CONSTRAINTS, Constraint, MeanRate, Rate
from fairsk.scoring._amount_measures import DISTANCES
from fairsk.scoring._classes import class_events
from fairsk.scoring._fold_tables import PREFIXES
from fairsk.scoring._scorers import criterion_of
from fairsk.scoring._sensitive_scorer import Performance

__all__ = [
    "RESERVED",
    "check_score_name",
    "checked_labels",
    "classes_of",
    "constraint_of",
    "depends_on_pos_label",
    "events_of",
    "scorer_of",
    "selected_columns",
]

#: Options of best_under, which therefore cannot be names of scores there.
RESERVED = ("min_ratio", "min_score", "confidence", "require")


def selected_columns(selector: Any) -> list[Any]:
    """Return the columns that a selector names; none of a callable."""
    return column_keys(selector) or []


def check_score_name(name: Any) -> None:
    """Refuse names of scores that something else has in results, or in best_under."""
    if not isinstance(name, str):
        raise TypeError(f"Scores are named by text; got {name!r:.200}.")
    if name.startswith(PREFIXES) or name in RESERVED:
        raise ValueError(
            f"A score cannot be called {name!r:.200}: names that begin with {' or '.join(PREFIXES)} are "
            f"those of counts, and {', '.join(RESERVED)} are options of best_under."
        )


def checked_labels(name: str, labels: Any) -> tuple[Hashable, ...]:
    """Return groups, or classes, as a tuple of distinct labels."""
    if isinstance(labels, str | bytes) or not np.iterable(labels):
        example = {"groups": "['F', 'M']", "classes": "['A', 'B', 'C']"}[name]
        raise TypeError(f"{name} must list the {name}, such as {example}; got {labels!r:.200}.")
    listed = labels.tolist() if isinstance(labels, np.ndarray) and name == "classes" else labels
    labels = tuple(tuple(label) if isinstance(label, list) else label for label in listed)
    for label in labels:
        try:
            hash(label)
        except TypeError:
            raise TypeError(
                f"{name} must list texts, numbers or booleans, and tuples of these; got {show(label)}."
            ) from None
        if any(map(is_missing, label if isinstance(label, tuple) else (label,))):
            one = {"groups": "group", "classes": "class"}[name]
            raise ValueError(
                f"{name} must not list missing values, for no row may lack its {one}; got {show(label)}."
            )
    if not labels or len(set(labels)) < len(labels):
        raise ValueError(f"{name} must list one or more {name}, each once; got {list_groups(labels)}.")
    return labels


def events_of(
    classes: tuple[Hashable, ...] | None, pos_label: Any, grades: Sequence[Hashable] | None
) -> ClassEvents | None:
    """Return the classes that are counted one by one; None if one of two is positive."""
    if grades is None and pos_label is not None and not names_several(pos_label):
        return None
    if classes is None and grades is None:  # named ones are counted against whatever else there is
        return None if pos_label is None else ClassEvents.of(pos_label, pos_label)
    if classes is not None and grades is not None:
        ClassEvents.of(classes, pos_label, grades)  # refuses classes that are no grades
    return class_events(classes, pos_label, grades, None)  # type: ignore[arg-type]


def classes_of(y: Any) -> list[Hashable]:
    """Return the classes of labels, sorted."""
    return sort_labels(set(target_column("y", y).tolist()))


def constraint_of(name: str, score: Any) -> Constraint | None:
    """Return the constraint that is named; None if it is a scorer, or the name of one."""
    if isinstance(score, Constraint | MeanRate):
        return criterion_of(score)
    if not isinstance(score, str | Rate) or score in get_scorer_names() or score in DISTANCES:
        return None
    try:
        return criterion_of(score)  # type: ignore[arg-type]  # of a rate it says what to write
    except ValueError:
        # Of all kinds of names the closest one.
        names = [*CONSTRAINTS, *AMOUNT_CONSTRAINTS, *DISTANCES]
        hint = did_you_mean(score, [*get_scorer_names(), *names])
        raise ValueError(
            f"The score {name!r:.200}, {show(score)}, is the name of no scikit-learn scorer and of no "
            f"constraint.{hint} The constraints are: {', '.join(names)}; "
            "sklearn.metrics.get_scorer_names() lists the scorers."
        ) from None


def depends_on_pos_label(scorer: Any) -> bool:
    """Whether a scorer is of one label that is positive, and was not made with one."""
    if not isinstance(scorer, BaseScorer):
        return False
    performance = Performance.of(scorer)
    is_open = performance.takes("pos_label") and "pos_label" not in performance.options
    return is_open or performance.is_of_second_class


def scorer_of(name: str, score: Any) -> Any:
    """Return a scorer, or the one of that name."""
    if isinstance(score, str):
        return get_scorer(score)
    if not callable(score):
        raise TypeError(
            f"The score {name!r} must be the name of a scikit-learn scorer or of a constraint, a Constraint "
            f"or a scorer; got {score!r:.200}."
        )
    return score
