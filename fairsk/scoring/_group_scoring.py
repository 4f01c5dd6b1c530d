"""GroupScoring: several scores of a search, and the counts of every group behind them."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from numbers import Real
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import is_regressor
from sklearn.utils.metadata_routing import MetadataRequest

from fairsk._core.amount_sums import GroupAmounts
from fairsk._core.class_events import names_several
from fairsk._core.columns import (
    Selector,
    SensitiveColumns,
    refuse_shuffled,
    sensitive_columns,
)
from fairsk._core.counts import GroupCounts
from fairsk._core.groups import encode_groups, format_group, list_groups, sort_labels
from fairsk._core.labels import positive_class
from fairsk._core.messages import did_you_mean, list_labels, shorten, show
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import num_samples
from fairsk._sklearn.routing import RESPONSES, asks_for
from fairsk.metrics._decisions.multiclass import one_vs_rest_counts
from fairsk.scoring._amount_measures import (
    DISTANCES,
    AmountDisparity,
    refuse_classifier,
    refuse_regressor,
)
from fairsk.scoring._classes import check_class_labels, class_events
from fairsk.scoring._fold_scores import GroupScore, Responses, plain_score
from fairsk.scoring._fold_tables import write_table
from fairsk.scoring._measures import Disparity, GroupPerformance
from fairsk.scoring._pooling import Criterion, Pooling
from fairsk.scoring._refit import BestUnderPooled, Requirement, check_requirement, named_bounds
from fairsk.scoring._scored import (
    check_score_name,
    checked_labels,
    classes_of,
    constraint_of,
    depends_on_pos_label,
    events_of,
    scorer_of,
    selected_columns,
)
from fairsk.scoring._scorers import make_fair_scorer
from fairsk.scoring._sensitive_scorer import Performance, SensitiveScorer, WithMetadata
from fairsk.statistics._measures import GroupTable

__all__ = ["GroupScoring"]

#: A repr lists no more groups than these.
_MOST_SHOWN = 10


class GroupScoring:
    """Several scores for a search, and each group's counts in every fold, so that it can judge their sums.

    The largest gap between many small groups is biased upwards, and folds make groups small: the mean of a
    fair scorer over folds finds disparity where there is none. Here every fold also reports the confusion
    counts of each group; :meth:`best_under`, :func:`cv_disparities` and :func:`pareto_front` judge their
    sums over the folds, in which every row has been tested once.

    Give it as ``scoring`` to ``GridSearchCV``, ``RandomizedSearchCV`` or ``cross_validate``, with metadata
    routing off or on. Predictions are computed once and shared by all scores.

    Parameters
    ----------
    scoring : dict of str to str, Constraint, MeanRate or scorer
        The scores by name. A constraint, or its name, is minus the largest difference between groups: of
        decisions, or, of a regressor, of means of predicted amounts, such as ``"mean_parity"``; any
        other is a scikit-learn scorer, or the name of one, or a scorer of this package: a ratio is
        ``make_fair_scorer("demographic_parity", comparison="ratio")``, without a column of its own; F1 of
        labels that are texts is ``"f1"`` with a ``pos_label``, or
        ``make_group_scorer("f1", comparison="overall")``.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of the X that goes into the estimator; a list makes an intersection, of whose
        columns each scorer may name some: bounds then hold between the groups of these. Metadata of this
        name override it.
    groups : sequence of labels, optional
        The groups, known beforehand, for every fold must report the same numbers; tuples for an
        intersection. :meth:`of` reads them.
    pos_label : label or list of labels, optional
        The positive label, of counts and of every scorer that has one; by default the second of the
        estimator's two classes, and of scikit-learn's scorers their own, which is 1. Of more classes each is
        counted against the rest, and a disparity is that of the worst; a label, or a list, names the ones
        that count.
    classes : sequence of labels, optional
        The classes, if there are more than two; known beforehand as the groups are. :meth:`of` reads them.
    grades : sequence of labels, optional
        All classes from the worst to the best: what is counted is then who gets a grade or a better one, for
        every grade but the worst, or for those that ``pos_label`` names.
    n_repeats : int, default=1
        How often cross-validation tests each row, such as ``RepeatedKFold``'s ``n_repeats``. Sums of counts
        are divided by it, for intervals to be those of so many rows.
    error_score : "raise" or float, default="raise"
        What an error while scoring becomes: ``np.nan`` makes every score of that fold NaN, with a warning.
        Searches cannot do that for a scorer of several scores.

    Attributes
    ----------
    groups : tuple of labels or None
        The groups; the counts of the first one are called ``counts_0_tp``, ``counts_0_fp`` and so on; of
        several classes ``counts_0_0_tp`` for the first one.
    classes : tuple of labels or None
        The classes, if they are known.

    Raises
    ------
    ValueError
        If a score is unknown, its name is not free, or it reads a column that ``sensitive_features`` does
        not name; if a label is named twice, or is none of the classes or grades.
    TypeError
        If ``scoring`` is not a dict, or a score is neither a scorer nor a constraint.

    See Also
    --------
    cv_disparities : The pooled disparities of every candidate, with intervals.
    make_fair_scorer : A single score, of each fold.

    Notes
    -----
    What is judged are predictions out of fold, each by the model of its fold: gaps of single models that
    point in opposite directions cancel, whether by chance or not. A candidate's disparity is that of its way
    of fitting, not of one fitted model.

    Of predicted amounts each fold reports the moments, ``amounts_0_n``, ``amounts_0_mean_prediction`` and so
    on, from which pooled means and their intervals follow. Distances of distributions (``"ks_distance"``,
    ``"wasserstein_distance"``) are means over the folds, and bounded by ``min_score``.

    With weights each fold reports the sums of squared weights too, under ``squares_0_tp`` and so on. They
    reach it with metadata routing enabled, after ``set_score_request(sample_weight=True)``.

    Halving searches and Optuna's take a single score; see the documentation on composition.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.scoring import GroupScoring, cv_disparities
    >>> from sklearn.model_selection import GridSearchCV
    >>> from sklearn.tree import DecisionTreeClassifier
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X = X.select_dtypes("number").assign(sex=X["sex"] == "male")
    >>> scores = {"acc": "accuracy", "dp": "demographic_parity"}
    >>> scoring = GroupScoring(scores, sensitive_features="sex").of(X)
    >>> scoring.groups
    (False, True)
    >>> tree = DecisionTreeClassifier(random_state=0)
    >>> rule = scoring.best_under("acc", dp=0.05)
    >>> search = GridSearchCV(tree, {"max_depth": [2, 4]}, scoring=scoring, refit=rule, cv=5).fit(X, y)
    >>> table = cv_disparities(search).frame("pandas")
    >>> table[["candidate", "chosen", "value", "low", "high", "bound", "beyond", "mean_test_acc"]].round(3)
       candidate  chosen  value  low   high  bound  beyond  mean_test_acc
    0          0   False  0.001  0.0  0.039   0.05     0.0          0.696
    1          1    True  0.035  0.0  0.069   0.05     0.0          0.699
    >>> search.best_params_
    {'max_depth': 4}
    """

    def __init__(
        self,
        scoring: Mapping[str, Any],
        *,
        sensitive_features: Selector = None,
        groups: Sequence[Hashable] | None = None,
        pos_label: Any = None,
        classes: Sequence[Hashable] | NDArray[Any] | None = None,
        grades: Sequence[Hashable] | NDArray[Any] | None = None,
        n_repeats: int = 1,
        error_score: float | Literal["raise"] = "raise",
    ) -> None:
        if not isinstance(scoring, Mapping) or not scoring:
            raise TypeError(
                "scoring must be a dict of scores by name, such as "
                f"{{'acc': 'accuracy', 'dp': 'demographic_parity'}}; got {scoring!r:.200}."
            )
        if isinstance(n_repeats, bool) or not isinstance(n_repeats, int | np.integer) or n_repeats < 1:
            raise ValueError(f"n_repeats must be a whole number, 1 or more; got {n_repeats!r}.")
        self.scoring = dict(scoring)
        self.sensitive_features = sensitive_features
        self.groups = None if groups is None else checked_labels("groups", groups)
        self.pos_label, self.grades = check_class_labels(pos_label, grades)
        self.classes = None if classes is None else checked_labels("classes", classes)
        self._events = events_of(self.classes, self.pos_label, self.grades)
        self.n_repeats = int(n_repeats)
        if error_score != "raise" and not isinstance(error_score, Real):
            raise ValueError(f"error_score must be 'raise' or a number, such as np.nan; got {error_score!r}.")
        self.error_score = error_score
        self._sizes: tuple[int, ...] | None = None
        self._requests: dict[str, bool | str | None] = {"sensitive_features": True, "sample_weight": None}
        self._criteria: dict[str, Criterion] = {}
        self._group_scores: dict[str, GroupScore] = {}
        self._plain_scorers: dict[str, Any] = {}
        self._compared: dict[str, str] = {}
        for name, score in self.scoring.items():
            self._add(name, score)
        if self.groups is not None:
            self._check_references()

    def __repr__(self) -> str:
        options = {
            "sensitive_features": (self.sensitive_features, None),
            "groups": (self.groups, None),
            "pos_label": (self.pos_label, None),
            "classes": (self.classes, None),
            "grades": (self.grades, None),
            "n_repeats": (self.n_repeats, 1),
            "error_score": (self.error_score, "raise"),
        }
        shown = [
            f"{name}={value!r}"
            for name, (value, default) in options.items()
            if (value is not None if default is None else value != default)  # a selector may be an array
        ]
        if self.groups is not None and len(self.groups) > _MOST_SHOWN:
            shown = [
                f"groups=<{len(self.groups)} groups>" if text.startswith("groups=") else text
                for text in shown
            ]
        return f"GroupScoring({', '.join([repr(self.scoring), *shown])})"

    # --- what is scored -------------------------------------------------------------------------------

    def of(self, X: Any, y: Any = None, *, sensitive_features: Any = None) -> Self:
        """Return the same with the groups, and classes, of some rows: all those that are to be searched on.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The rows; not looked into if the values are given.
        y : array-like of shape (n_samples,), optional
            The labels, whose classes are read; needed for more than two, unless ``pos_label`` or ``grades``
            name them.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        GroupScoring
            A copy that knows its groups, and classes.

        Raises
        ------
        ValueError
            If the sensitive column is missing, or has missing values; if labels are missing.
        """
        grouping = encode_groups(self._columns(X, sensitive_features))
        classes = self.classes if y is None or self._is_of_amounts else classes_of(y)
        known = type(self)(
            self.scoring,
            sensitive_features=self.sensitive_features,
            groups=grouping.labels,
            pos_label=self.pos_label,
            classes=classes,
            grades=self.grades,
            n_repeats=self.n_repeats,
            error_score=self.error_score,
        )
        known._requests = dict(self._requests)
        known._sizes = tuple(map(int, grouping.sums()))
        return known

    def _columns(self, X: Any, values: Any) -> SensitiveColumns:
        """Return the sensitive columns, those of values by name where they have the names of the selector."""
        if values is None and self.sensitive_features is None:
            raise ValueError(
                "GroupScoring was given no groups. Name the column, sensitive_features='sex'; or pass the "
                "values as metadata with routing enabled (sklearn.set_config(enable_metadata_routing=True)): "
                "without it, scikit-learn hands metadata to fit, but not to scorers."
            )
        columns = sensitive_columns(X, self.sensitive_features, values, n_samples=num_samples(X))
        names = self._keys()
        if columns.names != names and sorted(columns.names) == sorted(names):
            order = [columns.names.index(name) for name in names]
            columns = SensitiveColumns(names, tuple(columns.columns[place] for place in order))
        return columns

    def _keys(self) -> tuple[str, ...]:
        """Return what the selector calls the sensitive attributes."""
        return tuple(map(str, selected_columns(self.sensitive_features)))

    def _attributes(self, name: str, selector: Any) -> tuple[int, ...] | None:
        """Return the places of a scorer's columns among the sensitive ones; None for all of them."""
        ours = selected_columns(self.sensitive_features)
        if selector is None or selector is self.sensitive_features:
            return None
        theirs = selected_columns(selector)
        if not theirs or not set(theirs) <= set(ours):
            raise ValueError(
                f"The score {name!r} reads {selector!r:.200}, which GroupScoring does not: "
                f"sensitive_features={self.sensitive_features!r:.200}. List every column there: each score "
                "may then read some of them."
            )
        return None if theirs == ours else tuple(ours.index(key) for key in theirs)

    def _add(self, name: str, score: Any) -> None:
        """Sort a score by what it is made of: counts, groups and predictions, or predictions alone."""
        check_score_name(name)
        constraint = constraint_of(name, score)
        if constraint is not None:
            self._compare(name, of_amounts=constraint.is_of_amounts)
            self._criteria[name] = Criterion(constraint, "difference")
            return
        if isinstance(score, str) and score in DISTANCES:
            score = make_fair_scorer(score)
        if not isinstance(score, SensitiveScorer):
            scorer = scorer_of(name, score)
            has_label = self.pos_label is not None and not names_several(self.pos_label)
            if has_label and self.grades is None and depends_on_pos_label(scorer):
                # Of the same label as the counts, and not of the label 1.
                performance = GroupPerformance(Performance.of(scorer), "overall", self.pos_label)
                self._group_scores[name] = GroupScore(performance, None)
            else:
                self._plain_scorers[name] = scorer
            return
        if score.strata is not None or getattr(score.measure, "over_strata", "mean") != "mean":
            named = "" if score.strata is None else f" {score.strata!r:.200},"
            raise ValueError(
                f"The score {name!r} compares within strata,{named} which GroupScoring does "
                "not count: give that scorer to the search by itself, or beside others in a dict."
            )
        places = self._attributes(name, score.sensitive_features)
        measure = score.measure
        if measure.pos_label is not None and measure.pos_label != self.pos_label:
            raise ValueError(
                f"The score {name!r} has pos_label={measure.pos_label!r}, and GroupScoring "
                f"pos_label={self.pos_label!r}: name it in GroupScoring alone."
            )
        own_grades = getattr(measure, "grades", None)
        if own_grades is not None and own_grades != self.grades:
            raise ValueError(
                f"The score {name!r} has grades={list_labels(own_grades)}, and GroupScoring "
                f"{'none' if self.grades is None else list_labels(self.grades)}: name them in GroupScoring "
                "alone."
            )
        # The classes that are known, also where the estimator of a fold has not seen one of them.
        labels = self.pos_label
        if labels is None and self.grades is None and self._events is not None:
            labels = list(self._events.labels)
        measure = measure.with_labels(labels, self.grades)
        compared = getattr(measure, "disparity", measure)
        if isinstance(compared, Disparity | AmountDisparity):
            self._compare(name, of_amounts=isinstance(compared, AmountDisparity))
        if isinstance(measure, Disparity | AmountDisparity) and measure.is_pooled:
            self._criteria[name] = Criterion(
                measure.constraint,
                measure.comparison,
                measure.method,
                measure.reference,
                places,
                measure.norm,
            )
        else:
            self._group_scores[name] = GroupScore(measure, places)

    def _compare(self, name: str, *, of_amounts: bool) -> None:
        """Note what a score compares; refuse decisions beside amounts."""
        kind = "predicted amounts" if of_amounts else "decisions"
        self._compared.setdefault(kind, name)
        if len(self._compared) > 1:
            raise ValueError(
                f"The score {self._compared['decisions']!r:.200} compares decisions, and "
                f"{self._compared['predicted amounts']!r:.200} predicted amounts: an estimator predicts "
                "labels or amounts, and not both."
            )

    @property
    def _is_of_amounts(self) -> bool:
        return "predicted amounts" in self._compared

    def _check_references(self) -> None:
        """Refuse a reference that is none of the groups: its comparison would be NaN in every fold."""
        for name, criterion in self._criteria.items():
            if criterion.method != "to_reference":
                continue
            groups = self.pooling.groups_of(criterion)
            if criterion.reference not in groups:
                raise ValueError(
                    f"The score {name!r:.200} compares with the group {show(criterion.reference)}, which is "
                    f"none of {list_labels(groups)}."
                )

    @property
    def pooling(self) -> Pooling:
        """How the counts are read from results, and judged."""
        if self.groups is None:
            raise ValueError(_NO_GROUPS)
        keys = self._keys()
        several = len(keys) > 1 and all(isinstance(g, tuple) and len(g) == len(keys) for g in self.groups)
        names = keys if several or len(keys) == 1 else ("sensitive_features",)
        return Pooling(
            self.groups,
            names,
            self._criteria,
            self.n_repeats,
            self._sizes,
            events=None if self._events is None else self._events.labels,
            are_grades=self.grades is not None,
            of_amounts=self._is_of_amounts,
        )

    # --- as scikit-learn calls it ---------------------------------------------------------------------

    def __call__(
        self,
        estimator: Any,
        X: Any,
        y_true: Any = None,
        *,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> dict[str, float]:
        """Score a fitted estimator, as scikit-learn calls it.

        Parameters
        ----------
        estimator : fitted classifier or regressor
            What to score.
        X : array-like of shape (n_samples, n_features)
            Rows to predict.
        y_true : array-like of shape (n_samples,)
            Their labels, or amounts.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            Weight of each row, in all scores and counts.

        Returns
        -------
        dict of str to float
            The scores, greater is better, and the counts of each group.

        Raises
        ------
        ValueError
            If the groups are not known, a row belongs to none of them, or the estimator predicts labels where
            amounts are compared, or the other way round.
        """
        try:
            return self._scores(estimator, X, y_true, sensitive_features, sample_weight)
        except Exception as error:
            if isinstance(self.error_score, str) or self.groups is None:
                raise
            warn_user(
                f"Scoring failed, and every score of this fold is {self.error_score}: "
                f"{type(error).__name__}: {shorten(str(error), 1000)}"
            )
            names = self.pooling.keys(weighted=sample_weight is not None)
            return dict.fromkeys([*self.scoring, *names], float(self.error_score))

    def _scores(
        self, estimator: Any, X: Any, y_true: Any, values: Any, sample_weight: ArrayLike | None
    ) -> dict[str, float]:
        if self.groups is None:
            raise ValueError(_NO_GROUPS)
        if y_true is None:
            raise ValueError("GroupScoring compares predictions with labels or amounts, and was given no y.")
        refuse_shuffled(X=X, y_true=y_true, sensitive_features=values, sample_weight=sample_weight)
        sensitive = self._columns(X, values)
        self._check_estimator(estimator)
        of_amounts = is_regressor(estimator)
        if values is not None and any(asks_for(estimator, way, "sensitive_features") for way in RESPONSES):
            estimator = WithMetadata(estimator, values)
        respond = Responses(estimator, X)
        classes = getattr(estimator, "classes_", None)
        scores, numbers = dict[str, float](), dict[str, float]()
        if self._compared or not of_amounts:
            table = self._table(y_true, respond, classes, sensitive, sample_weight)
            self._refuse_unknown(table)
            numbers = write_table(table, self.groups, weighted=sample_weight is not None)
            # Names that do not depend on where the values came from, as for reading sums of these counts.
            named = table.regroup(table.groups, names=self.pooling.names, orders=())
            scores = {name: criterion.score(named) for name, criterion in self._criteria.items()}
        weights = {"sample_weight": sample_weight}
        for name, group_score in self._group_scores.items():
            scores[name] = group_score(y_true, respond, sensitive, classes=classes, **weights)
        for name, scorer in self._plain_scorers.items():
            scores[name] = plain_score(name, scorer, respond, estimator, X, y_true, **weights)
        ordered = {name: scores[name] for name in self.scoring}
        return ordered | numbers

    def _check_estimator(self, estimator: Any) -> None:
        """Refuse an estimator that does not predict what is compared."""
        for name, criterion in self._criteria.items():
            refuse = refuse_classifier if criterion.constraint.is_of_amounts else refuse_regressor
            refuse(name, estimator)
        for group_score in self._group_scores.values():
            group_score.measure.check_estimator(estimator)

    def _table(
        self,
        y_true: Any,
        respond: Responses,
        classes: Any,
        sensitive: SensitiveColumns,
        sample_weight: ArrayLike | None,
    ) -> GroupTable:
        """Sum up a fold by group: amounts, or decisions, by class if several are compared."""
        data: dict[str, Any] = {"sensitive_features": sensitive, "sample_weight": sample_weight}
        if self._is_of_amounts:
            return GroupAmounts.from_predictions(y_true, respond("predict"), **data)
        if self._events is None:
            if classes is not None and len(classes) > 2 and self.pos_label is None:
                raise ValueError(
                    f"y has {len(classes)} classes, {list_labels(np.asarray(classes).tolist())}, which "
                    "GroupScoring counts one by one, the same in every fold: let it read them from "
                    "all labels, GroupScoring(...).of(X, y), or name them with classes=, pos_label= or "
                    "grades=."
                )
            positive = self.pos_label
            if classes is not None:
                positive = positive_class(np.asarray(classes), self.pos_label)
            decided = respond("predict", positive)
            return GroupCounts.from_predictions(y_true, decided, **data, pos_label=positive, classes=classes)
        events = self._events
        if self.classes is None and self.grades is None:  # the named ones are known, and the rest is the rest
            events = class_events(classes, self.pos_label, None, y_true) or events
        every = self.classes or events.classes
        return one_vs_rest_counts(
            y_true,
            respond("predict"),
            **data,
            classes=every,
            pos_label=self.pos_label,
            grades=self.grades,
        )

    def _refuse_unknown(self, table: GroupTable) -> None:
        known = tuple(self.groups or ())
        unknown = sort_labels(set(table.groups) - set(known))
        if unknown:
            looks_alike = {format_group(label) for label in unknown} & {
                format_group(label) for label in known
            }
            listed = list_labels if looks_alike else list_groups  # the text '0' is not the number 0
            raise ValueError(
                f"Some rows belong to groups that GroupScoring does not know: {listed(unknown)}. It "
                f"knows {listed(known)}. List them all in groups=, or read them from all "
                "rows: GroupScoring(...).of(X)."
            )

    def get_metadata_routing(self) -> MetadataRequest:
        """Return what metadata it asks for, as scikit-learn's routing does.

        Returns
        -------
        MetadataRequest
            ``sensitive_features`` by default, and ``sample_weight`` if it was requested.
        """
        request = MetadataRequest(owner=type(self).__name__)
        for param, alias in self._requests.items():
            request.score.add_request(param=param, alias=alias)
        return request

    def set_score_request(
        self,
        *,
        sensitive_features: bool | str | None = True,
        sample_weight: bool | str | None = None,
    ) -> Self:
        """Say which metadata reach it where routing is enabled.

        Parameters
        ----------
        sensitive_features, sample_weight : bool, str or None
            Whether to ask for it, or under which name; None makes passing it an error.

        Returns
        -------
        GroupScoring
            Itself.
        """
        self._requests = {"sensitive_features": sensitive_features, "sample_weight": sample_weight}
        return self

    # --- as refit -------------------------------------------------------------------------------------

    def best_under(
        self,
        score: str,
        /,
        *,
        min_ratio: Mapping[str, float] | None = None,
        min_score: Mapping[str, float] | None = None,
        confidence: float = 0.95,
        require: Requirement = "not_refuted",
        **max_difference: float,
    ) -> BestUnderPooled:
        """Return a rule for ``refit``: the best score among candidates within bounds on pooled disparities.

        Disparities are those of counts summed over the folds, each with its interval. If no candidate
        qualifies, the one that comes nearest to it is chosen, with a warning.

        Parameters
        ----------
        score : str
            Name of the score to maximise: its mean over the folds, or the pooled disparity.
        min_ratio : dict of str to float, optional
            Smallest pooled ratios, such as ``{"di": 0.8}``: from 0 to 1.
        min_score : dict of str to float, optional
            Smallest mean over the folds of other scores, such as ``{"recall": 0.6}``.
        confidence : float in (0, 1), default=0.95
            The coverage probability of a candidate's intervals, for all its bounds, pairs of groups and
            rates together.
        require : {"not_refuted", "shown", "value"}, default="not_refuted"
            Whether a candidate is refused only if a whole interval lies beyond its bound (a fair one then
            is with probability ``1 - confidence`` at most), or unless every interval lies within its bound
            (a candidate that is beyond one then passes with that probability at most), or by the pooled
            values alone.
        **max_difference : float
            Largest pooled differences, by the name of the score: ``dp=0.05``.

        Returns
        -------
        BestUnderPooled
            A callable of ``cv_results_``; it can be pickled and cloned.

        Raises
        ------
        TypeError
            If a bound is not given by the name of its score.
        ValueError
            If a score is unknown, or not of the kind that is bounded; if a bound is out of range; if the
            groups are not known.

        Warns
        -----
        UserWarning
            When it is called and no candidate qualifies.
        """
        pooling = self.pooling
        check_requirement(confidence, require)
        bounds = named_bounds(max_difference, min_ratio, min_score)
        for name in (score, *(name for part in bounds.values() for name, _ in part)):
            if name not in self.scoring:
                raise ValueError(
                    f"There is no score {name!r:.200} to maximise or to bound."
                    f"{did_you_mean(name, self.scoring)} The scores are: {list_groups(self.scoring)}."
                )
        for kind, named in bounds.items():
            for name, bound in named:
                self._check_bound(kind, name, bound, require)
        return BestUnderPooled(score, **bounds, pooling=pooling, confidence=confidence, require=require)

    def _check_bound(self, kind: str, name: str, bound: float, require: Requirement) -> None:
        """Refuse a bound that is not of the kind of its score."""
        criterion = self._criteria.get(name)
        fits = {
            "max_difference": criterion is not None and criterion.comparison != "ratio",
            "min_ratio": criterion is not None and criterion.comparison == "ratio",
            "min_score": criterion is None,
        }
        if not fits[kind]:
            right = next(other for other in fits if fits[other])
            what = {
                "max_difference": f"a difference: write {name}=0.05, say",
                "min_ratio": f"a ratio: write min_ratio={{{name!r}: {bound:g}}}",
                "min_score": (
                    "not a difference or ratio of decisions between groups, which counts would give: write "
                    f"min_score={{{name!r}: ...}}, for its mean over folds"
                ),
            }
            raise ValueError(f"The bound {bound:g} on {name!r} is a {kind}, but {name!r} is {what[right]}.")
        if criterion is not None and kind == "max_difference" and criterion.norm == "max":
            criterion.constraint.check_max_difference(bound)
        if criterion is not None and require != "value" and not criterion.has_interval:
            raise ValueError(
                f"{name!r} {criterion.without_interval}, which has no interval: compare the groups of each "
                "pair, or each with a reference, in every rate; or set require='value'."
            )


_NO_GROUPS = (
    "GroupScoring does not know the groups, and every fold must report the same ones: list them, "
    "groups=['F', 'M'], or read them from all rows, GroupScoring(...).of(X)."
)
