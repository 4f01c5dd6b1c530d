"""The composition matrix as data: which models, in which of scikit-learn's tools, how, with what outcome.

``test_matrix.py`` runs the cells of :func:`chosen_cells`; with ``--full-matrix`` it runs all :func:`cells`.
``python tests/matrix.py`` writes the table of ``docs/composition.md``.
"""

from __future__ import annotations

import itertools
import tempfile
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
from imblearn.pipeline import Pipeline as ImblearnPipeline
from imblearn.under_sampling import RandomUnderSampler
from joblib import parallel_config
from lightgbm import LGBMClassifier
from scipy.stats import uniform
from sklearn import config_context
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import make_column_transformer
from sklearn.ensemble import BaggingClassifier, StackingClassifier, VotingClassifier
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.feature_selection import RFE
from sklearn.frozen import FrozenEstimator
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    TunedThresholdClassifierCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    validation_curve,
)
from sklearn.multiclass import OneVsRestClassifier
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.semi_supervised import SelfTrainingClassifier

from fairsk import (
    ConstrainedClassifier,
    FairClassifier,
    FairResampler,
    GroupThresholdOptimizer,
    ReweightedClassifier,
    SensitiveRouter,
)
from fairsk.repair import ConceptEraser, GaussianRepairer
from fairsk.scoring import (
    GroupScoring,
    best_under,
    cv_disparities,
    make_fair_scorer,
    make_group_scorer,
)

# --- the people -----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Keys:
    """How columns are called: by name, or by position where a tool turns frames into arrays."""

    numbers: list[Any]
    towns: list[Any]
    sex: Any
    output: str  # what the transformers of a pipeline put out
    passed: Any  # what the sensitive column is called behind a transformer that passes it through
    bare: bool = False  # whether models see the columns as they are, without transformers


@dataclass(frozen=True)
class People:
    """Rows for one library, with the sensitive column in X or beside it."""

    X: Any
    y: np.ndarray
    sex: np.ndarray
    keys: Keys


@cache
def make_people(library: str, channel: str, arrays: bool) -> People:
    """Return 144 people whose labels depend on their sex; ``arrays`` for tools that make arrays of frames."""
    n, rng = 144, np.random.default_rng(0)
    sex = rng.integers(0, 2, n)
    skill = rng.normal(size=n) + 0.6 * sex
    columns: dict[str, np.ndarray] = {"age": rng.integers(20, 65, n) / 10, "skill": skill}
    y = np.where(skill + 0.8 * rng.normal(size=n) > 0.3, "yes", "no")
    town = rng.integers(0, 2, n)
    if library == "numpy" or arrays:
        columns |= {"town": town, "sex": sex}
        keys = Keys([0, 1], [2], 3, "default", 4)
        groups: np.ndarray = sex.astype(float)
    else:
        columns |= {"town": np.array(["north", "south"])[town], "sex": np.array(["F", "M"])[sex]}
        keys = Keys(["age", "skill"], ["town"], "sex", library, "sex")
        groups = columns["sex"]
    if channel == "metadata":
        del columns["sex"]
    frame = {"pandas": pd.DataFrame, "polars": pl.DataFrame, "numpy": pd.DataFrame}[library](columns)
    return People(frame.to_numpy() if library == "numpy" else frame, y, groups, keys)


# --- the models -----------------------------------------------------------------------------------------


def prepare(keys: Keys) -> Any:
    if keys.bare:
        return "passthrough"
    return make_column_transformer(
        (StandardScaler(), keys.numbers), (OneHotEncoder(sparse_output=False), keys.towns)
    )


def prepare_and_pass(keys: Keys) -> Any:
    if keys.bare:
        return "passthrough"
    return make_column_transformer(
        (StandardScaler(), keys.numbers),
        (OneHotEncoder(sparse_output=False), keys.towns),
        ("passthrough", [keys.sex]),
        verbose_feature_names_out=False,
    ).set_output(transform=keys.output)


def logistic(keys: Keys) -> Any:
    return make_pipeline(prepare(keys), LogisticRegression())


def net(sensitive_features: Any = None) -> FairClassifier:
    return FairClassifier(
        sensitive_features=sensitive_features,
        penalty_weight=1.0,
        hidden_layer_sizes=(4,),
        max_epochs=2,
        batch_size=-1,
        lr=0.1,
        min_group_size=5,
        random_state=0,
    )


def thresholds(estimator: Any, sensitive_features: Any) -> GroupThresholdOptimizer:
    return GroupThresholdOptimizer(
        estimator, sensitive_features=sensitive_features, cv=2, min_group_size=5, max_difference=0.1
    )


def net_in_a_pipeline(keys: Keys, column: bool) -> Any:
    return (
        make_pipeline(prepare_and_pass(keys), net(keys.passed))
        if column
        else make_pipeline(prepare(keys), net())
    )


def net_in_a_router(keys: Keys, column: bool) -> Any:
    return SensitiveRouter(
        make_pipeline(prepare(keys), net()), sensitive_features=keys.sex if column else None
    )


def reweighted(keys: Keys, column: bool) -> Any:
    return ReweightedClassifier(logistic(keys), sensitive_features=keys.sex if column else None)


