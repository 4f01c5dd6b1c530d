"""Partial pooling: small intersections borrow the rows that they lack from their coarser groups."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from sklearn.frozen import FrozenEstimator
from toy_data import ScoreColumn

from fairsk import GroupThresholdOptimizer
from fairsk._core.groups import Grouping
from fairsk.metrics import ScoreHistograms
from fairsk.rates import RATES
from fairsk.thresholds import thresholds_from_histograms
from fairsk.thresholds._borrowing import borrow
from fairsk.thresholds._group_curves import GroupCurves

#: Of two attributes of two values each, how many rows; the second intersection lacks 20 of 30.
SIZES = {("f", "x"): 120, ("f", "y"): 10, ("m", "x"): 150, ("m", "y"): 90}
SMALL = ("f", "y")


def make_people(sizes=SIZES, seed=0):
    """Return scores on few levels, labels and the two attributes."""
    rng = np.random.default_rng(seed)
    labels = [label for label, size in sizes.items() for _ in range(size)]
    table = pd.DataFrame(labels, columns=["sex", "site"])
    mean = 0.35 + 0.2 * (table["sex"] == "m") + 0.1 * (table["site"] == "y")
    scores = np.round(np.clip(rng.normal(mean, 0.2), 0.05, 0.95), 1)
    return scores, rng.random(len(scores)) < scores, table


def curves_of(scores, actual, table, weights=None):
    labels = sorted(set(zip(*(table[name] for name in table), strict=True)))
    codes = np.array([labels.index(label) for label in zip(*(table[name] for name in table), strict=True)])
    return GroupCurves.from_rows(scores, actual, Grouping(tuple(table), tuple(labels), codes), weights)


def logit(part, whole):
    return np.log((part + 0.5) / (whole - part + 0.5))


def expected_share(counted, whole, table, label):
    """Return the additive model's share of counted rows, among those of the whole: written down once more."""
    total = logit((counted & whole).sum(), whole.sum())
    logits = total
    for name, value in zip(table, label, strict=True):
        own = whole & (table[name] == value).to_numpy()
        logits += logit((counted & own).sum(), own.sum()) - total
    return 1 / (1 + np.exp(-logits))


def pooled_cells(scores, actual, table, label, threshold, n_borrowed=None, least=30):
    """Return the positives and negatives selected of a group and of the rows it borrows; and all of them."""
    own = np.all([table[name] == value for name, value in zip(table, label, strict=True)], axis=0)
    base = expected_share(actual, np.ones(len(actual), dtype=bool), table, label)
    lacking = least - own.sum()
    borrowed = (lacking * base, lacking * (1 - base)) if n_borrowed is None else n_borrowed
    selected = scores >= threshold
    cells = []
    for kind, n in zip((actual, ~actual), borrowed, strict=True):
        share = 1.0 if selected.all() else expected_share(selected, kind, table, label)
        cells.append(((own & kind & selected).sum() + n * share, (own & kind).sum() + n))
    return cells


@pytest.mark.parametrize("threshold", [0.2, 0.4, 0.5, 0.7])
def test_what_is_lacking_follows_the_additive_model(threshold):
    people = make_people()
    curves = curves_of(*people)
    borrowing = borrow(curves, [1], [RATES["selection_rate"]], 30)
    assert borrowing.sources == {1: {"sex": "f", "site": "y"}}
    pooled = borrowing.pooled.weighted[1]
    [at] = pooled.positions(np.array([threshold]))
    (tp, positives), (fp, negatives) = pooled_cells(*people, SMALL, threshold)
    assert pooled.tp[-1] + pooled.fp[-1] == pytest.approx(30)
    assert pooled.tp[[at, -1]] == pytest.approx([tp, positives])
    assert pooled.fp[[at, -1]] == pytest.approx([fp, negatives])
    for g in (0, 2, 3):  # whoever has enough rows is left alone
        assert borrowing.pooled.weighted[g] is curves.weighted[g]
    assert (np.diff(pooled.tp) >= 0).all()
    own = borrowing.own[1]
    assert (own.tp[-1], own.fp[-1]) == (curves.weighted[1].tp[-1], curves.weighted[1].fp[-1])


