"""Cross-fitting: scores of training rows by models that were not trained on them.

A model that remembers its training rows scores them too well, so whatever is learned from its scores
(thresholds, calibration maps) learns from out-of-fold scores. An estimator's ``fit`` validates its data once
(:func:`check_training_data`), cross-fits as often as it needs to (:func:`cross_fit`) and learns from the
result (:class:`OutOfFold`). Where the models of the folds are kept, :func:`fit_folds` returns them, each with
the rows that it scored.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from numbers import Integral, Real
from typing import Any, Protocol, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import clone
from sklearn.dummy import DummyClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import ShuffleSplit, StratifiedKFold, StratifiedShuffleSplit, check_cv
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed

from fairsk._core.class_events import ClassEvents
from fairsk._core.columns import Selector, sensitive_columns
from fairsk._core.groups import Grouping, encode_groups, group_strata
from fairsk._core.labels import positive_class
from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.typing import Bools, Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import check_frozen, fit_weighted, metadata_for, share_metadata
from fairsk._sklearn.rows import check_amount_rows, check_rows, take_fit_params, take_rows

__all__ = [
    "Fold",
    "OutOfFold",
    "Respond",
    "Splits",
    "TrainingData",
    "check_amounts_to_train",
    "check_training_data",
    "cross_fit",
    "fit_folds",
    "pool_folds",
    "refuse_one_class",
    "split_rows",
]

Splits: TypeAlias = list[tuple[Ints, Ints]]

#: Labels are taken for amounts if they are more distinct numbers than the first, of fewer rows each on the
#: average than the second: splits, five by default, leave most of them without rows to learn from.
_MOST_NUMBERS, _ROWS_OF_A_CLASS = 20, 5


class Respond(Protocol):
    """How a fitted model scores rows; the groups are None unless they may be used."""

    def __call__(self, model: Any, X: Any, /, *, sensitive_features: Any) -> Floats:
        """Return one score per row, or one row of scores."""


@dataclass(frozen=True)
class TrainingData:
    """Validated arguments of ``fit``: labels or amounts, a group for every row, weights that can be used.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows, not converted.
    labels : array of shape (n_samples,)
        Their labels, or amounts.
    classes : list
        The classes, sorted; none for amounts.
    positive : label or None
        The positive one of two classes.
    values : array of shape (n_samples,) or (n_samples, n_columns)
        The sensitive attribute, as metadata for the steps that ask for it.
    groups : Grouping
        The group of each row.
    weights : array of shape (n_samples,) or None
        The weight of each row.
    fit_params : dict
        What the user passes on to the inner estimator's ``fit``.
    split_params : dict
        What the splitter asks for, such as ``groups``.
    """

    X: Any
    labels: NDArray[Any]
    classes: list[Any]
    positive: Any
    values: NDArray[Any]
    groups: Grouping
    weights: Floats | None
    fit_params: dict[str, Any]
    split_params: dict[str, Any] = field(default_factory=dict)

    def take(self, rows: Ints) -> TrainingData:
        """Return some of the rows, to be fitted to: what the splitter asks for is left out."""
        return replace(
            self,
            X=take_rows(self.X, rows),
            labels=self.labels[rows],
            values=take_rows(self.values, rows),
            groups=self.groups.take(rows),
            weights=None if self.weights is None else self.weights[rows],
            fit_params=take_fit_params(self.fit_params, rows, len(self.labels)),
            split_params={},
        )


def check_training_data(
    X: Any,
    y: Any,
    *,
    selector: Selector,
    sensitive_features: Any = None,
    sample_weight: ArrayLike | None = None,
    strata: Any = None,
    pos_label: Any = None,
    fit_params: dict[str, Any] | None = None,
    estimator: Any = None,
    cv: Any = None,
    several_classes: bool = False,
    for_several: str = "",
    grades: Any = None,
) -> TrainingData:
    """Validate the arguments of ``fit`` of a classifier that treats groups differently.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,)
        Their labels.
    selector : str, int, list of these, callable or None
        The constructor's ``sensitive_features``.
    sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        The method's ``sensitive_features``; overrides the selector.
    sample_weight : array-like of shape (n_samples,), optional
        The weight of each row.
    strata : array-like of shape (n_samples,) or (n_samples, n_columns), optional
        The method's ``strata``, of which only the order of the rows is looked at.
    pos_label : label, optional
        The positive class; by default the second of the two.
    fit_params : dict, optional
        What else the user passes to ``fit``: for the inner estimator, and for the splitter where it asks.
    estimator : estimator, optional
        The inner estimator.
    cv : int, float, splitter, iterable of splits or None
        What splits the rows.
    several_classes : bool, default=False
        Whether there may be more than two classes. Which of these are positive, ``pos_label`` does not say
        here: :class:`~fairsk._core.class_events.ClassEvents` does.
    for_several : str
        Where there may not be more, what there is for them, a sentence.
    grades : sequence of labels, optional
        All classes from the worst to the best: the better of two is the positive one.

    Returns
    -------
    TrainingData
        The same, validated.

    Raises
    ------
    ValueError
        If y has other than two classes, ``pos_label`` is none of them, ``grades`` are not the classes, or
        neither is given where y is an ordered categorical whose order is not the sorted one; or the sensitive
        column is missing or has missing values, or the weights cannot be used.
    """
    fit_params = fit_params or {}
    X, labels = check_rows(
        X,
        y,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        strata=strata,
        **fit_params,
    )
    classes = np.unique(labels)
    if classes.dtype.kind in "iuf" and len(classes) > max(_MOST_NUMBERS, len(labels) / _ROWS_OF_A_CLASS):
        raise ValueError(
            f"y holds {len(classes):,} distinct numbers in {len(labels):,} rows: it looks like amounts, not "
            "classes. ConstrainedRegressor holds a bound on predicted amounts, and PredictionRepair makes "
            "groups alike. For decisions, give y as classes, such as y > 1000; GroupThresholdOptimizer with "
            "response_method='predict' then makes them by thresholds on what a regressor predicts."
        )
    if len(classes) > 2 and not several_classes:
        raise ValueError(
            "Only binary classification is supported. The type of the target is "
            f"{type_of_target(labels)}: y has the classes {list_labels(classes.tolist())}."
            f"{' ' if for_several else ''}{for_several}"
        )
    if len(classes) < 2:
        raise ValueError(f"y has only one class, {show(classes[0])}: there is nothing to separate.")
    positive = None
    if len(classes) == 2:
        if grades is not None:  # which names the better one, and refuses the other one as positive
            (pos_label,) = ClassEvents.of(classes, pos_label, grades).labels
        elif pos_label is None:
            _refuse_other_order(y, classes.tolist())
        positive = positive_class(classes, pos_label)
    return _training_data(
        X,
        labels,
        classes.tolist(),
        positive,
        selector=selector,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        fit_params=fit_params,
        estimator=estimator,
        cv=cv,
    )


def check_amounts_to_train(
    X: Any,
    y: Any,
    *,
    selector: Selector,
    sensitive_features: Any = None,
    sample_weight: ArrayLike | None = None,
    fit_params: dict[str, Any] | None = None,
    estimator: Any = None,
    cv: Any = None,
) -> TrainingData:
    """Validate the arguments of ``fit`` of a regressor that treats groups differently.

    Parameters
    ----------
    X : array-like of shape (n_samples, n_features)
        The rows.
    y : array-like of shape (n_samples,)
        Their amounts.
    selector, sensitive_features, sample_weight, fit_params, estimator, cv
        As in :func:`check_training_data`.

    Returns
    -------
    TrainingData
        The same, validated; ``labels`` are floats.

    Raises
    ------
    ValueError
        If an amount is missing, infinite or no number, the sensitive column is missing or has missing values,
        or the weights cannot be used.
    """
    fit_params = fit_params or {}
    X, amounts = check_amount_rows(
        X, y, sensitive_features=sensitive_features, sample_weight=sample_weight, **fit_params
    )
    return _training_data(
        X,
        amounts,
        [],
        None,
        selector=selector,
        sensitive_features=sensitive_features,
        sample_weight=sample_weight,
        fit_params=fit_params,
        estimator=estimator,
        cv=cv,
    )


def _training_data(
    X: Any,
    labels: NDArray[Any],
    classes: list[Any],
    positive: Any,
    *,
    selector: Selector,
    sensitive_features: Any,
    sample_weight: ArrayLike | None,
    fit_params: dict[str, Any],
    estimator: Any,
    cv: Any,
) -> TrainingData:
    """Return validated rows and labels with their groups and weights, and who gets which of the rest."""
    sensitive = sensitive_columns(X, selector, sensitive_features, n_samples=num_samples(X))
    values = sensitive.to_metadata()
    inner_params, split_params = share_metadata(fit_params, estimator, cv)
    # A splitter may name a column of its own, which values override that were passed to fit, as in split.
    if sensitive_features is not None or getattr(cv, "sensitive_features", None) is None:
        split_params |= metadata_for(cv, "split", {"sensitive_features": values})
    return TrainingData(
        X,
        labels,
        classes,
        positive,
        values,
        encode_groups(sensitive),
        check_weights(sample_weight, num_samples(X)),
        inner_params,
        split_params,
    )


def _refuse_other_order(y: Any, classes: list[Any]) -> None:
    """Refuse to guess the positive class of an ordered categorical that is not sorted as classes are.

    Estimators sort their classes, and the second is the positive one; the user's order says another.
    """
    dtype = getattr(y, "dtype", None)
    if getattr(dtype, "ordered", False) is not True:
        return
    order = [label for label in getattr(dtype, "categories", ()) if label in classes]
    if len(order) == len(classes) and order != classes:
        raise ValueError(
            f"y is an ordered categorical, {list_labels(order)}, and its classes are sorted to "
            f"{list_labels(classes)}: which is the positive one? Name it: pos_label={show(order[-1])}, the "
            f"last in your order, or pos_label={show(classes[-1])}."
        )


@dataclass(frozen=True)
class OutOfFold:
    """Rows in the order of the folds, with scores of models that were not trained on them.

    Parameters
    ----------
    estimator : estimator or None
        The fitted estimator to predict with; None where only the scores were wanted.
    scores : array of shape (n_samples,) or (n_samples, n_scores)
        The out-of-fold scores.
    labels : array of shape (n_samples,)
        Their labels, or amounts.
    positive : label or None
        The positive one of two classes.
    groups : Grouping
        The group of each row.
    weights : array of shape (n_samples,) or None
        The weight of each row.
    rows : array of shape (n_samples,)
        The position of each row in the training data; a row that several splits score stands here once, with
        the mean of its scores.
    """

    estimator: Any
    scores: Floats
    labels: NDArray[Any]
    positive: Any
    groups: Grouping
    weights: Floats | None
    rows: Ints

    def take(self, rows: Ints) -> OutOfFold:
        """Return some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return OutOfFold(
            self.estimator,
            self.scores[rows],
            self.labels[rows],
            self.positive,
            self.groups.take(rows),
            weights,
            self.rows[rows],
        )

    def present(self) -> OutOfFold:
        """Return the rows that have a weight: a row of weight 0 is as good as absent."""
        if self.weights is None or self.weights.all():
            return self
        return self.take(np.flatnonzero(self.weights))

    @property
    def actual(self) -> Bools:
        """Which rows are positive, of two classes."""
        return self.labels == self.positive

    @property
    def mass(self) -> Floats:
        """The weight of each row, 1 without weights."""
        return np.ones(len(self.scores)) if self.weights is None else self.weights


