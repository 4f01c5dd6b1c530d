"""Evidence against a tolerance: forecasts from past batches, likelihood ratios, their products and sums."""

from __future__ import annotations

import numpy as np

from fairsk._core.typing import Floats
from fairsk.monitoring._evidence.bands import Band, project_broken

__all__ = ["MEMORIES", "N_FORECASTS", "SHRINKAGE", "EProcess", "Forecasts", "shrunken"]

#: What is left of a past batch after each new one: forecasts that remember all, half a season, or a week.
#: With the first alone a test does not see a tolerance that breaks late; the last alone forgets small groups.
MEMORIES = (1.0, 0.98, 0.9)
#: Rows drawn from the common rate that are added to every group's. Few make twenty groups bet on noise, many
#: miss one small bad group: the mean of both has neither fault.
SHRINKAGE = (4.0, 40.0)

#: One forecast for each memory and shrinkage, as columns.
_MEMORY, _SHRINKAGE = (axis.reshape(-1, 1) for axis in np.meshgrid(MEMORIES, SHRINKAGE, indexing="ij"))
N_FORECASTS = len(_MEMORY)
#: Forecasts keep this far away from 0 and 1, where a log likelihood ratio would not be finite.
_EDGE = 1e-12


class Forecasts:
    """Six forecasts of every group's rate, one for each memory and shrinkage, made of past batches alone.

    Of the decisions N of a group, of which the rate counts S, a batch leaves ``S <- c S + k`` and
    ``N <- c N + n`` with the memory c. The forecast ``t_g = (S_g + a pool) / (N_g + a)`` shrinks the rate
    of a group towards the common one, ``pool = (sum_g S_g + 1/2) / (sum_g N_g + 1)``, by a rows.

    Parameters
    ----------
    shape : tuple of int
        ``(..., n_groups)``: for what rates are forecast, apart from each other, and the groups of each.
    """

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._part, self._size = np.zeros((2, *shape[:-1], N_FORECASTS, shape[-1]))

    def grow(self, n_strata: int, n_groups: int) -> None:
        """Make room for strata, the axis before the last, and groups that appear: nothing is known yet."""
        *others, strata, _, groups = self._part.shape
        room = [(0, 0)] * len(others) + [(0, n_strata - strata), (0, 0), (0, n_groups - groups)]
        self._part, self._size = np.pad(self._part, room), np.pad(self._size, room)

    def learn(self, part: Floats, size: Floats) -> None:
        """Take in a batch: k of n decisions of each group, of the shape that the forecasts were made for."""
        self._part = _MEMORY * self._part + part[..., None, :]
        self._size = _MEMORY * self._size + size[..., None, :]

    @property
    def remembered(self) -> tuple[Floats, Floats]:
        """S and N, of shape (..., n_forecasts, n_groups)."""
        return self._part, self._size

    def rates(self) -> Floats:
        """Return the forecasts, of shape (..., n_forecasts, n_groups)."""
        return shrunken(self._part, self._size)


def shrunken(part: Floats, size: Floats, forecasts: slice = slice(None)) -> Floats:
    """Return the forecasts, or some, that follow from S and N of shape (..., n_forecasts, n_groups)."""
    shrinkage = _SHRINKAGE[forecasts]
    pool = (part.sum(-1, keepdims=True) + 0.5) / (size.sum(-1, keepdims=True) + 1)
    return np.clip((part + shrinkage * pool) / (size + shrinkage), _EDGE, 1 - _EDGE)


