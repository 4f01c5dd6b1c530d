"""GroupCalibratedClassifier: a probability that means the same in every group."""

from __future__ import annotations

from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import logit

from fairsk._core.groups import format_group
from fairsk._core.warnings import warn_user
from fairsk._meta.groupwise import OutOfFold
from fairsk._sklearn.compat import Interval, StrOptions
from fairsk.calibration._mapper import ScoreMapper
from fairsk.calibration._maps import MAPS, IsotonicMap

__all__ = ["GroupCalibratedClassifier"]

Floats = NDArray[np.float64]

#: A group with fewer rows (in effect) gets no map of its own.
_FEWEST_ROWS = 10
#: Probabilities this close to 0 or 1 have no log-odds to speak of.
_LEAST_CHANCE = 1e-6


class GroupCalibratedClassifier(ScoreMapper):
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
        **ScoreMapper._parameter_constraints,
        "method": [StrOptions(set(MAPS))],
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
        scores, actual = unseen.scores, unseen.actual
        codes, weights = unseen.groups.codes, unseen.mass
        kind = MAPS[self.method]
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
            warn_user(
                f"Fewer than {_FEWEST_ROWS} rows, or only one label, in: {', '.join(small)}. These groups "
                "get the map of all rows; merge small groups of sensitive_features for one of their own."
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
