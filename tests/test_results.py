"""What every result offers: its repr, its record for JSON, its frame, and that it cannot be changed."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import json
import pickle
from collections.abc import Callable, Iterator, Mapping
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import accuracy_score
from toy_data import columns_of

import fairsk.plotting
from fairsk import (
    ConstrainedClassifier,
    ConstrainedRegressor,
    Constraint,
    GroupThresholdOptimizer,
    PredictionRepair,
    Rate,
    metrics,
)
from fairsk._core.bounds import bounded_constraints
from fairsk._core.results import Result, plain, row_count
from fairsk._held_out.objective import make_objective
from fairsk._held_out.report import BoundReport, report_fields
from fairsk.audit import PROFILES, FairnessPolicy, audit_dataset, audit_predictions, compare, verify
from fairsk.audit._evidence import Evidence
from fairsk.metrics import GroupCounts, ScoreHistograms
from fairsk.monitoring import FairnessMonitor
from fairsk.monitoring._cohorts.cohorts import Cohorts
from fairsk.monitoring._concerns import ConcernList
from fairsk.monitoring._concerns.tables import summarise
from fairsk.monitoring._evidence import confidence_sequence, pairs  # noqa: F401  (their classes are asked for)
from fairsk.monitoring._evidence.fleet import e_bh, mean_e_value
from fairsk.monitoring._scores import ScoreTimeline
from fairsk.neural._evaluation import TrainingReport
from fairsk.plotting._panels import PanelRates
from fairsk.rates import get_constraint
from fairsk.repair import ConceptEraser
from fairsk.scoring import GroupScoring, cv_disparities
from fairsk.statistics import (
    bootstrap,
    contrasts,
    max_z_test,
    omnibus_test,
    shrunken_rates,
    two_group_test,
    verdict,
)
from fairsk.statistics._verdicts import measure_disparity
from fairsk.text import (
    AnswerCoverage,
    CorpusCounts,
    RunCost,
    TermSwapper,
    association_test,
    counterfactual_audit,
    logged_generation_audit,
    paired_preference,
    perplexity_by_group,
    starter_occupations,
)
from fairsk.thresholds import thresholds_from_histograms

COUNTS = GroupCounts(["a", "b"], {"tp": [40, 20], "fp": [10, 20], "fn": [10, 30], "tn": [40, 30]})

# Two attributes, labels that depend on them, scores that depend on labels; one column with gaps.
RNG = np.random.default_rng(0)
N = 400
PEOPLE = pd.DataFrame({"sex": RNG.choice(["f", "m"], N), "race": RNG.choice(["b", "w"], N)})
SCORE = RNG.normal(size=N)
HIRED = (SCORE + (PEOPLE["sex"] == "m") + RNG.normal(size=N) > 0.5).astype(int).to_numpy()
PEOPLE["score"] = np.where(RNG.random(N) < 0.1, np.nan, SCORE)
PREDICTED = (SCORE > 0.4).astype(int)
AGE = 40 + 10 * SCORE + RNG.normal(size=N)
PROBABILITY = 1 / (1 + np.exp(-SCORE))
ROWS: dict[str, Any] = {"y_true": HIRED, "y_pred": PREDICTED, "sensitive_features": PEOPLE["sex"]}
SCORED: dict[str, Any] = {"y_true": HIRED, "y_score": PROBABILITY, "sensitive_features": PEOPLE["sex"]}


def audited() -> Any:
    return audit_dataset(PEOPLE, ["sex", "race"], HIRED, {"sex": "equal"}, random_state=0)


def optimizer(constraint: str) -> Any:
    X = pd.DataFrame({"score": SCORE, "man": PEOPLE["sex"] == "m"})
    model = GroupThresholdOptimizer(LogisticRegression(), sensitive_features="man", constraint=constraint)
    return model.fit(X, HIRED), X


def constrained() -> Any:
    model = ConstrainedClassifier(
        LogisticRegression(), sensitive_features="man", constraint="equalized_odds", cv=2, max_models=3
    )
    X = pd.DataFrame({"score": SCORE, "man": PEOPLE["sex"] == "m"})
    return model.fit(X, HIRED)


def repaired_amounts() -> PredictionRepair:
    who = np.where(PEOPLE["sex"] == "m", "<b>m</b>", "f")
    return PredictionRepair(LinearRegression()).fit(SCORE.reshape(-1, 1), AGE, sensitive_features=who)


def constrained_amounts() -> Any:
    model = ConstrainedRegressor(LinearRegression(), sensitive_features="man", max_difference=0.1, cv=2)
    X = pd.DataFrame({"score": SCORE, "man": PEOPLE["sex"] == "m"})
    return model.fit(X, HIRED + SCORE)


def constrained_path() -> Any:
    model = ConstrainedClassifier(LogisticRegression(), sensitive_features="man", cv=2, max_models=2)
    X = pd.DataFrame({"score": SCORE, "man": PEOPLE["sex"] == "m"})
    return model.pareto_path(X, HIRED, bounds=(0.1, 0.3))


def eraser(**params: Any) -> ConceptEraser:
    """Return an eraser of groups with names that a page may not take for its own words."""
    rows = np.column_stack([SCORE, PREDICTED, HIRED + SCORE**2])
    who = AGE if params else np.where(PEOPLE["sex"] == "m", "<b>m</b>", "f")
    return ConceptEraser(within_label=True, **params).fit(rows, HIRED, sensitive_features=who)


def pareto_path() -> Any:
    model, X = optimizer("demographic_parity")
    return model.pareto_path(X, HIRED, n_points=5)


def graded() -> tuple[Any, Any, Any]:
    """Return an optimizer of three classes whose names a page may not take for its own words."""
    X = pd.DataFrame({"score": SCORE, "man": PEOPLE["sex"] == "m"})
    grades = ["<b>low</b>", "middle", "high"]
    y = np.array(grades)[np.digitize(SCORE + HIRED, [0, 1.2])]
    model = GroupThresholdOptimizer(
        LogisticRegression(), sensitive_features="man", grades=grades, cv=2, policy="randomized"
    )
    return model, X, y


def graded_report() -> Any:
    model, X, y = graded()
    return model.fit(X, y).report_


def graded_path() -> Any:
    model, X, y = graded()
    return model.pareto_path(X, y, n_points=3)


def monitor() -> Any:
    """Return a monitor of three batches."""
    watched = FairnessMonitor("demographic_parity", min_ratio=0.8)
    for batch in ("1", "2", "3"):
        watched.update(COUNTS, batch=batch)
    return watched


def training_display() -> Any:
    history = [
        {"epoch": 1, "task_loss": 0.6, "loss": 0.7, "disparities": {"demographic_parity": 0.2}},
        {"epoch": 2, "task_loss": 0.5, "loss": 0.5, "disparities": {"demographic_parity": 0.04}},
    ]
    return fairsk.plotting.TrainingDisplay(history, bounds={"demographic_parity": 0.05}, best_epoch=2)


def threshold_display() -> Any:
    return fairsk.plotting.ThresholdDisplay(
        fpr={"f": np.array([0.0, 0.2, 1.0]), "m": np.array([0.0, 0.4, 1.0])},
        tpr={"f": np.array([0.0, 0.7, 1.0]), "m": np.array([0.0, 0.6, 1.0])},
        chosen={"f": (0.2, 0.7), "m": (0.4, 0.6)},
        mixed={"f": np.array([[0.2, 0.7]]), "m": np.array([[0.4, 0.6]])},
        exempt=("m",),
    )


def drawn(display: Any) -> Any:
    import matplotlib

    matplotlib.use("Agg", force=True)
    import matplotlib.pyplot as plt

    made = display.from_counts(COUNTS, "selection_rate")
    plt.close("all")
    for name in [name for name in vars(made) if name.endswith("_")]:
        delattr(made, name)  # what matplotlib drew
    return made


def corpus() -> CorpusCounts:
    """Return counts of texts in which one word stands beside one group."""
    texts = ["<b>kind</b> words"] * 20 + ["other words"] * 10
    mentions, languages = ["woman"] * 15 + ["man"] * 10 + ["none"] * 5, ["en", "de", None] * 10
    return CorpusCounts.from_texts(texts, mentions=mentions, columns={"language": languages})


#: What a report says of decisions under a bound.
ACHIEVED: dict[str, Any] = {
    "pos_label": 1,
    "objective": "accuracy",
    "value": 0.6,
    "value_without_bound": None,
    "constraints": report_fields(
        COUNTS,
        bounded_constraints("equalized_odds", 0.1, None),
        make_objective("accuracy", 1.0, 1.0),
        pos_label=1,
        value_without_bound=None,
        measured_on="held out",
    )["constraints"],
    "counts": COUNTS,
    "measured_on": "training",
}


def cohorts() -> Cohorts:
    made = Cohorts(most_missing=9)
    unlabelled = {
        "fp": COUNTS.cells["tp"] + COUNTS.cells["fp"] + 9,
        "tn": COUNTS.cells["fn"] + COUNTS.cells["tn"],
    }
    for month in ("2026-01", "2026-02"):
        made.decided(
            month, GroupCounts(["a", "b"], {**unlabelled, "tp": [0, 0], "fn": [0, 0]}, labelled=False)
        )
    made.labelled("2026-01", COUNTS)
    assert len(list(made.closed())) == 1
    return made


#: One of every class of results.
RESULTS: dict[str, Callable[[], Any]] = {
    "GroupCounts": lambda: COUNTS,
    "ScoreHistograms": lambda: ScoreHistograms.from_scores(**SCORED, bins=8),
    "GroupAmounts": lambda: metrics.GroupAmounts.from_predictions(
        HIRED + SCORE, SCORE, sensitive_features=PEOPLE["sex"]
    ),
    "PredictionRepairReport": lambda: repaired_amounts().report_,
    "ScoreMoments": lambda: Evidence.from_rows(y_pred=None, **SCORED).moments,
    # metrics
    "GroupMetrics": lambda: metrics.group_metrics(**ROWS),
    "GroupFunctionMetrics": lambda: metrics.group_metrics(
        **ROWS, metrics=accuracy_score, confidence=0.9, n_resamples=50, random_state=0
    ),
    "PanelRates": lambda: PanelRates.of(
        metrics.GroupAmounts.from_predictions(HIRED + SCORE, SCORE, sensitive_features=PEOPLE["sex"]),
        None,
        confidence=0.9,
        min_group_size=200,
    ),
    "Disparities": lambda: metrics.group_metrics(**ROWS).disparities(),
    "ScoreMetrics": lambda: metrics.score_metrics(**SCORED),
    "CalibrationCurves": lambda: metrics.calibration_curves(
        HIRED, PROBABILITY, sensitive_features=PEOPLE["sex"]
    ),
    "AbrocaTest": lambda: metrics.abroca_test(**SCORED, n_resamples=20, random_state=0),
    "GeneralizedEntropy": lambda: metrics.GeneralizedEntropy.from_counts(COUNTS),
    "DifferentialFairness": lambda: metrics.differential_fairness(**ROWS),
    "MantelHaenszel": lambda: metrics.mantel_haenszel_odds_ratio(
        **ROWS, strata=PEOPLE["race"], reference="m"
    ),
    "ConditionalDemographicDisparity": lambda: metrics.conditional_demographic_disparity(
        **ROWS, strata=PEOPLE["race"]
    ),
    "RegressionMetrics": lambda: metrics.regression_metrics(
        HIRED + SCORE, SCORE, sensitive_features=PEOPLE["sex"]
    ),
    # statistics
    "Contrasts": lambda: contrasts(COUNTS, "selection_rate"),
    "OmnibusTest": lambda: omnibus_test(COUNTS, "equalized_odds"),
    "MaxZTest": lambda: max_z_test(COUNTS, "selection_rate", n_resamples=99, random_state=0),
    "TwoGroupTest": lambda: two_group_test(COUNTS, "selection_rate"),
    "BootstrapResult": lambda: bootstrap(COUNTS, "selection_rate", n_resamples=99, random_state=0),
    "ShrunkenRates": lambda: shrunken_rates(COUNTS, "selection_rate"),
    "Verdict": lambda: verdict(COUNTS, "equalized_odds", max_difference=0.1),
    "MeasuredDisparity": lambda: measure_disparity(COUNTS, get_constraint("equalized_odds"), "ratio"),
    "PairVerdicts": lambda: verdict(COUNTS, "equalized_odds", max_difference=0.1).pairs,
    # scoring
    "CVDisparities": lambda: cv_disparities(
        {
            **{f"split0_test_counts_{g}_{c}": [COUNTS.cells[c][g]] * 2 for g in (0, 1) for c in COUNTS.cells},
            "mean_test_dp": [-0.1, -0.2],
            "params": [{"depth": 2, "tree": LogisticRegression()}, {"depth": 3}],
        },
        GroupScoring({"dp": "demographic_parity"}, groups=["a", "b"]),
    ),
    # audit
    "DatasetAudit": audited,
    "GroupShares": lambda: audited().shares,
    "LabelDependence": lambda: audited().labels,
    "MissingValues": lambda: audited().missing,
    "Proxies": lambda: audited().proxies,
    "WordsBeside": lambda: audit_dataset(corpus(), min_group_size=5).words,
    "CorpusCounts": lambda: corpus(),
    "FairnessPolicy": lambda: FairnessPolicy.from_dict(
        {
            "name": "Loans",
            "sensitive_features": ["sex", "race"],
            "criteria": [{"constraint": "equalized_odds", "min_ratio": 0.8, "reference": {"sex": "m"}}],
            "scenarios": [{"group": "women", "hazard": "refused for part-time work"}],
            "profiles": {"ll144": {"auditor": "a"}},
        }
    ),
    "AuditReport": lambda: audit_predictions(
        HIRED, PREDICTED, sensitive_features=PEOPLE[["sex", "race"]], y_score=PROBABILITY, min_ratio=0.8
    ),
    "ProfileTable": lambda: PROFILES["four_fifths"].compute(Evidence.from_counts(COUNTS))[0],
    # one that found something: where nothing is found there is no table
    "Verification": lambda: verify(
        audit_predictions(counts=COUNTS, min_ratio=0.8)
        .to_json()
        .replace('"min_ratio": 0.8', '"min_ratio": 0.7')
    ),
    "AuditComparison": lambda: compare(
        audit_predictions(counts=COUNTS), audit_predictions(counts=COUNTS, max_difference=0.1)
    ),
    # monitoring
    "ScoreTimeline": lambda: ScoreTimeline(
        ("1", "2"), ("f", "m"), {"mean_score": np.array([[0.2, 0.4], [0.3, np.nan]])}
    ),
    "MonitorStep": lambda: monitor().steps[-1],
    "MonitorPairs": lambda: monitor().pairs(),
    "ConfidenceSequence": lambda: monitor().confidence_sequence(*monitor().groups[:2]),
    "IncompleteCohorts": lambda: cohorts().incomplete(),
    "MissingLabels": lambda: cohorts().missing("true_positive_rate"),
    "FleetAlarms": lambda: e_bh({"loans": 5.0, "cards": -1.5}),
    "MeanEValue": lambda: mean_e_value({"north": 5.0, "south": -1.5}),
    "ConcernSummary": lambda: summarise(
        {
            ("f", "ticket", "received"): 40,
            (None, "unknown", "answered"): 12,
            ("m", "declared", "in review"): 2,
        },
        fewest=5,
    ),
    "ConcernList": lambda: ConcernList(
        np.array([3]),
        ("2026-11-27T05:00Z",),
        ("b1",),
        ("d1",),
        ("f",),
        ("other",),
        ("ticket",),
        ("answered",),
        ("duplicate",),
        ("2026-11-28T05:00Z",),
        ("What about <b>me</b>?",),
    ),
    # text
    "CounterfactualAudit": lambda: counterfactual_audit(
        lambda texts: [0.9 if "she" in text else None if "odd" in text else 0.2 for text in texts],
        ["She is <b>kind</b>.", "The man is odd.", "That lady is late.", "He came.", "It rains."] * 3,
        TermSwapper({"female": ["she", "lady"], "<i>male</i>": ["he", "man"], "any": ["they", "person"]}),
    ),
    "GenerationAudit": lambda: logged_generation_audit(
        PEOPLE["race"], PEOPLE["sex"], scores={"<b>toxicity</b>": PEOPLE["score"]}, random_state=0
    ),
    "GroupPerplexity": lambda: perplexity_by_group(
        lambda texts: [-float(len(text)) for text in texts],
        ["{person} <b>won</b>.", "Then {person} lost."],
        {"f": ["the woman", "she"], "m": ["the man", "he"]},
        count_tokens=lambda texts: [len(text.split()) for text in texts],
    ),
    "PairedPreference": lambda: paired_preference(
        lambda texts: [-float(len(text)) for text in texts],
        ["She won.", "The woman lost.", "An aunt came."],
        ["He won.", "The man lost.", "An uncle came."],
        ["<b>pronoun</b>", "noun", "noun"],
    ),
    "RunCost": lambda: RunCost(prompts=12, cached=2, calls=10, tokens_in=90, tokens_out=10),
    "StarterOccupations": starter_occupations,
    "AssociationTest": lambda: association_test(
        *np.random.default_rng(1).normal(size=(4, 7, 3)), confidence=0.9, n_resamples=20, random_state=0
    ),
    "AnswerCoverage": lambda: AnswerCoverage(
        "first_token", 20, ("<b>yes</b>", "no"), 5, given=(3, 1), censored=(0, 2), unanswered=2, refused=1
    ),
    # repair
    "ErasureReport": lambda: eraser().erased_,
    "GroupMoments": lambda: eraser().moments_,
    "MeasurementMoments": lambda: eraser(continuous=True).moments_,
    # what was fitted, and what is drawn
    "ConstraintReport": lambda: ACHIEVED["constraints"][0],
    "BoundReport": lambda: BoundReport(**ACHIEVED),
    "TrainingReport": lambda: TrainingReport(
        **ACHIEVED, column="sex", others=(TrainingReport(**ACHIEVED, column="race"),)
    ),
    "ThresholdReport": lambda: optimizer("equalized_odds")[0].report_,
    "ConstrainedReport": lambda: constrained().report_,
    "AmountReport": lambda: constrained_amounts().report_,
    "ConstrainedPath": constrained_path,
    "ParetoPath": pareto_path,
    "ClassThresholdReport": graded_report,
    "ClassParetoPath": graded_path,
    "HistogramThresholds": lambda: thresholds_from_histograms(ScoreHistograms.from_scores(**SCORED, bins=8)),
    "DisparityDisplay": lambda: drawn(fairsk.plotting.DisparityDisplay),
    "GroupMetricDisplay": lambda: drawn(fairsk.plotting.GroupMetricDisplay),
    "TrainingDisplay": training_display,
    "ThresholdDisplay": threshold_display,
    "MonitorDisplay": lambda: fairsk.plotting.MonitorDisplay(monitor()),
    "ScoreTimelineDisplay": lambda: fairsk.plotting.ScoreTimelineDisplay(
        ["1", "2"], ["m", "f"], {"auc": [[0.8, 0.7], [0.75, np.nan]]}
    ),
    "TradeoffDisplay": lambda: fairsk.plotting.TradeoffDisplay(pareto_path()),
}

every_result = pytest.mark.parametrize("name", RESULTS)


def result_classes(parent: type = Result) -> Iterator[type]:
    for child in parent.__subclasses__():
        if child.__module__.startswith("fairsk.") and not inspect.isabstract(child):
            yield child
        yield from result_classes(child)


def leaves(value: Any) -> Iterator[Any]:
    if isinstance(value, dict | list):
        for part in value.values() if isinstance(value, dict) else value:
            yield from leaves(part)
    else:
        yield value


def arrays(value: Any) -> Iterator[np.ndarray]:
    """Yield the arrays inside of a value, which no dictionary may hold that can be changed."""
    if isinstance(value, np.ndarray):
        yield value
    elif isinstance(value, tuple | Mapping):
        assert type(value) is not dict
        for part in value.values() if isinstance(value, Mapping) else value:
            yield from arrays(part)
    elif dataclasses.is_dataclass(value) and not isinstance(value, Rate | Constraint):
        names = [field.name for field in dataclasses.fields(value)]
        for parent in type(value).__mro__:
            names += [
                key for key, kind in vars(parent).items() if isinstance(kind, property | cached_property)
            ]
        for name in names:
            if not name.startswith("_"):
                yield from arrays(getattr(value, name))


def test_every_class_of_results_is_among_these() -> None:
    assert {child.__name__ for child in result_classes()} == set(RESULTS)


@every_result
def test_what_is_shown_is_what_is_printed(name: str) -> None:
    result = RESULTS[name]()
    assert type(result).__name__ == name
    assert repr(result) == str(result)
    assert "array(" not in repr(result)
    assert "<table>" in result._repr_html_()


@every_result
def test_the_record_is_complete_and_fit_for_json(name: str) -> None:
    result = RESULTS[name]()
    record = result.to_dict()
    assert json.loads(json.dumps(record, allow_nan=False)) == record
    public = [key for key in vars(result) if not key.startswith("_") and key != "library"]
    if dataclasses.is_dataclass(result):
        public = [field.name for field in dataclasses.fields(result) if field.repr]
        public = [key for key in public if not key.startswith("_") and key != "library"]
    public += [
        key
        for parent in type(result).__mro__
        for key, kind in vars(parent).items()
        if isinstance(kind, property | cached_property) and not key.startswith("_")
    ]
    assert set(public) <= set(record)
    # Every number of the table stands in the record.
    numbers = {round(float(leaf), 9) for leaf in leaves(record) if isinstance(leaf, int | float)}
    for title, column in columns_of(result).items():
        for value in column:
            if isinstance(value, float) and np.isfinite(value):
                assert round(value, 9) in numbers, title


@every_result
def test_a_frame_comes_in_the_library_that_is_asked_for(name: str) -> None:
    result = RESULTS[name]()
    assert isinstance(result.frame("pandas"), pd.DataFrame)
    assert isinstance(result.frame("polars"), pl.DataFrame)


@pytest.mark.parametrize(
    "name",
    [
        "GroupMetrics",
        "DatasetAudit",
        "Disparities",
        "Proxies",
        "LabelDependence",
        "ThresholdReport",
        "ConstrainedReport",
        "ConstrainedPath",
        "ParetoPath",
        "ClassThresholdReport",
        "AmountReport",
    ],
)
def test_a_frame_comes_in_the_library_of_the_data(name: str) -> None:
    assert isinstance(RESULTS[name]().frame(), pd.DataFrame)


def test_what_is_made_of_counts_comes_in_the_library_of_the_data_too() -> None:
    rows = pl.DataFrame({"y": HIRED, "p": PREDICTED, "sex": PEOPLE["sex"].to_list(), "score": PROBABILITY})
    counted = GroupCounts.from_frame(rows, y_true="y", y_pred="p", sensitive_features="sex")
    given = GroupCounts.from_predictions(HIRED, PREDICTED, sensitive_features=rows["sex"])
    binned = ScoreHistograms.from_frame(rows, y_true="y", y_score="score", sensitive_features="sex")
    for counts in (counted, given, counted + counted, given.marginal(*given.names)):
        for result in (
            counts,
            contrasts(counts, "selection_rate"),
            verdict(counts, "selection_rate", max_difference=0.1).pairs,
            bootstrap(counts, "selection_rate", n_resamples=9, random_state=0),
            metrics.GroupMetrics(counts),
            fairsk.plotting.GroupMetricDisplay(metrics.GroupMetrics(counts)),
        ):
            assert isinstance(result.frame(), pl.DataFrame)
    assert isinstance((binned + binned).frame(), pl.DataFrame)
    assert isinstance(binned.counts_at(0.5).frame(), pl.DataFrame)
    assert isinstance(thresholds_from_histograms(binned).frame(), pl.DataFrame)


@every_result
def test_copies_and_pickles_say_the_same(name: str) -> None:
    result = RESULTS[name]()
    for other in (pickle.loads(pickle.dumps(result)), copy.deepcopy(result), copy.copy(result)):
        assert other.to_dict() == result.to_dict()
        assert str(other) == str(result)


@pytest.mark.parametrize("name", [name for name in RESULTS if "Display" not in name])
def test_nothing_in_a_result_can_be_changed(name: str) -> None:
    result = RESULTS[name]()
    for one in (result, pickle.loads(pickle.dumps(result))):
        field = dataclasses.fields(one)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(one, field, None)
        for array in arrays(one):
            assert not array.flags.writeable


def test_records_say_what_is_printed_beside_the_table() -> None:
    table = metrics.regression_metrics([1, 2, 3, 4], [1, 2, 3, 5], sensitive_features=list("aabb"))
    # Predictions 1, 2 and 3, 5: no overlap, and means that are 2.5 apart.
    record = table.to_dict()
    assert (record["ks_distance"], record["wasserstein_distance"]) == (1.0, 2.5)
    odds = RESULTS["MantelHaenszel"]()
    assert "selection_rate" in str(odds)
    assert odds.to_dict()["rate"] == "selection_rate"


def test_numbers_of_rows_are_rounded_before_they_are_called_whole() -> None:
    assert sum([1.1] * 10) != 11  # by rounding
    assert [row_count(n) for n in (sum([1.1] * 10), 134.0, 126.99999999999997, 127.25, 1e9)] == [
        "11",
        "134",
        "127",
        "127.2",
        "1,000,000,000",
    ]


def test_counts_cannot_be_changed_through_a_table() -> None:
    with pytest.raises(ValueError, match="read-only"):
        COUNTS.cells["tp"][0] = 1e9
    with pytest.raises(TypeError):
        COUNTS.cells["tp"] = np.zeros(2)  # type: ignore[index]
    mine = np.array([1.0, 2.0])
    table = GroupCounts(["a", "b"], dict.fromkeys(("tp", "fp", "fn", "tn"), mine))
    mine[0] = 5  # an array that was given stays that of the giver
    assert table.cells["tp"].tolist() == [1, 2]


def test_tables_of_counts_are_equal_by_value_and_other_results_by_identity() -> None:
    assert copy.deepcopy(COUNTS) == COUNTS
    with pytest.raises(TypeError, match="unhashable"):
        hash(COUNTS)
    result = contrasts(COUNTS, "selection_rate")
    assert result == result
    assert copy.deepcopy(result) != result
    assert len({result, result}) == 1


def test_plain_values() -> None:
    labels = {("f", 1): np.float64("nan"), ("m", 2): np.inf}
    assert plain(labels) == {"f & 1": None, "m & 2": "inf"}
    assert plain({1: 0.5, "1": 0.25}) == [[1, 0.5], ["1", 0.25]]
    assert plain((np.arange(2), np.bool_(True), np.datetime64("2026-01-02"), pd.Timestamp("2026-01-02"))) == [
        [0, 1],
        True,
        "2026-01-02",
        "2026-01-02 00:00:00",
    ]
    assert plain([Rate("fdr", "fp", "tp+fp"), Constraint("parity", "selection_rate")]) == ["fdr", "parity"]
    assert plain(COUNTS) == COUNTS.to_dict()


@pytest.mark.parametrize(
    "child", [*filter(dataclasses.is_dataclass, result_classes())], ids=lambda child: child.__name__
)
def test_intervals_are_called_low_and_high_and_more_than_one_p_value_p_values(child: Any) -> None:
    kinds = {field.name: str(field.type) for field in dataclasses.fields(child)}
    assert not {"lower", "upper", "ks", "wasserstein"} & set(kinds)
    assert ("low" in kinds) == ("high" in kinds)
    assert kinds.get("p_value", "float") == "float"
    assert kinds.get("p_values", "array") != "float"


@pytest.mark.parametrize("name", ["Contrasts", "BootstrapResult", "ShrunkenRates", "Verdict"])
def test_limits_are_called_low_and_high_in_frames_too(name: str) -> None:
    assert {"low", "high"} <= set(columns_of(RESULTS[name]()))
