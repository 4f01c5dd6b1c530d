"""What the classifiers that treat the scores of each group on their own share.

They see two classes; they learn from out-of-fold scores, so that a model that remembers its training rows
does not mislead them; and they need to know at prediction which group a row belongs to.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import StratifiedKFold, StratifiedShuffleSplit, check_cv
from sklearn.utils import Tags
from sklearn.utils.multiclass import type_of_target
from sklearn.utils.parallel import Parallel, delayed

from fairsk._core.columns import SensitiveColumns
from fairsk._core.groups import Grouping, encode_groups, format_group, group_strata
from fairsk._core.labels import positive_class
from fairsk._core.validation import check_weights
from fairsk._meta.base import MetaClassifier
from fairsk._sklearn.compat import Interval, StrOptions, num_samples
from fairsk._sklearn.routing import fit_weighted, positive_scores
from fairsk._sklearn.rows import check_rows, take_fit_params, take_rows

__all__ = ["GroupwiseClassifier", "OutOfFold", "TrainingRows"]

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]
Splits = list[tuple[Rows, Rows]]


@dataclass(frozen=True)
class TrainingRows:
    """What ``fit`` was given, checked: two classes, a group for every row, weights that can be used."""

    X: Any
    labels: NDArray[Any]
    classes: list[Any]
    positive: Any
    sensitive: SensitiveColumns
    groups: Grouping
    weights: Floats | None
    fit_params: dict[str, Any]


@dataclass(frozen=True)
class OutOfFold:
    """Rows in the order of the folds, with scores of models that were not trained on them."""

    scores: Floats
    actual: NDArray[np.bool_]
    groups: Grouping
    weights: Floats | None
    rows: Rows

    def take(self, rows: Rows) -> OutOfFold:
        """Return some of the rows."""
        groups = Grouping(self.groups.names, self.groups.labels, self.groups.codes[rows])
        weights = None if self.weights is None else self.weights[rows]
        return OutOfFold(self.scores[rows], self.actual[rows], groups, weights, self.rows[rows])

    def present(self) -> OutOfFold:
        """Return the rows that have a weight: a row of weight 0 is as good as absent."""
        if self.weights is None or self.weights.all():
            return self
        return self.take(np.flatnonzero(self.weights))

    @property
    def mass(self) -> Floats:
        """The weight of each row, 1 without weights."""
        return np.ones(len(self.scores)) if self.weights is None else self.weights


class GroupwiseClassifier(MetaClassifier):
    """A binary classifier around another one that treats the scores of each group on their own.

    Subclasses have the parameters ``cv``, ``refit``, ``response_method``, ``unknown_group``, ``pos_label``,
    ``random_state`` and ``n_jobs`` beside those of every meta-estimator.
    """

    cv: Any
    refit: bool
    response_method: str
    unknown_group: str
    pos_label: Any
    random_state: Any
    n_jobs: int | None
    groups_: tuple[Any, ...]

    _groupwise_constraints: dict[str, list[Any] | str] = {
        "sensitive_features": [str, int, list, tuple, callable, None],
        "cv": ["cv_object", Interval(Real, 0, 1, closed="neither")],
        "refit": ["boolean"],
        "response_method": [StrOptions({"auto", "predict_proba", "decision_function"})],
        "unknown_group": [StrOptions({"error", "overall"})],
        "pos_label": "no_validation",
        "random_state": ["random_state"],
        "n_jobs": [Integral, None],
    }

    # --- what fit is given -----------------------------------------------------------------------------

    def _training_rows(
        self, X: Any, y: Any, sensitive_features: Any, sample_weight: Any, fit_params: dict[str, Any]
    ) -> TrainingRows:
        """Check what ``fit`` was given."""
        X, labels = check_rows(X, y)
        classes = np.unique(labels)
        if len(classes) > 2:
            raise ValueError(
                "Only binary classification is supported. The type of the target is "
                f"{type_of_target(labels)}: y has the classes {classes.tolist()}."
            )
        if len(classes) < 2:
            raise ValueError(f"y has only one class, {classes.tolist()[0]!r}: there is nothing to separate.")
        positive = positive_class(classes, self.pos_label)
        sensitive = self._sensitive(X, sensitive_features)
        return TrainingRows(
            X,
            labels,
            classes.tolist(),
            positive,
            sensitive,
            encode_groups(sensitive),
            check_weights(sample_weight, num_samples(X)),
            fit_params,
        )

    # --- where the scores come from --------------------------------------------------------------------

    def _fit_out_of_fold(
        self, given: TrainingRows, *, blind: bool = False, keep: bool = True, splits: Splits | None = None
    ) -> tuple[Any, OutOfFold]:
        """Return the fitted classifier, and rows with scores of models that were not trained on them.

        A ``blind`` classifier is not told the groups when it scores; without ``keep``, only the scores are
        wanted, and there may be no classifier; ``splits`` are made here unless they are given.
        """
        values = given.sensitive.to_metadata()

        def respond(model: Any, X: Any, values: Any) -> Floats:
            told = None if blind else values
            return positive_scores(model, X, self.response_method, given.positive, told)

        if isinstance(self.estimator, FrozenEstimator):
            known = np.asarray(self.estimator.classes_).tolist()
            if set(known) != set(given.classes):
                raise ValueError(
                    f"The prefit estimator has the classes {known}, and y {given.classes}: they must be the "
                    "same two."
                )
            scores = respond(self.estimator, given.X, values)
            actual = given.labels == given.positive
            everyone = np.arange(len(scores))
            return self.estimator, OutOfFold(scores, actual, given.groups, given.weights, everyone)
        splits = self._splits(given) if splits is None else splits
        fitted, rows, scores = self._cross_fit(
            self.estimator, given, given.labels, respond, splits, keep=keep
        )
        groups = Grouping(given.groups.names, given.groups.labels, given.groups.codes[rows])
        weights = None if given.weights is None else given.weights[rows]
        return fitted, OutOfFold(scores, given.labels[rows] == given.positive, groups, weights, rows)

    def _cross_fit(
        self,
        estimator: Any,
        given: TrainingRows,
        target: NDArray[Any],
        respond: Callable[[Any, Any, Any], Floats],
        splits: Splits,
        *,
        keep: bool = True,
    ) -> tuple[Any, Rows, Floats]:
        """Fit clones of an estimator to a target; return the last one, and the responses on held-out rows."""
        values = given.sensitive.to_metadata()

        def fit(rows: Rows | None) -> Any:
            def own(data: Any) -> Any:
                return data if rows is None else take_rows(data, rows)

            params = given.fit_params
            return fit_weighted(
                clone(estimator),
                own(given.X),
                own(target),
                own(given.weights),
                random_state=self.random_state,
                sensitive_features=own(values),
                **(params if rows is None else take_fit_params(params, rows, num_samples(given.X))),
            )

        def fit_and_respond(train: Rows, test: Rows) -> tuple[Any, Floats]:
            model = fit(train)
            return model, respond(model, take_rows(given.X, test), take_rows(values, test))

        if not self.refit and len(splits) != 1:
            raise ValueError(
                f"refit=False keeps the classifier of a single split, but cv has {len(splits)}: give cv a "
                "share of test rows such as 0.3, or set refit=True."
            )
        fitted = Parallel(n_jobs=self.n_jobs)(delayed(fit_and_respond)(train, test) for train, test in splits)
        final = fit(None) if self.refit and keep else fitted[0][0]
        rows = np.concatenate([test for _, test in splits])
        return final, rows, np.concatenate([responses for _, responses in fitted])

    def _splits(self, given: TrainingRows) -> Splits:
        """Return the rows to train on and those to score, fold by fold."""
        return list(self._folds(given))

    def _folds(self, given: TrainingRows) -> Iterator[tuple[Rows, Rows]]:
        shuffle = self.random_state is not None
        cv = 5 if self.cv is None else self.cv
        if isinstance(cv, Integral):
            folds = StratifiedKFold(
                int(cv), shuffle=shuffle, random_state=self.random_state if shuffle else None
            )
            labels = np.unique(given.labels, return_inverse=True)[1]
            return folds.split(np.zeros(len(labels)), group_strata(given.groups.codes, labels, int(cv)))
        if isinstance(cv, Real):
            share = StratifiedShuffleSplit(1, test_size=float(cv), random_state=self.random_state)
            return share.split(np.zeros(len(given.labels)), given.labels)
        return check_cv(cv, given.labels, classifier=True).split(given.X, given.labels)

    # --- who is who at prediction ----------------------------------------------------------------------

    def _known_codes(self, sensitive: SensitiveColumns) -> NDArray[np.intp]:
        """Return each row's position in ``groups_``, -1 for unknown groups if they are allowed."""
        overall = self.unknown_group == "overall"
        codes = encode_groups(sensitive, self.groups_, missing_is_unknown=overall).codes
        unknown = np.flatnonzero(codes < 0)
        if len(unknown) and not overall:
            strangers = encode_groups(sensitive.take(unknown)).labels
            raise ValueError(
                f"{len(unknown)} of {len(codes)} rows belong to groups that did not occur in fit: "
                f"{', '.join(map(format_group, strangers))}. Fit on data that has them, or set "
                "unknown_group='overall' to treat them as all rows together are treated."
            )
        return codes

    def _as_labels(self, selected: NDArray[np.bool_], positive: Any) -> NDArray[Any]:
        """Return the class of each row, given who is selected."""
        negative = self.classes_[self.classes_ != positive][0]
        return np.where(selected, positive, negative).astype(self.classes_.dtype)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags
