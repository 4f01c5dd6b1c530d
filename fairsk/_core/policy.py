"""Policies for group values: missing ones, measurements, and groups that did not occur in ``fit``.

Each policy is stated here once: what is refused, what is warned of, and in which words.

* A missing value is refused (:func:`refuse_missing`) wherever groups are told apart.
* Fractions are refused as groups, and many different numbers are warned of (:func:`refuse_measurements`).
* A group that did not occur in ``fit``, or a missing value, *at prediction*: the estimators' parameter
  ``unknown_group`` decides (:data:`UnknownGroup`). ``"error"`` refuses both (:func:`refuse_unknown`);
  ``"overall"`` gives both the code -1, and the estimators treat such rows as all rows together.
  Values of another kind than in ``fit`` (the text "0" for the number 0) are no new groups, but a mistake:
  they are refused in words of their own (:func:`refuse_other_kind`), or warned of in the same words. So is
  ``"overall"`` where no row at all has a known group (:func:`warn_all_unknown`), unless it is a single row.
* A group without a weight, in ``Reweigher.sample_weight``, is always refused.
* A group that did not occur in the first call, *in a later call of* ``partial_fit`` or in rows of one's own
  to validate on, is always refused (:func:`refuse_unknown`): its rates have no place in the loss.

:func:`fairsk._core.groups.encode_known_groups` applies the last three.
"""

from __future__ import annotations

from typing import Any, Literal, NoReturn, TypeAlias

from numpy.typing import NDArray

from fairsk._core.factorize import Coded, is_missing
from fairsk._core.messages import show
from fairsk._core.warnings import warn_user

__all__ = [
    "During",
    "UnknownGroup",
    "accepts_unknown",
    "refuse_measurements",
    "refuse_missing",
    "refuse_other_kind",
    "refuse_unknown",
    "warn_all_unknown",
    "warn_other_kind",
]

#: What rows of known groups are needed for.
During: TypeAlias = Literal["predict", "partial_fit", "sample_weight", "train_split"]

#: What happens at prediction to groups that did not occur in ``fit``, and to missing ones.
UnknownGroup: TypeAlias = Literal["error", "overall"]

#: More distinct values than this, some of them fractions, look like measurements.
_MAX_CONTINUOUS_LEVELS = 10
#: More groups than this that are called by numbers look like measurements.
_MAX_NUMBERS = 30


def accepts_unknown(unknown_group: UnknownGroup) -> bool:
    """Whether unknown groups, and missing values, get the code -1 instead of an error."""
    return unknown_group == "overall"


def refuse_unknown(during: During, names: str, n_unknown: int, n_samples: int) -> NoReturn:
    """Refuse rows of groups that did not occur in ``fit``, or in the first call of ``partial_fit``.

    Parameters
    ----------
    during : {"predict", "partial_fit", "sample_weight", "train_split"}
        Where the rows occur.
    names : str
        The unknown groups, as they are written in messages.
    n_unknown, n_samples : int
        How many rows belong to them, of how many.

    Raises
    ------
    ValueError
        Always.
    """
    if during == "partial_fit":
        raise ValueError(
            f"The first call of partial_fit had no rows of {names}: give it some rows of "
            "every group (of several columns, of every combination), or fit anew."
        )
    if during == "sample_weight":
        raise ValueError(
            f"{n_unknown} of {n_samples} rows belong to groups that did not occur in fit: {names}. They have "
            "no weight: fit on data that has them."
        )
    if during == "train_split":
        raise ValueError(
            f"{n_unknown} of {n_samples} rows that train_split brings belong to groups that fit has no rows "
            f"of: {names}. Leave these rows out, or train on some of each group."
        )
    raise ValueError(
        f"{n_unknown} of {n_samples} rows belong to groups that did not occur in fit: {names}. "
        "Fit on data that has them, or set unknown_group='overall' to treat them as all rows together are "
        "treated."
    )


def refuse_other_kind(during: During, came: str, known: str, n_unknown: int, n_samples: int) -> NoReturn:
    """Refuse groups whose values are of another kind than those of ``fit``, such as text instead of numbers.

    Parameters
    ----------
    during : {"predict", "partial_fit", "sample_weight"}
        Where the rows occur.
    came, known : str
        The unknown groups and those of ``fit``, with their kinds.
    n_unknown, n_samples : int
        How many rows belong to the unknown ones, of how many.

    Raises
    ------
    ValueError
        Always.
    """
    raise ValueError(_other_kind(during, came, known, n_unknown, n_samples))