def over_logistic(keys: Keys, column: bool) -> Any:
    return thresholds(logistic(keys), keys.sex if column else None)


def over_reweighted(keys: Keys, column: bool) -> Any:
    return thresholds(reweighted(keys, column), keys.sex if column else None)


def over_a_net(keys: Keys, column: bool) -> Any:
    inner = net_in_a_router(keys, True) if column else make_pipeline(prepare(keys), net())
    return thresholds(inner, keys.sex if column else None)


def constrained(estimator: Any, sensitive_features: Any) -> ConstrainedClassifier:
    return ConstrainedClassifier(
        estimator,
        sensitive_features=sensitive_features,
        cv=2,
        max_models=2,
        min_group_size=5,
        max_difference=0.2,
    )


def constrained_logistic(keys: Keys, column: bool) -> Any:
    return constrained(logistic(keys), keys.sex if column else None)


def constrained_trees(keys: Keys, column: bool) -> Any:
    trees = LGBMClassifier(
        n_estimators=5, num_leaves=4, min_child_samples=5, learning_rate=0.3, verbosity=-1, n_jobs=1
    )
    return constrained(make_pipeline(prepare(keys), trees), keys.sex if column else None)


def eraser_in_a_pipeline(keys: Keys, column: bool) -> Any:
    if column:
        return make_pipeline(
            prepare_and_pass(keys), ConceptEraser(sensitive_features=keys.passed), penalized()
        )
    return make_pipeline(prepare(keys), ConceptEraser(), penalized())


def repairer_in_a_router(keys: Keys, column: bool) -> Any:
    return SensitiveRouter(
        make_pipeline(prepare(keys), GaussianRepairer(), penalized()),
        sensitive_features=keys.sex if column else None,
    )


def penalized() -> LogisticRegression:
    """Return a logistic regression whose penalty decides what collinear features weigh, with certainty."""
    return LogisticRegression(C=0.1, tol=1e-8)


@dataclass(frozen=True)
class Model:
    """A way to be fair: how to build it, what to search over, whether it needs the attribute to predict."""

    build: Callable[[Keys, bool], Any]
    parameter: str
    values: tuple[float, float]
    at_predict: bool = False
    at_scores: bool = False  # whether it needs the attribute for probabilities as well
    step: str = ""  # a plain pipeline takes metadata by the name of its step, with routing off


MODELS = {
    "net in a pipeline": Model(
        net_in_a_pipeline, "fairclassifier__penalty_weight", (0.0, 30.0), step="fairclassifier__"
    ),
    "net in a router": Model(net_in_a_router, "estimator__fairclassifier__penalty_weight", (0.0, 30.0)),
    "reweighted": Model(reweighted, "estimator__logisticregression__C", (0.003, 1.0)),
    "constrained": Model(constrained_logistic, "max_difference", (0.1, 0.5)),
    "constrained trees": Model(constrained_trees, "max_difference", (0.1, 0.5)),
    "thresholds": Model(over_logistic, "max_difference", (0.02, 0.3), at_predict=True),
    "thresholds over reweighted": Model(over_reweighted, "max_difference", (0.02, 0.3), at_predict=True),
    "thresholds over a net": Model(over_a_net, "max_difference", (0.02, 0.3), at_predict=True),
    "eraser in a pipeline": Model(
        eraser_in_a_pipeline, "logisticregression__C", (0.003, 1.0), step="concepteraser__"
    ),
    "repairer in a router": Model(
        repairer_in_a_router,
        "estimator__gaussianrepairer__amount",
        (0.1, 1.0),
        at_predict=True,
        at_scores=True,
    ),
}

# --- one cell -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One model in one tool, in one way."""

    model: str
    tool: str
    routing: bool = False
    channel: str = "column"
    library: str = "pandas"
    jobs: str = "1"

    def __str__(self) -> str:
        routing = "on" if self.routing else "off"
        jobs = "" if self.jobs == "1" else f", {self.jobs} jobs"
        return f"{self.tool}: {self.model}, {self.channel}, routing {routing}, {self.library}{jobs}"


@dataclass(frozen=True)
class Setting:
    """What a tool gets: an unfitted model, people, and what there is to say about the attribute."""

    model: Any
    parameter: str
    values: tuple[float, float]
    people: People
    metadata: dict[str, Any]  # for a tool that passes them to the model
    at_predict: dict[str, Any]  # for a direct call of the model's predict
    column: bool
    routing: bool
    n_jobs: int

    @property
    def X(self) -> Any:
        return self.people.X

    @property
    def y(self) -> np.ndarray:
        return self.people.y

    @property
    def selector(self) -> Any:
        return self.people.keys.sex if self.column else None

    @property
    def disparity(self) -> Any:
        return make_fair_scorer("demographic_parity", sensitive_features=self.selector)

    @property
    def worst_accuracy(self) -> Any:
        return make_group_scorer("accuracy", sensitive_features=self.selector)

    @property
    def grid(self) -> dict[str, list[float]]:
        return {self.parameter: list(self.values)}

    def with_parameter(self, value: float) -> Any:
        return clone(self.model).set_params(**{self.parameter: value})

    def predict(self, model: Any) -> np.ndarray:
        return model.predict(self.X, **self.at_predict)

    def step(self, name: str) -> dict[str, Any]:
        """Return the metadata under the name of a pipeline's step: so they are given with routing off."""
        if self.routing:
            return self.metadata
        return {f"{name}__{key}": value for key, value in self.metadata.items()}


