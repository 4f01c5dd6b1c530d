"""Maps of scores, one per group: the repair that makes groups score alike, and calibration per group.

Both keep the wrapped classifier and change what its scores become. The maps are learned on out-of-fold
scores, and they are small: a grid of quantiles, the steps of an isotonic fit, or two numbers. No row is kept.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import check_is_fitted

from fairsk._sklearn import HasMethods, Interval, StrOptions, fit_context, positive_scores
from fairsk.groups import format_group
from fairsk.groupwise import GroupwiseClassifier, OutOfFold

__all__ = ["GroupCalibratedClassifier", "IsotonicMap", "ScoreRepair", "SigmoidMap", "TemperatureMap"]

Floats = NDArray[np.float64]

#: The levels at which quantile functions are kept: 0, .001, ..., 1.
_LEVELS = np.linspace(0, 1, 1001)
#: A group with fewer rows (in effect) gets no map of its own.
_FEWEST_ROWS = 10
#: Probabilities this close to 0 or 1 have no log-odds to speak of.
_LEAST_CHANCE = 1e-6
#: Where scikit-learn, too, looks for the inverse of a temperature.
_INVERSE_TEMPERATURES = (float(np.exp(-10)), float(np.exp(10)))


# --- what the two have in common -------------------------------------------------------------------------


def _offers(method: str) -> Callable[[Any], bool]:
    def check(self: Any) -> bool:
        return self._offered() == method

    return check


class _ScoreMapper(GroupwiseClassifier):
    """A classifier that sends the scores of another one through a map per group.

    Subclasses learn their maps in ``_learn`` and apply them in ``_map``; ``_offered`` says what the mapped
    scores are.
    """

    _response: Any  # the method of the fitted classifier that its scores come from

    # Every response depends on the group, so all of them ask for it.
    __metadata_request__predict = {"sensitive_features": True}
    __metadata_request__predict_proba = {"sensitive_features": True}
    __metadata_request__predict_log_proba = {"sensitive_features": True}
    __metadata_request__decision_function = {"sensitive_features": True}
    __metadata_request__score = {"sensitive_features": True}

    _parameter_constraints: dict[str, Any] = {
        "estimator": [HasMethods(["fit", "predict_proba"]), HasMethods(["fit", "decision_function"])],
        **GroupwiseClassifier._groupwise_constraints,
    }

    @fit_context(prefer_skip_nested_validation=False)
    def fit(
        self,
        X: Any,
        y: ArrayLike,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
        **fit_params: Any,
    ) -> Self:
        """Learn the maps on out-of-fold scores and refit the classifier.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            Training rows, passed on as they are.
        y : array-like of shape (n_rows,)
            Labels; two classes.
        sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_rows,), optional
            Weight of each row, for the classifier and for the maps.
        **fit_params
            Passed on to the classifier's ``fit``; values per row are split with the rows.

        Returns
        -------
        estimator
            The fitted meta-estimator.
        """
        given = self._training_rows(X, y, sensitive_features, sample_weight, fit_params)
        fitted, unseen = self._fit_out_of_fold(given)
        if len(fitted.classes_) != 2:  # of a prefit one; clones are fitted to two
            raise ValueError(
                f"The prefit estimator has the classes {np.asarray(fitted.classes_).tolist()}: "
                "only binary classifiers have one score per row."
            )
        self.groups_ = given.groups.labels
        self._response = _response_of(fitted, self.response_method)
        self._learn(unseen)
        self.estimator_ = fitted
        self._positive = given.positive
        self._copy_feature_record()
        return self

    def _learn(self, unseen: OutOfFold) -> None:
        """Learn a map for every group in ``groups_``, and one for all rows."""
        raise NotImplementedError

    def _map(self, scores: Floats, codes: NDArray[np.intp]) -> Floats:
        """Map scores of the positive class; the code -1 stands for unknown groups."""
        raise NotImplementedError

    def _offered(self) -> str | None:
        """Return the response method that the mapped scores make."""
        raise NotImplementedError

    def _mapped(self, X: Any, values: Any) -> Floats:
        check_is_fitted(self)
        sensitive = self._sensitive(X, values, predicting=True)
        scores = positive_scores(self.estimator_, X, self._response, self._positive, sensitive.to_metadata())
        return self._map(scores, self._known_codes(sensitive))

    def predict(self, X: Any, sensitive_features: Any = None) -> NDArray[Any]:
        """Predict the class of each row: the more probable one, or that on its side of a decision of 0.

        Parameters
        ----------
        X : array-like of shape (n_rows, n_features)
            The rows.
        sensitive_features : array-like of shape (n_rows,) or (n_rows, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        array of shape (n_rows,)
            Class labels.

        Raises
        ------
        ValueError
            If a group did not occur in ``fit`` or is missing, unless ``unknown_group="overall"``.
        """
        check_is_fitted(self)
        if self._offered() == "decision_function":
            second = self.decision_function(X, sensitive_features) > 0
        else:
            second = self.predict_proba(X, sensitive_features).argmax(axis=1) == 1
        return self.classes_[second.astype(int)]

    @available_if(_offers("predict_proba"))
    def predict_proba(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the mapped probability of each class; the parameters are those of ``predict``.

        Returns
        -------
        array of shape (n_rows, 2)
            Probabilities, in the order of ``classes_``.
        """
        chance = self._mapped(X, sensitive_features)
        columns = [1 - chance, chance]
        return np.column_stack(columns if self._positive_is_second() else columns[::-1])

    @available_if(_offers("predict_proba"))
    def predict_log_proba(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the logarithm of ``predict_proba``; the parameters are those of ``predict``."""
        with np.errstate(divide="ignore"):  # the logarithm of 0 is minus infinity
            return np.log(self.predict_proba(X, sensitive_features))

    @available_if(_offers("decision_function"))
    def decision_function(self, X: Any, sensitive_features: Any = None) -> Floats:
        """Return the mapped decision scores, of the second class; the parameters are those of ``predict``."""
        decisions = self._mapped(X, sensitive_features)
        return decisions if self._positive_is_second() else -decisions

    def _positive_is_second(self) -> bool:
        return self.classes_.tolist()[1] == self._positive


def _response_of(estimator: Any, response_method: str) -> str | None:
    """Return the response method that scores come from, None if the estimator does not have it."""
    methods = ("predict_proba", "decision_function") if response_method == "auto" else (response_method,)
    return next((method for method in methods if hasattr(estimator, method)), None)


def _weighed(unseen: OutOfFold) -> tuple[Floats, NDArray[np.bool_], NDArray[np.intp], Floats]:
    """Return scores, labels, groups and weights of the rows that have a weight."""
    if unseen.weights is None:
        return unseen.scores, unseen.actual, unseen.groups.codes, np.ones(len(unseen.scores))
    kept = unseen.weights > 0  # a row of weight 0 is as good as absent
    return unseen.scores[kept], unseen.actual[kept], unseen.groups.codes[kept], unseen.weights[kept]


# --- the same scores for every group ---------------------------------------------------------------------


class ScoreRepair(_ScoreMapper):
    r"""Give every group the same distribution of scores: their Wasserstein barycentre.

    Each score is replaced by the score that stands at the same rank in the average of all groups. Whoever
    sets a threshold later, and wherever, selects the same share of every group. Within a group nobody
    changes places.

    Parameters
    ----------
    estimator : classifier
        A binary classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to learn the repair, and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    strength : float in [0, 1], default=1.0
        How far scores move: 0 leaves them as they are, 1 makes the groups alike, .5 halves the distances
        between their distributions. It is read at prediction, so it can be set without a new fit.
    cv : int, float, splitter or None, default=5
        Number of folds for the out-of-fold scores, stratified by group and label; a float for one split
        with that share of test rows; or any splitter. None means 5.
    refit : bool, default=True
        Whether to refit the classifier on all rows. False needs a ``cv`` with one split, and keeps that
        split's classifier.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where scores come from; ``"auto"`` takes the first of the two that the classifier has.
    unknown_group : {"error", "overall"}, default="error"
        What to do at prediction with groups that did not occur in ``fit``, and with missing ones: refuse,
        or use the rank among all rows.
    pos_label : label, optional
        The positive class; by default the second of the two.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    quantiles_ : dict
        For each group the quantiles of its scores (of the positive class), at the levels 0, .001, ..., 1.
    barycenter_ : array of shape (1001,)
        The quantiles that all groups get: the average of theirs, weighted by ``shares_``.
    overall_quantiles_ : array of shape (1001,)
        The quantiles of all rows together, for unknown groups.
    shares_ : dict
        For each group its share of the (weighted) rows.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (2,)
        The labels.

    Raises
    ------
    ValueError
        If labels are not binary, the sensitive column is missing or has missing values, or a group is
        unknown at prediction.

    Warns
    -----
    UserWarning
        If there is only one group, or all rows of a group have the weight zero.

    Notes
    -----
    With :math:`F_g` the distribution function, :math:`Q_g` the quantile function and :math:`p_g` the share
    of group :math:`g`, and :math:`\lambda` the strength, a score :math:`s` of that group becomes

    .. math:: (1 - \lambda) s + \lambda \bar Q(F_g(s)), \qquad \bar Q(u) = \sum_g p_g Q_g(u).

    Of all maps to one distribution this one moves scores least, in squared distance on average [1]_ [2]_;
    Wasserstein-1 distances lead to similar maps for classifiers [3]_. A strength below 1 is a partial repair
    along the straight line, as in [4]_.

    *Resolution.* Quantile functions are kept at 1001 levels and are linear between them, so parity holds up
    to .001 on the rows that they were learned on, and up to sampling error on others. A score that many
    rows share stands in the middle of their ranks: tied rows cannot be told apart and stay tied, and parity
    then holds up to the share of the largest tie.

    *Order.* Within a group the map never falls, and it rises wherever the barycentre does. Scores beyond
    those of ``fit`` keep their order: probabilities are stretched linearly to 0 and 1, decision scores
    continue with slope 1.

    *Outputs.* Repaired probabilities come out of ``predict_proba``, repaired decision scores out of
    ``decision_function``; the other one of the two is not offered. Repaired probabilities are in general not
    calibrated: equal scores in groups with unequal base rates cannot be.

    References
    ----------
    .. [1] Chzhen, Denis, Hebiri, Oneto & Pontil, Fair Regression with Wasserstein Barycenters, NeurIPS 2020.
    .. [2] Le Gouic, Loubes & Rigollet, Projection to Fairness in Statistical Learning, arXiv:2005.11720.
    .. [3] Jiang, Pacchiano, Stepleton, Jiang & Chiappa, Wasserstein Fair Classification, UAI 2019.
    .. [4] Feldman, Friedler, Moeller, Scheidegger & Venkatasubramanian, Certifying and Removing Disparate
       Impact, KDD 2015.

    Examples
    --------
    >>> from fairsk.calibration import ScoreRepair
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.metrics import demographic_parity_difference
    >>> from sklearn.compose import make_column_selector, make_column_transformer
    >>> from sklearn.linear_model import LogisticRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import OneHotEncoder, StandardScaler
    >>> X, y = load_german_credit(return_X_y=True)
    >>> numbers = make_column_selector(dtype_include="number")
    >>> prepare = make_column_transformer((StandardScaler(), numbers), remainder=OneHotEncoder())
    >>> model = make_pipeline(prepare, LogisticRegression())
    >>> repaired = ScoreRepair(model, sensitive_features="sex")
    >>> for estimator in (model, repaired):
    ...     scores = estimator.fit(X, y).predict_proba(X)[:, 1]
    ...     gaps = [
    ...         demographic_parity_difference(y == "good", scores >= t, sensitive_features=X["sex"])
    ...         for t in (0.5, 0.6, 0.7, 0.8)]
    ...     print([round(gap, 2) for gap in gaps])
    [0.12, 0.11, 0.11, 0.08]
    [0.01, 0.0, 0.01, 0.0]
    """

    _parameter_constraints = {
        **_ScoreMapper._parameter_constraints,
        "strength": [Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        strength: float = 1.0,
        cv: Any = 5,
        refit: bool = True,
        response_method: str = "auto",
        unknown_group: str = "error",
        pos_label: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.strength = strength
        self.cv = cv
        self.refit = refit
        self.response_method = response_method
        self.unknown_group = unknown_group
        self.pos_label = pos_label
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _learn(self, unseen: OutOfFold) -> None:
        scores, _, codes, weights = _weighed(unseen)
        self.overall_quantiles_ = _quantiles(scores, weights)
        sums = np.bincount(codes, weights, minlength=len(self.groups_))
        self.shares_ = dict(zip(self.groups_, (sums / sums.sum()).tolist(), strict=True))
        self.quantiles_ = {
            label: _quantiles(scores[codes == code], weights[codes == code])
            if self.shares_[label] > 0
            else self.overall_quantiles_
            for code, label in enumerate(self.groups_)
        }
        average = sum(self.shares_[label] * quantiles for label, quantiles in self.quantiles_.items())
        self.barycenter_ = np.maximum.accumulate(average)  # sums can fall by a rounding error
        absent = [format_group(label) for label, share in self.shares_.items() if share == 0]
        if absent:
            warnings.warn(
                f"All rows of these groups have the weight zero: {', '.join(absent)}. Their scores are "
                "repaired as those of all rows together.",
                UserWarning,
                stacklevel=4,
            )
        if len(self.groups_) == 1:
            warnings.warn(
                f"There is only one group, {format_group(self.groups_[0])}: its scores stay as they are. "
                "Check that sensitive_features names the right column.",
                UserWarning,
                stacklevel=4,
            )

    def _map(self, scores: Floats, codes: NDArray[np.intp]) -> Floats:
        bounded = self._response == "predict_proba"
        repaired = np.empty_like(scores)
        ways = [self.overall_quantiles_, *self.quantiles_.values()]
        for code, quantiles in enumerate(ways, start=-1):
            own = codes == code
            repaired[own] = _transported(scores[own], quantiles, self.barycenter_, bounded=bounded)
        return (1 - self.strength) * scores + self.strength * repaired

    def _offered(self) -> str | None:
        if hasattr(self, "estimator_"):
            return self._response
        return _response_of(self.estimator, self.response_method)


def _quantiles(scores: Floats, weights: Floats) -> Floats:
    """Return the quantile function at the levels: tied scores stand in the middle of their ranks."""
    values, places = np.unique(scores, return_inverse=True)
    mass = np.bincount(places, weights)
    middles = (np.cumsum(mass) - mass / 2) / mass.sum()
    return _interpolated(_LEVELS, middles, values)


def _transported(scores: Floats, quantiles: Floats, target: Floats, *, bounded: bool) -> Floats:
    """Return the scores that stand in the target where these stand in their own distribution.

    ``bounded`` scores lie in [0, 1] and stay there.
    """
    lowest, highest = quantiles[0], quantiles[-1]
    first, last = _interpolated(_ranks(quantiles[[0, -1]], quantiles), _LEVELS, target)
    seen = np.clip(scores, lowest, highest)
    moved = _interpolated(_ranks(seen, quantiles), _LEVELS, target)
    # Scores beyond those of fit: on the straight line to 0 or 1, or onwards at the same distance.
    below, above = 1.0, 1.0
    if bounded:
        below = first / lowest if lowest > 0 else 0.0
        above = (1 - last) / (1 - highest) if highest < 1 else 0.0
    moved += np.where(scores < lowest, below, above) * (scores - seen)
    return np.clip(moved, 0, 1) if bounded else moved


def _ranks(scores: Floats, quantiles: Floats) -> Floats:
    """Return the level at which each score stands in a quantile function, which covers it."""
    # The function is flat beyond the middles of its lowest and highest score, which is where these stand.
    first = np.searchsorted(quantiles, quantiles[0], side="right") - 1
    last = np.searchsorted(quantiles, quantiles[-1], side="left")
    if first >= last:  # one score for all
        return np.full(len(scores), 0.5)
    return _interpolated(scores, quantiles[first : last + 1], _LEVELS[first : last + 1])


def _interpolated(x: Floats, at: Floats, values: Floats) -> Floats:
    """Interpolate rising values linearly, never past the neighbouring ones: order survives rounding."""
    after = np.searchsorted(at, x, side="right")
    lower, upper = values[np.maximum(after - 1, 0)], values[np.minimum(after, len(values) - 1)]
    return np.clip(np.interp(x, at, values), lower, upper)


# --- probabilities that mean the same in every group -----------------------------------------------------


@dataclass(frozen=True, eq=False)
class IsotonicMap:
    """A rising map from scores to probabilities: its corners, linear between them, flat outside."""

    scores: Floats
    probabilities: Floats

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return np.interp(scores, self.scores, self.probabilities)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> IsotonicMap:
        """Return the map with the least weighted squared error."""
        steps = IsotonicRegression(y_min=0, y_max=1, out_of_bounds="clip")
        steps.fit(scores, actual.astype(float), sample_weight=weights)
        return cls(steps.X_thresholds_, steps.y_thresholds_)


@dataclass(frozen=True)
class SigmoidMap:
    """Platt's map from decision scores or log-odds z to 1 / (1 + exp(-slope z - intercept))."""

    slope: float
    intercept: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return expit(self.slope * scores + self.intercept)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> SigmoidMap:
        """Return the map with the least log loss, for targets that are a little away from 0 and 1.

        A positive row aims at (n_positive + 1) / (n_positive + 2), a negative one at 1 / (n_negative + 2).
        """
        positives, negatives = weights[actual].sum(), weights[~actual].sum()
        target = np.where(actual, (positives + 1) / (positives + 2), 1 / (negatives + 2))
        # The scores in units of their own, whatever theirs are: the search then takes a few steps.
        centre = np.average(scores, weights=weights)
        spread = np.sqrt(np.average((scores - centre) ** 2, weights=weights)) or 1.0
        design = np.column_stack([(scores - centre) / spread, np.ones(len(scores))])

        def loss(line: Floats) -> tuple[float, Floats]:
            odds = design @ line
            value = np.average(np.logaddexp(0, odds) - target * odds, weights=weights)
            return value, weights @ ((expit(odds) - target)[:, None] * design) / weights.sum()

        precise = {"gtol": 1e-9, "ftol": 64 * np.finfo(float).eps}
        slope, level = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", options=precise).x
        return cls(float(slope / spread), float(level - slope / spread * centre))


@dataclass(frozen=True)
class TemperatureMap:
    """The map from decision scores or log-odds z to 1 / (1 + exp(-z / temperature))."""

    temperature: float

    def __call__(self, scores: Floats) -> Floats:
        """Return a probability for each score."""
        return expit(scores / self.temperature)

    @classmethod
    def fit(cls, scores: Floats, actual: NDArray[np.bool_], weights: Floats) -> TemperatureMap:
        """Return the map with the least log loss, which is convex in the inverse of the temperature."""

        def slope(inverse: float) -> float:
            return float(np.average((expit(inverse * scores) - actual) * scores, weights=weights))

        least, most = _INVERSE_TEMPERATURES
        if slope(least) >= 0:  # the scores say nothing, or the opposite
            return cls(1 / least)
        if slope(most) <= 0:  # the scores separate the labels
            return cls(1 / most)
        return cls(1 / brentq(slope, least, most))


_MAPS: dict[str, Any] = {"isotonic": IsotonicMap, "sigmoid": SigmoidMap, "temperature": TemperatureMap}


class GroupCalibratedClassifier(_ScoreMapper):
    r"""Calibrate probabilities in every group, small groups with the help of all rows.

    Of the rows with a calibrated probability of .7, 70 % are positive: in every group, not only on average
    over all of them. Each group's map is mixed with the map of all rows, the more so the smaller the group.

    Parameters
    ----------
    estimator : classifier
        A binary classifier or pipeline with ``predict_proba`` or ``decision_function``; it is cloned.
        Wrap a fitted one in :class:`sklearn.frozen.FrozenEstimator`: then all rows passed to ``fit`` serve
        to learn the maps, and must be other rows than it was trained on.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to a method override it.
    method : {"isotonic", "sigmoid", "temperature"}, default="isotonic"
        The kind of map: any rising one, which takes a few hundred rows per group; Platt's sigmoid with a
        slope and an intercept; or a temperature alone, which corrects confidence but not a group's base rate,
        and changes no prediction.
    shrinkage : float in [0, inf), default=50.0
        How many rows the map of all rows counts for: a group with that many rows gets the mean of its own
        map and that one. 0 is no help from other groups.
    cv : int, float, splitter or None, default=5
        Number of folds for the out-of-fold scores, stratified by group and label; a float for one split
        with that share of test rows; or any splitter. None means 5.
    refit : bool, default=True
        Whether to refit the classifier on all rows. False needs a ``cv`` with one split, and keeps that
        split's classifier.
    response_method : {"auto", "predict_proba", "decision_function"}, default="auto"
        Where scores come from; ``"auto"`` takes the first of the two that the classifier has.
    unknown_group : {"error", "overall"}, default="error"
        What to do at prediction with groups that did not occur in ``fit``, and with missing ones: refuse,
        or use the map of all rows.
    pos_label : label, optional
        The positive class; by default the second of the two.
    random_state : int, RandomState instance or None, default=None
        Shuffles the rows before they are split, if given.
    n_jobs : int or None, default=None
        How many folds to fit at a time.

    Attributes
    ----------
    maps_ : dict
        For each group its own map, before it is mixed: an :class:`IsotonicMap`, :class:`SigmoidMap` or
        :class:`TemperatureMap`.
    overall_map_ : IsotonicMap, SigmoidMap or TemperatureMap
        The map of all rows together.
    own_weights_ : dict
        For each group the weight of its own map; the rest is that of the overall map.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    estimator_ : classifier
        The fitted classifier.
    classes_ : array of shape (2,)
        The labels.

    Raises
    ------
    ValueError
        If labels are not binary, the sensitive column is missing or has missing values, or a group is
        unknown at prediction.

    Warns
    -----
    UserWarning
        If a group has fewer than 10 rows or only one label: it gets the map of all rows.

    Notes
    -----
    With :math:`m_g` the map of group :math:`g`, :math:`m` that of all rows and :math:`k` the shrinkage, a
    score :math:`s` becomes the probability

    .. math:: w_g m_g(s) + (1 - w_g) m(s), \qquad w_g = \frac{n_g}{n_g + k},

    the weight of credibility theory [1]_. With sample weights :math:`n_g` is Kish's effective number of rows,
    :math:`(\sum w)^2 / \sum w^2`, also where rows are counted for Platt's targets: only the ratios of weights
    matter.

    The maps are isotonic regression [2]_, Platt's sigmoid with his targets [3]_, or temperature scaling [4]_.
    Isotonic maps read scores as they are; the other two read log-odds: the logit of probabilities, cut off
    1e-6 away from 0 and 1, and decision scores as they are. The inverse of a temperature is sought between
    exp(-10) and exp(10).

    *The default shrinkage* was chosen by simulation: groups of 10 to 3,000 rows beside 6,000 others, true
    log-odds :math:`a_g z + b_g` with :math:`\log a_g` and :math:`b_g` normal with standard deviations of
    .25 h and .5 h, averaged over h = 0, .5, 1 and 2. Of 0, 5, 10, 20, 30, 50, 75, 100 and more, 50 has the
    least mean squared error of the probabilities for isotonic maps (.0064, against .0168 without shrinkage
    and .0130 for the overall map alone) and for temperatures; sigmoids are best at 20, where the error is
    9 % lower than at 50. Where groups differ little, more is better; where they differ much, less.

    Calibration in every group and equal error rates exclude each other where base rates differ [5]_.

    References
    ----------
    .. [1] Bühlmann, Experience Rating and Credibility, ASTIN Bulletin 4, 1967.
    .. [2] Zadrozny & Elkan, Transforming Classifier Scores into Accurate Multiclass Probability Estimates,
       KDD 2002.
    .. [3] Platt, Probabilistic Outputs for Support Vector Machines and Comparisons to Regularized Likelihood
       Methods, in Advances in Large Margin Classifiers, 1999.
    .. [4] Guo, Pleiss, Sun & Weinberger, On Calibration of Modern Neural Networks, ICML 2017.
    .. [5] Pleiss, Raghavan, Wu, Kleinberg & Weinberger, On Fairness and Calibration, NeurIPS 2017.

    Examples
    --------
    A model that gives both groups the same probabilities, where the positives are 20 % and 80 %:

    >>> import numpy as np
    >>> from fairsk.calibration import GroupCalibratedClassifier
    >>> from sklearn.dummy import DummyClassifier
    >>> group = np.repeat([0, 1], 500)
    >>> y = np.tile([0, 0, 0, 0, 1], 200) ^ group
    >>> model = GroupCalibratedClassifier(DummyClassifier(), sensitive_features=0)
    >>> model = model.fit(group.reshape(-1, 1), y)
    >>> model.predict_proba([[0], [1]])[:, 1].round(2)
    array([0.23, 0.77])
    >>> model.set_params(shrinkage=0).fit(group.reshape(-1, 1), y).predict_proba([[0], [1]])[:, 1].round(2)
    array([0.2, 0.8])
    """

    _parameter_constraints = {
        **_ScoreMapper._parameter_constraints,
        "method": [StrOptions(set(_MAPS))],
        "shrinkage": [Interval(Real, 0, None, closed="left")],
    }

    def __init__(
        self,
        estimator: Any,
        *,
        sensitive_features: Any = None,
        method: str = "isotonic",
        shrinkage: float = 50.0,
        cv: Any = 5,
        refit: bool = True,
        response_method: str = "auto",
        unknown_group: str = "error",
        pos_label: Any = None,
        random_state: Any = None,
        n_jobs: int | None = None,
    ) -> None:
        self.estimator = estimator
        self.sensitive_features = sensitive_features
        self.method = method
        self.shrinkage = shrinkage
        self.cv = cv
        self.refit = refit
        self.response_method = response_method
        self.unknown_group = unknown_group
        self.pos_label = pos_label
        self.random_state = random_state
        self.n_jobs = n_jobs

    def _learn(self, unseen: OutOfFold) -> None:
        scores, actual, codes, weights = _weighed(unseen)
        kind = _MAPS[self.method]
        self._reads_log_odds = self._response == "predict_proba" and kind is not IsotonicMap
        scores = self._inputs(scores)
        self.overall_map_ = kind.fit(scores, actual, _effective(weights))
        self.maps_, self.own_weights_ = {}, {}
        small = []
        for code, label in enumerate(self.groups_):
            own = codes == code
            counted = _effective(weights[own])
            size = float(counted.sum())
            # A sum of equal weights can miss the number of rows by a rounding error.
            if size < _FEWEST_ROWS - 1e-9 or len(np.unique(actual[own])) < 2:
                small.append(format_group(label))
                self.maps_[label], self.own_weights_[label] = self.overall_map_, 0.0
            else:
                self.maps_[label] = kind.fit(scores[own], actual[own], counted)
                self.own_weights_[label] = size / (size + float(self.shrinkage))
        if small:
            warnings.warn(
                f"Fewer than {_FEWEST_ROWS} rows, or only one label, in: {', '.join(small)}. These groups "
                "get the map of all rows; merge small groups for one of their own.",
                UserWarning,
                stacklevel=4,
            )

    def _map(self, scores: Floats, codes: NDArray[np.intp]) -> Floats:
        scores = self._inputs(scores)
        chance = self.overall_map_(scores)
        for code, label in enumerate(self.groups_):
            own = codes == code
            weight = self.own_weights_[label]
            chance[own] = weight * self.maps_[label](scores[own]) + (1 - weight) * chance[own]
        return np.clip(chance, 0, 1)  # a mixture can leave the range by a rounding error

    def _inputs(self, scores: Floats) -> Floats:
        """Return what the maps read of scores."""
        return logit(np.clip(scores, _LEAST_CHANCE, 1 - _LEAST_CHANCE)) if self._reads_log_odds else scores

    def _offered(self) -> str:
        return "predict_proba"


def _effective(weights: Floats) -> Floats:
    """Return weights scaled to add up to Kish's effective number of rows."""
    return weights * (weights.sum() / (weights @ weights)) if len(weights) else weights
