"""Erasure: ConceptEraser frees features of all that they tell linearly about a group."""

from __future__ import annotations

from numbers import Real
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fairsk._core.columns import SensitiveColumns, as_floats
from fairsk._core.factorize import Coded
from fairsk._core.groups import encode_groups
from fairsk._core.messages import show
from fairsk._core.policy import UnknownGroup, accepts_unknown
from fairsk._core.typing import Bools, Floats
from fairsk._core.warnings import warn_user
from fairsk._meta.groupwise import group_codes
from fairsk._sklearn.compat import Interval, StrOptions, fit_context
from fairsk.repair._inputs import TrainingRows, refuse_scale
from fairsk.repair._moments.groups import GroupMoments
from fairsk.repair._moments.measurements import MeasurementMoments
from fairsk.repair._moments.moments import FeatureMoments
from fairsk.repair._projection import (
    Metric,
    Projection,
    Whitener,
    feature_scale,
    is_gone,
    project,
    rounding_noise,
    shrinkage_of,
)
from fairsk.repair._report import report_erasure
from fairsk.repair._transformer import GroupTransformer
from fairsk.repair._transport import shrunk

__all__ = ["ConceptEraser"]


class ConceptEraser(GroupTransformer):
    r"""Free features, such as embeddings, of all that they tell linearly about a group.

    After ``fit`` a linear model that is fitted to the transformed training rows by a convex loss (logistic,
    hinge, squared) predicts the group no better than a constant does, and the features change as little as
    that allows. The group is needed in ``fit`` only. **Non-linear models can still find the group**: a
    tree, even of one split, a net or the nearest neighbours read what is left in covariances and shapes.
    Put a linear model behind the eraser, or take :class:`GaussianRepairer`, which equalizes covariances too
    but needs the group of every new row.

    For equalized odds, ``within_label=True`` is the variant to take: groups are made alike *among rows of
    the same label*, so that what tells the label stays, and of the groups no more than the label tells.

    Parameters
    ----------
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X, left out of the features; a list makes an intersection, and all means
        of its groups become equal; a callable of X returns the values. Values passed to a method override it.
    metric : {"covariance", "diagonal", "identity"}, default="covariance"
        How the size of a change is measured: relative to the covariance of the features (LEACE), to their
        variances, or in the units of the features. All of them erase exactly, and a linear model without
        a penalty that is fitted afterwards predicts the same after each; they differ for models that were
        fitted before, or have a penalty.
    shrinkage : "auto" or float in [0, 1], default="auto"
        For ``metric="covariance"`` how far correlations are shrunk to 0, where 1 is ``"diagonal"``:
        ``"auto"`` is oracle-approximating shrinkage [3]_, next to nothing for many rows. It changes the edit
        on new rows, never what is erased.
    within_label : bool, default=False
        Whether groups are made alike within each label of y, as equalized odds asks for, instead of over all.
    preserve_label : bool, default=False
        Whether the covariances of the features with the labels of y stay exactly as they are [2]_, for which
        features change more.
    aware : bool, default=False
        Whether the mean of each row's own group is subtracted, instead of what the features tell of it. This
        is fairlearn's ``CorrelationRemover``; it needs the group in ``transform``, and changes features less.
        Counts, booleans and one-hot columns then have other values in each group, from which a tree reads it.
    continuous : bool, default=False
        Whether the sensitive attribute is a number, such as an age, with which the features are to be
        uncorrelated. Several columns are erased together.
    unknown_group : {"error", "overall"}, default="error"
        For ``aware``, what to do in ``transform`` with groups that did not occur in ``fit``, and with missing
        ones: refuse, or leave their features as they are.
    keep_sensitive : bool, default=False
        Whether the sensitive columns of X are passed on, as they are, to later steps.

    Attributes
    ----------
    erased_ : ErasureReport
        What was erased: the rank, the size of the edit, canonical correlations before and after.
    rank_ : int
        How many directions were taken out: at most one less than there are groups, times the number of
        labels if ``within_label``. Of as many features nothing but their means is left.
    mean_ : array of shape (n_features,)
        The mean of the features, which stays.
    left_, right_ : array of shape (n_features, rank_)
        What is subtracted from a row x: ``left_ @ right_.T @ (x - mean_)``. Not for ``aware``.
    groups_ : tuple
        The groups, sorted; tuples of values for an intersection. Not for a continuous attribute.
    group_means_ : array of shape (n_groups, n_features)
        The means of the features before the edit. Not for a continuous attribute.
    shrinkage_ : float or None
        How far correlations were shrunk; None for other metrics.
    moments_ : FeatureMoments
        The sums that all of this follows from. They add up: see :meth:`fit_moments`.
    n_features_in_ : int
        Number of columns of X seen in ``fit``.
    feature_names_in_ : array of shape (n_features_in_,)
        Their names, if X has text names.

    Raises
    ------
    ValueError
        If the sensitive column is missing or has missing values, features are no finite numbers, y is
        missing where a parameter needs it, ``aware`` comes with ``within_label`` or ``preserve_label``, or
        labels cannot be preserved because the same direction tells the groups.
    TypeError
        If X is sparse.

    Warns
    -----
    UserWarning
        In ``fit`` or ``fit_moments``: if there is only one group, or no row with a weight belongs to a group,
        as nothing is erased of it then; and if all directions are taken out, so that no feature varies.

    See Also
    --------
    GaussianRepairer : Equalize covariances too, where the group is known.
    DistributionRepairer : Equalize each feature's distribution, where the group is known.
    fairsk.GroupThresholdOptimizer : Decide by a threshold per group, under a bound.
    fairsk.FairClassifier : Train a net under a bound.

    Notes
    -----
    With :math:`A` the covariances of the features with the (standardized) indicators of the groups, and
    :math:`B = M^{-1} A` for a metric :math:`M`, a row becomes

    .. math:: x' = x - A (B^\top A)^+ B^\top (x - \bar x),

    so that :math:`\operatorname{cov}(x', z) = 0` for any positive definite :math:`M`. For the covariance
    this is LEACE, which changes rows least [1]_. With ``within_label`` the indicators are those of groups and
    labels, centred in each label. With ``preserve_label``, :math:`B` is made orthogonal to the covariances
    with the labels [2]_. For the metric, features are measured in their standard deviations, so that their
    units do not matter (except for ``"identity"``).

    *What it is exact about.* Means of groups (within labels) are equal up to rounding on the training rows,
    of rare groups as of others, and weighted rows count as repeated ones. Erasing twice changes nothing, and
    of two erasers in a row the second keeps what the first did, unless it is ``aware``: the means that it
    subtracts may tell the first one's group.

    *New rows.* There, means are equal up to sampling error: those of a group of 30 training rows lie apart
    by some .2 standard deviations, in every direction. What is learned from the erased training rows does
    not see that; but whoever has many new rows with their groups can find a rare group again, as far as such
    errors allow.

    *What it costs.* What groups differ in is gone, also where it told the label: :attr:`erased_` says how
    large the edit was. Over all rows, equal means can raise differences in true positive rates;
    ``within_label`` lowers these. Do not normalize rows to length 1 afterwards, for that brings differences
    back. A feature of which nothing is left, such as one that is the group itself, becomes its mean to the
    last digit. Erased features are collinear up to rounding: let the linear model behind have a penalty, even
    a small one (``LogisticRegression``, ``Ridge``); without one, ``LinearRegression`` may learn from what is
    left by rounding, as in single precision or of features far from 0, and ``PCA(whiten=True)`` raises it to
    full size.

    *Cross-validation.* Inside a pipeline the eraser is fitted anew in each fold, as it should be: fitted on
    all rows before, it would leak.

    *Memory.* The state has ``n_features`` squared numbers, whatever the number of rows.

    References
    ----------
    .. [1] Belrose, Schneider-Joseph, Ravfogel, Cotterell, Raff & Biderman, LEACE: Perfect Linear Concept
       Erasure in Closed Form, NeurIPS 2023.
    .. [2] Holstege, Ravfogel & Wouters, Preserving Task-Relevant Information Under Linear Concept Removal,
       NeurIPS 2025.
    .. [3] Chen, Wiesel, Eldar & Hero, Shrinkage Algorithms for MMSE Covariance Estimation, IEEE Transactions
       on Signal Processing 58, 2010.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.repair import ConceptEraser
    >>> from sklearn.linear_model import LogisticRegression
    >>> rng = np.random.default_rng(0)
    >>> group = rng.choice(["a", "b"], 1000)
    >>> X = rng.normal(size=(1000, 5)) + (group == "a")[:, None] * [1, 0.5, 0, 0, 0]
    >>> eraser = ConceptEraser()
    >>> erased = eraser.fit_transform(X, sensitive_features=group)
    >>> probe = LogisticRegression()
    >>> [round(probe.fit(features, group).score(features, group), 3) for features in (X, erased)]
    [0.717, 0.537]
    >>> print(eraser.erased_)
    taken out:   1 of 5 directions
    edit:        0.474 standard deviations per feature (root mean square), at most 0.920
    shrinkage:   0.385 of the correlations
    smallest:    a, 463 rows
    <BLANKLINE>
    Largest canonical correlation of the features with
    told of  before  after
    ----------------------
    groups    0.491  0.000
    Linear predictors only: a tree, a net or neighbours may still find what is left.
    """

    __metadata_request__partial_fit = {"sensitive_features": True}

    _parameter_constraints = {
        **GroupTransformer._parameter_constraints,
        "metric": [StrOptions(set(get_args(Metric)))],
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="both")],
        "within_label": ["boolean"],
        "preserve_label": ["boolean"],
        "aware": ["boolean"],
        "continuous": ["boolean"],
    }

    def __init__(
        self,
        *,
        sensitive_features: Any = None,
        metric: Metric = "covariance",
        shrinkage: float | Literal["auto"] = "auto",
        within_label: bool = False,
        preserve_label: bool = False,
        aware: bool = False,
        continuous: bool = False,
        unknown_group: UnknownGroup = "error",
        keep_sensitive: bool = False,
    ) -> None:
        self.sensitive_features = sensitive_features
        self.metric = metric
        self.shrinkage = shrinkage
        self.within_label = within_label
        self.preserve_label = preserve_label
        self.aware = aware
        self.continuous = continuous
        self.unknown_group = unknown_group
        self.keep_sensitive = keep_sensitive

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: Any,
        y: ArrayLike | None = None,
        sensitive_features: Any = None,
        sample_weight: ArrayLike | None = None,
    ) -> Self:
        """Learn from more rows: a stream in batches, of any order, gives what ``fit`` gives on all rows.

        Groups and labels may come up in any batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Numbers, and possibly the sensitive column, of any type.
        y : array-like of shape (n_samples,), optional
            Labels; looked at only where a parameter asks for them.
        sensitive_features : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.
        sample_weight : array-like of shape (n_samples,), optional
            How many rows each row counts as.

        Returns
        -------
        ConceptEraser
            The fitted transformer.
        """
        first = not hasattr(self, "moments_")
        moments = self._add_up(self._read_rows(X, y, sensitive_features, sample_weight, first=first))
        return self._erase(moments if first else self.moments_ + moments)

    @fit_context(prefer_skip_nested_validation=True)
    def fit_moments(self, moments: FeatureMoments) -> Self:
        """Learn from sums instead of rows: of several sites, or of a table that was stored.

        Parameters
        ----------
        moments : FeatureMoments
            Those of another eraser (``moments_``), or of several added up.

        Returns
        -------
        ConceptEraser
            The fitted transformer. Its ``transform`` takes the features that the moments are of, with or
            without the columns that ``sensitive_features`` names.

        Raises
        ------
        TypeError
            If these are no moments, or moments of groups where the attribute is continuous, or the reverse.
        ValueError
            If labels are needed, and the moments do not tell rows apart by their labels; or if sensitive
            columns are to be kept.

        Examples
        --------
        >>> import numpy as np
        >>> from fairsk.repair import ConceptEraser
        >>> rng = np.random.default_rng(0)
        >>> X, group = rng.normal(size=(200, 3)), rng.choice(["a", "b"], 200)
        >>> sites = [slice(0, 50), slice(50, 200)]
        >>> tables = [ConceptEraser().fit(X[s], sensitive_features=group[s]).moments_ for s in sites]
        >>> eraser = ConceptEraser().fit_moments(sum(tables))
        >>> whole = ConceptEraser().fit(X, sensitive_features=group)
        >>> bool(np.allclose(eraser.transform(X), whole.transform(X)))
        True
        """
        kind = MeasurementMoments if self.continuous else GroupMoments
        if not isinstance(moments, kind):
            raise TypeError(
                f"fit_moments takes the moments_ of another eraser with continuous={self.continuous}, got "
                f"{type(moments).__name__}."
            )
        if self.keep_sensitive:
            raise ValueError(
                "keep_sensitive=True does not go with fit_moments: moments are of the features, and do not "
                "say where the sensitive columns stand in X. Set keep_sensitive=False, and pass them on "
                "beside the eraser."
            )
        n_features = len(moments.mean)
        self.n_features_in_ = self._n_rest = n_features
        self._is_feature, self._saw_columns = np.ones(n_features, dtype=bool), False
        self._sensitive_names, self._sensitive_by_position = moments.names, False
        if hasattr(self, "feature_names_in_"):
            del self.feature_names_in_
        if moments.features is not None:
            self.feature_names_in_ = np.array(moments.features, dtype=object)
        self._erase(moments)
        self._warn()
        return self

    def _learn(self, rows: TrainingRows) -> None:
        self._erase(self._add_up(rows))
        self._warn()

    def _warn(self) -> None:
        """Warn of what was not erased, and of features of which nothing is left."""
        moments = self.moments_
        if isinstance(moments, GroupMoments):
            shares = dict(zip(moments.groups, moments.shares, strict=True))
            self._warn_of_groups(shares, "What tells these groups of sensitive_features apart is not erased.")
        n_varying = int(feature_scale(moments)[1].sum())
        if not self.aware and self.rank_ == n_varying > 0:
            warn_user(
                f"All {n_varying} directions of the features are taken out, so that nothing is left to learn "
                "from: groups of sensitive_features (with within_label=True, times labels) differ in as many "
                "directions as there are features. Merge groups, set continuous=True for a number such as an "
                "age, or take more features."
            )

    def _add_up(self, rows: TrainingRows) -> FeatureMoments:
        """Return the moments of some rows."""
        if self.aware and (self.within_label or self.preserve_label):
            raise ValueError(
                "aware=True subtracts the mean of each row's group, and goes with neither "
                "within_label=True nor preserve_label=True: these need no group in transform, so set "
                "aware=False."
            )
        names = getattr(self, "feature_names_in_", None)
        names = None if names is None else names[self._is_feature].tolist()
        if self.continuous:
            values = _measurements(rows.sensitive)
            refuse_scale("The sensitive values", values)
            attributes = rows.sensitive.names
            return MeasurementMoments.of_rows(
                rows.features, values, attributes, rows.labels, rows.weights, names
            )
        groups = encode_groups(
            rows.sensitive, measured="Or take it as a number, from which no features tell: continuous=True."
        )
        return GroupMoments.of_rows(rows.features, groups, rows.labels, rows.weights, names)

    def _erase(self, moments: FeatureMoments) -> Self:
        """Learn what is subtracted, from moments."""
        if self._needs_labels and not moments.has_labels:
            raise ValueError(
                "within_label=True and preserve_label=True need moments by label: fit every site's eraser "
                "with one of them set, and with y."
            )
        self.mean_ = moments.mean
        self.shrinkage_: float | None = None
        if isinstance(moments, GroupMoments):
            self.groups_ = moments.groups
            self.group_means_ = moments.mean + moments.group_offsets()
        if self.aware:
            self._regress(moments)
        else:
            self._project(moments)
        self.moments_ = moments  # last: a batch of a stream that is refused does not count
        return self

    def _project(self, moments: FeatureMoments) -> None:
        """Learn the projection."""
        scale, varies = feature_scale(moments)
        told = moments.between(within_label=self.within_label)
        kept = moments.between_labels() if self.preserve_label else None
        told[~varies] = 0  # rounding of constants
        projection = project(
            told,
            kept,
            self._whitener(moments, scale, varies),
            scale=scale,
            # What was erased before is left as it is, and no direction of mere rounding is taken out.
            noise=rounding_noise(moments),
            columns=moments.columns(within_label=self.within_label),
        )
        self.left_, self.right_, self.rank_ = projection.left, projection.right, projection.rank
        read = self.right_.T @ moments.covariance() @ self.right_
        after = moments.mapped(projection.apply)
        self._is_gone = is_gone(moments, after)
        self.erased_ = report_erasure(
            moments,
            after,
            np.einsum("ij,jk,ik->i", self.left_, read, self.left_),
            rank=self.rank_,
            shrinkage=self.shrinkage_,
            within_label=bool(self.within_label),
        )

    def _whitener(self, moments: FeatureMoments, scale: Floats, varies: NDArray[np.bool_]) -> Whitener:
        """Return the metric, for features in units of their standard deviations."""
        if self.metric == "identity":
            return Whitener(1 / scale)
        if self.metric == "diagonal":
            return Whitener(np.ones(len(scale)))
        correlation = moments.covariance() / np.outer(scale, scale)
        correlation[~varies] = correlation[:, ~varies] = 0
        np.fill_diagonal(correlation, 1.0)
        inner = correlation[np.ix_(varies, varies)]
        given = self.shrinkage
        shrinkage = shrinkage_of(inner, moments.n_counted) if isinstance(given, str) else float(given)
        self.shrinkage_ = shrinkage
        return Whitener.of(shrunk(correlation, shrinkage))

    def _regress(self, moments: FeatureMoments) -> None:
        """Learn what is subtracted where the attribute is known."""
        if isinstance(moments, MeasurementMoments):
            self._value_mean, self._slopes = moments.value_mean, moments.slopes()
            moved = self._slopes
        else:
            assert isinstance(moments, GroupMoments)
            moved = moments.group_offsets()
            # The last one is that of the code -1, an unknown group: it stays where it is.
            self._offsets = np.concatenate([moved, np.zeros((1, moved.shape[1]))])
        after = moments.residual()
        self._is_gone = is_gone(moments, after)
        scale, _ = feature_scale(moments)
        self.rank_ = int(np.linalg.matrix_rank(moved / scale))
        removed = np.diag(moments.scatter - after.scatter) / moments.n
        self.erased_ = report_erasure(
            moments, after, removed, rank=self.rank_, shrinkage=None, within_label=False
        )

    @property
    def _needs_labels(self) -> bool:
        return bool(self.within_label or self.preserve_label)

    @property
    def _needs_groups(self) -> bool:
        return bool(self.aware)

    @property
    def _without_groups(self) -> str:
        return "Where it is not known for new rows, set aware=False, which needs it in fit only."

    def _attribute(self, sensitive: SensitiveColumns) -> Any:
        if self.continuous:
            return _measurements(sensitive, accepts_unknown(self.unknown_group), later=True)
        return group_codes(sensitive, self.groups_, self.unknown_group)

    def _repair(self, features: NDArray[Any], attribute: Any) -> NDArray[Any]:
        known: Any = slice(None)
        if not self.aware:
            repaired = Projection(self.left_, self.right_).remove(features, self.mean_)
        else:
            known, subtracted = self._regressed(attribute)
            repaired = features - subtracted.astype(features.dtype)
        for feature in np.flatnonzero(self._is_gone):
            repaired[known, feature] = self.mean_[feature]
        return repaired

    def _regressed(self, attribute: Any) -> tuple[Bools, Floats]:
        """Return of which rows the attribute is known, and what is subtracted: nothing from the others."""
        if not self.continuous:
            return attribute >= 0, self._offsets[attribute]
        deviations = attribute - self._value_mean
        known = ~np.isnan(deviations).any(axis=1)
        deviations[~known] = 0
        return known, deviations @ self._slopes


def _measurements(sensitive: SensitiveColumns, allow_missing: bool = False, *, later: bool = False) -> Floats:
    """Return a continuous attribute as numbers, of shape (n_samples, n_attributes); ``later`` than fit."""
    columns = []
    for name, column in zip(sensitive.names, sensitive.columns, strict=True):
        array = column.to_array() if isinstance(column, Coded) else column
        called = f"The sensitive feature {show(name)} (continuous=True)"
        try:
            values = as_floats(called, array)
        except ValueError as error:
            raise ValueError(
                f"{error} Encode it as numbers first: two values as 0 and 1, of more a column of 0 and 1 for "
                "each. A list of columns is erased together: such as an age, and a sex in numbers."
            ) from None
        missing = int(np.isnan(values).sum())
        if missing and not allow_missing:
            otherwise = ", or set unknown_group='overall' to leave them as they are" if later else ""
            raise ValueError(
                f"{called} is missing (NaN or None) in {missing} of {len(values)} rows. Drop those rows, or "
                f"fill in a number{otherwise}; fairsk does not guess."
            )
        if np.isinf(values).any():
            raise ValueError(f"{called} must be finite: infinity cannot be averaged.")
        columns.append(values)
    return np.column_stack(columns)