def setting(cell: Cell) -> Setting:
    """Make a cell's model and people."""
    model, tool, column = MODELS[cell.model], TOOLS[cell.tool], cell.channel == "column"
    people = make_people(cell.library, cell.channel, tool.arrays)
    if tool.bare:
        people = replace(people, keys=replace(people.keys, passed=people.keys.sex, bare=True))
    step = "" if cell.routing else model.step
    return Setting(
        model=model.build(people.keys, column),
        parameter=model.parameter,
        values=model.values,
        people=people,
        metadata={} if column else {f"{step}sensitive_features": people.sex},
        at_predict={} if column or not model.at_predict else {"sensitive_features": people.sex},
        column=column,
        routing=cell.routing,
        n_jobs=int(cell.jobs.split()[0]),
    )


def run(cell: Cell) -> dict[str, Any]:
    """Run one cell and return its numbers."""
    backend = cell.jobs.partition(" ")[2]
    with (
        config_context(enable_metadata_routing=cell.routing),
        parallel_config(backend=backend) if backend else nullcontext(),
    ):
        return TOOLS[cell.tool].run(setting(cell))


# --- the tools: each returns what it computed, by name --------------------------------------------------


def _searched(s: Setting, search: Any) -> dict[str, Any]:
    found = {
        name: values
        for name, values in search.cv_results_.items()
        if name.startswith("mean_test_") or name.startswith("split")
    }
    found["tried"] = [candidate[s.parameter] for candidate in search.cv_results_["params"]]
    if search.refit:
        found |= {"best": search.best_params_[s.parameter], "labels": s.predict(search.best_estimator_)}
    return found


def _grid(s: Setting, **how: Any) -> GridSearchCV:
    search = GridSearchCV(s.model, s.grid, cv=2, n_jobs=s.n_jobs, error_score="raise", **how)
    return search.fit(s.X, s.y, **s.metadata)


def grid_default(s: Setting) -> dict[str, Any]:
    return _searched(s, _grid(s))


def grid_single(s: Setting) -> dict[str, Any]:
    return _searched(s, _grid(s, scoring=s.disparity, refit=True))


def grid_name(s: Setting) -> dict[str, Any]:
    return _searched(s, _grid(s, scoring={"accuracy": "accuracy", "dp": s.disparity}, refit="dp"))


def grid_best_under(s: Setting) -> dict[str, Any]:
    rule = best_under("accuracy", dp=0.9)
    return _searched(s, _grid(s, scoring={"accuracy": "accuracy", "dp": s.disparity}, refit=rule))


def grid_fair_scorers(s: Setting) -> dict[str, Any]:
    rule = best_under("worst", dp=0.9)
    return _searched(s, _grid(s, scoring={"worst": s.worst_accuracy, "dp": s.disparity}, refit=rule))


def grid_no_refit(s: Setting) -> dict[str, Any]:
    return _searched(s, _grid(s, scoring={"worst": s.worst_accuracy, "dp": s.disparity}, refit=False))


def grid_pooled(s: Setting) -> dict[str, Any]:
    values = None if s.column else s.people.sex
    scoring = GroupScoring(
        {"accuracy": "accuracy", "dp": "demographic_parity"}, sensitive_features=s.selector
    ).of(s.X, sensitive_features=values)
    search = _grid(s, scoring=scoring, refit=scoring.best_under("accuracy", dp=0.9))
    found = {name: value for name, value in _searched(s, search).items() if "counts_" not in name}
    return found | {"pooled": cv_disparities(search).values[:, 0]}


def grid_predict(s: Setting) -> dict[str, Any]:
    return {"labels": _grid(s).predict(s.X)}


def grid_score(s: Setting) -> dict[str, Any]:
    search = _grid(s, scoring=s.disparity)
    return {"score": search.score(s.X, s.y, **(s.metadata if s.routing else {}))}


def randomized(s: Setting) -> dict[str, Any]:
    low, high = s.values
    search = RandomizedSearchCV(
        s.model,
        {s.parameter: uniform(low, high - low)},
        n_iter=2,
        scoring=s.disparity,
        cv=2,
        n_jobs=s.n_jobs,
        error_score="raise",
        random_state=0,
    )
    return _searched(s, search.fit(s.X, s.y, **s.metadata))


def halving(s: Setting) -> dict[str, Any]:
    search = HalvingGridSearchCV(
        s.model,
        s.grid,
        factor=2,
        min_resources=72,
        scoring=s.disparity,
        cv=2,
        n_jobs=s.n_jobs,
        error_score="raise",
        random_state=0,
    )
    return _searched(s, search.fit(s.X, s.y, **s.metadata))


def cross_validated(s: Setting) -> dict[str, Any]:
    found = cross_validate(
        s.model,
        s.X,
        s.y,
        scoring={"worst": s.worst_accuracy, "dp": s.disparity},
        params=s.metadata,
        cv=2,
        n_jobs=s.n_jobs,
        error_score="raise",
    )
    return {name: values for name, values in found.items() if name.startswith("test")}


def scored_by_default(s: Setting) -> dict[str, Any]:
    scores = cross_val_score(s.model, s.X, s.y, params=s.metadata, cv=2, n_jobs=s.n_jobs, error_score="raise")
    return {"accuracy": scores}


def scored_by_name(s: Setting) -> dict[str, Any]:
    scores = cross_val_score(
        s.model, s.X, s.y, scoring="accuracy", params=s.metadata, cv=2, n_jobs=s.n_jobs, error_score="raise"
    )
    return {"accuracy": scores}


def scored_by_disparity(s: Setting) -> dict[str, Any]:
    scores = cross_val_score(
        s.model, s.X, s.y, scoring=s.disparity, params=s.metadata, cv=2, n_jobs=s.n_jobs, error_score="raise"
    )
    return {"dp": scores}


def out_of_fold(s: Setting) -> dict[str, Any]:
    return {"labels": cross_val_predict(s.model, s.X, s.y, params=s.metadata, cv=2, n_jobs=s.n_jobs)}


def learned(s: Setting) -> dict[str, Any]:
    sizes, _, scores = learning_curve(
        s.model,
        s.X,
        s.y,
        train_sizes=[0.6, 1.0],
        shuffle=True,
        scoring=s.disparity,
        params=s.metadata,
        cv=2,
        n_jobs=s.n_jobs,
        error_score="raise",
        random_state=0,
    )
    return {"sizes": sizes, "scores": scores, "dp of all": scores[-1]}


def validated(s: Setting) -> dict[str, Any]:
    _, scores = validation_curve(
        s.model,
        s.X,
        s.y,
        param_name=s.parameter,
        param_range=list(s.values),
        scoring=s.disparity,
        params=s.metadata,
        cv=2,
        n_jobs=s.n_jobs,
        error_score="raise",
    )
    return {"dp": scores}


def importance(s: Setting) -> dict[str, Any]:
    model = clone(s.model).fit(s.X, s.y, **s.metadata)
    found = permutation_importance(
        model, s.X, s.y, scoring=s.disparity, n_repeats=2, n_jobs=s.n_jobs, random_state=0
    )
    return {"importances": found.importances}


def permutation_test(s: Setting) -> dict[str, Any]:
    score, permuted, p = permutation_test_score(
        s.model,
        s.X,
        s.y,
        scoring=s.disparity,
        params=s.metadata,
        n_permutations=2,
        cv=2,
        n_jobs=s.n_jobs,
        random_state=0,
    )
    return {"score": score, "permuted": permuted, "p": p}


def calibrated(s: Setting) -> dict[str, Any]:
    model = CalibratedClassifierCV(s.model, cv=2, n_jobs=s.n_jobs).fit(s.X, s.y, **s.metadata)
    return {
        "members": [member.estimator for member in model.calibrated_classifiers_],
        "labels": model.predict(s.X),
        "probabilities": model.predict_proba(s.X),
    }


def voting(s: Setting) -> dict[str, Any]:
    members = [
        ("first", s.with_parameter(s.values[0])),
        ("second", s.with_parameter(s.values[1])),
        ("plain", logistic(s.people.keys)),
    ]
    model = VotingClassifier(members, n_jobs=s.n_jobs).fit(s.X, s.y, **s.metadata)
    return {"members": model.estimators_, "labels": model.predict(s.X)}


def stacking(s: Setting) -> dict[str, Any]:
    members = [("fair", s.model), ("plain", logistic(s.people.keys))]
    model = StackingClassifier(members, LogisticRegression(), cv=2, n_jobs=s.n_jobs)
    model.fit(s.X, s.y, **s.metadata)
    return {
        "members": model.estimators_,
        "labels": model.predict(s.X),
        "probabilities": model.predict_proba(s.X),
    }


def bagging(s: Setting) -> dict[str, Any]:
    model = BaggingClassifier(s.model, n_estimators=2, n_jobs=s.n_jobs, random_state=0)
    model.fit(s.X, s.y, **s.metadata)
    return {
        "members": model.estimators_,
        "labels": model.predict(s.X),
        "probabilities": model.predict_proba(s.X),
    }


def one_vs_rest(s: Setting) -> dict[str, Any]:
    skill = np.asarray(s.X)[:, 1].astype(float)
    y = np.array(["high", "low", "middle"])[np.digitize(skill, [-0.3, 0.8])]
    model = OneVsRestClassifier(s.model, n_jobs=s.n_jobs).fit(s.X, y, **s.metadata)
    return {"members": model.estimators_, "labels": model.predict(s.X)}


def tuned(s: Setting) -> dict[str, Any]:
    model = TunedThresholdClassifierCV(
        s.model, scoring="balanced_accuracy", thresholds=20, cv=2, n_jobs=s.n_jobs, random_state=0
    )
    model.fit(s.X, s.y, **s.metadata)
    return {"members": [model.estimator_], "threshold": model.best_threshold_, "labels": model.predict(s.X)}


