"""Many monitors at once: which of them alarm, when few alarms may be false, and one test of all sites."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from fairsk._core.messages import list_labels, list_texts, show
from fairsk._core.results import Result, Table, number, p_value, percent
from fairsk._core.typing import Bools, Floats

__all__ = ["FleetAlarms", "MeanEValue", "e_bh", "mean_e_value"]


@dataclass(frozen=True, eq=False, repr=False)
class FleetAlarms(Result):
    """Which of many monitors alarm, such that few of the alarms are false.

    Parameters
    ----------
    names : tuple of str
        The monitors, those with the most evidence first.
    log_e_values : array of shape (n_monitors,)
        The natural logarithm of each one's evidence M.
    log_lines : array of shape (n_monitors,)
        The logarithm of n / (i alpha), with i the place of the monitor.
    is_alarm : array of bool of shape (n_monitors,)
        Whether it alarms.
    alpha : float
        The bound on the false discovery rate.

    See Also
    --------
    e_bh : What returns it.

    Examples
    --------
    >>> from fairsk.monitoring import e_bh
    >>> e_bh({"loans": 5.0, "cards": -1.5}).alarms
    ('loans',)
    """

    names: tuple[str, ...]
    log_e_values: Floats
    log_lines: Floats
    is_alarm: Bools
    alpha: float

    @property
    def alarms(self) -> tuple[str, ...]:
        """The monitors that alarm, those with the most evidence first."""
        return tuple(name for name, alarm in zip(self.names, self.is_alarm, strict=True) if alarm)

    def _tables(self) -> list[Table]:
        columns: dict[str, Sequence[Any]] = {
            "monitor": list(self.names),
            "log_e_value": self.log_e_values.tolist(),
            "log_line": self.log_lines.tolist(),
            "alarm": self.is_alarm.tolist(),
        }
        n = len(self.alarms)
        what = f"{list_texts(self.alarms)} did not keep the tolerance." if n else "No monitor alarms."
        note = (
            f"{what} Of all alarms, {percent(self.alpha)} are false at most, in expectation: {n:,} of "
            f"{len(self.names):,} monitors alarm. A monitor without one is not shown to be fair."
        )
        return [Table(columns, notes=[note])]


@dataclass(frozen=True, eq=False, repr=False)
class MeanEValue(Result):
    """One test that all sites keep the tolerance.

    Parameters
    ----------
    names : tuple of str
        The sites' monitors, as they were given.
    log_e_values : array of shape (n_monitors,)
        The natural logarithm of each one's evidence M.
    log_e_value : float
        The logarithm of their mean.
    alpha : float
        The probability of a false alarm.

    See Also
    --------
    mean_e_value : What returns it.

    Examples
    --------
    >>> from fairsk.monitoring import mean_e_value
    >>> mean_e_value({"north": 5.0, "south": -1.5}).is_alarm
    True
    """

    names: tuple[str, ...]
    log_e_values: Floats
    log_e_value: float
    alpha: float

    @property
    def p_value(self) -> float:
        """The p-value of "every site keeps the tolerance", at this time."""
        return float(np.exp(min(0.0, -self.log_e_value)))

    @property
    def is_alarm(self) -> bool:
        """Whether some site did not keep the tolerance."""
        return bool(self.log_e_value >= -math.log(self.alpha))

    def _tables(self) -> list[Table]:
        columns = {"monitor": list(self.names), "log_e_value": self.log_e_values.tolist()}
        what = "Some site did not keep the tolerance" if self.is_alarm else "No evidence against any site"
        note = f"{what}: mean log e-value {number(self.log_e_value)}, p = {p_value(self.p_value)}."
        return [Table(columns, notes=[note, "Which one it is, e_bh tells."] if self.is_alarm else [note])]


def e_bh(monitors: Iterable[Any] | Mapping[str, float], alpha: float = 0.05) -> FleetAlarms:
    """Return which of many monitors alarm, with a bound on the share of alarms that are false.

    Each monitor alone alarms falsely with probability ``alpha``, ever; among forty fair ones, two do. Here
    the alarms together are bounded: of those listed, a share of ``alpha`` is false at most, in expectation.

    Parameters
    ----------
    monitors : iterable of FairnessMonitor, or mapping of str to float
        The monitors, by the evidence that they have now; or the natural logarithm of an e-value by name.
    alpha : float, default=0.05
        The bound on the false discovery rate.

    Returns
    -------
    FleetAlarms
        The monitors, those with the most evidence first, and which of them alarm.

    Raises
    ------
    ValueError
        If two monitors have the same name or one has none, a number is NaN, or ``alpha`` is no probability.
    TypeError
        If they are neither monitors nor a mapping.

    See Also
    --------
    mean_e_value : One test of all sites, with one alarm.

    Notes
    -----
    Of n monitors, those with the i largest e-values alarm, for the largest i with ``M_(i) >= n / (i alpha)``
    [1]_. This holds whatever the dependence between the monitors, such as common applicants, and at any time,
    also one that was chosen by looking at all of them: M of now is an e-value as long as each batch keeps the
    tolerance given all that was seen before, by any monitor. It does not hold for the largest M that each
    monitor ever had, nor for the union of the lists of many days: a monitor that alarmed yesterday may not be
    in the list of today.

    References
    ----------
    .. [1] R. Wang, A. Ramdas, "False discovery rate control with e-values", Journal of the Royal Statistical
       Society B, 2022.

    Examples
    --------
    >>> from math import log
    >>> from fairsk.monitoring import e_bh
    >>> e_bh({"loans": log(90), "cards": log(30), "rent": log(2), "phones": log(0.5)}).alarms
    ('loans',)
    >>> e_bh({"loans": log(90), "cards": log(40), "rent": log(2), "phones": log(0.5)}).alarms
    ('loans', 'cards')
    """
    alpha = _check_alpha(alpha)
    names, values = _evidence(monitors)
    order = np.argsort(-values, kind="stable")
    values = values[order]
    n = len(values)
    lines = np.log(n / (np.arange(1, n + 1) * alpha))
    reached = np.flatnonzero(values >= lines)
    n_alarms = int(reached[-1]) + 1 if len(reached) else 0
    return FleetAlarms(tuple(names[i] for i in order), values, lines, np.arange(n) < n_alarms, alpha)


def mean_e_value(monitors: Iterable[Any] | Mapping[str, float], alpha: float = 0.05) -> MeanEValue:
    """Test that every one of several sites keeps its tolerance: the mean of their evidence.

    Parameters
    ----------
    monitors : iterable of FairnessMonitor, or mapping of str to float
        The sites' monitors, by the evidence that they have now; or the natural logarithm of an e-value of
        each site by its name.
    alpha : float, default=0.05
        The probability that there is an alarm, ever, if all keep the tolerance.

    Returns
    -------
    MeanEValue
        The mean, and whether it alarms.

    Raises
    ------
    ValueError
        If two monitors have the same name or one has none, a number is NaN, or ``alpha`` is no probability.
    TypeError
        If they are neither monitors nor a mapping.

    See Also
    --------
    e_bh : Which of many monitors alarm.

    Notes
    -----
    The mean of e-values is one, whatever the dependence. Adding up monitors, ``a + b``, asks something else:
    whether the rates of all sites together keep the tolerance. They may where no site does, and the other way
    round.

    Examples
    --------
    >>> from math import log
    >>> from fairsk.monitoring import mean_e_value
    >>> test = mean_e_value({"north": log(50), "south": log(0.5), "west": log(1)})
    >>> round(test.p_value, 3), test.is_alarm
    (0.058, False)
    """
    alpha = _check_alpha(alpha)
    names, values = _evidence(monitors)
    mean = float(np.logaddexp.reduce(values)) - math.log(len(values))
    return MeanEValue(tuple(names), values, mean, alpha)


def _check_alpha(alpha: Any) -> float:
    if not isinstance(alpha, float | np.floating) or not 0 < alpha < 1:
        raise ValueError(f"alpha must be a probability between 0 and 1, such as 0.05; got {show(alpha)}.")
    return float(alpha)


def _evidence(monitors: Any) -> tuple[list[str], Floats]:
    """Return the names of monitors, and the logarithms of their evidence."""
    if isinstance(monitors, Mapping):
        pairs = list(monitors.items())
    else:
        try:
            pairs = [(monitor.name, monitor.log_e_value) for monitor in monitors]
        except (TypeError, AttributeError):
            raise TypeError(
                "monitors must be several FairnessMonitor, or a mapping from names to natural logarithms of "
                f"e-values; got {show(monitors)}."
            ) from None
    if not pairs:
        raise ValueError("monitors is empty: there is nothing to decide.")
    names = [name for name, _ in pairs]
    unnamed = [name for name, n in Counter(map(str, names)).items() if n > 1 or not name]
    if unnamed:
        raise ValueError(
            f"monitors need names that tell them apart (name=); not told apart: {list_labels(unnamed)}."
        )
    logs = np.array([float(value) for _, value in pairs])
    if np.isnan(logs).any():
        unknown = [str(name) for name, value in zip(names, logs, strict=True) if np.isnan(value)]
        raise ValueError(f"monitors hold evidence that is NaN: {list_texts(unknown)}.")
    return list(map(str, names)), logs
