"""What results are called is the same everywhere."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest

import fairsk.audit
import fairsk.metrics
import fairsk.statistics
from fairsk._core.results import Tabular
from fairsk.metrics import GroupCounts
from fairsk.statistics import bootstrap, contrasts, shrunken_rates, verdict

RESULTS = sorted(
    {
        found
        for module in (fairsk.metrics, fairsk.statistics, fairsk.audit)
        for found in vars(module).values()
        if isinstance(found, type) and issubclass(found, Tabular)
    },
    key=lambda found: found.__name__,
)
COUNTS = GroupCounts(["a", "b"], {"tp": [40, 20], "fp": [10, 20], "fn": [10, 30], "tn": [40, 30]})


@pytest.mark.parametrize("result", RESULTS, ids=lambda found: found.__name__)
def test_limits_are_called_low_and_high_and_more_than_one_p_value_p_values(result: Any) -> None:
    kinds = {field.name: str(field.type) for field in dataclasses.fields(result)}
    assert not {"lower", "upper", "ks", "wasserstein"} & set(kinds)
    assert ("low" in kinds) == ("high" in kinds)
    assert kinds.get("p_value", "float") == "float"
    assert kinds.get("p_values", "array") != "float"


@pytest.mark.parametrize(
    "result",
    [
        contrasts(COUNTS, "selection_rate"),
        bootstrap(COUNTS, "selection_rate", n_resamples=99, random_state=0),
        shrunken_rates(COUNTS, "selection_rate"),
        verdict(COUNTS, "selection_rate", max_difference=0.1),
    ],
    ids=lambda result: type(result).__name__,
)
def test_limits_are_called_low_and_high_in_frames_too(result: Tabular) -> None:
    assert {"low", "high"} <= set(result.frame("polars").columns)