def tuned_fair(s: Setting) -> dict[str, Any]:
    scorer = make_fair_scorer("demographic_parity", sensitive_features=s.selector, pos_label="yes")
    model = TunedThresholdClassifierCV(
        s.model, scoring=scorer, thresholds=20, cv=2, n_jobs=s.n_jobs, random_state=0
    )
    model.fit(s.X, s.y, **s.metadata)
    return {"members": [model.estimator_], "threshold": model.best_threshold_, "labels": model.predict(s.X)}


def frozen(s: Setting) -> dict[str, Any]:
    fitted = clone(s.model).fit(s.X, s.y, **s.metadata)
    over = thresholds(FrozenEstimator(fitted), s.selector)
    who = {} if s.column else {"sensitive_features": s.people.sex}
    over.fit(s.X, s.y, **who)
    return {"labels": s.predict(FrozenEstimator(fitted)), "over": over.predict(s.X, **who)}


def frozen_calibrated(s: Setting) -> dict[str, Any]:
    fitted = clone(s.model).fit(s.X, s.y, **s.metadata)
    model = CalibratedClassifierCV(FrozenEstimator(fitted)).fit(s.X, s.y)
    return {"labels": model.predict(s.X), "probabilities": model.predict_proba(s.X)}


def self_training(s: Setting) -> dict[str, Any]:
    y = (s.y == "yes").astype(int)
    y[::4] = -1
    model = SelfTrainingClassifier(s.model, max_iter=1).fit(s.X, y, **s.metadata)
    return {"members": [model.estimator_], "labels": model.predict(s.X), "pseudo-labels": model.transduction_}


def rfe_around(s: Setting) -> dict[str, Any]:
    model = RFE(s.model, n_features_to_select=2, importance_getter=_first_layer)
    model.fit(s.X, s.y, **s.metadata)
    asked = s.at_predict if s.routing else {}
    return {"ranking": model.ranking_, "members": [model.estimator_], "labels": model.predict(s.X, **asked)}


def _first_layer(model: Any) -> np.ndarray:
    """Return how much a model without preprocessing weighs each column."""
    while hasattr(model, "estimator_") or isinstance(model, Pipeline):
        model = model[-1] if isinstance(model, Pipeline) else model.estimator_
        if hasattr(model, "scorer"):  # the first of the fold models under a bound
            model = model.scorer.models[0]
    if hasattr(model, "booster"):  # trees behind the transformers of their fold
        return model.booster.booster.feature_importance().astype(float)
    if isinstance(model, FairClassifier):
        return next(iter(model.net_.module_.parameters())).detach().numpy()
    return model.coef_


def rfe_inside(s: Setting) -> dict[str, Any]:
    model = clone(s.model)
    steps = next(value for name, value in model.get_params().items() if name.endswith("steps"))
    steps.insert(1, ("rfe", RFE(LogisticRegression(), n_features_to_select=2)))
    return {"labels": s.predict(model.fit(s.X, s.y, **s.metadata))}


def with_memory(s: Setting) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        model = Pipeline([("keep", FunctionTransformer()), ("fair", s.model)], memory=folder)
        labels = [s.predict(clone(model).fit(s.X, s.y, **s.step("fair"))) for _ in range(2)]
    return {"labels": labels[0], "again": labels[1]}


def behind_a_transformer(s: Setting) -> dict[str, Any]:
    keys = s.people.keys
    before = make_column_transformer(
        (StandardScaler(), keys.numbers[:1]), remainder="passthrough", verbose_feature_names_out=False
    ).set_output(transform=keys.output)
    model = Pipeline([("before", before), ("fair", s.model)])
    return {"labels": s.predict(model.fit(s.X, s.y, **s.step("fair")))}


def resampled(s: Setting) -> dict[str, Any]:
    sampler = FairResampler(sensitive_features=s.selector, random_state=0)
    model = ImblearnPipeline([("sample", sampler), ("fair", s.model)])
    return {"labels": s.predict(model.fit(s.X, s.y, **_unnamed(s)))}


def undersampled(s: Setting) -> dict[str, Any]:
    model = ImblearnPipeline([("sample", RandomUnderSampler(random_state=0)), ("fair", s.model)])
    return {"labels": s.predict(model.fit(s.X, s.y, **_unnamed(s)))}


def _unnamed(s: Setting) -> dict[str, Any]:
    return {} if s.column else {"sensitive_features": s.people.sex}


@dataclass(frozen=True)
class Tool:
    """One of scikit-learn's tools, and how the cells of its row differ from the others."""

    run: Callable[[Setting], dict[str, Any]]
    parallel: bool = False  # it has n_jobs
    arrays: bool = False  # it turns frames into arrays, so that columns have no names
    bare: bool = False  # it needs a coefficient per column, so that no transformer comes before
    traits: frozenset[str] = frozenset()  # what decides about metadata: see RULES


def _tool(function: Callable[[Setting], dict[str, Any]], traits: str = "", **how: bool) -> Tool:
    return Tool(function, traits=frozenset(traits.split()), **how)