def test_positives_are_lent_where_a_rate_is_measured_on_them():
    scores, actual, table = make_people()
    actual &= ~((table["sex"] == "f") & (table["site"] == "y")).to_numpy()  # none of its own
    borrowing = borrow(curves_of(scores, actual, table), [1], [RATES["true_positive_rate"]], 30)
    pooled = borrowing.pooled.weighted[1]
    [at] = pooled.positions(np.array([0.5]))
    (tp, positives), (fp, negatives) = pooled_cells(scores, actual, table, SMALL, 0.5, n_borrowed=(30, 0))
    assert (positives, negatives) == (30, 10)
    assert pooled.tp[[at, -1]] == pytest.approx([tp, 30])
    assert pooled.fp[[at, -1]] == pytest.approx([fp, 10])


def test_a_borrowed_row_weighs_what_a_row_of_the_group_does():
    scores, actual, table = make_people()
    own = ((table["sex"] == "f") & (table["site"] == "y")).to_numpy()
    plain = borrow(curves_of(scores, actual, table), [1], [RATES["selection_rate"]], 30).pooled
    weights = np.where(own, 1.0, 3.0)  # the model's shares are the same, but for the share of all rows
    heavy = borrow(
        curves_of(scores, actual, table, np.full(len(own), 2.0)), [1], [RATES["selection_rate"]], 30
    )
    np.testing.assert_allclose(heavy.pooled.weighted[1].tp[-1], 2 * plain.weighted[1].tp[-1], rtol=0.01)
    assert heavy.pooled.weighted[1].tp[-1] + heavy.pooled.weighted[1].fp[-1] == pytest.approx(60)
    assert heavy.pooled.squared[1].tp[-1] + heavy.pooled.squared[1].fp[-1] == pytest.approx(120)
    assert heavy.pooled.unweighted[1].tp[-1] + heavy.pooled.unweighted[1].fp[-1] == pytest.approx(30)
    mixed = borrow(curves_of(scores, actual, table, weights), [1], [RATES["selection_rate"]], 30)
    assert mixed.pooled.weighted[1].tp[-1] + mixed.pooled.weighted[1].fp[-1] == pytest.approx(30)


def test_a_value_with_too_few_rows_lends_nothing():
    sizes = {**SIZES, ("f", "z"): 12, ("m", "z"): 9}  # 21 rows of z between them
    people = make_people(sizes)
    borrowing = borrow(curves_of(*people), [1, 2, 5], [RATES["selection_rate"]], 30)
    assert borrowing.sources == {
        1: {"sex": "f", "site": "y"},
        2: {"sex": "f"},
        5: {"sex": "m"},
    }
    one = borrow(curves_of(people[0], people[1], people[2][["site"]]), [2], [RATES["selection_rate"]], 30)
    assert one.sources == {}  # a single attribute's small group has nobody to borrow from


def fit(people, *, policy="threshold", **params):
    scores, actual, table = people
    X = table.assign(score=scores)[["score", "sex", "site"]]
    model = GroupThresholdOptimizer(
        FrozenEstimator(ScoreColumn().fit(X, actual)),
        sensitive_features=["sex", "site"],
        policy=policy,
        **params,
    )
    return model.fit(X, actual)


