"""Counterfactual augmentation: training texts joined by their swaps, as a sampler for imbalanced-learn."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils import indexable

from fairsk._core.texts import read_texts, replace_texts
from fairsk._core.typing import Floats, Ints
from fairsk._core.validation import check_weights
from fairsk._sklearn.compat import HasMethods, num_samples, validate_parameters
from fairsk._sklearn.rows import check_rows, check_same_features, take_rows
from fairsk.text._terms.swapper import TermSwapper

__all__ = ["CounterfactualAugmenter"]


class CounterfactualAugmenter(BaseEstimator):
    """Join every text that names one group by its swaps, with the same label: a sampler of training rows.

    What is trained on such rows sees the terms of all groups equally often beside every label. That makes a
    swap change fewer answers, but not none: of TF-IDF with a logistic regression on comments that name one
    gender 1.6 % instead of 16.6 % (``benchmarks/text_averager.py``). Predicting costs nothing more. With a
    :class:`CounterfactualAverager` around what is trained on them there are none.

    A text and its swaps share the weight of the text. scikit-learn's own ``Pipeline`` cannot change the
    number of rows: use ``imblearn.pipeline.Pipeline``, which passes no weights on, so that texts that name a
    group count as often as there are groups; or call ``fit_resample`` and fit with ``sample_weight_``.

    Metadata of the old rows match the new ones no longer: a later step of a pipeline that is given some
    fails, for there are more rows.

    Parameters
    ----------
    swapper : TermSwapper
        The terms of the groups.
    text : str or int, optional
        The column of the texts, where X is a table of several. Other columns are repeated.

    Attributes
    ----------
    sample_indices_ : array of shape (n_samples_new,)
        Position of the row that each new one is made of: all rows as they are, and the swaps after them.
    sample_weight_ : array of shape (n_samples_new,)
        Weight of each new row: that of the row it is made of, or 1, over the number of its copies.

    Raises
    ------
    ValueError
        If a row has no text, the column of texts is not named, or weights cannot be used.

    See Also
    --------
    CounterfactualAverager : The same answer for all swaps, exactly, and k times the calls.
    FairResampler : Rows in which group and label are independent.
    counterfactual_audit : How often swaps still change an answer.

    References
    ----------
    Zmigrod, Mielke, Wallach & Cotterell, Counterfactual Data Augmentation for Mitigating Gender Stereotypes
    in Languages with Rich Morphology, ACL 2019. Maudslay, Gonen, Cotterell & Teufel, It's All in the Name,
    EMNLP 2019.

    Examples
    --------
    >>> from fairsk.text import CounterfactualAugmenter, english_gender
    >>> augmenter = CounterfactualAugmenter(english_gender())
    >>> X, y = augmenter.fit_resample(["She left.", "It rains.", "He and she met."], [1, 0, 0])
    >>> X, y
    (['She left.', 'It rains.', 'He and she met.', 'He left.'], [1, 0, 0, 1])
    >>> augmenter.sample_weight_
    array([0.5, 1. , 1. , 0.5])
    """

    _parameter_constraints = {
        "swapper": [HasMethods(["pairs"])],
        "text": "no_validation",  # by read_texts, which knows the columns
    }

    def __init__(self, swapper: TermSwapper, *, text: str | int | None = None) -> None:
        self.swapper = swapper
        self.text = text

    def fit(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Find out which rows are joined by swaps; :meth:`fit_resample` returns them too.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with a column of them.
        y : array-like of shape (n_samples,)
            Labels; any number of classes.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that the rows come with.

        Returns
        -------
        CounterfactualAugmenter
            The fitted sampler.
        """
        self._join(X, y, sample_weight)
        return self

    def fit_resample(self, X: Any, y: ArrayLike, sample_weight: ArrayLike | None = None) -> tuple[Any, Any]:
        """Return all rows, and the swaps of those that name one group after them.

        Parameters
        ----------
        X : array-like of shape (n_samples,) of str, or frame of shape (n_samples, n_columns)
            Texts, or a table with a column of them.
        y : array-like of shape (n_samples,)
            Labels; any number of classes.
        sample_weight : array-like of shape (n_samples,), optional
            Weights that the rows come with; ``sample_weight_`` has those of the new rows.

        Returns
        -------
        tuple
            X and y of the new rows, of the types that came in.
        """
        texts = self._join(X, y, sample_weight)
        _, y = indexable(X, y)
        return replace_texts(X, self.text, self.sample_indices_, texts), take_rows(y, self.sample_indices_)

    def _join(self, X: Any, y: Any, sample_weight: Any) -> list[str]:
        """Store the source and the weight of each new row, and return their texts."""
        validate_parameters(self._parameter_constraints, self.get_params(deep=False), type(self).__name__)
        check_rows(X, y, sample_weight=sample_weight)
        check_same_features(self, X, reset=True)
        texts = read_texts(X, self.text)
        weights = check_weights(sample_weight, num_samples(X))
        pairs = self.swapper.pairs(texts)
        rows = np.concatenate([np.arange(len(texts)), [pair.row for pair in pairs]]).astype(np.intp)
        self.sample_indices_: Ints = rows
        shares: Floats = 1 / np.bincount(rows)
        self.sample_weight_: Floats = (shares if weights is None else weights * shares)[rows]
        return [*texts, *(pair.counterfactual for pair in pairs)]