#: The traits: ``default`` scores by the model's own ``score``; ``fair`` by a scorer of fairsk; ``predicts``
#: calls ``predict`` without metadata, as scikit-learn's scorers do; ``refuses`` takes metadata with routing
#: only; ``probabilities`` are all that it asks a model for.
TOOLS = {
    "GridSearchCV, default score": _tool(grid_default, "default", parallel=True),
    "GridSearchCV, one fair scorer": _tool(grid_single, "fair", parallel=True),
    "GridSearchCV, accuracy and a fair scorer, refit by name": _tool(
        grid_name, "fair predicts", parallel=True
    ),
    "GridSearchCV, accuracy and a fair scorer, best_under": _tool(
        grid_best_under, "fair predicts", parallel=True
    ),
    "GridSearchCV, fair scorers only, best_under": _tool(grid_fair_scorers, "fair", parallel=True),
    "GridSearchCV, GroupScoring and its best_under": _tool(grid_pooled, "fair", parallel=True),
    "GridSearchCV, fair scorers only, refit=False": _tool(grid_no_refit, "fair", parallel=True),
    "GridSearchCV(...).predict": _tool(grid_predict, "default predicts", parallel=True),
    "GridSearchCV(...).score": _tool(grid_score, "fair", parallel=True),
    "RandomizedSearchCV": _tool(randomized, "fair", parallel=True),
    "HalvingGridSearchCV": _tool(halving, "fair", parallel=True),
    "cross_validate, fair scorers": _tool(cross_validated, "fair", parallel=True),
    "cross_val_score, default score": _tool(scored_by_default, "default", parallel=True),
    'cross_val_score, "accuracy"': _tool(scored_by_name, "predicts", parallel=True),
    "cross_val_score, fair scorer": _tool(scored_by_disparity, "fair", parallel=True),
    "cross_val_predict": _tool(out_of_fold, "predicts", parallel=True),
    "learning_curve": _tool(learned, "fair", parallel=True),
    "validation_curve": _tool(validated, "fair", parallel=True),
    "permutation_importance": _tool(importance, parallel=True),
    "permutation_test_score": _tool(permutation_test, "fair", parallel=True),
    "CalibratedClassifierCV": _tool(calibrated, "probabilities", parallel=True),
    "VotingClassifier": _tool(voting, "predicts refuses", parallel=True),
    "StackingClassifier": _tool(stacking, "probabilities refuses", parallel=True),
    "BaggingClassifier": _tool(bagging, "probabilities refuses", parallel=True, arrays=True),
    "OneVsRestClassifier": _tool(one_vs_rest, "probabilities refuses", parallel=True),
    "TunedThresholdClassifierCV": _tool(tuned, "probabilities refuses", parallel=True),
    "TunedThresholdClassifierCV, fair scorer": _tool(tuned_fair, "probabilities refuses", parallel=True),
    "FrozenEstimator inside GroupThresholdOptimizer": _tool(frozen),
    "FrozenEstimator inside CalibratedClassifierCV": _tool(frozen_calibrated, "probabilities"),
    "SelfTrainingClassifier": _tool(self_training, "refuses", arrays=True),
    "RFE around the model": _tool(rfe_around, arrays=True, bare=True),
    "RFE as a step inside the model": _tool(rfe_inside),
    "Pipeline with memory": _tool(with_memory),
    "ColumnTransformer before it": _tool(behind_a_transformer),
    "imbalanced-learn Pipeline with FairResampler": _tool(resampled),
    "imbalanced-learn Pipeline with RandomUnderSampler": _tool(undersampled),
}


ROUTING, CHANNELS, LIBRARIES = (False, True), ("column", "metadata"), ("pandas", "polars", "numpy")
BACKENDS = ("2 loky", "2 threading")


def cells() -> Iterator[Cell]:
    """Yield every cell; parallel ones with pandas, the column and routing on: the flag is thread-local."""
    for model, tool, routing in itertools.product(MODELS, TOOLS, ROUTING):
        for channel, library in itertools.product(CHANNELS, LIBRARIES):
            yield Cell(model, tool, routing, channel, library)
        if TOOLS[tool].parallel and routing:
            yield from (Cell(model, tool, routing, jobs=jobs) for jobs in BACKENDS)


