"""The trade-off under one bound after another: what every path of an estimator says, and how it prints."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, Literal

from fairsk._core.results import Backend, Result, Table
from fairsk._core.typing import Floats

__all__ = ["TradeoffPath"]


@dataclass(frozen=True, eq=False, repr=False, kw_only=True)
class TradeoffPath(Result):
    """What is reached at one bound after another.

    Parameters
    ----------
    constraint : str
        What is bounded.
    comparison : {"difference", "ratio"}
        Whether the difference is bounded from above, or the ratio from below.
    objective : str
        What is maximised.
    bounds : array of shape (n_points,)
        From the tightest to where the bound no longer matters.
    disparity : array of shape (n_points,)
        What is reached; NaN where nothing meets the bound.
    value : array of shape (n_points,)
        The objective; NaN likewise.
    best_mixture : array of shape (n_points,)
        The objective that no mixture can exceed at this bound; NaN where it is not known.
    """

    constraint: str
    comparison: Literal["difference", "ratio"]
    objective: str
    bounds: Floats
    disparity: Floats
    value: Floats
    best_mixture: Floats
    library: Backend | None = None

    @abstractmethod
    def _more_columns(self) -> dict[str, list[Any]]:
        """Return further columns of the table."""

    def _tables(self) -> list[Table]:
        limit = "max_difference" if self.comparison == "difference" else "min_ratio"
        columns: dict[str, list[Any]] = {
            limit: self.bounds.tolist(),
            self.comparison: self.disparity.tolist(),
            self.objective: self.value.tolist(),
            "best_mixture": self.best_mixture.tolist(),
            **self._more_columns(),
        }
        return [Table(columns, caption=f"{self.objective} under bounds on {self.constraint}")]
