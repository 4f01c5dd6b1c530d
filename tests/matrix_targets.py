"""The composition matrix of amounts and of several classes as data: models that predict more than yes or no.

``test_matrix_targets.py`` runs the cells of :func:`chosen_cells`; with ``--full-matrix`` it runs all
:func:`cells`. What tools do with columns and metadata is the same as in ``matrix.py``, and so are the reasons
why some of it cannot work; ``python tests/matrix.py`` writes the table beside its own.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import matrix
import numpy as np
from matrix import CHANNELS, FAILURES, LIBRARIES, ROUTING, Cell, Failure, Keys, Model, Setting, _tool
from sklearn import config_context
from sklearn.ensemble import BaggingClassifier, BaggingRegressor, VotingClassifier, VotingRegressor
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from fairsk import (
    ConstrainedRegressor,
    GroupCalibratedClassifier,
    GroupThresholdOptimizer,
    PredictionRepair,
)
from fairsk.scoring import GroupScoring, cv_disparities, make_fair_scorer, make_group_scorer

CLASSES = ["high", "low", "middle"]
#: A bound in the unit of the amounts that no candidate passes.
LOOSE = 1000.0

# --- the models -----------------------------------------------------------------------------------------


def linear(keys: Keys) -> Any:
    return make_pipeline(matrix.prepare(keys), LinearRegression())


def bounded(keys: Keys, column: bool) -> Any:
    return ConstrainedRegressor(
        linear(keys),
        sensitive_features=keys.sex if column else None,
        max_difference=2.0,
        cv=2,
        min_group_size=5,
    )


def repaired(keys: Keys, column: bool) -> Any:
    return PredictionRepair(linear(keys), sensitive_features=keys.sex if column else None, cv=2)


def blindly_repaired(keys: Keys, column: bool) -> Any:
    group_estimator = make_pipeline(matrix.prepare(keys), LogisticRegression())
    return repaired(keys, column).set_params(policy="blind", group_estimator=group_estimator)


def over_classes(keys: Keys, column: bool) -> Any:
    return GroupThresholdOptimizer(
        matrix.logistic(keys),
        sensitive_features=keys.sex if column else None,
        max_difference=0.2,
        cv=2,
        min_group_size=5,
        policy="threshold",
    )


def calibrated(keys: Keys, column: bool) -> Any:
    return GroupCalibratedClassifier(
        matrix.logistic(keys), sensitive_features=keys.sex if column else None, method="temperature", cv=2
    )


#: Those that predict amounts; the others decide among three classes.
AMOUNTS = {
    "bound on amounts": Model(bounded, "max_difference", (0.5, 5.0)),
    "repaired amounts": Model(repaired, "strength", (0.2, 1.0), at_predict=True),
    "blindly repaired amounts": Model(blindly_repaired, "strength", (0.2, 1.0)),
}
MODELS = AMOUNTS | {
    "thresholds of classes": Model(over_classes, "max_difference", (0.05, 0.5), at_predict=True),
    "calibrated classes": Model(
        calibrated, "estimator__logisticregression__C", (0.003, 1.0), at_predict=True, at_scores=True
    ),
}

# --- one cell -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class TargetSetting(Setting):
    """What a tool gets, of amounts or of classes: the scores are others, and all else is the same."""

    amounts: bool = False

    @property
    def constraint(self) -> str:
        return "mean_parity" if self.amounts else "demographic_parity"

    @property
    def score(self) -> str:
        return "r2" if self.amounts else "accuracy"

    @property
    def disparity(self) -> Any:
        return make_fair_scorer(self.constraint, sensitive_features=self.selector)

    @property
    def worst_accuracy(self) -> Any:
        return make_group_scorer(self.score, sensitive_features=self.selector)


def setting(cell: Cell) -> TargetSetting:
    """Make a cell's model and people."""
    model, column = MODELS[cell.model], cell.channel == "column"
    people = matrix.make_people(cell.library, cell.channel, TOOLS[cell.tool].arrays)
    skill = np.asarray(people.X)[:, 1].astype(float)
    noisy = skill + np.random.default_rng(1).normal(scale=0.5, size=len(skill))
    amounts = cell.model in AMOUNTS
    y = 10 * noisy + 50 if amounts else np.array(CLASSES)[np.digitize(noisy, [-0.3, 0.8])]
    metadata = {} if column else {"sensitive_features": people.sex}
    return TargetSetting(
        model=model.build(people.keys, column),
        parameter=model.parameter,
        values=model.values,
        people=replace(people, y=y),
        metadata=metadata,
        at_predict=metadata if model.at_predict else {},
        column=column,
        routing=cell.routing,
        n_jobs=1,
        amounts=amounts,
    )


def run(cell: Cell) -> dict[str, Any]:
    """Run one cell and return its numbers."""
    with config_context(enable_metadata_routing=cell.routing):
        return TOOLS[cell.tool].run(setting(cell))


# --- the tools ------------------------------------------------------------------------------------------