def cross_fit(
    estimator: Any,
    training: TrainingData,
    respond: Respond,
    *,
    target: NDArray[Any] | None = None,
    cv: Any = None,
    refit: bool = True,
    scores_only: bool = False,
    share_groups: bool = True,
    regress: bool = False,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> OutOfFold:
    """Score every row by a clone that was fitted without it; fit one more clone to all rows.

    A prefit estimator (``FrozenEstimator``) is not fitted: it scores all rows, none of which it should have
    been trained on.

    Parameters
    ----------
    estimator : estimator
        What to fit; it is cloned.
    training : TrainingData
        The validated arguments of ``fit``.
    respond : callable
        Called as ``respond(model, X, sensitive_features=values)`` with a fitted clone, its held-out rows and
        their groups; returns a score, or a row of scores, for each.
    target : array of shape (n_samples,), optional
        What the clones are fitted to; the labels by default.
    cv : int, float, splitter, iterable of splits or None
        As in :func:`split_rows`.
    refit : bool, default=True
        Whether to fit a clone to all rows. Otherwise ``cv`` must make one split, and its clone is kept.
    scores_only : bool, default=False
        Whether the scores are all that is wanted: no clone is fitted to all rows, and none is kept.
    share_groups : bool, default=True
        Whether ``respond`` gets the groups. They are handed to ``fit`` in any case, for steps that ask.
    regress : bool, default=False
        Whether the estimator is a regressor where the labels are two classes: it is fitted to 1 for the
        positive one and 0 for the other. A prefit one may be fitted to anything.
    random_state : int, RandomState instance or None
        Shuffles the rows before they are split, if it is not None, and draws rows for an estimator that takes
        no weights.
    n_jobs : int or None
        How many folds to fit at a time.

    Returns
    -------
    OutOfFold
        The classifier to predict with, and the scored rows.

    Raises
    ------
    ValueError
        If a prefit classifier has other classes than the data, there are several splits without a refit, or
        the training rows of a split have one class only.
    NotFittedError
        If a prefit classifier is not fitted.
    """
    if isinstance(estimator, FrozenEstimator):
        prefit = _score_prefit(estimator, training, respond, share_groups=share_groups, regress=regress)
        return pool_folds([prefit], training, estimator)
    splits = split_rows(training, cv, random_state)
    if not refit and len(splits) != 1:
        raise ValueError(
            f"refit=False keeps the classifier of a single split, but cv has {len(splits)}: give cv a "
            "share of test rows such as 0.3, or set refit=True."
        )
    folds = fit_folds(
        estimator,
        training,
        respond,
        target=target,
        cv=splits,
        share_groups=share_groups,
        regress=regress,
        random_state=random_state,
        n_jobs=n_jobs,
    )
    if scores_only:
        final = None
    elif refit:
        target = _target(training, target, regress=regress)
        final = _fit_clone(estimator, training, target, None, random_state=random_state)
    else:
        final = folds[0].model
    return pool_folds(folds, training, final)


@dataclass(frozen=True)
class Fold:
    """A fitted clone, and its scores of rows that it was fitted without.

    Parameters
    ----------
    model : estimator
        The clone; or the prefit estimator.
    rows : array of shape (n_scored,)
        The positions of the rows in the training data.
    scores : array of shape (n_scored,) or (n_scored, n_scores)
        Their scores.
    """

    model: Any
    rows: Ints
    scores: Floats

    def take(self, places: Ints) -> Fold:
        """Return the fold with some of its rows."""
        return Fold(self.model, self.rows[places], self.scores[places])


def fit_folds(
    estimator: Any,
    training: TrainingData,
    respond: Respond,
    *,
    target: NDArray[Any] | None = None,
    cv: Any = None,
    share_groups: bool = True,
    regress: bool = False,
    random_state: Any = None,
    n_jobs: int | None = None,
) -> list[Fold]:
    """Fit a clone to the training rows of every split, and score the others by it.

    A prefit estimator (``FrozenEstimator``) makes one fold of all rows, none of which it should have been
    trained on.

    Parameters
    ----------
    estimator, training, respond, target, cv, share_groups, regress, random_state, n_jobs
        As in :func:`cross_fit`.

    Returns
    -------
    list of Fold
        One for each split.

    Raises
    ------
    ValueError
        If a prefit classifier has other classes than the data, or the training rows of a split have one class
        only.
    NotFittedError
        If a prefit estimator is not fitted.
    """
    if isinstance(estimator, FrozenEstimator):
        return [_score_prefit(estimator, training, respond, share_groups=share_groups, regress=regress)]
    splits = split_rows(training, cv, random_state)
    if not isinstance(estimator, DummyClassifier) and (training.classes or target is not None):
        refuse_one_class(training, splits, target)
    target = _target(training, target, regress=regress)
    return Parallel(n_jobs=n_jobs)(
        delayed(_fit_and_respond)(
            estimator,
            training,
            target,
            respond,
            train,
            test,
            share_groups=share_groups,
            random_state=random_state,
        )
        for train, test in splits
    )


def pool_folds(folds: Sequence[Fold], training: TrainingData, estimator: Any = None) -> OutOfFold:
    """Return the rows of all folds, each once, with their scores.

    Parameters
    ----------
    folds : sequence of Fold
        Models with the rows that they scored.
    training : TrainingData
        What the rows are of.
    estimator : estimator, optional
        What is to predict with.

    Returns
    -------
    OutOfFold
        The scored rows, in the order of the folds.
    """
    rows, scores = _once_each(
        np.concatenate([fold.rows for fold in folds]), np.concatenate([fold.scores for fold in folds])
    )
    return OutOfFold(
        estimator,
        scores,
        training.labels[rows],
        training.positive,
        training.groups.take(rows),
        None if training.weights is None else training.weights[rows],
        rows,
    )


def _target(training: TrainingData, target: NDArray[Any] | None, *, regress: bool) -> NDArray[Any]:
    """Return what clones are fitted to."""
    if target is not None:
        return target
    return (training.labels == training.positive).astype(float) if regress else training.labels


def _once_each(rows: Ints, scores: Floats) -> tuple[Ints, Floats]:
    """Return each row once, with the mean of its scores: counted twice, it would feign certainty."""
    distinct, place, times = np.unique(rows, return_inverse=True, return_counts=True)
    if len(distinct) == len(rows):
        return rows, scores
    sums = np.zeros((len(distinct), *scores.shape[1:]))
    np.add.at(sums, place, scores)
    return distinct, (sums.T / times).T


def _score_prefit(
    estimator: FrozenEstimator,
    training: TrainingData,
    respond: Respond,
    *,
    share_groups: bool,
    regress: bool,
) -> Fold:
    """Score all rows by an estimator that was fitted to others."""
    is_classifier = bool(training.classes) and not regress
    check_frozen(estimator, classifier=is_classifier)
    if is_classifier:
        classes = np.asarray(estimator.classes_).tolist()
        if set(classes) != set(training.classes):
            raise ValueError(
                f"The prefit estimator has the classes {classes}, and y {training.classes}: they must be the "
                f"same{' two' if len(training.classes) == 2 else ''}."
            )
    values = training.values if share_groups else None
    scores = respond(estimator, training.X, sensitive_features=values)
    return Fold(estimator, np.arange(len(scores)), scores)


def refuse_one_class(training: TrainingData, splits: Splits, target: NDArray[Any] | None = None) -> None:
    """Refuse splits whose training rows lack a class (or have, as the target, one group only).

    A model of them cannot tell rows apart, nor score the label that it has not seen. scikit-learn's
    ``cross_val_predict`` gives that a probability of 0; here thresholds and maps are learned from the scores.
    """
    values = training.labels if target is None else target
    for number, (train, _) in enumerate(splits, start=1):
        if training.weights is not None:
            train = train[training.weights[train] > 0]  # a row of weight 0 is as good as absent
        if target is None and len(training.classes) > 2:
            _refuse_missing_class(training, train, f"{number} of {len(splits)}")
        if len(train) and (values[train] != values[train[0]]).any():
            continue
        where = f"The {len(train)} training rows of split {number} of {len(splits)} (cv)"
        if target is not None:
            raise ValueError(
                f"{where} belong to one group only: the model of the groups cannot learn from them. Let cv "
                "keep rows of every group in every training part."
            )
        rare = min(training.classes, key=lambda label: np.count_nonzero(values == label))
        raise ValueError(
            f"{where} have one class only, so a model of them cannot score the other; of all {len(values)} "
            f"rows {np.count_nonzero(values == rare)} have the label {rare!r}. Give cv fewer folds, or a "
            "splitter that keeps both labels in every training part; or wrap a model that is fitted to other "
            "rows in FrozenEstimator."
        )


def _refuse_missing_class(training: TrainingData, train: Ints, split: str) -> None:
    """Refuse training rows that lack one of several classes."""
    seen = set(training.labels[train].tolist())
    missing = [label for label in training.classes if label not in seen]
    if missing:
        rows = [int(np.count_nonzero(training.labels == label)) for label in missing]
        raise ValueError(
            f"The {len(train)} training rows of split {split} (cv) have no row of {list_labels(missing)}, so "
            f"a model of them cannot score that; of all {len(training.labels)} rows "
            f"{list_texts(map(str, rows))} have that label. Give cv fewer folds, a splitter that keeps every "
            "class in every training part, or merge rare classes."
        )


def _fit_and_respond(
    estimator: Any,
    training: TrainingData,
    target: NDArray[Any],
    respond: Respond,
    train: Ints,
    test: Ints,
    *,
    share_groups: bool,
    random_state: Any,
) -> Fold:
    """Fit a clone to the training rows of a split, and score the test rows by it."""
    model = _fit_clone(estimator, training, target, train, random_state=random_state)
    values = take_rows(training.values, test) if share_groups else None
    return Fold(model, test, respond(model, take_rows(training.X, test), sensitive_features=values))


def _fit_clone(
    estimator: Any,
    training: TrainingData,
    target: NDArray[Any],
    rows: Ints | None,
    *,
    random_state: Any,
) -> Any:
    """Fit a clone to these rows, or to all of them, with their weights."""
    X, weights, values, fit_params = training.X, training.weights, training.values, training.fit_params
    if rows is not None:
        fit_params = take_fit_params(fit_params, rows, num_samples(X))
        X, target, weights, values = (take_rows(data, rows) for data in (X, target, weights, values))
    return fit_weighted(
        clone(estimator),
        X,
        target,
        weights,
        random_state=random_state,
        sensitive_features=values,
        **fit_params,
    )


def split_rows(training: TrainingData, cv: Any, random_state: Any = None) -> Splits:
    """Return the rows to train on and those to score, split by split.

    Parameters
    ----------
    training : TrainingData
        The validated arguments of ``fit``.
    cv : int, float, splitter, iterable of splits or None
        The number of folds, stratified by group and label (amounts by group alone); a share of test rows, for
        one split stratified by label; or anything that scikit-learn's ``check_cv`` takes. None means 5 folds.
    random_state : int, RandomState instance or None
        Shuffles the rows before they are split, if it is not None.

    Returns
    -------
    list of tuple of two arrays
        Positions of the rows to train on and of those to score.

    Raises
    ------
    ValueError
        If there are no splits, a part of one has no rows, or names rows that there are not.
    """
    made = _iterate_splits(training, 5 if cv is None else cv, random_state)
    splits = [(_positions(train), _positions(test)) for train, test in made]
    if not splits or not all(len(part) for split in splits for part in split):
        raise ValueError("cv must make at least one split, with rows to train on and rows to score in each.")
    n_samples = len(training.labels)
    lowest = min(int(part.min()) for split in splits for part in split)
    highest = max(int(part.max()) for split in splits for part in split)
    if lowest < 0 or highest >= n_samples:
        raise ValueError(
            f"cv has splits with the rows {lowest} to {highest}, but X has the rows 0 to {n_samples - 1}: "
            "were they made of other data?"
        )
    return splits


def _positions(rows: Any) -> Ints:
    """Return the positions of rows, which an iterable of splits may give as a mask."""
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows.astype(np.intp)


def _iterate_splits(training: TrainingData, cv: Any, random_state: Any) -> Iterable[tuple[Ints, Ints]]:
    n_samples, has_classes = len(training.labels), bool(training.classes)
    if isinstance(cv, Integral):
        folds = StratifiedKFold(int(cv), shuffle=random_state is not None, random_state=random_state)
        # Amounts are no strata: their rows are shared out evenly by group alone.
        labels = training.labels if has_classes else np.zeros(n_samples)
        codes = np.unique(labels, return_inverse=True)[1]
        return folds.split(np.zeros(n_samples), group_strata(training.groups.codes, codes, int(cv)))
    if isinstance(cv, Real):
        splitter = StratifiedShuffleSplit if has_classes else ShuffleSplit
        split = splitter(1, test_size=float(cv), random_state=random_state)
        return split.split(np.zeros(n_samples), training.labels)
    params = training.split_params if hasattr(cv, "split") else {}  # splits that are made already ask nothing
    splits = check_cv(cv, training.labels, classifier=has_classes)
    return splits.split(training.X, training.labels, **params)
