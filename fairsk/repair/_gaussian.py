"""Repair of moments: GaussianRepairer gives every group the same means and covariances."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fairsk._core.groups import list_groups
from fairsk._core.policy import UnknownGroup
from fairsk._core.typing import Floats, Ints
from fairsk._core.warnings import warn_user
from fairsk._sklearn.compat import Interval, StrOptions, validate_parameters
from fairsk.repair._group_gaussians import GaussianMaps, GroupGaussians
from fairsk.repair._inputs import TrainingRows
from fairsk.repair._transformer import REPAIRED_AS_ALL, GroupTransformer

__all__ = ["GaussianRepairer"]


class GaussianRepairer(GroupTransformer):
    r"""Give all groups the same means and covariances: those of their Wasserstein barycentre.

    Linear models can no longer tell the groups, nor can non-linear ones that look at means, variances and
    correlations. **The group of every row is needed in** ``transform``. The edit is larger than that of
    :class:`ConceptEraser`, and costs a later classifier more accuracy. Only the first two moments are made
    alike: what groups differ in beyond them (shapes, outliers, which values occur at all) can still be found
    by a non-linear model.

    Take :class:`ConceptEraser` if new rows come without their group, or the model that follows is linear:
    it then tells no more of the group either way, and keeps more accuracy.

    Parameters
    ----------
    amount : float in [0, 1], default=1.0
        How far rows move: 0 leaves them as they are, 1 makes the groups alike, .5 halves the distance of
        each group from their barycentre. It is read in ``transform``, so it can be set without a new fit.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X, left out of the features; a list makes an intersection; a callable of X
        returns the values. Values passed to a method override it.
    shrinkage : "auto" or float in [0, 1], default="auto"
        How far the covariance of each group is shrunk to equal variances without correlations (of features
        in standard deviations): ``"auto"`` is oracle-approximating shrinkage [3]_, next to nothing for
        groups of many rows. 0 makes the covariances on the rows of ``fit`` equal exactly, which needs more
        rows than features in each group.
    unknown_group : {"error", "overall"}, default="error"
        What to do in ``transform`` with groups that did not occur in ``fit``, and with missing ones: refuse,
        or move them as all rows together would have to move. It warns if no row of several has a known
        group, or values are of another type (text, numbers) than in ``fit``.
    keep_sensitive : bool, default=False
        Whether the sensitive columns of X are passed on, as they are, to later steps.

    Attributes
    ----------
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection.
    shares_ : dict
        For each group its share of the (weighted) rows.
    mean_ : array of shape (n_features,)
        The mean that all groups get, which is that of all rows.
    covariance_ : array of shape (n_features, n_features)
        The covariance that all groups get, up to shrinkage.
    means_ : dict
        For each group its mean.
    maps_ : dict
        For each group a matrix of shape (n_features, n_features). With ``amount=1`` a row x of the group
        becomes ``mean_ + maps_[group] @ (x - means_[group])``.
    overall_map_ : array of shape (n_features, n_features)
        The same for rows of unknown groups, whose mean is ``mean_``.
    shrinkage_ : dict
        For each group how far its covariance was shrunk.
    group_edits_ : dict
        For each group how far its rows move with ``amount=1``: the root mean square over rows and features
        (constant ones excepted), in standard deviations of all rows.
    n_iter_ : int
        How many steps the search for the barycentre took.
    n_features_in_ : int
        Number of columns of X seen in ``fit``.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.

    Raises
    ------
    ValueError
        If features are no finite numbers, the sensitive column is missing or has missing values, a group is
        unknown in ``transform``, or ``amount`` is not in [0, 1].
    TypeError
        If X is sparse.

    Warns
    -----
    UserWarning
        If there is only one group, no row with a weight belongs to a group, or with ``shrinkage=0`` a group
        does not vary in some direction, as with fewer rows than features.

    See Also
    --------
    ConceptEraser : Remove what a linear model can find, without the group in ``transform``.
    DistributionRepairer : Equalize the whole distribution of each feature by itself.
    fairsk.ScoreRepair : Give the score of a classifier the same distribution in every group.

    Notes
    -----
    With the mean :math:`m_a`, the covariance :math:`S_a` and the share :math:`p_a` of group :math:`a`, and
    :math:`\lambda` the amount, a row of that group becomes

    .. math::

        x' = (1 - \lambda) x + \lambda (m + R_a (x - m_a)), \qquad
        R_a = S_a^{-1/2} (S_a^{1/2} S S_a^{1/2})^{1/2} S_a^{-1/2},

    where :math:`m = \sum_a p_a m_a` and :math:`S = \sum_a p_a (S^{1/2} S_a S^{1/2})^{1/2}` are the moments of
    the barycentre [1]_. Of all maps that make Gaussians alike these move rows least, in squared distance on
    average. :math:`S` is found by the steps of [2]_, until one moves it by less than a millionth of its
    standard deviation. Moments come out equal however exactly it is found; it decides where they meet.

    *Units.* Distances are measured in standard deviations of the features over all rows, so a change of units
    changes nothing else. Weighted rows count as repeated ones.

    *Tables.* Counts, booleans and one-hot columns come out as numbers between and beyond their values, and
    one value becomes another number in each group: **a tree reads the group from that**, more surely than
    from the columns as they were. For counts and amounts take :class:`DistributionRepairer`, with all numbers
    of the table in one repairer. One-hot columns and codes cannot be repaired as numbers without marking the
    group: leave them out, or set a bound on the decisions (:class:`~fairsk.ConstrainedClassifier`).

    *Shrinkage.* The covariance of a group with few rows has directions without any variance, which no map can
    stretch to that of others, and new rows do have some variance there. Shrunk, it has some, too; the price
    is that covariances are equal up to shrinkage only, on the rows of ``fit``; means are equal exactly. The
    target is not the average covariance of the groups, for that keeps what they differ in: nets find more
    of it then. Where a group does not vary even so, it is taken to vary as the groups do on average. So a
    group of one row has its row moved to the mean, and new rows of it are moved along with that.

    *New rows.* Their moments are equal up to sampling error, that of a covariance of many features included:
    with 1,300 rows per group and 384 features, a net that learns from *new* repaired rows finds a little
    of the group, where one that learns from those of ``fit`` finds nothing.

    *What is left alone.* Constant features, and directions in which no group varies (collinear features,
    or variances below 1.5e-8 of the largest), are only moved with the means: with ``amount=1`` a column that
    is the group itself becomes a constant, to the last digit. With one group only, X stays as
    it is. A group without weight is moved as rows of an unknown group are.

    *Cost.* In memory a matrix of all pairs of features for each group; in time as many eigendecompositions
    of such matrices as there are groups, in each of some ten steps.

    References
    ----------
    .. [1] Agueh & Carlier, Barycenters in the Wasserstein Space, SIAM Journal on Mathematical Analysis 43,
       2011.
    .. [2] Alvarez-Esteban, del Barrio, Cuesta-Albertos & Matran, A Fixed-Point Approach to Barycenters in
       Wasserstein Space, Journal of Mathematical Analysis and Applications 441, 2016.
    .. [3] Chen, Wiesel, Eldar & Hero, Shrinkage Algorithms for MMSE Covariance Estimation, IEEE Transactions
       on Signal Processing 58, 2010.

    Examples
    --------
    Two groups that differ in a correlation only, which nearest neighbours find and a linear model does not:

    >>> import numpy as np
    >>> from fairsk.repair import ConceptEraser, GaussianRepairer
    >>> from sklearn.neighbors import KNeighborsClassifier
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], 4000)
    >>> X = rng.normal(size=(4000, 2))
    >>> X[:, 1] = 0.5 * X[:, 1] + np.where(group == "a", 1, -1) * X[:, 0]
    >>> train, test = slice(0, 2000), slice(2000, 4000)
    >>> for repair in (ConceptEraser(), GaussianRepairer()):
    ...     before = repair.fit_transform(X[train], sensitive_features=group[train])
    ...     after = repair.transform(X[test], sensitive_features=group[test])
    ...     probe = KNeighborsClassifier(50).fit(before, group[train])
    ...     print(type(repair).__name__, round(probe.score(after, group[test]), 2))
    ConceptEraser 0.68
    GaussianRepairer 0.5
    """

    groups_: tuple[Any, ...]
    shares_: dict[Any, float]
    means_: dict[Any, Floats]
    maps_: dict[Any, Floats]

    _parameter_constraints = {
        **GroupTransformer._parameter_constraints,
        "amount": [Interval(Real, 0, 1, closed="both")],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
    }

    def __init__(
        self,
        amount: float = 1.0,
        *,
        sensitive_features: Any = None,
        shrinkage: float | Literal["auto"] = "auto",
        unknown_group: UnknownGroup = "error",
        keep_sensitive: bool = False,
    ) -> None:
        self.amount = amount
        self.sensitive_features = sensitive_features
        self.shrinkage = shrinkage
        self.unknown_group = unknown_group
        self.keep_sensitive = keep_sensitive

    def _learn(self, rows: TrainingRows) -> None:
        """Learn the moments of the groups, and the maps that make them alike."""
        groups, features = rows.groups, rows.features
        self.groups_ = groups.labels
        weights = np.ones(len(features)) if rows.weights is None else rows.weights
        sums = groups.sums(weights)
        self.shares_ = rows.shares
        present = np.flatnonzero(sums > 0)
        codes = np.searchsorted(present, groups.codes)
        if not weights.all():
            counted = weights > 0
            features, codes, weights = features[counted], codes[counted], weights[counted]
        gaussians = GroupGaussians.of_rows(features, codes, weights)
        shrinkage = None if isinstance(self.shrinkage, str) else float(self.shrinkage)
        found = GaussianMaps.to_barycenter(gaussians, shrinkage)
        maps = dict.fromkeys(self.groups_, found.of_all)
        maps.update(zip((self.groups_[code] for code in present), found.of_groups, strict=True))
        self._origin, self._distance, self._settled = gaussians.origin, gaussians.distance, found.settled
        self._distances = {label: each.distance for label, each in maps.items()}
        self.mean_, self.covariance_ = gaussians.origin + gaussians.distance, found.covariance
        self.overall_map_ = found.of_all.matrix
        self.means_ = {label: gaussians.origin + each.distance for label, each in maps.items()}
        self.maps_ = {label: each.matrix for label, each in maps.items()}
        self.shrinkage_ = {label: each.shrinkage for label, each in maps.items()}
        self.group_edits_ = {label: each.moved for label, each in maps.items()}
        self.n_iter_ = found.n_steps
        self._warn_of_groups(self.shares_, REPAIRED_AS_ALL)
        incomplete = [label for label, each in maps.items() if not each.is_complete]
        if incomplete and self.shrinkage == 0:
            warn_user(
                "shrinkage=0 makes covariances equal where each group varies in all directions. These groups "
                "do not, for they have too few rows, or features that are constant in them: "
                f"{list_groups(incomplete)}. Set shrinkage='auto', or leave such features out."
            )

    def _repair(self, features: NDArray[Any], attribute: Ints) -> NDArray[Any]:
        """Return repaired features; the code -1 stands for unknown groups."""
        # amount is read here, and may have been set since fit.
        validate_parameters(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        repaired = features.copy()
        if len(self.groups_) == 1:
            return repaired
        maps = [(self._distance, self.overall_map_)]
        maps += [(self._distances[label], self.maps_[label]) for label in self.groups_]
        kind = features.dtype
        for code, (distance, matrix) in enumerate(maps, start=-1):
            rows = np.flatnonzero(attribute == code)
            if not len(rows):
                continue
            # Only what is added to a row is computed: what is not to change stays the same to the last digit.
            change = (self.amount * (matrix.T - np.eye(len(matrix)))).astype(kind)
            shift = (self.amount * (self._distance - distance)).astype(kind)
            from_mean = (features[rows] - self._origin.astype(kind)) - distance.astype(kind)
            repaired[rows] += from_mean @ change + shift
            self._settle(repaired, features, rows)
        return repaired

    def _settle(self, repaired: NDArray[Any], features: NDArray[Any], rows: Ints) -> None:
        """Set features that are to be constant to the mean where they are off by rounding.

        Rounding may differ between groups, and whoever scales features afterwards would read it.
        """
        for feature in np.flatnonzero(self._settled):
            mean, values = self.mean_[feature], repaired[rows, feature]
            size = np.abs(features[rows, feature]) + np.abs(self._origin[feature]) + np.abs(mean)
            # Each of the sums that led here is rounded to the last digit of its terms.
            rounding = 4 * np.finfo(features.dtype).eps * size
            repaired[rows, feature] = np.where(np.abs(values - mean) <= rounding, mean, values)
