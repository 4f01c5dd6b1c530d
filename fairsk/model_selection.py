"""Splitters: folds stratified by group and label."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.model_selection import StratifiedKFold

from fairsk._core.columns import refuse_shuffled, sensitive_columns
from fairsk._core.groups import encode_groups, group_strata
from fairsk._core.labels import code_labels
from fairsk._core.typing import Ints
from fairsk._sklearn.compat import num_samples

__all__ = ["GroupStratifiedKFold"]


class GroupStratifiedKFold(StratifiedKFold):
    """K folds with the same share of every (group, label) cell, as far as its size allows.

    A cell with fewer rows than folds is spread with the other rows of its label.

    Parameters
    ----------
    n_splits : int, default=5
        Number of folds, at least 2.
    sensitive_features : str, int, list of these, or callable, optional
        The sensitive column of X; a list makes an intersection; a callable of X returns the values.
        Values passed to ``split`` as ``groups`` (or as metadata called ``sensitive_features``) override it.
    shuffle : bool, default=False
        Whether to shuffle the rows of each cell first.
    random_state : int, RandomState instance or None, default=None
        Seeds the shuffle.

    Raises
    ------
    ValueError
        If the sensitive column is missing, or every label has fewer rows than there are folds.

    See Also
    --------
    sklearn.model_selection.StratifiedKFold : Folds stratified by label alone.
    sklearn.model_selection.StratifiedGroupKFold : Keeps a group's rows together in one fold: the opposite.
    fairsk.scoring.make_fair_scorer : Scores each fold by a disparity, which needs every group in it.

    Examples
    --------
    >>> import numpy as np
    >>> from fairsk.model_selection import GroupStratifiedKFold
    >>> sex = np.repeat(["f", "m"], [4, 8])
    >>> X, y = sex.reshape(-1, 1), np.tile([0, 1], 6)
    >>> for _, test in GroupStratifiedKFold(2, sensitive_features=0).split(X, y):
    ...     print(sex[test], y[test])
    ['f' 'f' 'm' 'm' 'm' 'm'] [0 1 0 1 0 1]
    ['f' 'f' 'm' 'm' 'm' 'm'] [0 1 0 1 0 1]
    """

    __metadata_request__split = {"groups": "sensitive_features"}

    def __init__(
        self,
        n_splits: int = 5,
        *,
        sensitive_features: Any = None,
        shuffle: bool = False,
        random_state: Any = None,
    ) -> None:
        super().__init__(n_splits, shuffle=shuffle, random_state=random_state)
        self.sensitive_features = sensitive_features

    def split(self, X: Any, y: ArrayLike, groups: Any = None) -> Iterator[tuple[Ints, Ints]]:
        """Return the positions of training and test rows of each fold.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows; looked at for the sensitive column only.
        y : array-like of shape (n_samples,)
            Labels.
        groups : array-like of shape (n_samples,) or (n_samples, n_columns), optional
            The group of each row; overrides the column.

        Returns
        -------
        iterator of tuples of two arrays
            Positions of the training rows and of the test rows.

        Raises
        ------
        ValueError
            If a label or a group is missing, their numbers are not that of the rows, the sensitive column is
            missing, or pandas indexes are in different orders.
        """
        if y is None:
            raise ValueError("GroupStratifiedKFold balances the labels too: pass y to split.")
        refuse_shuffled(X=X, y=y, groups=groups)
        sensitive = sensitive_columns(X, self.sensitive_features, groups, n_samples=num_samples(X))
        codes = encode_groups(sensitive).codes
        labels = code_labels("y", y).codes
        if len(labels) != len(codes):
            raise ValueError(f"X has {len(codes)} rows and y {len(labels)}: inconsistent numbers of samples.")
        return super().split(np.zeros((len(codes), 1)), group_strata(codes, labels, self.n_splits))
