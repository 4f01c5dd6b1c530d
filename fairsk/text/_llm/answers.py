"""Answers: the text that stands for each class, and whether a language model can tell them apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fairsk._core.labels import target_column
from fairsk._core.messages import list_labels, show
from fairsk._core.warnings import warn_user

__all__ = ["answer_classes", "answer_texts", "check_answers"]


def answer_classes(answers: Any) -> NDArray[Any]:
    """Return the labels that answers are given for, sorted, where there are no others to go by.

    Raises
    ------
    ValueError
        If there are none, or they are of different kinds.
    """
    if answers is None:
        raise ValueError(
            "This fit requires y to be passed, but the target y is None: the labels are those of y. To "
            "classify without labels, say which there are: answers={label: the text of its answer}."
        )
    labels = list(_checked_mapping(answers))
    if len({isinstance(label, str) for label in labels}) != 1 or any(map(np.ndim, labels)):
        raise ValueError(
            f"answers must be for labels of one kind, texts or numbers; got {list_labels(labels) or 'none'}."
        )
    return np.unique(target_column("answers", labels))


def answer_texts(answers: Any, classes: NDArray[Any]) -> tuple[str, ...]:
    """Return the answer of each class; without answers, the label after a blank.

    Parameters
    ----------
    answers : mapping from label to str, or None
        As it was given.
    classes : array of shape (n_classes,)
        The labels.

    Raises
    ------
    ValueError
        If answers are for other labels, are empty, or cannot be told apart.
    TypeError
        If they are no mapping, or one is no text.
    """
    labels = classes.tolist()
    if len(labels) < 2:
        raise ValueError(
            f"There is only one class, {list_labels(labels)}: there is nothing to separate. Give rows of "
            "more classes, or answers for more."
        )
    if answers is None:
        texts = tuple(f" {_written(label)}" for label in labels)
    else:
        given = {_plain(label): text for label, text in _checked_mapping(answers).items()}
        _refuse_other_labels(list(given), labels)
        texts = tuple(given[label] for label in labels)
    for label, text in zip(labels, texts, strict=True):
        if not isinstance(text, str):
            raise TypeError(f"answers[{show(label)}] must be a text, got {show(text)}.")
        if not text.strip():
            raise ValueError(f"answers[{show(label)}] is empty: give the text that the model would answer.")
    return tuple(map(str, texts))


def check_answers(scorer: Any, texts: tuple[str, ...]) -> None:
    """Refuse answers that look alike to a model; warn of those that may.

    A scorer that knows the tokens of its model has a method ``check_answers(answers)``, which raises a
    ValueError where it cannot tell answers apart; only then is nothing said of how the texts look.

    Raises
    ------
    ValueError
        If two are the same but for blanks and case, or the words of one begin with those of another, or the
        digits of a number with those of another.

    Warns
    -----
    UserWarning
        If the letters of one begin with those of another.
    """
    plain = {text: " ".join(text.split()).casefold() for text in texts}
    for first, second in itertools.combinations(texts, 2):
        if plain[first] == plain[second]:
            raise ValueError(
                f"answers holds {show(first)} and {show(second)}, which a model cannot tell apart: give "
                "every class another answer."
            )
    if hasattr(scorer, "check_answers"):
        scorer.check_answers(texts)
        return
    for first, second in itertools.permutations(texts, 2):
        short, long = plain[first], plain[second]
        if not long.startswith(short):
            continue
        rest = long[len(short) :]
        if not rest[0].isalpha():
            raise ValueError(
                f"answers holds {show(first)} and {show(second)}, and the second begins with the first: "
                "whatever a model answers, the first is at least as likely. Answers must differ in their "
                "first token: take other words, or letters, A, B, C, that the prompt explains."
            )
        warn_user(
            f"answers holds {show(first)} and {show(second)}, and the second begins with the first: a model "
            "that writes them in the same first token cannot tell them apart. Take words that begin with "
            "different letters, if its tokens are not known."
        )
        return


def _checked_mapping(answers: Any) -> Mapping[Any, Any]:
    if not isinstance(answers, Mapping):
        raise TypeError(
            "answers must map each label to the text of its answer, such as {0: ' no', 1: ' yes'}; got "
            f"{show(answers)}."
        )
    return answers


def _written(label: Any) -> str:
    """Write a label; whole numbers without a decimal point, of whatever type they are."""
    return str(int(label)) if isinstance(label, float) and label.is_integer() else str(label)


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, np.generic) else label


def _refuse_other_labels(given: list[Any], labels: list[Any]) -> None:
    """Refuse answers for other labels than there are."""
    lacking = [label for label in labels if label not in given]
    unknown = [label for label in given if label not in labels]
    if lacking:
        kinds = ""
        if set(map(str, lacking)) & set(map(str, unknown)):
            kinds = " Texts and numbers are different labels: '1' is not 1."
        raise ValueError(
            f"answers has no text for the label {list_labels(lacking)} of y: it has "
            f"{list_labels(given) or 'none'}.{kinds}"
        )
    if unknown:
        raise ValueError(
            f"answers has a text for the label {list_labels(unknown)}, which no row of y has: leave it out; "
            "or, to let the model choose among all answers, leave y out of fit (and calibrate='fit')."
        )