def chosen_cells() -> Iterator[Cell]:
    """Yield four cells of each model in each tool, with every pair of routing and channel, and every library.

    How scikit-learn hands on metadata depends on the routing and the channel; how columns are read, on the
    library. The libraries take turns, so that three tools (or models) that stand side by side have all twelve
    rows. In a tool with ``n_jobs``, half of the models run with jobs, taken in turns: each tool and each
    model meets both backends.
    """
    for (m, model), (t, tool) in itertools.product(enumerate(MODELS), enumerate(TOOLS)):
        for i, (routing, channel) in enumerate(itertools.product(ROUTING, CHANNELS)):
            yield Cell(model, tool, routing, channel, LIBRARIES[(i + m + t) % len(LIBRARIES)])
        if TOOLS[tool].parallel and takes_its_turn(model, tool):
            yield Cell(model, tool, True, jobs=BACKENDS[(m + t // 2) % 2])


def takes_its_turn(model: str, tool: str) -> bool:
    """Return whether a model is among the half of the models that a tool runs where it does not run all."""
    return (list(MODELS).index(model) // 2 + list(TOOLS).index(tool)) % 2 == 0


# --- what cannot work, and why --------------------------------------------------------------------------


@dataclass(frozen=True)
class Failure:
    """Why some cells cannot work, the way that does, and the error that says so."""

    reason: str
    exception: type[Exception]
    match: str
    applies: Callable[[Cell, Model, Tool], bool]


def _metadata(cell: Cell, routing: bool | None = None) -> bool:
    return cell.channel == "metadata" and routing in (None, cell.routing)


#: The first one that applies to a cell counts.
FAILURES = [
    Failure(
        "imbalanced-learn's own samplers take no polars frames (`FairResampler` does). Convert the frame.",
        TypeError,
        "Field elements must be",
        lambda cell, model, tool: (
            tool.run is undersampled and cell.library == "polars" and not _metadata(cell, routing=False)
        ),
    ),
    Failure(
        "A pipeline takes metadata with routing off only under the name of a step. Name the column.",
        ValueError,
        "does not accept the sensitive_features parameter",
        lambda cell, model, tool: tool.run in (resampled, undersampled) and _metadata(cell, routing=False),
    ),
    Failure(
        "The sampler changes the rows, and the metadata are still those of the old ones. Name the column.",
        ValueError,
        "name the column in the constructor instead",
        lambda cell, model, tool: tool.run in (resampled, undersampled) and _metadata(cell, routing=True),
    ),
    Failure(
        "With routing off this tool refuses all metadata. Name the column, or enable routing.",
        ValueError,
        "only supported if enable_metadata_routing=True",
        lambda cell, model, tool: "refuses" in tool.traits and _metadata(cell, routing=False),
    ),
    Failure(
        "`permutation_importance` hands no metadata on. Name the column.",
        ValueError,
        "Name the column",
        lambda cell, model, tool: tool.run is importance and _metadata(cell),
    ),
    Failure(
        "`permutation_importance` turns polars frames into arrays without names. Give the column's index, in "
        "the model's transformers too, or convert the frame to pandas.",
        ValueError,
        "Give its index instead of its name",
        lambda cell, model, tool: tool.run is importance and cell.library == "polars",
    ),
    Failure(
        "With routing off scikit-learn hands metadata to `fit`, but not to scorers. Name the column, or "
        "enable routing.",
        ValueError,
        "Name the column",
        lambda cell, model, tool: "fair" in tool.traits and _metadata(cell, routing=False),
    ),
    Failure(
        "Thresholds, repairs and calibration by group need the groups to predict, and here scikit-learn "
        "calls `predict` or `score` without metadata. Name the column; or enable routing and score with "
        "fairsk's scorers "
        '(`make_group_scorer("accuracy", comparison="overall")` is the accuracy) or `GroupScoring`; or call '
        "`best_estimator_.predict(X, sensitive_features=...)`.",
        ValueError,
        "Name the column",
        lambda cell, model, tool: (
            model.at_predict
            and ("predicts" in tool.traits or ("default" in tool.traits and not cell.routing))
            and _metadata(cell)
        ),
    ),
    Failure(
        "A repairer needs the groups for probabilities as well, and here scikit-learn asks for them without "
        "metadata. Name the column.",
        ValueError,
        "Name the column",
        lambda cell, model, tool: model.at_scores and "probabilities" in tool.traits and _metadata(cell),
    ),
    Failure(
        "`StackingClassifier` hands the metadata to the final estimator as well, even if it asks for none. "
        "Name the column.",
        TypeError,
        "unexpected keyword argument 'sensitive_features'",
        lambda cell, model, tool: tool.run is stacking and _metadata(cell, routing=True),
    ),
    Failure(
        "`TunedThresholdClassifierCV` gives scorers no X to read a column of. Pass metadata with routing on; "
        "or better, use `GroupThresholdOptimizer`.",
        ValueError,
        "without X and without groups",
        lambda cell, model, tool: tool.run is tuned_fair and cell.channel == "column",
    ),
    Failure(
        "`SelfTrainingClassifier` fits on some of the rows, but with the metadata of all. Name the column.",
        ValueError,
        "name the column in the constructor instead",
        lambda cell, model, tool: tool.run is self_training and _metadata(cell, routing=True),
    ),
    Failure(
        "`RFE` takes columns away and moves the others. Put it inside the model, behind the transformers; or "
        "pass metadata.",
        ValueError,
        "is not in X, which has 3 columns; integers are positions. If an earlier step left it out",
        lambda cell, model, tool: tool.run is rfe_around and cell.channel == "column",
    ),
    Failure(
        "With thresholds and repairers, metadata reach the `predict` of `RFE` with routing on only.",
        ValueError,
        "Name the column",
        lambda cell, model, tool: (
            tool.run is rfe_around and model.at_predict and _metadata(cell, routing=False)
        ),
    ),
    Failure(
        "In a plain pipeline that passes the column through, `RFE` would have to pass it through too. Put "
        "the pipeline in a `SensitiveRouter`, or pass metadata.",
        ValueError,
        "could not convert string to float|(wrap the pipeline in|a) SensitiveRouter",
        lambda cell, model, tool: (
            tool.run is rfe_inside and "in a pipeline" in cell.model and cell.channel == "column"
        ),
    ),
]

PROBABILITIES = (
    "Thresholds do not change probabilities, and those are all that this tool asks for: its predictions "
    "leave the thresholds out. Put them outermost: `GroupThresholdOptimizer(CalibratedClassifierCV(...))`."
)


def failure_of(cell: Cell) -> Failure | None:
    """Return why a cell cannot work; None if it works."""
    model, tool = MODELS[cell.model], TOOLS[cell.tool]
    return next((failure for failure in FAILURES if failure.applies(cell, model, tool)), None)


# --- the table in the docs ------------------------------------------------------------------------------

PAGE = Path(__file__).parents[1] / "docs" / "composition.md"

INTRODUCTION = """\
# It composes everywhere: the matrix

Every model of fairsk in every tool of scikit-learn, with the sensitive attribute as a column of X or as
metadata, with metadata routing off or on, as pandas, polars or NumPy: {n} combinations. In short: **name the
column, and it works in either mode**; where two rows say "no" even so, a note says what to do instead.

`make test-full` runs all of them. Continuous integration runs {n_chosen}: of every model in every tool four
that hold each pair of routing and channel, and each library, chosen so that three tools that stand side by
side run all twelve; half of the models in every tool also run with one of the two kinds of jobs.
`python tests/matrix.py` writes this page from the same table.
"Yes" means that the numbers are the same in every mode and library, and those of a loop by hand wherever
there is one. "No" means that an error is raised, and the note names the way; no score is wrong. (With its
default `error_score=np.nan`, scikit-learn makes NaN of an error while scoring, and a warning that shows it.)

The models: a `FairClassifier` last in a pipeline that passes the column through, the same in a
`SensitiveRouter`, a `ReweightedClassifier`, and a `ConstrainedClassifier` over a logistic regression and over
boosted trees, a `ConceptEraser` in a pipeline before a logistic regression (these need the attribute *at fit
only*); a `GroupThresholdOptimizer` over a logistic regression, over a reweighted model, and over a net, and a
`GaussianRepairer` in a `SensitiveRouter` (*thresholds* and *repairers* need it at prediction too). A plain
pipeline gets its metadata under the name of its step when routing is off:
`fit(X, y, fairclassifier__sensitive_features=...)`. Tools with `n_jobs` also run with two processes (loky)
and with two threads, with pandas, the column and routing on.

Classifiers of texts (`CounterfactualAverager` over three kinds of models, `LLMClassifier` with and without
a map) take no columns of numbers and have a matrix of their own in `tests/test_text_common.py`: 15 tools,
lists, NumPy, pandas and polars, texts alone or a column of a frame, routing off and on; all of it works, with
the same numbers. Models of [amounts and of several classes](#amounts-and-several-classes) stand below.

What a search should judge where groups are small, and what to do in halving searches and Optuna's:
[Searches under a bound](searches.md).
"""

COLUMNS = {
    "column": lambda cell: cell.channel == "column",
    "metadata, routing on: net, reweighted, constrained, eraser": lambda cell: (
        _metadata(cell, True) and not MODELS[cell.model].at_predict
    ),
    "metadata, routing on: thresholds, repairer": lambda cell: (
        _metadata(cell, True) and MODELS[cell.model].at_predict
    ),
    "metadata, routing off: net, reweighted, constrained, eraser": lambda cell: (
        _metadata(cell, False) and not MODELS[cell.model].at_predict
    ),
    "metadata, routing off: thresholds, repairer": lambda cell: (
        _metadata(cell, False) and MODELS[cell.model].at_predict
    ),
}


def render() -> str:
    """Write the docs page."""
    from matrix_targets import section  # which imports this module

    notes = [PROBABILITIES, *(failure.reason for failure in FAILURES)]
    used: list[str] = []
    everything = list(cells())

    def number(note: str) -> str:
        if note not in used:
            used.append(note)
        return f"[{used.index(note) + 1}](#notes)"

    rows = []
    for tool in TOOLS:
        shown = []
        for chosen in COLUMNS.values():
            here = [cell for cell in everything if cell.tool == tool and chosen(cell)]
            failures = [failure_of(cell) for cell in here]
            found = {failure.reason for failure in failures if failure is not None}
            if (
                None in failures
                and "probabilities" in TOOLS[tool].traits
                and any(MODELS[cell.model].at_predict and not MODELS[cell.model].at_scores for cell in here)
            ):
                found.add(PROBABILITIES)
            word = "no" if None not in failures else "yes, except" if found - {PROBABILITIES} else "yes"
            shown.append(" ".join([word, *(number(note) for note in notes if note in found)]))
        rows.append("| " + " | ".join([tool, *shown]) + " |")
    head = ["| " + " | ".join(["tool", *COLUMNS]) + " |", "|---" * (len(COLUMNS) + 1) + "|"]
    of_targets = section(number)
    listed = [f"{i}. {note}" for i, note in enumerate(used, start=1)]
    n_chosen = len(list(chosen_cells()))
    introduction = INTRODUCTION.format(n=f"{len(everything):,}", n_chosen=f"{n_chosen:,}")
    parts = [introduction, *head, *rows, "", of_targets, "", "## Notes", "", *listed, ""]
    return "\n".join(parts)


if __name__ == "__main__":
    PAGE.write_text(render())