class EProcess:
    """The evidence of six forecasts against a tolerance, over batches of counts.

    Each forecast t multiplies its evidence by the likelihood ratio ``prod_g (t_g / q_g)^k_g ((1 - t_g) /
    (1 - q_g))^(n_g - k_g)`` of a batch, with q its projection on the tolerance. As t is made of past batches
    alone, the expected ratio is at most 1 while the tolerance is kept, whatever the sizes, and whatever the
    common rate does [1]_. The mean of e-values is one, and so is the product over strata of a batch.

    - **test**: the mean M of the products. ``P(M >= 1 / alpha, ever) <= alpha`` while the tolerance is kept.
    - **change**: the mean C of the Shiryaev-Roberts sums ``R <- (R + 1) E``: batches between two false alarms
      at ``C >= A`` number A or more on average [2]_.

    Parameters
    ----------
    band : Band
        The tolerance.
    shape : tuple of int
        ``(*runs, n_rates, n_strata, n_groups)``: independent runs (such as simulations), rates whose evidence
        is averaged, strata whose evidence is multiplied, groups.

    References
    ----------
    .. [1] R. J. Turner, A. Ly, P. D. Grünwald, "Generic E-variables for exact sequential k-sample tests that
       allow for optional stopping", Journal of Statistical Planning and Inference, 2024.
    .. [2] J. Shin, A. Ramdas, A. Rinaldo, "E-detectors: a nonparametric framework for sequential change
       detection", New England Journal of Statistics in Data Science, 2024.
    """

    def __init__(self, band: Band, shape: tuple[int, ...]) -> None:
        self.band = band
        self.forecasts = Forecasts(shape)
        self.log_products = np.zeros((*shape[:-2], N_FORECASTS))
        self.log_sums = np.full_like(self.log_products, -np.inf)

    def grow(self, n_strata: int, n_groups: int) -> None:
        """Make room for strata and groups that appear; nothing is known of them yet."""
        self.forecasts.grow(n_strata, n_groups)

    def learn(self, part: Floats, size: Floats) -> None:
        """Let forecasts see counts, which add no evidence: those of before the first batch."""
        self.forecasts.learn(part, size)

    def update(self, part: Floats, size: Floats) -> None:
        """Bet on a batch, and learn from it.

        Parameters
        ----------
        part, size : arrays of shape (*runs, n_rates, n_strata, n_groups)
            How many decisions are counted by the rate, k, out of how many, n.
        """
        evidence = log_ratios(part[..., None, :], size[..., None, :], self.forecasts.rates(), self.band).sum(
            -2
        )
        self.log_products = self.log_products + evidence
        self.log_sums = np.logaddexp(self.log_sums, 0.0) + evidence
        self.forecasts.learn(part, size)

    @property
    def log_e_value(self) -> Floats:
        """The logarithm of M, the evidence that the tolerance was not kept since the start."""
        return _log_mean(self.log_products)

    @property
    def log_change_value(self) -> Floats:
        """The logarithm of C, the evidence that it is not kept lately; minus infinity before a batch."""
        return _log_mean(self.log_sums)


def log_ratios(part: Floats, size: Floats, forecasts: Floats, band: Band) -> Floats:
    """Return the logarithm of what a batch multiplies the evidence of forecasts by.

    Parameters
    ----------
    part, size : arrays that broadcast to (..., n_groups)
        k of n decisions.
    forecasts : array of shape (..., n_groups)
        The forecast rates t.
    band : Band
        The tolerance.

    Returns
    -------
    array of shape (...)
        ``sum_g k_g log(t_g / q_g) + (n_g - k_g) log((1 - t_g) / (1 - q_g))``; 0 where the forecast keeps the
        tolerance, and so has nothing to bet on.
    """
    k, n, t = np.broadcast_arrays(part, size, forecasts)
    broken = ~band.is_kept(t, n > 0)
    ratios = np.zeros(broken.shape)
    if broken.any():
        k, n, t = k[broken], n[broken], t[broken]
        q = project_broken(t, n, band)
        ratios[broken] = (k * np.log(t / q) + (n - k) * (np.log1p(-t) - np.log1p(-q))).sum(-1)
    return ratios


def _log_mean(values: Floats) -> Floats:
    """Return the logarithm of the mean over rates and forecasts of what these are the logarithms of."""
    return np.logaddexp.reduce(values, axis=(-2, -1)) - np.log(values.shape[-2] * values.shape[-1])