def warn_other_kind(came: str, known: str, n_unknown: int, n_samples: int) -> None:
    """Warn of groups whose values are of another kind than those of ``fit``, where unknown ones are accepted.

    Parameters
    ----------
    came, known, n_unknown, n_samples
        As in :func:`refuse_other_kind`.

    Warns
    -----
    UserWarning
        Always.
    """
    warn_user(
        f"{_other_kind('predict', came, known, n_unknown, n_samples)} As they are, unknown_group='overall' "
        "treats them as all rows together are."
    )


def _other_kind(during: During, came: str, known: str, n_unknown: int, n_samples: int) -> str:
    before = "the first call of partial_fit" if during == "partial_fit" else "fit"
    return (
        f"{n_unknown} of {n_samples} rows belong to groups that did not occur in {before}: {came}. Those of "
        f"{before} are {known}. Give sensitive_features of the same type, in the same columns, as there."
    )


def warn_all_unknown(came: str, known: str, n_samples: int) -> None:
    """Warn that a policy for unknown groups applies to every row.

    Parameters
    ----------
    came, known : str
        The unknown groups and those of ``fit``, as they are written in messages.
    n_samples : int
        How many rows there are.

    Warns
    -----
    UserWarning
        Always.
    """
    warn_user(
        f"None of {n_samples} rows has a group that occurred in fit: they are of {came}, and fit had "
        f"{known}. By unknown_group='overall' all of them are treated as all rows together are."
    )


def refuse_missing(name: str, coded: Coded, used: NDArray[Any], *, during: During | None = None) -> NoReturn:
    """Refuse rows whose group is missing.

    Parameters
    ----------
    name : str
        The sensitive feature.
    coded : Coded
        Its values.
    used : array of shape (n_values,)
        How many rows have each value.
    during : {"predict", "partial_fit", "sample_weight", "train_split"}, optional
        What the rows are for, if groups are those of an earlier fit.

    Raises
    ------
    ValueError
        Always.
    """
    missing = used[[is_missing(value) for value in coded.values]].sum()
    where = f"is missing (NaN or None) in {missing:.0f} of {used.sum():.0f} rows"
    if during == "predict":
        raise ValueError(
            f"The sensitive feature {show(name)} {where}. Set unknown_group='overall' to treat them as all "
            "rows together are treated, make the missing ones a group of their own already in fit (fill them "
            "with a value such as 'unknown'), or drop those rows; fairsk does not guess."
        )
    raise ValueError(
        f"The sensitive feature {show(name)} {where}. Make the missing ones a group of their own (fill them "
        "with a value such as 'unknown') or drop those rows; fairsk does not guess."
    )


def refuse_measurements(name: str, values: list[Any], otherwise: str = "") -> None:
    """Refuse fractions as group names, and warn of very many numbers.

    Both look at numbers only: the same values as text (``X["dose"].astype(str)``) are names of groups,
    however many there are.

    Parameters
    ----------
    name : str
        The sensitive feature.
    values : list
        Its distinct values.
    otherwise : str, default=""
        What else can be done with measurements, a sentence.

    Raises
    ------
    ValueError
        If there are more than 10 values, and a fraction among them.

    Warns
    -----
    UserWarning
        If there are more than 30 values, all of them numbers.
    """
    example = (
        f"first: fairsk.selectors.AgeBands([25, 40, 60], column={show(name)}) does, as sensitive_features "
        f"in a constructor or called on X. {otherwise}"
    ).rstrip()
    if len(values) > _MAX_CONTINUOUS_LEVELS and any(isinstance(v, float) and v % 1 > 0 for v in values):
        raise ValueError(
            f"The sensitive feature {show(name)} looks continuous: it has {len(values)} distinct values, "
            f"some of them fractions. Bin it {example}"
        )
    if len(values) > _MAX_NUMBERS and all(isinstance(v, int | float) for v in values):
        warn_user(
            f"The sensitive feature {show(name)} has {len(values)} distinct numbers, each a group of its "
            f"own. If it measures something, bin it {example}"
        )