def test_the_bound_is_held_with_borrowed_rows_and_reported_without():
    people = make_people()
    with pytest.warns(UserWarning, match=r"Fewer than min_group_size=30 .*: f & y\. .*report_\.borrowed"):
        report = fit(people, max_difference=0.1).report_
    assert report.exempt == ()
    assert report.borrowed == {SMALL: {"sex": "f", "site": "y"}}
    assert json.loads(json.dumps(report.to_dict()))["borrowed"] == {"f & y": {"sex": "f", "site": "y"}}
    assert "borrowed:    f & y (from f, y)" in str(report)
    summary = " ".join(report.summary().split())
    assert "Too small to measure alone are f & y: the bound is held with rows as expected" in summary
    # Its own ten rows are counted, and no others.
    assert report.counts.take([SMALL]).n.tolist() == [10]
    rates = report.counts.take([label for label in report.groups if label != SMALL]).rate("selection_rate")
    assert report.disparity == pytest.approx(rates.max() - rates.min())
    (tp, positives), (fp, negatives) = pooled_cells(*people, SMALL, report.thresholds[SMALL])
    rate = (tp + fp) / (positives + negatives)
    assert max(rate, rates.max()) - min(rate, rates.min()) <= 0.1 + 1e-9


def test_no_other_choice_with_borrowed_rows_is_more_accurate():
    """Brute force over thresholds of the four groups, the small one's on ten rows with twenty borrowed."""
    scores, actual, table = people = make_people()
    levels = np.append(np.unique(scores), 2.0)
    options = []
    for label in SIZES:
        own = np.all([table[name] == value for name, value in zip(table, label, strict=True)], axis=0)
        rows = []
        for level in levels:
            selected = scores[own] >= level
            rate = selected.mean()
            if label == SMALL:
                (tp, positives), (fp, negatives) = pooled_cells(*people, label, level)
                rate = 0.0 if level > 1 else (tp + fp) / (positives + negatives)
            rows.append((rate, (selected == actual[own]).sum()))
        options.append(np.array(rows))
    best = 0
    for a in options[0]:
        for b in options[1]:
            for c in options[2]:
                for d in options[3]:
                    rates = (a[0], b[0], c[0], d[0])
                    if max(rates) - min(rates) <= 0.15:
                        best = max(best, a[1] + b[1] + c[1] + d[1])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = fit(people, max_difference=0.15).report_
    assert report.value == pytest.approx(best / len(scores))


def test_a_margin_of_a_group_that_borrows_is_that_of_the_rows_it_then_has():
    people = make_people({**SIZES, ("f", "x"): 900, ("m", "x"): 900, ("m", "y"): 800})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = fit(people, policy="randomized", max_difference=0.3, margin="1se").report_
    assert report.margin == 1
    # Half the window is .15, and 30 rows have a standard error of less than .1.
    assert report.margins == {}


def test_who_knows_no_groups_at_prediction_borrows_nothing():
    scores, actual, table = make_people()
    X = pd.DataFrame({"score": scores, "sex": table["sex"] == "m", "site": table["site"] == "y"}, dtype=float)
    from sklearn.linear_model import LogisticRegression

    model = GroupThresholdOptimizer(
        LogisticRegression(), sensitive_features=["sex", "site"], policy="blind", max_difference=0.2
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        report = model.fit(X, actual).report_
    assert report.exempt == ((0.0, 1.0),)
    assert report.borrowed == {}


def test_histograms_let_small_groups_borrow_too():
    scores, actual, table = people = make_people()
    histograms = ScoreHistograms.from_scores(
        actual, scores, sensitive_features=table, edges=np.arange(1, 20) / 20
    )
    with pytest.warns(UserWarning, match="report_.borrowed"):
        found = thresholds_from_histograms(histograms, max_difference=0.1, policy="threshold")
    assert found.report.borrowed == {SMALL: {"sex": "f", "site": "y"}}
    assert found.report.binning_loss >= 0
    rates = found.report.counts.take([label for label in SIZES if label != SMALL]).rate("selection_rate")
    (tp, positives), (fp, negatives) = pooled_cells(*people, SMALL, found.thresholds[SMALL])
    rate = (tp + fp) / (positives + negatives)
    assert max(rate, rates.max()) - min(rate, rates.min()) <= 0.1 + 1e-9
