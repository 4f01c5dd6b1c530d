"""Repair of distributions: DistributionRepairer gives each feature the same distribution in every group."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from fairsk._core.messages import list_texts, shorten
from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Floats, Ints
from fairsk._core.uniforms import entry_uniforms
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import Interval, StrOptions, validate_parameters
from fairsk.repair._inputs import TrainingRows
from fairsk.repair._quantile_maps import Ranks, learn_maps, moved, spread
from fairsk.repair._told import Told, told
from fairsk.repair._transformer import REPAIRED_AS_ALL, GroupTransformer

__all__ = ["DistributionRepairer"]

#: How rarely ``fit`` warns of a feature that tells more of the group, where it does so by chance: one fit of
#: a thousand, whatever the number of features.
LEVEL = 0.001

#: What becomes of rows with one value.
Ties: TypeAlias = Literal["mean", "split"]


class DistributionRepairer(GroupTransformer):
    r"""Give each feature the same distribution in every group: their Wasserstein barycentre.

    Each number of a table is replaced by the number that stands at the same rank in the average of all
    groups. Within a group the order of the rows stays as it is in every feature. A feature alone then tells
    nothing of the group. Features together still can: how they depend on each other is left as it is, so a
    model of several features may find the group.

    Parameters
    ----------
    amount : float in [0, 1], default=1.0
        How far values move: 0 leaves them as they are, 1 makes the groups alike, .5 halves the distances
        between their distributions. It is read in ``transform``, so it can be set without a new fit.
    ties : {"split", "mean"}, default="split"
        What becomes of rows with one value, as counts, codes and booleans have many. ``"split"`` spreads them
        over the values that stand at their ranks, so that groups have the same values as often. ``"mean"``
        keeps them together, so that groups have exactly the same means; that serves linear models, but
        **trees, neighbours and nets find the group by it**. It is read in ``transform``. Rows that are alike
        in all features cannot be split: give **all numbers of a table to one repairer**.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X, which is no feature and is left out; a list makes an intersection; a
        callable of X returns the values. Values passed to a method override it. The group is needed in
        ``transform``, too.
    unknown_group : {"error", "overall"}, default="error"
        What to do in ``transform`` with groups that did not occur in ``fit``, and with missing ones: refuse,
        or use the rank among all rows. It warns if no row of several has a known group, or values are
        of another type (text, numbers) than in ``fit``.
    keep_sensitive : bool, default=False
        Whether the sensitive column stays in the output, unchanged, for the steps that follow.

    Attributes
    ----------
    maps_ : dict
        For each group a list with one array of shape (2, n_corners) per feature: values, rising, and what
        becomes of them with ``amount=1, ties="mean"``. Maps are linear between corners and have slope 1
        beyond. Up to 1,000 distinct values are a corner each; more have 2,000 corners at most.
    overall_maps_ : list of arrays of shape (2, n_corners)
        The maps for rows of unknown groups: where the values of all rows together would go.
    barycenters_ : list of arrays of shape (2, n_corners)
        The distribution that all groups get, per feature: levels, and the quantiles there, linear between
        them.
    feature_edits_ : array of shape (n_features,)
        How far the groups lay apart in each feature: the root mean square by which rows have to move to make
        them alike, in standard deviations of the feature. It lies between 0 (they are alike) and 1, and its
        square is the share of the feature's variance that goes.
    told_before_ : array of shape (n_features,)
        How much of the group each feature tells by itself, to any model: the share of the variance of the
        groups' indicators that its values explain, beyond chance, in the rows of ``fit``. It lies between 0
        (nothing) and 1 (the value is known to be of one group).
    told_after_ : array of shape (n_features,)
        The same after the repair with ``amount=1`` and ``ties`` as in ``fit``. It is 0 where distributions
        are alike.
    shares_ : dict
        For each group its share of the (weighted) rows.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    n_features_in_ : int
        The number of columns of X.
    feature_names_in_ : array of shape (n_features_in_,)
        The names of the columns, if all of them are text.

    Raises
    ------
    ValueError
        If features are no finite numbers, the sensitive column is missing or has missing values, a group is
        unknown in ``transform``, or ``amount`` or ``ties`` was set to a value that it cannot have.
    TypeError
        If X is sparse.

    Warns
    -----
    UserWarning
        If there is only one group, no row with a weight belongs to a group, or with ``ties="split"`` a
        feature tells more of the group after the repair than before, as where many rows are alike in all
        features.

    See Also
    --------
    GaussianRepairer : Make means, variances and covariances alike, so that features together tell less.
    ConceptEraser : Remove what a linear model can find, without the group in ``transform``.
    fairsk.ScoreRepair : Give the score of a classifier the same distribution in every group.

    Notes
    -----
    With :math:`F_a` the distribution function, :math:`Q_a` the quantile function and :math:`p_a` the share of
    group :math:`a`, and :math:`\lambda` the amount, a value :math:`x` of that group becomes

    .. math:: (1 - \lambda) x + \lambda \bar Q(F_a(x)), \qquad \bar Q(u) = \sum_a p_a Q_a(u).

    Of all maps that make a feature alike this one moves it least, in squared distance on average. [1]_
    proposed it with the median of the quantile functions in place of their average, and the partial repair
    along the straight line.

    *Ties.* With ``ties="mean"`` rows of one value stay tied: they go to the mean of :math:`\bar Q` over their
    ranks, which is the mean target of the optimal transport plan. So **the mean of each repaired feature is
    the same in all groups** on the rows of ``fit``, ties or not, up to rounding. Distributions are the same
    up to the largest tie; without ties, distribution functions differ by .001 + 1 / (size of the smallest
    group) at most. On fresh rows sampling error comes on top of both.

    *A trap.* With ``ties="mean"`` a value goes to another number in each group, say 0 to .3 in one and to .2
    in the other. A tree reads the group from that, more surely than from the feature as it was. So it does
    after any map of a tied feature that is made for each group, such as a group's mean subtracted. With
    ``ties="split"`` each row takes one of the ranks of its value, by a hash of its features: the same for the
    same row every time, whatever other rows are present. Distributions are then the same, and with them
    means, up to chance, and as far as features tell rows apart in single precision.

    *Few distinct rows.* Rows that are alike in all features stay alike, so they cannot be split: of one
    column of working hours alone, 40 becomes 43.4 for every woman of a census and 40.0 for every man. So
    **repair all numbers of a table in one repairer**, not one by one. ``told_after_`` says per feature what
    is left, and ``fit`` warns where that is more than before. The share of the variance that values explain
    is Pearson's chi squared over the number of rows, and over that of groups less 1; values with too few
    rows are taken together. The warning comes where chance makes as much of what was told before in fewer
    than one fit of a thousand.

    *Counts, booleans and one-hot columns* are values with ties, and come out as floats: a column of 0 and 1
    has two values per group, neither 0 nor 1 in general (``"mean"``), or 0, 1 and averages of these
    (``"split"``). Counts and amounts are repaired well together with other numbers. **One-hot columns and
    codes are not**: beside numbers each of them comes out alike in all groups, but what they tell together
    grows, as of two columns of one category both may come out above 0. Leave them out, with a
    :class:`~sklearn.compose.ColumnTransformer`, or set a bound on the decisions instead
    (:class:`~fairsk.ConstrainedClassifier`). Text and categories are refused.

    *Order.* Within a group maps never fall, and rise wherever values with a weight do. Between two values of
    ``fit`` they are linear. Beyond those of ``fit`` values keep their distances. With ``ties="split"`` a row
    of ``fit`` never passes one with a larger value; a value in between may pass its neighbours' ties.

    *Small groups.* A group with one row has no spread: its row goes to the mean of the barycentre (or, split,
    anywhere in it). A group without weight is treated as all rows together. With one group only, X stays as
    it is, and so do constant features in any case.

    *What it does not do.* A correlation that differs between groups still differs. A classifier that is
    trained on repaired features need not reach parity, least of all a non-linear one:
    :class:`~fairsk.ScoreRepair` makes its score alike, and bounds on decisions hold where they are set.

    References
    ----------
    .. [1] Feldman, Friedler, Moeller, Scheidegger & Venkatasubramanian, Certifying and Removing Disparate
       Impact, KDD 2015.

    Examples
    --------
    >>> from fairsk.datasets import load_german_credit
    >>> from fairsk.repair import DistributionRepairer
    >>> X, y = load_german_credit(return_X_y=True)
    >>> X = X[["age_in_years", "credit_amount", "sex"]]
    >>> sex = X["sex"].to_numpy()
    >>> X[["age_in_years", "credit_amount"]].groupby(sex).mean().round(2)
            age_in_years  credit_amount
    female         32.80        2877.77
    male           36.78        3448.04
    >>> repairer = DistributionRepairer(sensitive_features="sex").set_output(transform="pandas")
    >>> repairer.fit_transform(X).groupby(sex).mean().round(2)
            age_in_years  credit_amount
    female         35.52        3269.46
    male           35.54        3269.92
    >>> repairer.feature_edits_.round(2)
    array([0.18, 0.12])

    The share of the group's variance that each column tells by itself:

    >>> repairer.told_before_.round(2), repairer.told_after_.round(2)
    (array([0.08, 0.02]), array([0., 0.]))
    """

    maps_: dict[Any, list[Floats]]
    overall_maps_: list[Floats]
    barycenters_: list[Floats]
    _ranks: list[list[Ranks]]  # of all rows, and of each group: per feature

    _parameter_constraints = {
        **GroupTransformer._parameter_constraints,
        "amount": [Interval(Real, 0, 1, closed="both")],
        "ties": [StrOptions(set(get_args(Ties)))],
    }

    def __init__(
        self,
        amount: float = 1.0,
        *,
        ties: Ties = "split",
        sensitive_features: Any = None,
        unknown_group: UnknownGroup = "error",
        keep_sensitive: bool = False,
    ) -> None:
        self.amount = amount
        self.ties = ties
        self.sensitive_features = sensitive_features
        self.unknown_group = unknown_group
        self.keep_sensitive = keep_sensitive

    def _learn(self, rows: TrainingRows) -> None:
        """Learn the maps of every feature, of each group and of all rows."""
        features, codes, weights = rows.features, rows.groups.codes, rows.weights
        self.groups_ = rows.groups.labels
        self.shares_ = rows.shares
        weights = np.ones(len(codes)) if weights is None else weights
        maps = [
            learn_maps(column.astype(np.float64), codes, weights, len(self.groups_)) for column in features.T
        ]
        self.maps_ = {
            label: [feature.by_group[code] for feature in maps] for code, label in enumerate(self.groups_)
        }
        self.overall_maps_ = [feature.overall for feature in maps]
        self._ranks = [
            [feature.overall_ranks for feature in maps],
            *([feature.ranks[code] for feature in maps] for code in range(len(self.groups_))),
        ]
        self.barycenters_ = [feature.barycenter for feature in maps]
        self.feature_edits_ = np.array([feature.distance for feature in maps])
        self._warn_of_groups(self.shares_, REPAIRED_AS_ALL)
        self._tell(rows, weights)

    def _tell(self, rows: TrainingRows, weights: Floats) -> None:
        """Measure what each feature tells of the group before and after, and warn if ties make it more."""
        repaired = self._moved(rows.features, rows.groups.codes, 1)
        before, after = (
            self._told(features, rows.groups.codes, weights) for features in (rows.features, repaired)
        )
        self.told_before_ = np.array([feature.adjusted for feature in before])
        self.told_after_ = np.array([feature.adjusted for feature in after])
        level = LEVEL / max(len(after), 1)
        more = [now.is_more_than(then, level) for then, now in zip(before, after, strict=True)]
        # That "mean" marks groups is what the docstring says of it; amount=0 changes nothing.
        if not any(more) or self.ties == "mean" or self.amount == 0:
            return
        names = self.get_feature_names_out()
        names = names[self._is_feature] if self.keep_sensitive else names
        shares = zip(names, self.told_before_, self.told_after_, strict=True)
        told_more = [
            f"{shorten(str(name))} ({then:.1%} of the group before, {now:.1%} after)"
            for (name, then, now), is_more in zip(shares, more, strict=True)
            if is_more
        ]
        warn_user(
            "These features tell more of the group after the repair than before: "
            f"{list_texts(told_more, longest=120)}. ties='split' splits rows that differ in some feature; of "
            "rows that are alike in all features one value becomes one number in each group, and marks it. "
            "Repair more numbers together, in one DistributionRepairer (in a ColumnTransformer: one for all "
            "numbers, not one per column), or leave such columns out: codes and one-hot columns cannot be "
            "repaired as numbers."
        )

    def _told(self, features: NDArray[Any], codes: Ints, weights: Floats) -> list[Told]:
        """Return what each feature tells of the group, by itself."""
        return [told(column.astype(np.float64), codes, weights, len(self.groups_)) for column in features.T]

    def _repair(self, features: NDArray[Any], attribute: Ints) -> NDArray[Any]:
        """Return repaired features; the code -1 stands for unknown groups."""
        # amount and ties are read here, and may have been set since fit.
        validate_parameters(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        return self._moved(features, attribute, self.amount)

    def _moved(self, features: NDArray[Any], attribute: Ints, amount: float) -> NDArray[Any]:
        """Return features that are moved as far as ``amount`` says."""
        repaired = features.copy()
        if len(self.groups_) == 1:
            return repaired
        uniforms = entry_uniforms(features) if self.ties == "split" else None
        for code, maps in enumerate([self.overall_maps_, *self.maps_.values()], start=-1):
            rows = np.flatnonzero(attribute == code)
            for feature, corners in enumerate(maps):
                values = features[rows, feature].astype(np.float64)
                if uniforms is None:
                    full = moved(values, corners)
                else:
                    ranks, barycenter = self._ranks[code + 1][feature], self.barycenters_[feature]
                    full = spread(values, uniforms[rows, feature], ranks, barycenter)
                repaired[rows, feature] = (1 - amount) * values + amount * full
        return repaired