def grid_pooled(s: TargetSetting) -> dict[str, Any]:
    scoring = GroupScoring({"score": s.score, "dp": s.constraint}, sensitive_features=s.selector)
    scoring = scoring.of(
        s.X, *([] if s.amounts else [s.y]), sensitive_features=s.metadata.get("sensitive_features")
    )
    search = matrix._grid(
        s, scoring=scoring, refit=scoring.best_under("score", dp=LOOSE if s.amounts else 0.9)
    )
    tables = ("counts_", "amounts_", "moments_")
    found = {
        name: value
        for name, value in matrix._searched(s, search).items()
        if not any(table in name for table in tables)
    }
    return found | {"pooled": cv_disparities(search).values[:, 0]}


def scored_by_name(s: TargetSetting) -> dict[str, Any]:
    scores = cross_val_score(s.model, s.X, s.y, scoring=s.score, params=s.metadata, cv=2, error_score="raise")
    return {"score": scores}


def voting(s: TargetSetting) -> dict[str, Any]:
    vote = VotingRegressor if s.amounts else VotingClassifier
    plain = linear(s.people.keys) if s.amounts else matrix.logistic(s.people.keys)
    members = [(f"model {value}", s.with_parameter(value)) for value in s.values]
    return {"labels": vote([*members, ("plain", plain)]).fit(s.X, s.y, **s.metadata).predict(s.X)}


def bagging(s: TargetSetting) -> dict[str, Any]:
    bag = (BaggingRegressor if s.amounts else BaggingClassifier)(s.model, n_estimators=2, random_state=0)
    return {"labels": bag.fit(s.X, s.y, **s.metadata).predict(s.X)}


TOOLS = {
    "GridSearchCV, default score": _tool(matrix.grid_default, "default"),
    "GridSearchCV, GroupScoring and its best_under": _tool(grid_pooled, "fair"),
    "cross_validate, fair scorers": _tool(matrix.cross_validated, "fair"),
    'cross_val_score, "r2" or "accuracy"': _tool(scored_by_name, "predicts"),
    "cross_val_predict": _tool(matrix.out_of_fold, "predicts"),
    "permutation_importance": _tool(matrix.importance),
    "VotingRegressor, VotingClassifier": _tool(voting, "predicts refuses"),
    "BaggingRegressor, BaggingClassifier": _tool(bagging, "predicts refuses", arrays=True),
    "ColumnTransformer before it": _tool(matrix.behind_a_transformer),
}


def cells() -> Iterator[Cell]:
    """Yield every cell."""
    yield from itertools.starmap(Cell, itertools.product(MODELS, TOOLS, ROUTING, CHANNELS, LIBRARIES))


def chosen_cells() -> Iterator[Cell]:
    """Yield a cell of each model in each tool; routing, channels and libraries take turns.

    Two models that stand side by side meet a tool once with the column and once with metadata, and so does
    a model in two tools; routing changes with every other of them.
    """
    for (m, model), (t, tool) in itertools.product(enumerate(MODELS), enumerate(TOOLS)):
        routing, channel = ROUTING[(m + t) // 2 % 2], CHANNELS[(m + t) % 2]
        yield Cell(model, tool, routing, channel, LIBRARIES[(m + 2 * t) % 3])


def failure_of(cell: Cell) -> Failure | None:
    """Return why a cell cannot work; None if it works."""
    model, tool = MODELS[cell.model], TOOLS[cell.tool]
    return next((failure for failure in FAILURES if failure.applies(cell, model, tool)), None)


# --- the table in the docs ------------------------------------------------------------------------------

INTRODUCTION = """\
## Amounts and several classes

The same for models that predict more than yes or no, in tools where that makes a difference: {n}
combinations, of which continuous integration runs {n_chosen}. A `ConstrainedRegressor` and a blind
`PredictionRepair`, both over a linear regression, need the attribute *at fit only*; a `PredictionRepair`
whose groups are given, and a `GroupThresholdOptimizer` and a `GroupCalibratedClassifier` of three classes,
need it at prediction too. The scorers are `"mean_parity"` of amounts, and `"demographic_parity"` of the
worst class.
"""

COLUMNS = {
    f"{'column' if channel == 'column' else 'metadata, routing ' + ('on' if routing else 'off')}: {who}": (
        lambda cell, channel=channel, routing=routing, asks=asks: (
            cell.channel == channel
            and routing in (None, cell.routing)
            and MODELS[cell.model].at_predict == asks
        )
    )
    for channel, routing in (("column", None), ("metadata", True), ("metadata", False))
    for asks, who in ((False, "at fit only"), (True, "at prediction too"))
}


def section(number: Callable[[str], str]) -> str:
    """Write the section of the docs page; ``number`` makes the link to a note."""
    everything, rows = list(cells()), []
    for tool in TOOLS:
        shown = []
        for chosen in COLUMNS.values():
            failures = [failure_of(cell) for cell in everything if cell.tool == tool and chosen(cell)]
            reasons = list(dict.fromkeys(failure.reason for failure in failures if failure is not None))
            word = "no" if None not in failures else "yes, except" if reasons else "yes"
            shown.append(" ".join([word, *map(number, reasons)]))
        rows.append("| " + " | ".join([tool, *shown]) + " |")
    head = ["| " + " | ".join(["tool", *COLUMNS]) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    introduction = INTRODUCTION.format(n=len(everything), n_chosen=len(list(chosen_cells())))
    return "\n".join([introduction, *head, *rows])
