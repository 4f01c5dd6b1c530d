"""The boosters of all folds, which grow a tree each at the same prices; rows are scored by those held out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Protocol, TypeAlias

import numpy as np
from joblib import effective_n_jobs
from numpy.typing import NDArray
from scipy.special import expit

from fairsk._core.typing import Floats, Ints
from fairsk._meta.cross_fit import Splits
from fairsk.reductions._boosting.booster import Backend, FoldBooster, Model
from fairsk.reductions._boosting.mirrored import MirroredFold
from fairsk.reductions._bounded_rows import BoundedRows

__all__ = ["CHUNK", "Fold", "LabelFold", "Lockstep", "derivatives", "in_threads", "n_free_folds"]

#: What calls a function with each of some arguments, as ``map`` does.
Map: TypeAlias = Callable[[Callable[[Any], None], Iterable[Any]], Iterable[None]]

#: Of how many rows derivatives are computed at a time: their temporaries fit into the cache of a core.
CHUNK = 1 << 15

#: On how many held-out rows, at least, the learner without a bound is compared: where it and the bounded one
#: disagree on a tenth, the standard error of what the bound costs is .007 then.
_SCORED_FREE = 2_000


def derivatives(
    scores: Floats, kinds: NDArray[Any], prices: Floats
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the gradient and the Hessian of cross-entropy plus the price of being selected, per row.

    The cost of a row with the chance p is its cross-entropy plus c p. Of the latter, c p (1 - p) is the
    gradient in log odds. The Hessian is that of the former alone: the latter's may be negative.

    Parameters
    ----------
    scores : array of shape (n_samples,)
        Log odds.
    kinds : integer array of shape (n_samples,)
        Twice the group of each row, and one more for a positive label.
    prices : array of shape (n_kinds,)
        The price c of each kind of row.

    Returns
    -------
    tuple of two arrays
        In single precision, as boosters take them.
    """
    gradient, hessian = np.empty(len(scores), np.float32), np.empty(len(scores), np.float32)
    for start in range(0, len(scores), CHUNK):
        part = slice(start, start + CHUNK)
        kind = kinds[part]
        chances = expit(scores[part])
        slopes = chances * (1 - chances)
        hessian[part] = slopes
        slopes *= prices[kind]
        slopes += chances
        slopes -= kind & 1
        gradient[part] = slopes
    return gradient, hessian


class Fold(Protocol):
    """The booster of one fold, with what its rows are priced by."""

    @property
    def booster(self) -> FoldBooster:
        """The booster."""

    def grow(self, prices: Any) -> None:
        """Grow a tree at these prices."""


class LabelFold:
    """The booster of one fold under labels.

    Parameters
    ----------
    backend : Backend
        What makes the booster.
    rows : BoundedRows
        All rows.
    train, test : integer arrays
        Positions of the rows that it is trained on, and of those held out.
    mirrored : bool
        Whether the backend learns the negative label.
    """

    def __init__(
        self, backend: Backend, rows: BoundedRows, train: Ints, test: Ints, *, mirrored: bool = False
    ) -> None:
        booster = backend.fold(train, test)
        self.booster = MirroredFold(booster) if mirrored else booster
        smallest = np.min_scalar_type(2 * rows.n_codes)
        self.kinds = (2 * rows.codes[train] + rows.actual[train]).astype(smallest)

    def grow(self, prices: Floats) -> None:
        """Grow a tree at these prices, of shape (n_kinds,)."""
        self.booster.step(*derivatives(self.booster.train_scores, self.kinds, prices))


class Lockstep:
    """The boosters of all folds.

    Parameters
    ----------
    make_fold : callable
        Called with the positions of the rows to train on and of those to score; makes the booster of a fold.
    splits : list of tuple of two arrays
        Positions of the rows to train on and of those to score, fold by fold.
    held_out : integer array of shape (n_held_out,)
        The rows that some fold scores, sorted.
    n_free : int
        How many more boosters, of the first folds, grow without prices, to compare with.
    """

    def __init__(
        self, make_fold: Callable[[Ints, Ints], Fold], splits: Splits, held_out: Ints, *, n_free: int
    ) -> None:
        self.folds = [make_fold(*split) for split in splits]
        self.free = [make_fold(*split) for split in splits[:n_free]]
        self.places = [np.searchsorted(held_out, test) for _, test in splits]
        self._times = np.bincount(np.concatenate(self.places), minlength=len(held_out))

    def grow(self, prices: Any, no_prices: Any, run: Map = map) -> None:
        """Grow a tree per fold at these prices, and a free one at none."""
        tasks = [(fold, prices) for fold in self.folds]
        tasks += [(fold, no_prices) for fold in self.free]
        list(run(lambda task: task[0].grow(task[1]), tasks))

    def held_out_scores(self) -> Floats:
        """Return the scores of held-out rows, in the mean over the folds that do not see a row."""
        sums = np.zeros(len(self._times))
        for fold, places in zip(self.folds, self.places, strict=True):
            np.add.at(sums, places, fold.booster.test_scores)
        return sums / self._times

    def compared_scores(self) -> tuple[Floats, Floats]:
        """Return the scores of the rows that the first folds hold out, by boosters with prices, and without.

        They are in the order of the folds, and none where nothing is compared.
        """
        folds = self.folds[: len(self.free)], self.free
        bounded, free = (
            np.concatenate([np.empty(0), *(f.booster.test_scores for f in some)]) for some in folds
        )
        return bounded, free

    def finish(self, n_rounds: int) -> tuple[Model, ...]:
        """Return the models of all folds with the trees of the first rounds."""
        return tuple(fold.booster.finish(n_rounds) for fold in self.folds)

    @property
    def n_boosters(self) -> int:
        """How many boosters grow."""
        return len(self.folds) + len(self.free)


def n_free_folds(splits: Splits) -> int:
    """Return how many folds it takes to score enough rows without a bound."""
    scored = np.cumsum([len(test) for _, test in splits])
    return min(len(scored), int(np.searchsorted(scored, _SCORED_FREE)) + 1)


@contextmanager
def in_threads(n_jobs: int | None) -> Iterator[Map]:
    """Yield what runs some folds at a time, in threads: boosters cannot be copied, and let go of the lock.

    joblib's ``Parallel`` takes as long to start the folds of a round as small folds take to grow a tree.
    """
    n_threads = effective_n_jobs(n_jobs)
    if n_threads == 1:
        yield map
        return
    with ThreadPoolExecutor(n_threads) as pool:
        yield pool.map
